# SPDX-License-Identifier: Apache-2.0
"""The same TCP streams in other segments: captures rewritten so that only who reads streams wrong sees a difference.

Only TCP directly in IP directly on a known link is touched; all other frames stay as they are, in their places."""
import dataclasses
import struct

IPV4, IPV6, TAGS = 0x0800, 0x86dd, (0x8100, 0x88a8, 0x9100)
FIN, SYN, RST, PSH, URG = 1, 2, 4, 8, 32
RAW = (12, 14, 101, 228, 229)
ONE_BYTE_UNTIL = 4096   # of each direction


@dataclasses.dataclass
class Frame:
    nanoseconds: int
    data: bytes
    size: int    # on the wire


class Unreadable(Exception):
    """A capture that is not for us: an odd format or more than one kind of link."""


def read(data):
    """(link type, [Frame]) of a pcap or pcapng file."""
    if data[:4] == b'\x0a\x0d\x0d\x0a':
        return _read_pcapng(data)
    magics = {b'\xd4\xc3\xb2\xa1': ('<', 1000), b'\xa1\xb2\xc3\xd4': ('>', 1000),
              b'\x4d\x3c\xb2\xa1': ('<', 1), b'\xa1\xb2\x3c\x4d': ('>', 1)}
    if data[:4] not in magics:
        raise Unreadable('neither pcap nor pcapng')
    order, unit = magics[data[:4]]
    link, frames, at = struct.unpack(order + 'I', data[20:24])[0] & 0xffff, [], 24
    while at + 16 <= len(data):
        seconds, part, kept, size = struct.unpack(order + 'IIII', data[at:at + 16])
        frames.append(Frame(seconds * 10**9 + part * unit, data[at + 16:at + 16 + kept], size))
        at += 16 + kept
    return link, frames


def _resolution(options, order):
    """Nanoseconds per unit of an interface's clock."""
    while len(options) >= 4:
        code, size = struct.unpack(order + 'HH', options[:4])
        if code == 9 and size:
            value = options[4]
            return 10**9 / (2**(value & 0x7f) if value & 0x80 else 10**value)
        options = options[4 + (size + 3) // 4 * 4:]
    return 1000


def _read_pcapng(data):
    order, links, units, frames, at = '<', [], [], [], 0
    while at + 12 <= len(data):
        if data[at:at + 4] == b'\x0a\x0d\x0d\x0a':
            order = '<' if data[at + 8:at + 12] == b'\x4d\x3c\x2b\x1a' else '>'
        kind, size = struct.unpack(order + 'II', data[at:at + 8])
        body = data[at + 8:at + size - 4]
        if kind == 1:
            links.append(struct.unpack(order + 'H', body[:2])[0])
            units.append(_resolution(body[8:], order))
        elif kind == 6:
            interface, high, low, kept, wire = struct.unpack(order + 'IIIII', body[:20])
            frames.append(Frame(int((high << 32 | low) * units[interface]), body[20:20 + kept], wire))
        elif kind == 3:
            wire = struct.unpack(order + 'I', body[:4])[0]
            frames.append(Frame(0, body[4:4 + wire], wire))
        at += max(size, 12)
    if len(set(links)) != 1:
        raise Unreadable('not one kind of link')
    return links[0], frames


def write(path, link, frames):
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b23c4d, 2, 4, 0, 0, 262144, link))
        for frame in frames:
            seconds, part = divmod(frame.nanoseconds, 10**9)
            out.write(struct.pack('<IIII', seconds, part, len(frame.data), frame.size) + frame.data)


@dataclasses.dataclass
class Segment:
    frame: Frame
    ip: int        # where its header begins
    tcp: int
    payload: int
    size: int      # of the payload
    key: bytes     # addresses and ports, in its direction
    seq: int
    flags: int

    def part(self, begin, end):
        """A frame with the bytes [begin, end) of the payload."""
        data = self.frame.data
        flags = self.flags if end == self.size else self.flags & ~(FIN | PSH)
        head = data[self.tcp:self.tcp + 4] + struct.pack('>I', (self.seq + begin) & 0xffffffff) \
            + data[self.tcp + 8:self.tcp + 13] + bytes([flags]) + data[self.tcp + 14:self.tcp + 16] + b'\0\0' \
            + data[self.tcp + 18:self.payload]
        tcp = head + data[self.payload + begin:self.payload + end]
        ip = data[self.ip:self.tcp]
        if ip[0] >> 4 == 4:
            ip = ip[:2] + struct.pack('>H', len(ip) + len(tcp)) + ip[4:10] + b'\0\0' + ip[12:]
            ip = ip[:10] + struct.pack('>H', _checksum(ip)) + ip[12:]
            pseudo = ip[12:20] + struct.pack('>HH', 6, len(tcp))
        else:
            ip = ip[:4] + struct.pack('>H', len(tcp)) + ip[6:]
            pseudo = ip[8:40] + struct.pack('>II', len(tcp), 6)
        tcp = tcp[:16] + struct.pack('>H', _checksum(pseudo + tcp)) + tcp[18:]
        whole = data[:self.ip] + ip + tcp
        return Frame(self.frame.nanoseconds, whole, len(whole))

    def parts(self, cuts):
        edges = [0, *cuts, self.size]
        return [self.part(begin, end) for begin, end in zip(edges, edges[1:])]


def _checksum(data):
    total = int.from_bytes(data + b'\0' * (len(data) % 2), 'big')
    return 0xffff - (total % 0xffff or (0xffff if total else 0))


def _network(link, data):
    """(Ethernet type, where it begins) of what the link carries, or None."""
    if link in RAW:
        return ({4: IPV4, 6: IPV6}.get(data[0] >> 4), 0) if data else None
    at = {1: 12, 113: 14, 276: 0}.get(link)
    if at is None or len(data) < 20:
        return None
    kind, at = int.from_bytes(data[at:at + 2], 'big'), {1: 14, 113: 16, 276: 20}[link]
    while kind in TAGS and len(data) >= at + 4:
        kind, at = int.from_bytes(data[at + 2:at + 4], 'big'), at + 4
    return kind, at


def _tcp_of(link, frame):
    """(where IP begins, where TCP begins, where it ends, addresses) of a whole frame that is no fragment, or None."""
    data, found = frame.data, _network(link, frame.data)
    if not found or frame.size > len(data):
        return None
    kind, ip = found
    if kind == IPV4 and len(data) >= ip + 20 and data[ip] >> 4 == 4:
        tcp, end = ip + (data[ip] & 15) * 4, ip + int.from_bytes(data[ip + 2:ip + 4], 'big')
        if data[ip + 9] != 6 or int.from_bytes(data[ip + 6:ip + 8], 'big') & 0x3fff:
            return None
        ends = data[ip + 12:ip + 20]
    elif kind == IPV6 and len(data) >= ip + 40 and data[ip] >> 4 == 6:
        tcp, end = ip + 40, ip + 40 + int.from_bytes(data[ip + 4:ip + 6], 'big')
        if data[ip + 6] != 6:
            return None
        ends = data[ip + 8:ip + 40]
    else:
        return None
    return None if tcp < ip + 20 or tcp + 20 > end or end > len(data) else (ip, tcp, end, ends)


def segment_of(link, frame):
    """The Segment of a whole frame that has TCP payload to cut, or None."""
    if not (found := _tcp_of(link, frame)):
        return None
    ip, tcp, end, ends = found
    data = frame.data
    payload, flags = tcp + (data[tcp + 12] >> 4) * 4, data[tcp + 13]
    if payload < tcp + 20 or payload >= end or flags & (SYN | RST | URG):
        return None
    return Segment(frame, ip, tcp, payload, end - payload, ends + data[tcp:tcp + 4],
                   int.from_bytes(data[tcp + 4:tcp + 8], 'big'), flags)


def opens(link, frame):
    """The direction that begins with this frame: it has a SYN; or None."""
    found = _tcp_of(link, frame)
    return found and frame.data[found[1] + 13] & SYN and found[3] + frame.data[found[1]:found[1] + 4]


def _random_cuts(size, random, longest):
    cuts, at = [], 0
    while (at := at + random.randint(1, longest)) < size:
        cuts.append(at)
    return cuts


def bytewise(link, frames, random):
    """One byte a segment for the first 4 KiB of each direction, then sizes by chance."""
    done, out = {}, []
    for frame in frames:
        segment = segment_of(link, frame)
        if not segment:
            out.append(frame)
            continue
        single = max(0, min(segment.size, ONE_BYTE_UNTIL - done.get(segment.key, 0)))
        done[segment.key] = done.get(segment.key, 0) + segment.size
        cuts = list(range(1, single)) + [single] * (0 < single < segment.size)
        cuts += [single + cut for cut in _random_cuts(segment.size - single, random, 1400)]
        out += segment.parts(cuts)
    return out


def by_chance(link, frames, random):
    """Every segment in some."""
    out = []
    for frame in frames:
        segment = segment_of(link, frame)
        out += segment.parts(_random_cuts(segment.size, random, max(2, segment.size // 2))) if segment else [frame]
    return out


def disordered(link, frames, random):
    """Every segment in some, of which neighbours change places and some come twice; FIN stays behind its data, and
    where no SYN tells what is the first byte, the first segment is it."""
    out, begun = [], set()
    for frame in frames:
        segment = segment_of(link, frame)
        begun.add(opens(link, frame))
        if not segment:
            out.append(frame)
            continue
        parts = segment.parts(_random_cuts(segment.size, random, max(2, segment.size // 3)))
        movable = len(parts) - bool(segment.flags & FIN)
        first = 0 if segment.key in begun else 1
        begun.add(segment.key)
        for i in range(first, movable - 1, 2):
            if random.random() < 0.5:
                parts[i], parts[i + 1] = parts[i + 1], parts[i]
        for part in parts:
            out += [part] * (2 if random.random() < 0.2 else 1)
    return out


VARIANTS = {'bytewise': bytewise, 'by-chance': by_chance, 'disordered': disordered}
