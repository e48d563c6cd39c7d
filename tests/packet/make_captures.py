#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes in.pcap of every packet case. make_captures.py [FOLDER]: below FOLDER instead, to compare (a test does)."""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'support'))

import packets as p  # noqa: E402

CLIENT, SERVER, OTHER = '10.1.0.1', '10.1.0.2', '10.1.0.3'
CLIENT6, SERVER6 = 'fd01::1', 'fd01::2'
ARP_REQUEST = bytes.fromhex('ffffffffffff0200000000010806000108000604000102000000000' '10a0100010000000000000a010002')
ARP_REPLY = bytes.fromhex('02000000000102000000000208060001080006040002020000000002' '0a0100020200000000010a010001')
GOOD = b'GET /good HTTP/1.1\r\nHost: www.lab.test\r\n\r\n'
EVIL = b'GET /evil-word HTTP/1.1\r\nHost: www.lab.test\r\n\r\n'
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine'


def web(sport, request, tags=(), client=CLIENT, server=SERVER):
    """12 frames: handshake 3, request and its ACK 2, answer and its ACK 2, one more exchange 2, close 3."""
    talk = p.Conversation(client, server, sport, 80, tags)
    return [*talk.open(), *talk.say(True, request), *talk.say(False, ANSWER), *talk.say(True, b'more'), *talk.close()]


def datagrams(count, size=100, sport=4000, dport=5000, src=CLIENT, dst=SERVER):
    return [p.ip_frame(src, dst, p.UDP, p.udp(src, dst, sport, dport, f'{n:04d} '.encode() + b'.' * (size - 5)))
            for n in range(count)]


def fragments(ident, payload, size=480):
    whole = p.udp(CLIENT, SERVER, 4000, 5000, payload)
    return [p.ip_frame(CLIENT, SERVER, p.UDP, whole[at:at + size], ident=ident, offset=at,
                       flags=int(at + size < len(whole))) for at in range(0, len(whole), size)]


def drop_by_content():
    return web(40001, GOOD) + web(40002, EVIL) + web(40003, GOOD)


def alert_leaves_all():
    return web(40001, EVIL) + web(40002, GOOD)


def pass_beats_drop():
    return web(40001, EVIL, client=CLIENT) + web(40002, EVIL, client=OTHER)


def reject_sends_resets():
    question = p.udp(CLIENT, SERVER, 4000, 53, b'evil-word')
    return web(40001, EVIL) + [p.ip_frame(CLIENT, SERVER, p.UDP, question)]


def ratelimit_udp():
    slow = datagrams(20, dport=5001)
    fast = datagrams(100)
    times = [(n * 0.005, frame) for n, frame in enumerate(fast)] + [(n * 0.025 + 0.001, f) for n, f in enumerate(slow)]
    return sorted(times, key=lambda pair: pair[0])


def fragment_flood_passes():
    out = []
    for ident in range(1, 31):
        pieces = fragments(ident, b'x' * 2000)
        out += pieces[:-1] if ident % 2 else reversed(pieces)   # half of them never complete, half the wrong way round
    return out


def qinq_flow():
    return web(40001, EVIL, tags=[(0x88a8, 100), (0x8100, 200)]) + web(40002, GOOD, tags=[(0x8100, 100), (0x8100, 200)])


def vlan_flows():
    first, second = web(40001, EVIL, tags=[(0x8100, 10)]), web(40001, GOOD, tags=[(0x8100, 20)])
    return [frame for pair in zip(first, second) for frame in pair]


def mapped_addresses():
    mapped = web(40001, GOOD, client='::ffff:' + CLIENT, server='::ffff:' + SERVER)
    return [frame for pair in zip(web(40001, EVIL), mapped) for frame in pair]


def ipv6_extension_headers():
    def behind(payload, sport):
        segment = p.tcp(CLIENT6, SERVER6, sport, 80, p.PSH | p.ACK, 1, 1, payload)
        options = bytes([p.DESTINATION, 0, 1, 4, 0, 0, 0, 0]) + bytes([p.TCP, 0, 1, 4, 0, 0, 0, 0])
        return p.ip_frame(CLIENT6, SERVER6, p.HOP_BY_HOP, options + segment)
    atomic = bytes([p.TCP, 0, 0, 0, 0, 0, 0, 9]) + p.tcp(CLIENT6, SERVER6, 40003, 80, p.PSH | p.ACK, 1, 1, EVIL)
    return [behind(GOOD, 40001), behind(EVIL, 40002), p.ip_frame(CLIENT6, SERVER6, p.FRAGMENT, atomic)]


def icmp_unreachable():
    question = p.ip(CLIENT, SERVER, p.UDP, p.udp(CLIENT, SERVER, 4000, 5000, b'anyone there?'))
    unreachable = p.icmp(3, 3, payload=question[:28])
    lying = p.icmp(3, 3, payload=b'\x4f' + question[1:20])
    echo = p.icmp(8, 0, b'\0\x07\0\x01', b'evil-word')
    return [p.ethernet(p.IPV4, question), p.ip_frame(SERVER, CLIENT, p.ICMP, unreachable, to_server=False),
            p.ip_frame(SERVER, CLIENT, p.ICMP, lying, to_server=False), p.ip_frame(CLIENT, SERVER, p.ICMP, echo)]


def icmp_and_arp_are_told():
    """A ping that Linux might send and its answer, six with a page of text, an unreachable, ARP that is said again."""
    def echo(kind, number, payload, src, dst):
        return p.ip_frame(src, dst, p.ICMP, p.icmp(kind, 0, b'\0\x07' + number.to_bytes(2, 'big'), payload))

    ping = b'T' * 16 + bytes(range(16, 56))
    frames = [echo(8, 1, ping, CLIENT, SERVER), echo(0, 1, ping, SERVER, CLIENT)]
    frames += [echo(8, n, GOOD + bytes([n]) * n, CLIENT, OTHER) for n in range(1, 13)]
    question = p.ip_frame(CLIENT, SERVER, p.UDP, p.udp(CLIENT, SERVER, 4000, 53, b'who?'))
    frames += [question] + [p.ip_frame(SERVER, CLIENT, p.ICMP, p.icmp(3, 3, payload=question[14:42]))] * 12
    return frames + [ARP_REQUEST] * 3 + [ARP_REPLY]


def midstream():
    return web(40001, EVIL)[3:] + web(40002, GOOD)[4:]


def bad_checksums():
    bad = p.udp(CLIENT, SERVER, 4000, 5000, b'evil-word', bad_checksum=True)
    good = p.udp(CLIENT, SERVER, 4001, 5000, b'evil-word')
    return [p.ip_frame(CLIENT, SERVER, p.UDP, bad), p.ip_frame(CLIENT, SERVER, p.UDP, good),
            p.ip_frame(CLIENT, SERVER, p.UDP, p.udp(CLIENT, SERVER, 4002, 5000, b'evil-word'), bad_checksum=True)]


def not_ip():
    lldp, stp, lacp = (bytes.fromhex(f'0180c20000{n}') for n in ('0e', '00', '02'))
    return [p.ethernet(0x88cc, b'evil-word' * 5, dst=lldp),
            p.ethernet(38, b'\x42\x42\x03evil-word' + b'\0' * 26, dst=stp),
            p.ethernet(0x8809, b'\x01\x01evil-word' + b'\0' * 99, dst=lacp), p.ethernet(0x88b5),
            p.ethernet(p.ARP, bytes.fromhex('0001080006040001') + b'evil-word' + b'\0' * 11), b'\0' * 6,
            p.ethernet(p.IPV4, b'\x45\0'), p.ethernet(p.IPV6, b'\x60\0\0\0'), p.ethernet(0x88e5, b'evil-word' * 3)]


def scan_blocked():
    """Fifty refused connections of one device, an ordinary one of another meanwhile, then the first tries a service."""
    out = []
    for n in range(50):
        to, back = p.Conversation(OTHER, SERVER, 50000 + n, 1000 + n), []
        out.append(to.frame(True, p.SYN))
        back.append(to.frame(False, p.RST | p.ACK))
        out += back
    return web(40001, GOOD) + out + web(40002, GOOD) + web(40003, GOOD, client=OTHER)


def tunnelled(inner4, inner6, frame):
    """name -> a frame with the packet (IPv4, IPv6, or the Ethernet frame around the IPv4 one) in that tunnel."""
    out4, out6 = ('192.0.2.1', '192.0.2.2'), ('2001:db8::1', '2001:db8::2')

    def over(proto, payload, ends=out4):
        return p.ip_frame(*ends, proto, payload)

    def udp(port, payload):
        return over(p.UDP, p.udp(*out4, 5555, port, payload))
    gre, long_gre = bytes.fromhex('00000800'), bytes.fromhex('b00086dd0102000000000007 00000001')
    return {
        'GRE': over(47, gre + inner4), 'GRE with key and sequence': over(47, long_gre + inner6),
        'NVGRE': over(47, bytes.fromhex('2000655800010209') + frame),
        'GRE over IPv6': over(47, gre + inner4, out6),
        'VXLAN': udp(4789, bytes.fromhex('0800000000002a00') + frame),
        'Geneve': udp(6081, bytes.fromhex('0100655800002c0001010000') + frame),
        'IP in IP': over(4, inner4), '6in4': over(41, inner6), '4in6': over(4, inner4, out6),
        'Teredo': udp(3544, bytes.fromhex('00000102 03040506') + inner6),
        'MPLS': p.ethernet(0x8847, bytes.fromhex('0001104000011140') + inner4),
        'PPPoE': p.ethernet(0x8864, bytes.fromhex('11000007') + (len(inner4) + 2).to_bytes(2, 'big') + b'\0\x21'
                            + inner4),
        'ERSPAN I': over(47, bytes.fromhex('000088be') + frame),
        'ERSPAN II': over(47, bytes.fromhex('100088be000000011001000000000000') + frame),
        'ERSPAN III': over(47, bytes.fromhex('100022eb00000001200100000000000000000000') + frame),
        'VXLAN in GRE': over(47, gre + udp(4789, bytes.fromhex('0800000000002e00') + frame)[14:]),
        'four deep': over(4, over(4, over(4, inner4)[14:])[14:]),
        'too deep': over(4, over(4, over(4, over(4, over(4, inner4)[14:])[14:])[14:])[14:]),
    }


def attack_in_tunnels():
    """Per tunnel a request without the word, then the word in two segments of another connection."""
    out, host = [], 1
    kinds = list(tunnelled(b'', b'', b''))
    for kind in kinds:
        for sport, request in ((40001, [GOOD]), (40002, [EVIL[:8], EVIL[8:]])):
            at = 1
            for part in request:
                host4, host6 = f'10.2.{host}.1', f'fd02::{host}:1'
                inner4, inner6 = (p.ip(src, dst, p.TCP, p.tcp(src, dst, sport, 80, p.PSH | p.ACK, at, 1, part))
                                  for src, dst in ((host4, SERVER), (host6, SERVER6)))
                out.append(tunnelled(inner4, inner6, p.ethernet(p.IPV4, inner4))[kind])
                at += len(part)
        host += 1
    return out


def hello(name):
    """A ClientHello of TLS 1.2 that asks for that server, as one record."""
    asked = name.encode()
    entry = b'\0' + len(asked).to_bytes(2, 'big') + asked
    sni = b'\0\0' + (len(entry) + 2).to_bytes(2, 'big') + len(entry).to_bytes(2, 'big') + entry
    body = b'\x03\x03' + bytes(32) + b'\0' + b'\0\x02\xc0\x2f' + b'\x01\0' + len(sni).to_bytes(2, 'big') + sni
    message = b'\x01' + len(body).to_bytes(3, 'big') + body
    return b'\x16\x03\x01' + len(message).to_bytes(2, 'big') + message


def tls(sport, name, pieces=1):
    """Handshake 3, the hello and its ACK 2 a piece, something more and its ACK 2, close 3. To no port of its own."""
    talk, record = p.Conversation(CLIENT, SERVER, sport, 9443), hello(name)
    step, opening = -(-len(record) // pieces), talk.open()
    said = [frame for at in range(0, len(record), step) for frame in talk.say(True, record[at:at + step])]
    return [*opening, *said, *talk.say(True, b'\x17\x03\x03\0\x04more'), *talk.close()]


def drop_by_tls_sni():
    return tls(40001, 'www.good.test') + tls(40002, 'www.evil.test') + tls(40003, 'www.Evil.test', pieces=3)


def lookup(sport, name, ident):
    """A question and its answer."""
    question = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0\0\x01\0\x01'
    asked = ident.to_bytes(2, 'big') + b'\x01\0\0\x01\0\0\0\0\0\0' + question
    said = (ident.to_bytes(2, 'big') + b'\x81\x80\0\x01\0\x01\0\0\0\0' + question +
            b'\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x01\0\x09')
    return [p.ip_frame(CLIENT, SERVER, p.UDP, p.udp(CLIENT, SERVER, sport, 53, asked)),
            p.ip_frame(SERVER, CLIENT, p.UDP, p.udp(SERVER, CLIENT, 53, sport, said), to_server=False)]


def drop_by_dns_query():
    return lookup(4001, 'www.good.test', 1) + lookup(4002, 'www.evil.test', 2) + lookup(4003, 'evil.test.good.test', 3)


def http_uri_is_normalised():
    probe = b'GET /nice%20ports%2C/Tri%6Eity.txt%2ebak HTTP/1.1\r\nHost: www.lab.test\r\n\r\n'
    other = b'GET /find?q=nice%20ports HTTP/1.1\r\nHost: www.lab.test\r\n\r\n'
    return web(40001, GOOD) + web(40002, probe) + web(40003, other)


def header_names_the_application():
    """HTTP on two ports, the same words in a datagram and in a stream that is no HTTP."""
    odd = p.Conversation(CLIENT, SERVER, 40002, 8099)
    talk = [*odd.open(), *odd.say(True, EVIL), *odd.say(False, ANSWER), *odd.close()]
    plain = p.Conversation(CLIENT, SERVER, 40003, 80)
    datagram = p.ip_frame(CLIENT, SERVER, p.UDP, p.udp(CLIENT, SERVER, 4000, 80, EVIL))
    return [*web(40001, EVIL), *talk, *plain.open(), *plain.say(True, b'\0\1evil-word'), *plain.close(), datagram]


CASES = {
    'drop-by-content': drop_by_content, 'alert-leaves-all': alert_leaves_all, 'pass-beats-drop': pass_beats_drop,
    'reject-sends-resets': reject_sends_resets, 'ratelimit-udp': ratelimit_udp,
    'fragment-flood-passes': fragment_flood_passes, 'qinq-flow': qinq_flow, 'vlan-flows': vlan_flows,
    'mapped-addresses': mapped_addresses,
    'ipv6-extension-headers': ipv6_extension_headers, 'icmp-unreachable': icmp_unreachable,
    'icmp-and-arp-are-told': icmp_and_arp_are_told, 'midstream': midstream,
    'bad-checksums': bad_checksums, 'bad-checksums-ignored': bad_checksums, 'not-ip': not_ip,
    'pass-by-address': pass_beats_drop, 'dropped-flow-is-silent': drop_by_content,
    'drop-by-tls-sni': drop_by_tls_sni, 'drop-by-dns-query': drop_by_dns_query,
    'http-uri-is-normalised': http_uri_is_normalised, 'header-names-the-application': header_names_the_application,
    'tap-never-drops': drop_by_content, 'simulate-says-so': drop_by_content, 'scan-blocked': scan_blocked,
    'attack-in-tunnels': attack_in_tunnels,
}


def main():
    into = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, make in CASES.items():
        (into / name).mkdir(parents=True, exist_ok=True)
        p.write_pcap(into / name / 'in.pcap', make())


if __name__ == '__main__':
    main()
