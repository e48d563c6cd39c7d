#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""JA3, JA3S, JA4 and HASSH against tshark. corpus_fingerprints.py WEIR [--protocol ja3s] [--test NAME] [-v] [--write]

Over every capture of the corpus with a TLS or SSH handshake. Where tshark knows a fingerprint of a flow, one of ours
must be there and each must be one of its. What only we know is told with -v. JA4, which tshark does not compute yet,
is made here of the ClientHello that it shows, also where that was in QUIC. Needs WEIR_CORPUS and tshark."""
import collections
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402

# kind -> where we have it
KINDS = {
    'ja3': ('tls.ja3.hash', 'quic.ja3.hash'),
    'ja3s': ('tls.ja3s.hash', 'quic.ja3s.hash'),
    'ja4': ('tls.ja4', 'quic.ja4'),
    'hassh': ('ssh.client.hassh.hash',),
    'hassh_server': ('ssh.server.hassh.hash',),
}
PRINTS = {'tls.handshake.ja3': 'ja3', 'tls.handshake.ja3s': 'ja3s', 'ssh.kex.hassh': 'hassh',
          'ssh.kex.hasshserver': 'hassh_server'}
HELLO = 'tls.handshake.'
HELLO_FIELDS = tuple(HELLO + name for name in ('version', 'ciphersuite', 'extension.type', 'sig_hash_alg',
                                               'extensions.supported_version', 'extensions_alpn_str'))
ADDRESSES = ('ip.src', 'ipv6.src', 'ip.dst', 'ipv6.dst', 'tcp.srcport', 'udp.srcport', 'tcp.dstport', 'udp.dstport')
A_HELLO = re.compile(rb'\x16\x03[\x00-\x04]..[\x01\x02]\x00..\x03[\x00-\x04]|SSH-[12]\.|\r\nstarttls', re.DOTALL)


def worth_asking(path):
    return 'quic' in path.name or A_HELLO.search(path.read_bytes())


def last(first, other):
    """Of an address field as tshark gives it, outermost first: the innermost, whichever version it is of."""
    return (first or other).split(',')[-1]


def numbers(text):
    """Of a field with several values; GREASE (RFC 8701) is not one."""
    found = [int(part, 0) for part in text.split(',') if part]
    return [n for n in found if not (n & 0x0f0f == 0x0a0a and n >> 8 == n & 0xff)]


def digest(words):
    return hashlib.sha256(words.encode()).hexdigest()[:12] if words else '0' * 12


def ja4(values, quic):
    """Of tshark's fields of a ClientHello, by the description of JA4."""
    versions = numbers(values[HELLO + 'extensions.supported_version']) or numbers(values[HELLO + 'version'])
    ciphers, kinds = numbers(values[HELLO + 'ciphersuite']), numbers(values[HELLO + 'extension.type'])
    signatures = [f'{n:04x}' for n in numbers(values[HELLO + 'sig_hash_alg'])]
    alpn = values[HELLO + 'extensions_alpn_str'].split(',')[0]
    ends = '00' if not alpn else alpn[0] + alpn[-1]
    if not (ends.isascii() and ends.isalnum()) or {34, 50} & set(kinds):
        return None  # what tshark shows of it does not tell the bytes; of these kinds it lists signatures, too
    version = {0x304: '13', 0x303: '12', 0x302: '11', 0x301: '10', 0x300: 's3', 2: 's2'}.get(max(versions), '00')
    listed = ','.join(sorted(f'{n:04x}' for n in kinds if n not in (0, 16)))
    return (f'{"q" if quic else "t"}{version}{"d" if 0 in kinds else "i"}{min(len(ciphers), 99):02}'
            f'{min(len(kinds), 99):02}{ends}_{digest(",".join(sorted(f"{n:04x}" for n in ciphers)))}_'
            + digest('_'.join([listed] + [','.join(signatures)] * bool(signatures))))


def tshark_says(capture):
    """{(flow, kind): {fingerprints}}"""
    names = [*ADDRESSES, *PRINTS, *HELLO_FIELDS]
    words = ['tshark', '-n', '-r', capture, '-o', 'tcp.reassemble_out_of_order:TRUE', '-Y', ' or '.join(PRINTS), '-T',
             'fields']
    for name in names:
        words += ['-e', name]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    flows = collections.defaultdict(set)
    for line in done.stdout.splitlines():
        values = dict(zip(names, line.split('\t') + [''] * len(names)))
        src, dst, sport, dport = (last(*(values[name] for name in ADDRESSES[i:i + 2])) for i in (0, 2, 4, 6))
        if not (sport and dport):
            continue
        flow = frozenset(((str(eve.address(src)), int(sport)), (str(eve.address(dst)), int(dport))))
        for field, kind in PRINTS.items():
            if values[field]:
                flows[flow, kind] |= set(values[field].split(','))
        if values['tls.handshake.ja3'] and (made := ja4(values, not values['tcp.srcport'])):
            flows[flow, 'ja4'].add(made)
    return flows


def we_say(rows):
    flows = collections.defaultdict(set)
    for row in rows:
        for kind, paths in KINDS.items():
            for path in paths:
                if (value := eve.value_of(row, path)) is not eve.MISSING:
                    flows[eve.ends(row)[1], kind].add(value)
    return flows


def judge(weir, capture, name):
    theirs = tshark_says(capture)
    try:
        ours = we_say(eve.replay(weir, capture, arguments=['-k', 'none']).rows)
    except eve.Refused as refused:
        return [corpus.Result(name, 'replay', told=[str(refused)])]  # some are broken on purpose
    results = {}
    for flow, kind in sorted(theirs.keys() | ours.keys(), key=lambda key: (key[1], sorted(key[0]))):
        mine, wanted = ours.get((flow, kind), set()), theirs.get((flow, kind), set())
        result = results.setdefault(kind, corpus.Result(name, kind))
        good = bool(mine) and mine <= wanted
        result.total += bool(wanted)
        result.passed += bool(wanted) and good
        if not good:
            ends = ' '.join(f'{host}:{port}' for host, port in sorted(flow))
            result.told.append(f'{ends}: we {sorted(mine)}, tshark {sorted(wanted)}')
    return list(results.values())


def main():
    options = corpus.arguments(__doc__)
    corpus.folder()
    if not shutil.which('tshark'):
        print('tshark is not here')
        sys.exit(77)
    captures = [(path, name) for path, name in corpus.captures() if corpus.chosen(name, options) and worth_asking(path)]
    results = [r for r in corpus.judged(lambda pair: judge(options.weir, *pair), captures)
               if options.protocol in (None, r.protocol, 'crash')]
    print(f'{len(captures)} captures asked')
    corpus.finish(results, options, 'flows')


if __name__ == '__main__':
    main()
