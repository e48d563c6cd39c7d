#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""suricata-verify's checks of alerts. corpus_alerts.py WEIR [--protocol T6-tls-dns] [--test NAME] [-v] [--write]

Scored by the manifest's tier, and only of rules that we read: the others are refused with a place and a reason, which
`weir check` shows; how many there are is told. Compared are rule, count, action, ends, protocol and application of an
alert; what else stands beside it is corpus_eve.py's concern, and on which packet of a stream it was found is told
otherwise by a sensor that judges packets before they leave: checks that differ in such things alone are one. A test
that brings settings of its own which change what is found is left out. Needs WEIR_CORPUS."""
import collections
import csv
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import corpus_eve  # noqa: E402
import eve  # noqa: E402

COMPARED = ('event_type', 'alert.signature_id', 'alert.signature', 'alert.gid', 'alert.rev', 'alert.action', 'src_ip',
            'dest_ip', 'src_port', 'dest_port', 'proto')
# Theirs, and what ours begins with where it is otherwise.
APPLICATIONS = {'krb5': 'kerberos', 'ftp': 'ftp_control', 'dcerpc': 'rpc', 'rfb': 'vnc', 'smb': 'smbv'}
MODELS_GID = 9000
# What a suricata.yaml may set without changing which alerts there are.
HARMLESS = {'outputs', 'vars', 'logging', 'stats', '%YAML', 'run-as', 'default-log-dir', 'include'}
# ... and what one may be started with: what is so with us, or changes nothing of what we read.
AS_WE_ARE = re.compile(r'stats\.|outputs\.|logging\.|stream\.(midstream|inline|checksum-validation)=(true|yes)|'
                       r'app-layer\.protocols\.\w+\.enabled=|decoder\.\w+\.enabled=true|detect\.prefilter|'
                       r'security\.lua|datasets\.enabled|default-rule-path|'
                       r'app-layer\.protocols\.http\.libhtp\.default-config\.response-body-decompress-layer-limit')
GROUPS = {'HOME_NET': '[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]', 'EXTERNAL_NET': '!$HOME_NET',
          'HTTP_SERVERS': '$HOME_NET', 'SMTP_SERVERS': '$HOME_NET', 'SQL_SERVERS': '$HOME_NET',
          'DNS_SERVERS': '$HOME_NET', 'TELNET_SERVERS': '$HOME_NET', 'AIM_SERVERS': '$EXTERNAL_NET'}
PORTS = {'HTTP_PORTS': '80', 'SHELLCODE_PORTS': '!80', 'ORACLE_PORTS': '1521', 'SSH_PORTS': '22', 'FTP_PORTS': '21',
         'FILE_DATA_PORTS': '[$HTTP_PORTS,110,143]'}
SID = re.compile(r'[;(]\s*sid\s*:\s*(\d+)\s*;')
# test -> why its expectation is not ours; told, not scored
EXPLAINED = {
    'alert-no-3whs-established': 'connections met in their middle are picked up here, and there they are not',
    'tls-duplicate-hello': 'a second hello is an event of its own here',
}


def rules_of(text):
    """[(first line, last line, rule as one line)], comments left out."""
    out, begun, first = [], '', 0
    for number, line in enumerate(text.splitlines(), 1):
        if not begun and (not line.strip() or line.lstrip().startswith('#')):
            continue
        first = first if begun else number
        begun += line
        if begun.rstrip().endswith('\\'):
            begun = begun.rstrip()[:-1]
            continue
        out.append((first, number, begun))
        begun = ''
    return out


class Test(corpus_eve.Test):
    def __init__(self, root, row):
        super().__init__(root, row)
        if self.why == 'writes no log':
            self.why = ''
        own = set(self.own or ()) - HARMLESS
        if own and not self.why:
            self.why = f'sets {", ".join(sorted(map(str, own)))}'
        odd = [word for word in re.findall(r'--set (\S+)|(--firewall)', self.arguments)
               if not any(AS_WE_ARE.match(part) for part in word if part)]
        if odd and not self.why:
            self.why = f'is started with {"".join(odd[0]).split("=")[0]}'
        if not self.why and (not row['rules'] or ';' in row['rules']):
            self.why = 'has several rule files, or none'
        self.tier = row['keyword_tier']

    def checks(self):
        """Filters of alerts that are for us."""
        wanted = [check['filter'] for check in self.spec.get('checks') or [] if check.get('filter')]
        return [w for w in wanted if w['match'].get('event_type') == 'alert' and
                not corpus_eve.unmet(w.get('requires'))]

    def judge(self, weir):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / 'weir.yaml'
            config.write_text(self.config())
            refused, everything = self.refused(weir, config)
            words = ['--config', config] + (['-k', 'none'] if '-k none' in self.arguments else [])
            mode = 'enforce' if self.row['ips_mode'] == '1' else 'tap'
            result = corpus.Result(self.name, self.tier, why=EXPLAINED.get(self.name, ''))
            try:
                rows = eve.replay(weir, self.root / self.row['pcap'], self.root / self.row['rules'], mode, words).rows
            except eve.Refused as no:
                result.told.append(str(no))
                return result
        alerts = [r for r in rows if r['event_type'] == 'alert' and r['alert']['gid'] != MODELS_GID]
        for match, count in self.scored():
            sid = match.get('alert.signature_id')
            if refused and (sid is None or sid in refused or everything):
                continue
            result.total += 1
            told = self.check(match, count, alerts)
            result.passed += not told
            result.told += told
        return result

    def config(self):
        given = ((self.own or {}).get('vars') or {})
        groups = {**GROUPS, **(given.get('address-groups') or {})}
        ports = {**PORTS, **(given.get('port-groups') or {})}
        rules = {'bad_rules': 'skip', 'address_groups': {k: str(v) for k, v in groups.items()},
                 'port_groups': {k: str(v) for k, v in ports.items()}}
        wire = {'name': 'wire0', 'a': 'net_null0', 'b': 'net_null1'}  # `weir check` wants one
        return yaml.safe_dump({'wires': [wire], 'rules': rules})

    def refused(self, weir, config):
        """The sids that we do not read, and whether what they do concerns the others."""
        path = self.root / self.row['rules']
        done = subprocess.run([weir, 'check', '--config', config, '--rules', path], capture_output=True, text=True,
                              timeout=120, check=False, errors='replace')
        if 'rules are good' not in done.stdout:
            raise eve.Crashed(f'{path}: {done.stderr.strip()[-300:]}')
        bad = {int(line) for line in re.findall(re.escape(str(path)) + r':(\d+):\d+: error', done.stderr)}
        rules = [rule for first, last, rule in rules_of(path.read_text(errors='replace'))
                 if any(first <= line <= last for line in bad)]
        sids = {int(found.group(1)) for found in map(SID.search, rules) if found}
        return sids, any(rule.split()[0] not in ('alert',) or 'flowbits:set' in rule for rule in rules)

    def scored(self):
        """[(what of a filter is compared, how many such alerts there are to be)]"""
        exact, parts = {}, collections.Counter()
        for wanted in self.checks():
            whole = corpus_eve.members(wanted['match'])
            match = {key: value for key, value in whole.items() if key in COMPARED or key == 'app_proto'}
            left_out, key = match.keys() != whole.keys(), json.dumps(match, sort_keys=True)
            if not left_out:
                exact[key] = wanted['count']
            elif wanted['count']:  # that there is none of a kind we cannot tell apart says nothing
                parts[key] += wanted['count']
        return [(json.loads(key), count) for key, count in {**parts, **exact}.items()]

    def check(self, match, count, rows):
        found = sum(self.matches(match, row) for row in rows)
        if found == count:
            return []
        ours = collections.Counter(row['alert']['signature_id'] for row in rows)
        return [f'{found} found, {count} expected of {eve.shown(match)}; ours {dict(ours)}']

    @staticmethod
    def matches(match, row):
        rest = {key: value for key, value in match.items() if key != 'app_proto'}
        app = str(match.get('app_proto', ''))
        return row['app_proto'].lower().startswith(APPLICATIONS.get(app, app)) and not eve.differences(row, rest)


def main():
    options = corpus.arguments(__doc__)
    root = corpus.folder('suricata-verify')
    with open(root / 'manifest.csv', newline='', encoding='utf-8') as file:
        tests = [Test(root, row) for row in csv.DictReader(file) if corpus.chosen(row['test'], options)]
    scored = [t for t in tests if not t.why and t.checks() and options.protocol in (None, t.tier)]
    skipped = collections.Counter(t.why for t in tests if t.why and t.checks())
    results = corpus.judged(lambda test: [test.judge(options.weir)], scored)
    for why, count in skipped.most_common(12):
        print(f'{count} tests left out: {why}')
    unread = sum(not result.total for result in results)
    print(f'{unread} tests have no rule in their checks that we read')
    corpus.finish(results, options)


if __name__ == '__main__':
    main()
