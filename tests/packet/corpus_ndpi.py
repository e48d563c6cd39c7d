#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""nDPI's own test captures against nDPI's own results. corpus_ndpi.py WEIR; needs WEIR_CORPUS.

For each capture: replay ends well; in tap mode what is written equals what was read, byte for byte; packets and bytes
of each TCP and UDP flow, each way, equal the oracle's; the application's name equals it on 99 % of all flows.
ndpiReader never times a flow out in a capture, so our records of one 5-tuple and VLAN are added up first, and the
first of them names the application. What differs for a reason is in EXPLAINED, with the reason."""
import collections
import pathlib
import re
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402

# capture -> why its flows cannot equal the oracle's. They are compared all the same, and told.
EXPLAINED = {
    'capwap.pcap': 'the oracle leaves out CAPWAP frames that carry no IP; we count them to the tunnel',
    'fuzz-2020-02-16-11740.pcap': 'the oracle reads IPv4 under any Ethernet type, as no host would',
    'teredo.pcap': 'the oracle stays outside a Teredo tunnel; we tell of the IPv6 packet inside',
    'dnscrypt-v1-and-resolver-pings.pcap': 'the fragment that completes a datagram counts to its flow with us',
    'ip_fragmented_garbage.pcap': 'the oracle leaves out datagrams whose ports are split over fragments; we do not',
}
LINE = re.compile(r'^\s*\d+\s+(TCP|UDP) (\S+) (<->|->) (\S+?) (?:\[VLAN: (\d+)\])?\[proto: ([^\]]+?)/([^\]]+)\].*?'
                  r'\[(\d+) pkts/(\d+) bytes (?:<->|->) (\d+) pkts/(\d+) bytes\]')
NAMES_AGREE_MIN = 0.99


def address(text):
    """As ndpiReader writes it: inet_ntop, and then the first ":0:" of what is left to shorten as "::"."""
    if ':' not in text:
        return text
    text = socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text))
    out, i = '', 0
    while i < len(text):
        if text.startswith(':0:', i):
            out, i = out + '::', i + 3
        else:
            out, i = out + text[i], i + 1
    return out


def end_of(text):
    host, port = text.rsplit(':', 1)
    return host.strip('[]'), int(port)


def new_flow():
    return {'way': collections.defaultdict(lambda: [0, 0]), 'name': None, 'start': None}


def oracle(path):
    flows = {}
    for line in path.read_text(errors='replace').splitlines():
        found = LINE.match(line)
        if not found:
            continue
        proto, a, _, b, vlan, _, name, *counts = found.groups()
        a, b, counts = end_of(a), end_of(b), list(map(int, counts))
        flow = flows.setdefault((proto, frozenset((a, b)), int(vlan or 0)), new_flow())
        for end, packets, size in ((a, *counts[:2]), (b, *counts[2:])):
            flow['way'][end][0] += packets
            flow['way'][end][1] += size
        flow['name'] = flow['name'] or name.lower()
    return flows


def ours(rows):
    flows = {}
    for record in rows:
        if record['event_type'] != 'flow' or record['proto'] not in ('TCP', 'UDP'):
            continue
        a = address(record['src_ip']), record['src_port']
        b = address(record['dest_ip']), record['dest_port']
        key = record['proto'], frozenset((a, b)), (record.get('vlan') or [0])[-1]
        flow, seen = flows.setdefault(key, new_flow()), record['flow']
        for end, way in ((a, 'toserver'), (b, 'toclient')):
            flow['way'][end][0] += seen[f'pkts_{way}']
            flow['way'][end][1] += seen[f'bytes_{way}']
        if flow['start'] is None or seen['start'] < flow['start']:
            flow['start'], flow['name'] = seen['start'], record.get('app_proto', 'unknown').lower()
    return flows


def shown(key):
    proto, ends, vlan = key
    return f'{proto} {" ".join(f"{host}:{port}" for host, port in sorted(ends))}' + (f' vlan {vlan}' if vlan else '')


def compare(weir, capture, result):
    """(faults, flows, [(flow, our name, its name)])"""
    try:
        done = eve.replay(weir, capture, keep=True)
    except (eve.Refused, eve.Crashed) as refused:
        return [str(refused)], 0, []
    faults, summary = [], done.summary
    if summary['received'] != summary['sent'] + sum(summary['dropped'].values()) + summary['held']:
        faults.append(f'accounting: {summary}')
    if done.left != capture.read_bytes():
        faults.append('what was written is not what was read')
    mine = ours(done.rows)
    theirs = oracle(result)
    for key in sorted(theirs.keys() | mine.keys(), key=shown):
        if key not in mine or key not in theirs:
            flow = theirs.get(key) or mine[key]
            faults.append(f'{shown(key)}: only {"the oracle" if key in theirs else "we"} saw it: {dict(flow["way"])}')
        else:
            for end in key[1]:
                if mine[key]['way'][end] != theirs[key]['way'][end]:
                    faults.append(f'{shown(key)} from {end[0]}: {mine[key]["way"][end]} packets and bytes, '
                                  f'oracle {theirs[key]["way"][end]}')
    names = [(shown(key), mine[key]['name'], theirs[key]['name']) for key in mine.keys() & theirs.keys()]
    return faults, len(theirs), names


def main():
    folder = corpus.folder('ndpi-4.2')
    captures = sorted((folder / 'pcap').iterdir())
    if len(sys.argv) > 2:
        captures = [c for c in captures if c.name in sys.argv[2:]]
    wrong = explained = flows = 0
    names = []
    results = corpus.in_parallel(lambda c: compare(sys.argv[1], c, folder / 'result' / f'{c.name}.out'), captures)
    for capture, (faults, count, labels) in zip(captures, results):
        flows += count
        names += [(capture.name, *label) for label in labels]
        reason = EXPLAINED.get(capture.name)
        explained += bool(faults and reason)
        wrong += bool(faults and not reason)
        for fault in faults[:8]:
            print(f'{"explained" if reason else "DIFFERS"}  {capture.name}: {fault}'
                  + (f' ({reason})' if reason else ''))
    differ = [n for n in names if n[2] != n[3]]
    for capture, flow, mine, theirs in differ:
        print(f'name     {capture}: {flow}: we say {mine}, the oracle {theirs}')
    agree = 1 - len(differ) / max(1, len(names))
    print(f'{len(captures)} captures, {flows} TCP and UDP flows of the oracle; {wrong} captures differ, {explained} '
          f'differ for a reason; names agree on {agree:.2%} of {len(names)} flows')
    sys.exit(0 if captures and not wrong and agree >= NAMES_AGREE_MIN else 1)


if __name__ == '__main__':
    main()
