# SPDX-License-Identifier: Apache-2.0
"""What somebody sends who wants a receiver to read other bytes than a sensor in the wire: the list of Ptacek and
Newsham (1998) and what came after it, as frames. Each case is a conversation of its own; NEEDLE must never be read by
its receiver. DECOY is what the sensor is to believe instead."""
import itertools
import random
import struct

import packets as p

NEEDLE, DECOY = b'EVIL!', b'GOOD!'
HEAD, TAIL = b'abcd', b'efghijkl\n'
EVIL, GOOD = HEAD + NEEDLE + TAIL, HEAD + DECOY + TAIL
SIZE = len(EVIL)
SERVER_PORT, FAST_OPEN_PORT, UDP_PORT = 7777, 7778, 7779
MD5_OPTION = b'\x13\x12' + b'\0' * 16 + b'\x01\x01'
DEAD_TTL = 1   # the receiver's firewall drops it, as a router on the way would


class Tcp:
    """One connection from a client that has no stack of its own. Filled in as it goes: `peer` is the number that the
    server's SYN answered with."""

    def __init__(self, name, v6, sport, steps, options=b'', isn=None, fast_open=b'', dport=SERVER_PORT):
        self.name, self.v6, self.sport, self.dport = name, v6, sport, dport
        self.isn = (sport * 7919 if isn is None else isn) & 0xffffffff
        self.options, self.fast_open, self.steps = options, fast_open, steps
        self.peer = None
        self.ends = None     # (client's address, server's): set by who sends

    def timestamps(self, value=2_000_000_000):
        return b'\x01\x01\x08\x0a' + struct.pack('>II', value, 0) if self.options else b''

    def packet(self, segment, backward=False, **more):
        src, dst = reversed(self.ends) if backward else self.ends
        if self.v6 and 'ttl' in more:
            more['hops'] = more.pop('ttl')
        if self.v6:
            more.pop('bad_ip', None)
        elif 'bad_ip' in more:
            more['bad_checksum'] = more.pop('bad_ip')
        return p.ip(src, dst, p.TCP, segment, **more)

    def syn(self, payload=b'', seq=None, extra=b'', **more):
        options = b'\x02\x04\x05\xb4' + self.timestamps() + extra
        segment = p.tcp(*self.ends, self.sport, self.dport, p.SYN, self.isn if seq is None else seq, payload=payload,
                        options=options)
        return self.packet(segment, **more)

    def seg(self, at, payload=b'', flags=p.PSH | p.ACK, ack=0, ttl=64, bad_ip=False, options=None, backward=False,
            **more):
        """A segment whose payload begins `at` bytes into the stream; ack counts from the peer's first byte."""
        options = self.timestamps() if options is None else options
        ends, ports = self.ends, (self.sport, self.dport)
        seq, number = self.isn + 1 + at, self.peer + 1 + ack
        if backward:
            ends, ports = ends[::-1], ports[::-1]
            seq, number = self.peer + 1 + at, self.isn + 1 + ack
        segment = p.tcp(*ends, *ports, flags, seq, number if flags & p.ACK else 0, payload, options=options, **more)
        return self.packet(segment, backward, ttl=ttl, **({'bad_ip': True} if bad_ip else {}))

    def whole(self, text=EVIL, **more):
        return [self.seg(0, text, **more)]


class Udp:
    """One datagram in fragments. steps(self): list of lists of IP packets."""

    def __init__(self, name, v6, number, steps):
        self.name, self.v6, self.number, self.steps = name, v6, number, steps
        self.sport = 1024 + number % 60000
        self.ends = None


def fragments_of(packet, size, ident):
    """An IP packet in fragments of so many bytes, in order."""
    if packet[0] >> 4 == 6:
        head, proto, data = packet[:40], packet[6], packet[40:]
        pieces = [struct.pack('>BBHI', proto, 0, at | (at + size < len(data)), ident) + data[at:at + size]
                  for at in range(0, len(data), size)]
        return [head[:4] + struct.pack('>HB', len(piece), p.FRAGMENT) + head[7:] + piece for piece in pieces]
    src, dst = '.'.join(map(str, packet[12:16])), '.'.join(map(str, packet[16:20]))
    data = packet[20:]
    return [p.ipv4(src, dst, packet[9], data[at:at + size], ident=ident & 0xffff, flags=int(at + size < len(data)),
                   offset=at) for at in range(0, len(data), size)]


def behind_header(packet, kind):
    """An IPv6 packet with 8 bytes of options in front of what it carries; an IPv4 packet as it is."""
    if packet[0] >> 4 == 4:
        return packet
    options = bytes([packet[6], 0, 1, 4, 0, 0, 0, 0])
    return packet[:4] + struct.pack('>HB', len(packet) - 32, kind) + packet[7:40] + options + packet[40:]


# ---- TCP: single tricks. Each takes the connection, gives steps; a step is sent when the one before has settled.

def twice(frames):
    """And once more, the other way round: what was refused is tried again."""
    return [frames, frames[::-1]]


def cut(c, *points):
    """EVIL in pieces."""
    edges = (0, *points, SIZE)
    return [c.seg(a, EVIL[a:b]) for a, b in zip(edges, edges[1:])]


def decoyed(**how):
    """A decoy that the receiver does not take, then what it is to read, in one piece or two."""
    def first(c):
        return [[c.seg(0, GOOD, **how)], c.whole(), cut(c, 6)]

    def inside(c):
        return [[c.seg(0, EVIL[:6])], [c.seg(6, GOOD[6:], **how)], [c.seg(6, EVIL[6:])]]

    def ahead(c):
        return [[c.seg(6, GOOD[6:], **how)], [c.seg(6, EVIL[6:])], [c.seg(0, EVIL[:6])]]
    return [first, inside, ahead]


def _resets(**how):
    return lambda c: [[c.seg(0, EVIL[:6])], [c.seg(6, b'', p.RST, **how)], [c.seg(6, EVIL[6:])]]


def _bytes_before(c):
    return [[c.seg(0, EVIL[:6])], [c.seg(0, b'zzzzzz' + EVIL[6:])]]


def _spoofed_ack(c):
    decoy = c.seg(0, GOOD, ttl=DEAD_TTL)
    return [[decoy, c.seg(0, b'', p.ACK, ack=SIZE, backward=True)], c.whole(), cut(c, 6)]


def _far_ahead(c):
    """A decoy beyond the receiver's window, then all that lies before it, so that the needle is where the decoy was."""
    at = 192 * 1024
    steps, fill = [[c.seg(at, GOOD)]], b'.' * 1024
    for start in range(0, at, 16 * 1024):
        steps.append([c.seg(start + n, fill) for n in range(0, 16 * 1024, 1024)])
    return steps + [[c.seg(at, EVIL)]] * 2


def _again(isn):
    """The connection ends in a way that counts, and its ports are used again."""
    def steps(c):
        def second(c):
            c.isn, c.reopened = isn(c), True
            return [c.syn()]
        return [[c.seg(0, GOOD[:4])], [c.seg(4, b'', p.RST)], second, lambda c: [c.seg(0, b'', p.ACK)],
                lambda c: cut(c, 6)]
    return steps


TRICKS = {
    'plain': lambda c: [c.whole()],
    'two pieces': lambda c: [cut(c, 6)],
    'byte by byte': lambda c: twice(cut(c, *range(1, SIZE))),
    'backwards': lambda c: twice(cut(c, *range(1, SIZE))[::-1]),
    'data with FIN': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(6, EVIL[6:], p.FIN | p.ACK)]],
    'FIN first': lambda c: [[c.seg(6, EVIL[6:], p.FIN | p.ACK)], [c.seg(0, EVIL[:6])]],
    'an early FIN that is a lie': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(6, b'', p.FIN | p.ACK, ttl=DEAD_TTL)],
                                             [c.seg(6, EVIL[6:])]],
    'a FIN that is ahead': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(8, b'', p.FIN | p.ACK)], [c.seg(6, EVIL[6:])]],
    'a reset inside the window, not next': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(500, b'', p.RST)],
                                                       [c.seg(6, EVIL[6:])]],
    'a reset behind': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(-3000, b'', p.RST)], [c.seg(6, EVIL[6:])]],
    'a reset with a bad checksum': _resets(bad_checksum=True),
    'a reset that dies on the way': _resets(ttl=DEAD_TTL),
    'a reset from the wrong side': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(0, b'', p.RST, backward=True)],
                                              [c.seg(6, EVIL[6:])]],
    'a SYN in the middle': lambda c: [[c.seg(0, EVIL[:6])], [c.syn(seq=c.isn + 77777)], [c.seg(6, EVIL[6:])]],
    'a SYN with data in the middle': lambda c: [[c.seg(0, EVIL[:6])], [c.syn(GOOD[6:], seq=c.isn + 6)],
                                                [c.seg(6, EVIL[6:])]],
    'flags that mean nothing': lambda c: [[c.seg(0, EVIL[:6], p.ACK | 0x40)], [c.seg(6, EVIL[6:], p.ACK | 0x80)]],
    'without PSH': lambda c: [[c.seg(0, EVIL[:6], p.ACK), c.seg(6, EVIL[6:], p.ACK)]],
    'other bytes where all is acknowledged': _bytes_before,
    'an acknowledgement nobody gave': _spoofed_ack,
    'a decoy beyond the window': _far_ahead,
    'a probe of one byte': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(5, b'\0', p.ACK)], [c.seg(6, EVIL[6:])]],
    'longer and longer': lambda c: twice([c.seg(0, EVIL[:n]) for n in range(1, SIZE + 1)]),
    'shorter and shorter': lambda c: twice([c.seg(n, EVIL[n:]) for n in range(SIZE - 1, -1, -1)]),
    'options before the data': lambda c: [cut(c, 6), [c.seg(0, EVIL, options=b'\x01' * 40)]],
    'ports used again': _again(lambda c: c.isn + 1_000_000),
    'ports used again, numbers lower': _again(lambda c: c.isn - 1_000_000),
    'an urgent byte in the needle': lambda c: [[c.seg(0, HEAD + b'EVxIL!' + TAIL, p.PSH | p.ACK | p.URG, urgent=7)]],
    'an urgent byte alone': lambda c: [[c.seg(0, EVIL[:6])], [c.seg(6, b'x', p.ACK | p.URG, urgent=1)],
                                       [c.seg(7, EVIL[6:])]],
    'an urgent byte that comes early': lambda c: [[c.seg(6, b'x', p.ACK | p.URG, urgent=1)],
                                                  [c.seg(7, EVIL[6:])], [c.seg(0, EVIL[:6])]],
    'in IP fragments': lambda c: [fragments_of(c.seg(0, EVIL), 8, c.isn)],
    'in IP fragments, backwards': lambda c: [fragments_of(c.seg(0, EVIL), 16, c.isn)[::-1]],
    'in IP fragments, twice each': lambda c: [[f for f in fragments_of(c.seg(0, EVIL), 8, c.isn) for _ in (1, 2)]],
    'in IP fragments that cut the needle, with a decoy that dies': lambda c: [
        fragments_of(c.seg(0, GOOD, ttl=DEAD_TTL), 24, c.isn)[:1] + fragments_of(c.seg(0, EVIL), 24, c.isn)],
    'behind destination options': lambda c: [[behind_header(f, p.DESTINATION) for f in cut(c, 6)]],
    'behind hop-by-hop options': lambda c: [[behind_header(f, p.HOP_BY_HOP) for f in cut(c, 6)]],
    'urgent, announced before': lambda c: [[c.seg(0, EVIL[:6], p.ACK | p.URG, urgent=7)],
                                           [c.seg(6, b'x' + EVIL[6:])]],
}
DECOYS = {
    'that dies on the way': {'ttl': DEAD_TTL},
    'with a bad TCP checksum': {'bad_checksum': True},
    'with a bad IP checksum': {'bad_ip': True},
    'without ACK': {'flags': p.PSH},
    'without any flag': {'flags': 0},
    'with SYN': {'flags': p.SYN | p.ACK},
    'with RST': {'flags': p.RST | p.ACK, 'ttl': DEAD_TTL},
    'that acknowledges what was never sent': {'ack': 1_000_000},
    'with an MD5 signature': {'options': MD5_OPTION},
    'whose header is too short': {'words': 4},
    'whose header is too long': {'words': 15},
}
for trick, how in DECOYS.items():
    for place, steps_of in zip(('', ', inside', ', ahead'), decoyed(**how)):
        TRICKS[f'a decoy {trick}{place}'] = steps_of
OLD_STAMP = {'options': b'\x01\x01\x08\x0a' + struct.pack('>II', 1_000_000_000, 0)}
STAMPED = {f'a decoy with an old timestamp{place}': steps_of
           for place, steps_of in zip(('', ', inside', ', ahead'), decoyed(**OLD_STAMP))}


# ---- TCP: every order and overlap of up to three segments, each telling the truth or the decoy

POINTS = (0, 5, 7, SIZE)
SPANS = [(a, b) for a, b in itertools.combinations(POINTS, 2)]


def overlaps(count):
    """Lists of (begin, end, text) that together cover the stream and hold a piece of the needle."""
    pieces = [(a, b, text) for a, b in SPANS for text in (EVIL, GOOD)]
    for chosen in itertools.product(pieces, repeat=count):
        covered = {n for a, b, _ in chosen for n in range(a, b)}
        evil = {n for a, b, text in chosen if text is EVIL for n in range(a, b)}
        if len(covered) == SIZE and evil >= set(range(4, 9)):
            yield chosen


def _overlap(chosen):
    return lambda c: twice([c.seg(a, text[a:b]) for a, b, text in chosen])


# What an honest sender may do, and is not to be hindered: all of it arrives.
HONEST = {
    'sent at once': lambda c: [[c.seg(0, GOOD)]],
    'byte by byte, all of it twice': lambda c: twice([c.seg(n, GOOD[n:n + 1]) for n in range(SIZE)]),
    'backwards': lambda c: [[c.seg(n, GOOD[n:n + 1]) for n in range(SIZE)][::-1]],
    'longer and longer': lambda c: twice([c.seg(0, GOOD[:n]) for n in range(1, SIZE + 1)]),
    'a keep-alive in between': lambda c: [[c.seg(0, GOOD[:6])], [c.seg(5, b'', p.ACK)], [c.seg(5, b'\0', p.ACK)],
                                          [c.seg(6, GOOD[6:])]],
    'a segment lost and sent again': lambda c: [[c.seg(0, GOOD[:6], ttl=DEAD_TTL), c.seg(6, GOOD[6:])],
                                                [c.seg(0, GOOD[:6])]],
    'another cut when sent again': lambda c: [[c.seg(0, GOOD[:6], ttl=DEAD_TTL), c.seg(6, GOOD[6:])],
                                              [c.seg(0, GOOD[:3])], [c.seg(3, GOOD[3:])]],
    'over the end of the numbers': lambda c: [[c.seg(0, GOOD[:6])], [c.seg(6, GOOD[6:])]],
}


def honest_cases(v6, first_port):
    return [Tcp(name, v6, first_port + n, steps, isn=0xfffffffc if 'numbers' in name else None)
            for n, (name, steps) in enumerate(HONEST.items())]


def tcp_cases(v6, first_port):
    ports = itertools.count(first_port)
    cases = [Tcp(name, v6, next(ports), steps) for name, steps in TRICKS.items()]
    cases += [Tcp(name, v6, next(ports), steps, options=b'timestamps') for name, steps in STAMPED.items()]
    cases += [Tcp('over the end of the numbers', v6, next(ports), TRICKS[name], isn=0xfffffffc)
              for name in ('two pieces', 'byte by byte', 'backwards', 'longer and longer')]
    cases.append(Tcp('data with a SYN that is taken', v6, next(ports), lambda c: [], fast_open=EVIL,
                     dport=FAST_OPEN_PORT))
    cases.append(Tcp('data with a SYN, half of it', v6, next(ports), lambda c: [[c.seg(6, EVIL[6:])]],
                     fast_open=EVIL[:6], dport=FAST_OPEN_PORT))
    cases.append(Tcp('data with a SYN that is not taken', v6, next(ports), lambda c: [c.whole(), cut(c, 6)],
                     fast_open=GOOD))
    for chosen in itertools.chain(overlaps(1), overlaps(2), overlaps(3)):
        name = 'overlap ' + ' '.join(f'{a}-{b}{"eg"[text is GOOD]}' for a, b, text in chosen)
        cases.append(Tcp(name, v6, next(ports), _overlap(chosen)))
    return cases


# ---- fragments. A block and its decoy have the same sum, so the datagram's checksum is right whatever is mixed.

BLOCK, BLOCK_DECOY = b'EVIL!xyz', b'ILEV!xyz'
UDP_EVIL, UDP_GOOD = b'abcdefgh' + BLOCK + b'ijklmnop', b'abcdefgh' + BLOCK_DECOY + b'ijklmnop'
FRAGMENT_POINTS = (0, 16, 20 + 4, 32)   # of the datagram with its header: the block lies at 16..24


def fragment(c, ident, begin, end, last, text, ttl=64):
    datagram = p.udp(*c.ends, c.sport, UDP_PORT, text)
    part = datagram[begin:end]
    if c.v6:
        head = struct.pack('>BBHI', p.UDP, 0, begin | (0 if last else 1), ident)
        return p.ipv6(*c.ends, p.FRAGMENT, head + part, hops=ttl)
    return p.ipv4(*c.ends, p.UDP, part, ident=ident & 0xffff, flags=0 if last else 1, offset=begin, ttl=ttl)


def fragment_overlaps(count):
    spans = list(itertools.combinations(FRAGMENT_POINTS, 2))
    pieces = [(a, b, text) for a, b in spans for text in (UDP_EVIL, UDP_GOOD)]
    for chosen in itertools.product(pieces, repeat=count):
        covered = {n for a, b, _ in chosen for n in range(a, b)}
        if len(covered) == 32 and any(a <= 16 and b >= 24 and text is UDP_EVIL for a, b, text in chosen):
            yield chosen


def _fragments(chosen):
    return lambda c: twice([fragment(c, c.number, a, b, b == 32, text) for a, b, text in chosen])


def _decoy_fragments(order):
    def steps(c):
        pieces = {'g': fragment(c, c.number, 16, 24, False, UDP_GOOD, DEAD_TTL),
                  'e': fragment(c, c.number, 16, 24, False, UDP_EVIL),
                  'h': fragment(c, c.number, 0, 16, False, UDP_EVIL),
                  't': fragment(c, c.number, 24, 32, True, UDP_EVIL)}
        return [[pieces[letter] for letter in order]]
    return steps


def udp_cases(v6, first_number, most):
    numbers = itertools.count(first_number)
    cases = [Udp(f'a fragment that dies on the way, {order}', v6, next(numbers), _decoy_fragments(order))
             for order in (''.join(o) for o in itertools.permutations('ghet') if o.index('g') < o.index('e'))]
    chosen = [c for count in (1, 2, 3) for c in fragment_overlaps(count)]
    random.Random(1).shuffle(chosen)
    for c in chosen[:most]:
        name = 'fragments ' + ' '.join(f'{a}-{b}{"eg"[text is UDP_GOOD]}' for a, b, text in c)
        cases.append(Udp(name, v6, next(numbers), _fragments(c)))
    return cases
