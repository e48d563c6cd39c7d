#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""JA4 against what its authors expect of their captures. corpus_ja4.py WEIR [--test NAME] [-v] [--write]

Of each flow the set of JA4 must be theirs, and no other flow may have one, but for QUIC, of which they expect nothing
(corpus_fingerprints.py does). Needs WEIR_CORPUS."""
import collections
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402


# captures in whose flows they see less than there is
MORE_THAN_THEIRS = {'https-connect.pcap': 'TLS behind an HTTP CONNECT, which they do not look into'}


def wanted_of(path):
    """{flow: {JA4}}"""
    flows = collections.defaultdict(set)
    for entry in json.loads(path.read_text()):
        ends = frozenset((str(eve.address(entry[host])), int(entry[port]))
                         for host, port in (('src', 'srcport'), ('dst', 'dstport')))
        flows[ends] |= {value for name, value in entry.items() if name.startswith('JA4.')}
    return {ends: found for ends, found in flows.items() if found}


def ours_of(rows):
    flows = collections.defaultdict(set)
    for row in rows:
        value = eve.value_of(row, 'tls.ja4')
        if value is not eve.MISSING and row['event_type'] == 'tls':
            flows[eve.ends(row)[1]].add(value)
    return flows


def judge(weir, capture, expected):
    try:
        ours, wanted = ours_of(eve.replay(weir, capture, arguments=['-k', 'none']).rows), wanted_of(expected)
    except eve.Refused as refused:
        return [corpus.Result(capture.name, 'replay', 0, 1, [str(refused)])]
    results = {}
    flows = wanted.keys() | (set() if capture.name in MORE_THAN_THEIRS else ours.keys())
    for ends in sorted(flows, key=sorted):
        mine, theirs = sorted(ours.get(ends, ())), sorted(wanted.get(ends, ()))
        protocol = 'quic' if (theirs or mine)[0].startswith('q') else 'tls'
        result = results.setdefault(protocol, corpus.Result(capture.name, protocol))
        result.total += 1
        result.passed += mine == theirs
        if mine != theirs:
            flow = ' '.join(f'{host}:{port}' for host, port in sorted(ends))
            result.told.append(f'{flow}: we {eve.shown(mine)}, they {eve.shown(theirs)}')
    return list(results.values())


def main():
    options = corpus.arguments(__doc__)
    root = corpus.folder('ja4')
    pairs = [(root / 'pcap' / path.name.removesuffix('.json'), path)
             for path in sorted((root / 'python/test/testdata').glob('*.json')) if corpus.chosen(path.name, options)]
    results = [r for r in corpus.judged(lambda pair: judge(options.weir, *pair), pairs)
               if options.protocol in (None, r.protocol)]
    corpus.finish(results, options, 'flows')


if __name__ == '__main__':
    main()
