#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""suricata-verify's checks of parser events. corpus_eve.py WEIR [--protocol dns] [--test NAME] [-v] [--write]

Scored by event_type; checks by which nothing may be there (count: 0) as a protocol of their own, `absent`, and only
once the parser tells of anything at all. Alerts, files, flows and counters are other tests' concern. Needs
WEIR_CORPUS."""
import collections
import csv
import pathlib
import re
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402

VERSION = (8, 0, 99)
FEATURES = {'HAVE_JA3', 'HAVE_JA4', 'HAVE_LUA', 'HAVE_LIBJANSSON', 'LIBNET1.1'}
NOT_PARSERS = {'alert', 'drop', 'fileinfo', 'stats', 'netflow', 'flow', 'packet', 'frame', 'engine', 'metadata',
               'template', 'verdict', None}
# test -> why its expectation is not ours; told, not scored
EXPLAINED = {}


def version(text):
    numbers = [int(part) for part in re.findall(r'\d+', str(text))][:3]
    return tuple(numbers + [0] * (3 - len(numbers)))


def unmet(requires):
    """Why a test or check that requires this is not for us; '' where it is."""
    requires = requires or {}
    if 'min-version' in requires and VERSION < version(requires['min-version']):
        return 'wants a later version'
    if 'lt-version' in requires and VERSION >= version(requires['lt-version']):
        return 'wants an earlier version'
    if 'gt-version' in requires and VERSION <= version(requires['gt-version']):
        return 'wants a later version'
    lacking = [f for f in requires.get('features', []) if f not in FEATURES and not f.startswith('!')]
    if lacking:
        return f'wants {", ".join(lacking)}'
    if requires.keys() & {'script', 'os', 'arch'}:
        return 'wants a certain machine'
    return ''


def written_types(own):
    """{file name: event types it gets} of a suricata.yaml, None if any."""
    if own is None:
        return None
    out = collections.defaultdict(set)
    for output in own.get('outputs') or []:
        log = (output or {}).get('eve-log') or {}
        if str(log.get('enabled', 'yes')).lower() not in ('no', 'false'):
            names = {name for t in log.get('types') or [] for name in (t if isinstance(t, dict) else [t])}
            brings = {'http2': 'http', 'ftp': 'ftp_data'}  # types that write events of another name
            out[log.get('filename', 'eve.json')] |= names | {also for name, also in brings.items() if name in names}
    return out


def members(match):
    """A filter whose objects are asked for member by member: ours may have more of them."""
    out = {}
    for key, wanted in match.items():
        inner = members(wanted) if isinstance(wanted, dict) else {}
        out.update({f'{key}.{name}': value for name, value in inner.items()} if inner else {key: wanted})
    return out


class Test:
    def __init__(self, root, row):
        self.name, self.root, self.row = row['test'], root, row
        path = root / 'tests' / self.name
        self.spec = yaml.load((path / 'test.yaml').read_text(), yaml.CSafeLoader)
        own = path / 'suricata.yaml'
        self.own = yaml.load(own.read_text(), yaml.CSafeLoader) if own.exists() else None
        self.types = written_types(self.own)
        self.arguments = str(row['args']).replace('|', ' ')
        self.why = unmet(self.spec.get('requires')) or ('runs another program' if 'command' in self.spec else '')
        if not self.why and (self.spec.get('env') or {}).get('SURICATA_EVE_DNS_VERSION', '3') not in ('3', 3):
            self.why = 'wants an earlier version of the log'
        if self.types == {} and not self.why:
            self.why = 'writes no log'

    def checks(self):
        """[(protocol, file name, filter)] of what is scored."""
        out = []
        for check in self.spec.get('checks') or []:
            wanted = check.get('filter')
            if not wanted or unmet(wanted.get('requires')):
                continue
            kind = wanted['match'].get('event_type')
            event = str(wanted['match'].get('anomaly.event', ''))
            if kind in NOT_PARSERS or (kind == 'anomaly' and event.startswith(('stream.', 'decoder.'))):
                continue
            if wanted['match'].get('anomaly.type', 'applayer') == 'applayer':
                out.append((kind if wanted['count'] else 'absent', wanted.get('filename', 'eve.json'), wanted))
        return out

    def wants(self, protocol):
        return any(protocol in (None, kind, wanted['match']['event_type']) for kind, _, wanted in self.checks())

    def rows(self, weir):
        """Of eve.json, or a sentence on why there is none."""
        capture, words = self.root / self.row['pcap'], ['-k', 'none'] if '-k none' in self.arguments else []
        try:
            if self.row['ips_mode'] == '1' and self.row['rules']:  # in tap mode a rule changes nothing of this
                try:
                    return eve.replay(weir, capture, self.root / self.row['rules'], 'enforce', words).rows
                except eve.Refused:
                    pass  # rules that we do not read; parsers see the packets all the same
            return eve.replay(weir, capture, None, 'tap', words).rows
        except (eve.Refused, eve.Crashed) as refused:
            return str(refused)

    def matched(self, match, row):
        """What differs, but for what is no parser's fact."""
        left_out = {'pcap_cnt'} if row.get('proto') == 'TCP' else set()  # theirs: the packet whose ACK came with it
        if self.own and any('community-id-seed' in (o.get('eve-log') or {}) for o in self.own['outputs']):
            left_out.add('community_id')
        return eve.differences(row, {key: wanted for key, wanted in members(match).items()
                                     if key not in left_out and not key.startswith('ether.')})

    def judge(self, rows, wanted_protocol, parsers):
        """rows: or why there are none. parsers: event types that there are parsers for."""
        checks = [c for c in self.checks() if wanted_protocol in (None, c[0], c[2]['match']['event_type'])]
        results = {}
        if isinstance(rows, str):
            results['crash'] = corpus.Result(self.name, 'crash', 0, 1, [rows])
            rows = []
        for number, (protocol, file, wanted) in enumerate(checks, 1):
            result = results.setdefault(protocol, corpus.Result(self.name, protocol, why=EXPLAINED.get(self.name, '')))
            allowed = None if self.types is None else self.types.get(file, set())
            seen = [r for r in rows if allowed is None or r['event_type'] in allowed]
            told = self.check(number, wanted, seen)
            if protocol == 'absent' and wanted['match']['event_type'] not in parsers:
                told = [f'check {number}: no wonder that there is no {wanted["match"]["event_type"]}, without a parser']
            result.total += 1
            result.passed += not told
            result.told += told
        return list(results.values())

    def check(self, number, wanted, rows):
        kind = wanted['match']['event_type']
        alike = [(self.matched(wanted['match'], row), row) for row in rows if row['event_type'] == kind]
        found = sum(row.get('count', 1) for differs, row in alike if not differs)
        if found == wanted['count']:
            return []
        told = [f'check {number}: {found} found, {wanted["count"]} expected, among {len(alike)} {kind} events']
        near = min((pair for pair in alike if pair[0]), key=lambda pair: len(pair[0]), default=None)
        if found < wanted['count'] and near:
            told += [f'  {path}: we {eve.shown(got)}, they {eve.shown(want)}' for path, got, want in near[0]]
        elif found < wanted['count']:
            told += [f'  they {key}: {eve.shown(want)}' for key, want in wanted['match'].items()]
        return told


def main():
    options = corpus.arguments(__doc__)
    root = corpus.folder('suricata-verify')
    with open(root / 'manifest.csv', newline='', encoding='utf-8') as file:
        tests = [Test(root, row) for row in csv.DictReader(file) if corpus.chosen(row['test'], options)]
    scored = [test for test in tests if not test.why and test.wants(options.protocol)]
    skipped = collections.Counter(test.why for test in tests if test.why and test.checks())
    rows = list(corpus.in_parallel(lambda test: test.rows(options.weir), scored))
    parsers = {row['event_type'] for found in rows if not isinstance(found, str) for row in found
               if row['event_type'] != 'anomaly' or eve.value_of(row, 'anomaly.app_proto') is not eve.MISSING}
    parsers |= corpus.baseline(options)['passed'].keys()
    results = []
    for test, found in zip(scored, rows):
        results += test.judge(found, options.protocol, parsers)
    for why, count in skipped.most_common():
        print(f'{count} tests left out: {why}')
    corpus.finish(results, options)


if __name__ == '__main__':
    main()
