# SPDX-License-Identifier: Apache-2.0
"""Packets and captures from parts, for tests that need frames nobody's stack would send. Standard library only."""
import itertools
import socket
import struct

A, B = bytes.fromhex('020000000001'), bytes.fromhex('020000000002')
IPV4, IPV6, ARP = 0x0800, 0x86dd, 0x0806
ICMP, TCP, UDP, FRAGMENT, ICMP6, HOP_BY_HOP, DESTINATION = 1, 6, 17, 44, 58, 0, 60
FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32


def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack(f'>{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ethernet(kind, payload=b'', src=A, dst=B, tags=()):
    """tags: (tpid, tci), outermost first."""
    return dst + src + b''.join(struct.pack('>HH', *tag) for tag in tags) + struct.pack('>H', kind) + payload


def ipv4(src, dst, proto, payload, ident=1, flags=0, offset=0, ttl=64, options=b'', bad_checksum=False):
    """flags: 1 = more fragments, 2 = don't fragment; offset in bytes."""
    words = 5 + len(options) // 4
    head = struct.pack('>BBHHHBBH4s4s', 0x40 | words, 0, words * 4 + len(payload), ident, flags << 13 | offset // 8,
                       ttl, proto, 0, socket.inet_aton(src), socket.inet_aton(dst)) + options
    right = checksum(head)
    return head[:10] + struct.pack('>H', right ^ 0x5555 if bad_checksum else right) + head[12:] + payload


def ipv6(src, dst, proto, payload, hops=64):
    return struct.pack('>IHBB', 6 << 28, len(payload), proto, hops) + socket.inet_pton(socket.AF_INET6, src) \
        + socket.inet_pton(socket.AF_INET6, dst) + payload


def _pseudo(src, dst, proto, length):
    if ':' in src:
        return socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) \
            + struct.pack('>II', length, proto)
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack('>HH', proto, length)


def _summed(src, dst, proto, segment, at, bad):
    right = checksum(_pseudo(src, dst, proto, len(segment)) + segment)
    return segment[:at] + struct.pack('>H', right ^ 0x5555 if bad else right) + segment[at + 2:]


def tcp(src, dst, sport, dport, flags, seq=0, ack=0, payload=b'', window=64240, bad_checksum=False, options=b'',
        urgent=0, words=0):
    """options: a multiple of 4 bytes. words: the header's length as it says itself, where that is to be a lie."""
    words = words or 5 + len(options) // 4
    segment = struct.pack('>HHIIBBHHH', sport, dport, seq & 0xffffffff, ack & 0xffffffff, words << 4, flags, window, 0,
                          urgent) + options
    return _summed(src, dst, TCP, segment + payload, 16, bad_checksum)


def udp(src, dst, sport, dport, payload=b'', bad_checksum=False):
    return _summed(src, dst, UDP, struct.pack('>HHHH', sport, dport, 8 + len(payload), 0) + payload, 6, bad_checksum)


def icmp(kind, code, rest=b'\0' * 4, payload=b''):
    message = struct.pack('>BBH', kind, code, 0) + rest + payload
    return message[:2] + struct.pack('>H', checksum(message)) + message[4:]


def icmp6(src, dst, kind, code, rest=b'\0' * 4, payload=b''):
    return _summed(src, dst, ICMP6, struct.pack('>BBH', kind, code, 0) + rest + payload, 2, False)


def ip(src, dst, proto, payload, **more):
    return ipv6(src, dst, proto, payload, **more) if ':' in src else ipv4(src, dst, proto, payload, **more)


def ip_frame(src, dst, proto, payload, tags=(), to_server=True, **more):
    macs = {'src': A, 'dst': B} if to_server else {'src': B, 'dst': A}
    return ethernet(IPV6 if ':' in src else IPV4, ip(src, dst, proto, payload, **more), tags=tags, **macs)


class Conversation:
    """A TCP connection with right sequence numbers: open(), say() from either side, close(); each yields frames."""

    def __init__(self, client, server, sport, dport, tags=(), isn=(1000, 5000)):
        self.ends = {True: (client, sport), False: (server, dport)}
        self.tags, self.next = tags, {True: isn[0], False: isn[1]}

    def frame(self, to_server, flags, payload=b''):
        (src, sport), (dst, dport) = self.ends[to_server], self.ends[not to_server]
        ack = self.next[not to_server] if flags & ACK else 0
        segment = tcp(src, dst, sport, dport, flags, self.next[to_server], ack, payload)
        self.next[to_server] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        return ip_frame(src, dst, TCP, segment, self.tags, to_server)

    def open(self):
        return [self.frame(True, SYN), self.frame(False, SYN | ACK), self.frame(True, ACK)]

    def say(self, to_server, payload):
        return [self.frame(to_server, PSH | ACK, payload), self.frame(not to_server, ACK)]

    def close(self):
        return [self.frame(True, FIN | ACK), self.frame(False, FIN | ACK), self.frame(True, ACK)]


def write_pcap(path, frames, start=1_700_000_000.0, step=0.001, link=1):
    """frames: bytes, or (seconds after start, bytes)."""
    clock = itertools.count()
    with open(path, 'wb') as out:
        out.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, link))
        for frame in frames:
            after, data = frame if isinstance(frame, tuple) else (next(clock) * step, frame)
            micros = round((start + after) * 1e6)
            out.write(struct.pack('<IIII', micros // 10**6, micros % 10**6, len(data), len(data)) + data)


def read_pcap(path):
    with open(path, 'rb') as f:
        return frames_of(f.read())


def frames_of(data):
    """[(time, frame)] of a classic pcap file, either byte order, micro- or nanoseconds."""
    order = '<' if data[:4] in (b'\xd4\xc3\xb2\xa1', b'\x4d\x3c\xb2\xa1') else '>'
    fraction = 1e-9 if data[:4] in (b'\x4d\x3c\xb2\xa1', b'\xa1\xb2\x3c\x4d') else 1e-6
    frames, at = [], 24
    while at + 16 <= len(data):
        seconds, part, size, _ = struct.unpack(order + 'IIII', data[at:at + 16])
        frames.append((seconds + part * fraction, data[at + 16:at + 16 + size]))
        at += 16 + size
    return frames
