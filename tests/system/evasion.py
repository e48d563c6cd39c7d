#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Nobody gets a word past a rule that drops it, however it is cut, ordered, overlapped, repeated, or hidden behind
decoys: real Linux sockets at the other end read what arrives. In `tap` first, which shows what each trick is worth to
that receiver; then in `enforce`, where not one of them may deliver. What honest senders do arrives whole."""
import random
import selectors
import socket
import struct
import threading
import time

from case import check, wire
import evasion_cases as cases
import packets as p
from frames import Capture, sender
from lab import ADDRESSES, SERVER4, SERVER6

FAKE4, FAKE6 = '10.77.0.100', 'fd77::100'
RULES = ''.join(f'drop {proto} any any -> any any (msg:"{proto}"; content:"{cases.NEEDLE.decode()}"; sid:{sid};)\n'
                for sid, proto in enumerate(('tcp', 'udp'), 1))
BATCH, PAUSE, SETTLE = 32, 0.001, 0.12
FRAGMENT_CASES = 500   # of each family and mode, by a fixed seed


class Receiver(threading.Thread):
    """What the server's sockets read, by the sender's (is it IPv6, port)."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.selector, self.read, self.ending = selectors.DefaultSelector(), {}, False
        with lab.inside('server'):
            for family, address in ((socket.AF_INET, '0.0.0.0'), (socket.AF_INET6, '::')):
                for port in (cases.SERVER_PORT, cases.FAST_OPEN_PORT):
                    self._add(family, socket.SOCK_STREAM, address, port)
                self._add(family, socket.SOCK_DGRAM, address, cases.UDP_PORT)
        self.start()

    def _add(self, family, kind, address, port):
        sock = socket.socket(family, kind)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if port == cases.FAST_OPEN_PORT:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 1024)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(4096)
        sock.setblocking(False)
        ready = self._accept if kind == socket.SOCK_STREAM else self._datagram
        self.selector.register(sock, selectors.EVENT_READ, ready)

    def _accept(self, sock):
        talk, address = sock.accept()
        talk.setblocking(False)
        got = self.read.setdefault((talk.family == socket.AF_INET6, address[1]), bytearray())
        self.selector.register(talk, selectors.EVENT_READ, lambda s: self._stream(s, got))

    def _stream(self, sock, got):
        try:
            data = sock.recv(1 << 20)
        except OSError:     # reset
            data = b''
        got += data
        if not data:
            self.selector.unregister(sock)
            sock.close()

    def _datagram(self, sock):
        data, address = sock.recvfrom(1 << 16)
        self.read.setdefault((sock.family == socket.AF_INET6, address[1]), bytearray()).extend(data)

    def run(self):
        while not self.ending:
            for key, _ in self.selector.select(0.1):
                try:
                    key.data(key.fileobj)
                except BlockingIOError:
                    pass

    def of(self, case):
        return bytes(self.read.get((case.v6, case.sport), b''))


class Client:
    """A host without a stack: its frames are what the cases say."""

    def __init__(self, lab):
        self.socket = sender(lab, 'client', 'c0')
        self.macs = {'src': bytes.fromhex(ADDRESSES['client'][3].replace(':', '')),
                     'dst': bytes.fromhex(ADDRESSES['server'][3].replace(':', ''))}
        self.answers = Capture(lab, 'client', 'c0', keep=self._syn_ack)
        self.peer = {}     # (is it IPv6, our port): (their number, ours that it acknowledges)

    def _syn_ack(self, frame):
        at = {b'\x08\x00': 34, b'\x86\xdd': 54}.get(frame[12:14])
        if at and len(frame) >= at + 20 and frame[23 if at == 34 else 20] == p.TCP \
                and frame[at + 13] & (p.SYN | p.ACK) == p.SYN | p.ACK:
            _, port, seq, ack = struct.unpack('>HHII', frame[at:at + 12])
            self.peer[at == 54, port] = (seq, ack)
        return False

    def send(self, packets):
        for n, packet in enumerate(packets):
            kind = p.IPV6 if packet[0] >> 4 == 6 else p.IPV4
            self.socket.send(p.ethernet(kind, packet, **self.macs))
            if n % BATCH == BATCH - 1:
                time.sleep(PAUSE)

    def run(self, all_cases):
        """Step by step, all cases side by side."""
        for c in all_cases:
            c.ends = (FAKE6, SERVER6) if c.v6 else (FAKE4, SERVER4)
        talks = [c for c in all_cases if isinstance(c, cases.Tcp)]
        self.send([c.syn(c.fast_open, extra=b'\x22\x02\x01\x01' if c.fast_open else b'') for c in talks])
        time.sleep(4 * SETTLE)
        answered = [c for c in talks if self._take_number(c)]
        self.send([c.seg(0, b'', p.ACK) for c in answered])
        time.sleep(2 * SETTLE)
        ready = answered + [c for c in all_cases if isinstance(c, cases.Udp)]
        plans = [(c, c.steps(c)) for c in ready]
        for turn in range(max(len(plan) for _, plan in plans)):
            now = []
            for c, plan in plans:
                if turn < len(plan):
                    self._take_number(c)
                    now += plan[turn](c) if callable(plan[turn]) else plan[turn]
            self.send(now)
            time.sleep(SETTLE)
        return len(talks) - len(answered)

    def _take_number(self, c):
        number = self.peer.get((c.v6, c.sport))
        if number:
            c.peer = number[0]
        return number


def prepare(lab):
    for address in (FAKE4, FAKE6):
        lab.run('server', ['ip', 'neigh', 'replace', address, 'lladdr', ADDRESSES['client'][3], 'dev', 's0'])
    lab.run('server', ['sysctl', '-qw', 'net.ipv4.tcp_fastopen=1538', 'net.core.somaxconn=4096',
                       'net.ipv4.tcp_syncookies=0', 'net.ipv4.tcp_max_syn_backlog=8192',
                       'net.ipv4.tcp_invalid_ratelimit=0'])
    lab.spare_port('server', 'nowhere')
    lab.run('server', ['tc', 'qdisc', 'add', 'dev', 's0', 'clsact'])
    for proto, at in (('ip', 8), ('ipv6', 7)):
        made = lab.run('server', f'tc filter add dev s0 ingress protocol {proto} u32 match u8 {cases.DEAD_TTL} 0xff '
                                 f'at {at} action mirred egress redirect dev nowhere'.split())
        check(made.returncode == 0, f'what has a TTL of {cases.DEAD_TTL} dies before its receiver ({proto}) '
                                    f'{made.stderr}')


def all_of(turn):
    """Ports and identifications of their own for each turn."""
    made = []
    for v6 in (False, True):
        first = 2000 + turn * 8000 + v6 * 4000
        made += cases.tcp_cases(v6, first) + cases.udp_cases(v6, first + 1500, FRAGMENT_CASES)
    return made


def delivered(receiver, made):
    needles = {'Tcp': cases.NEEDLE, 'Udp': cases.BLOCK}
    return [c for c in made if needles[type(c).__name__] in receiver.of(c)]


def names_of(found):
    single = [c for c in found if not c.name.startswith(('overlap', 'fragments'))]
    return sorted({f'{c.name}{" (IPv6)" if c.v6 else ""}' for c in single})


with wire(serve=False, mode='tap', rules=RULES, fragments={'datagrams': 65536}, detect={'scan': {'enabled': False}},
          respond={'pace_suspects': False, 'enabled': False}) as (lab_, weir_):
    prepare(lab_)
    receiver_, client = Receiver(lab_), Client(lab_)
    made_ = all_of(0)
    unanswered = client.run(made_)
    worth = delivered(receiver_, made_)
    tcp = [c for c in worth if isinstance(c, cases.Tcp)]
    print(f'in tap {len(worth)} of {len(made_)} cases deliver ({len(tcp)} of them TCP); single tricks that do: '
          f'{", ".join(names_of(worth))}; {unanswered} SYNs were not answered')
    check(len(tcp) > 500 and len(worth) - len(tcp) > 50, 'the receivers read what most tricks want them to read')
    quiet = [c for c in made_ if isinstance(c, cases.Tcp) and c not in worth and not c.name.startswith('overlap')]
    print(f'those that do not: {", ".join(names_of(quiet))}')

    weir_.config['wires'][0]['mode'] = 'enforce'
    weir_.write_config()
    check(weir_.ask('reload').returncode == 0, 'weir reload, to enforce')
    made_, honest = all_of(1), [c for v6 in (0, 1) for c in cases.honest_cases(bool(v6), 30000 + v6 * 100)]
    client.run(random.Random(2).sample(made_ + honest, len(made_) + len(honest)))
    through = delivered(receiver_, made_)
    for c in through:
        print(f'      through: {c.name}{", IPv6" if c.v6 else ""}: {receiver_.of(c)[:60]!r}')
    check(not through, f'in enforce {len(through)} of {len(made_)} cases deliver')
    short = [c for c in honest if receiver_.of(c) != cases.GOOD]
    for c in short:
        print(f'      hindered: {c.name}{", IPv6" if c.v6 else ""}: {receiver_.of(c)[:60]!r}')
    check(not short, f'of {len(honest)} honest conversations {len(honest) - len(short)} arrive whole')
    dropped = weir_.status()['total']['dropped']
    check(dropped.get('rule-drop', 0) > 100 and dropped.get('stream-conflict', 0) > 100
          and dropped.get('fragment-conflict', 0) > 50, f'each by its reason: {dropped}')
    receiver_.ending = True
    client.answers.stop()
