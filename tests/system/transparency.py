#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What passes leaves as it came: pings up to the full MTU, a big file, ssh, DNS, frames nobody's stack would send."""
import hashlib
import time

from case import check, wire
import frames
import packets as p
import services
from lab import CLIENT4, SERVER4, SERVER6

BIG_MEGABYTES = 100
LLDP, STP, LACP = (bytes.fromhex(mac) for mac in ('0180c200000e', '0180c2000000', '0180c2000002'))


def ordinary_tools(lab):
    for name, words in {
        'IPv4 ping': ['ping', '-c', '3', '-i', '0.2', SERVER4],
        'IPv4 ping of the full MTU, DF': ['ping', '-c', '3', '-i', '0.2', '-M', 'do', '-s', '1472', SERVER4],
        'IPv4 ping in three fragments': ['ping', '-c', '3', '-i', '0.2', '-s', '4000', SERVER4],
        'IPv6 ping': ['ping', '-6', '-c', '3', '-i', '0.2', SERVER6],
        'IPv6 ping of the full MTU': ['ping', '-6', '-c', '3', '-i', '0.2', '-M', 'do', '-s', '1452', SERVER6],
        'IPv6 ping in three fragments': ['ping', '-6', '-c', '3', '-i', '0.2', '-s', '4000', SERVER6],
        'DNS over UDP': ['dig', '+tries=1', '+short', f'@{SERVER4}', services.DNS_NAME],
        'DNS over TCP': ['dig', '+tcp', '+tries=1', '+short', f'@{SERVER6}', services.DNS_NAME],
    }.items():
        done = lab.run('client', words, timeout=20)
        lost = 'packet loss' in done.stdout and ' 0% packet loss' not in done.stdout
        check(done.returncode == 0 and not lost, name)
        if 'DNS' in name:
            check(done.stdout.strip() == SERVER4, f'{name}: the right answer')
    done = lab.run('client', services.ssh_words(lab, 'seq', '1', '20000'), timeout=20)
    check(done.stdout.split() == [str(n) for n in range(1, 20001)], 'ssh: 20,000 lines arrive whole')


def big_file(lab):
    got = lab.dir / 'got.bin'
    begin = time.monotonic()
    done = lab.run('client', ['curl', '-sf', '--max-time', '120', '-o', got, f'http://{SERVER4}/big.bin'], timeout=130)
    seconds = time.monotonic() - begin
    check(done.returncode == 0, f'curl of {BIG_MEGABYTES} MB: {seconds:.1f} s')
    digest = [hashlib.sha256(path.read_bytes()).digest() if path.exists() else None
              for path in (got, lab.dir / 'www' / 'big.bin')]
    check(digest[0] == digest[1], 'and the file is the same')


def crafted(to_server):
    """name -> frames. The payloads carry a number, so that order and identity can be seen."""
    a, b = ('10.1.0.1', '10.1.0.2') if to_server else ('10.1.0.2', '10.1.0.1')
    a6, b6 = ('fd01::1', 'fd01::2') if to_server else ('fd01::2', 'fd01::1')

    def each(make, count=20):
        return [make(f'frame {n:04d} '.encode()) for n in range(count)]

    def big(mark, size):
        return mark + bytes((i * 7 + len(mark)) & 255 for i in range(size - len(mark)))

    def datagram(mark, **more):
        return p.ipv4(a, b, p.UDP, p.udp(a, b, 1111, 2222, mark, **more))

    def fragments(mark, size=1480, tags=()):
        whole = p.udp(a, b, 1111, 2222, big(mark, 3000))
        ident = int.from_bytes(mark[8:10], 'big')
        return [p.ethernet(p.IPV4, p.ipv4(a, b, p.UDP, whole[at:at + size], ident=ident, offset=at,
                                          flags=int(at + size < len(whole))), tags=tags)
                for at in range(0, len(whole), size)]

    def fragments6(mark):
        whole = p.udp(a6, b6, 1111, 2222, big(mark, 2500))
        out = []
        for at in (0, 1232, 2464):
            more = at + 1232 < len(whole)
            head = bytes([p.UDP, 0]) + (at | more).to_bytes(2, 'big') + mark[6:10]
            out.append(p.ethernet(p.IPV6, p.ipv6(a6, b6, p.FRAGMENT, head + whole[at:at + 1232])))
        return out

    flat = lambda lists: [frame for frames_ in lists for frame in frames_]
    return {
        '802.1Q': each(lambda m: p.ethernet(p.IPV4, datagram(m), tags=[(0x8100, 5)])),
        '802.1Q, priority tag': each(lambda m: p.ethernet(p.IPV4, datagram(m), tags=[(0x8100, 0xe000)])),
        '802.1Q at the full MTU': each(lambda m: p.ethernet(p.IPV4, datagram(big(m, 1472)), tags=[(0x8100, 7)])),
        'QinQ 0x8100': each(lambda m: p.ethernet(p.IPV4, datagram(m), tags=[(0x8100, 5), (0x8100, 6)])),
        'QinQ 0x88a8': each(lambda m: p.ethernet(p.IPV4, datagram(m), tags=[(0x88a8, 0x2005), (0x8100, 6)])),
        'LLDP': each(lambda m: p.ethernet(0x88cc, big(m, 60), dst=LLDP)),
        'STP (802.3 length, LLC)': each(lambda m: p.ethernet(38, b'\x42\x42\x03' + big(m, 43), dst=STP)),
        'LACP': each(lambda m: p.ethernet(0x8809, b'\x01\x01' + big(m, 108), dst=LACP)),
        '14-byte runt': [p.ethernet(0x88b5)] * 5,
        'short frames of an unknown ethertype': each(lambda m: p.ethernet(0x88b5, m)),
        'ARP': each(lambda m: p.ethernet(p.ARP, bytes.fromhex('0001080006040002') + big(m, 20))),
        'MPLS': each(lambda m: p.ethernet(0x8847, b'\0\x01\x01\x40' + datagram(m))),
        'PPPoE': each(lambda m: p.ethernet(0x8864, b'\x11\0\0\x01\0\x20\0\x21' + datagram(m))),
        'IPv4 fragments': flat(each(fragments)),
        'IPv4 fragments, the last first': flat(list(reversed(f)) for f in each(fragments)),
        'IPv4 fragments in QinQ': flat(each(lambda m: fragments(m, 1464, [(0x88a8, 5), (0x8100, 10)]))),
        'IPv6 fragments': flat(each(fragments6)),
        'IPv6 with extension headers': each(lambda m: p.ethernet(p.IPV6, p.ipv6(
            a6, b6, p.HOP_BY_HOP, bytes([p.DESTINATION, 0, 1, 4, 0, 0, 0, 0, p.UDP, 0, 1, 4, 0, 0, 0, 0])
            + p.udp(a6, b6, 1, 2, m)))),
        'IPv4 with options': each(lambda m: p.ethernet(p.IPV4, p.ipv4(a, b, p.UDP, p.udp(a, b, 1, 2, m),
                                                                      options=b'\x94\x04\0\0'))),
        'bad IPv4 checksum': each(lambda m: p.ethernet(p.IPV4, p.ipv4(a, b, p.UDP, p.udp(a, b, 1, 2, m),
                                                                      bad_checksum=True))),
        'bad UDP checksum': each(lambda m: p.ethernet(p.IPV4, datagram(m, bad_checksum=True))),
        'bad TCP checksum': each(lambda m: p.ethernet(p.IPV4, p.ipv4(a, b, p.TCP, p.tcp(
            a, b, 1, 2, p.ACK, payload=m, bad_checksum=True)))),
        'IPv4 with a header that lies': each(lambda m: p.ethernet(p.IPV4, b'\x4f' + datagram(m)[1:])),
        'padding behind the datagram': each(lambda m: p.ethernet(p.IPV4, datagram(b'x') + m)),
        'full MTU': each(lambda m: p.ethernet(p.IPV4, datagram(big(m, 1472)))),
    }


def frames_pass(lab, to_server):
    ends = [('client', 'c0'), ('server', 's0')]
    (host, port), (other, other_port) = ends if to_server else reversed(ends)
    way = f'{host} to {other}'
    out = frames.sender(lab, host, port)
    for name, group in crafted(to_server).items():
        wanted = set(group)
        capture = frames.Capture(lab, other, other_port, keep=wanted.__contains__)
        for frame in group:
            out.send(frame)
            time.sleep(0.0003)
        got = capture.stop()
        check(got == group, f'{way}: {name}: {len(group)} sent, {len(got)} arrived as they were, '
                            f'{"in order" if got == group else "NOT the same sequence"}')
    out.close()


with wire(big_file_megabytes=BIG_MEGABYTES) as (lab_, weir):
    ordinary_tools(lab_)
    big_file(lab_)
    frames_pass(lab_, True)
    frames_pass(lab_, False)
    dropped = weir.status()['total']['dropped']
    check(not dropped, f'nothing dropped: {dropped}')
