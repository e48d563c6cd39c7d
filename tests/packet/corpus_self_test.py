#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""That the corpus runners can fail: each is run over a corpus of our own with a `weir` that says what we tell it to."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'support'))
import eve  # noqa: E402

# eve.json is the file that lies beside the capture
WEIR = '''#!/usr/bin/python3
import pathlib, sys
rows = pathlib.Path(sys.argv[2] + '.eve').read_text()
if rows == 'refused':
    sys.exit('no such capture')
(pathlib.Path(sys.argv[sys.argv.index('--out') + 1]) / 'eve.json').write_text(rows)
print('{}')
'''
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f'{what}: {got!r}, expected {wanted!r}')


class Corpus:
    """A corpus in a folder that goes away, and a runner over it."""

    def __init__(self, folder, runner):
        self.folder, self.runner = pathlib.Path(folder), runner
        self.file('weir', WEIR).chmod(0o755)

    def file(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def eve(self, capture, *rows):
        self.file(f'{capture}.eve', ''.join(json.dumps(row) + '\n' for row in rows))

    def run(self, *words):
        """(exit code, the line of the score, all that was said)"""
        done = subprocess.run([sys.executable, HERE / self.runner, self.folder / 'weir', '--baseline',
                               self.folder / 'baseline.json', *words], capture_output=True, text=True, check=False,
                              env={**os.environ, 'WEIR_CORPUS': str(self.folder)})
        score = [line for line in done.stdout.splitlines() if ' pass whole' in line]
        return done.returncode, score[0].split(' (')[0] if score else '', done.stdout + done.stderr


def paths():
    record = {'dns': {'queries': [{'rrname': 'a.example'}], 'ip': '2001:db8::1', 'aa': True, 'id': 1}}
    for match, wanted in (
            ({'dns.queries[0].rrname': 'a.example'}, 0), ({'dns.queries[1].rrname': 'a.example'}, 1),
            ({'dns.queries[0].rrname.__len': 9}, 0), ({'dns.queries.__len': 2}, 1),
            ({'dns.queries[0].rrname.__startswith': 'a.'}, 0), ({'dns.queries[0].rrname.__endswith': 'a.'}, 1),
            ({'has-key': 'dns.id'}, 0), ({'has-key': 'dns.tx_id'}, 1), ({'not-has-key': 'dns.id'}, 1),
            ({'not-has-key': ['dns.tx_id', 'dns.x[0]']}, 0), ({'dns.ip': '2001:0db8:0:0:0:0:0:0001'}, 0),
            ({'dns.aa': 1}, 1), ({'dns.id': True}, 1), ({'dns.id': '1'}, 1), ({'dns.id': 1, 'dns.aa': True}, 0)):
        expect(match, len(eve.differences(record, match)), wanted)


def suricata_verify(folder):
    corpus = Corpus(folder, 'corpus_eve.py')
    root = 'suricata-verify'
    corpus.file(f'{root}/manifest.csv', 'test,pcap,rules,ips_mode,args\n'
                'one,tests/one/in.pcap,,0,-k none\nlater,tests/one/in.pcap,,0,\n')
    corpus.file(f'{root}/tests/one/test.yaml', '''
checks:
- filter: {count: 1, match: {event_type: dns, dns.id: 7, src_ip: 10.0.0.1}}
- filter: {count: 0, match: {event_type: dns, dns.id: 8}}
- filter: {count: 9, match: {event_type: alert}}
- filter: {count: 1, requires: {min-version: 9}, match: {event_type: dns, dns.id: 9}}
''')
    corpus.file(f'{root}/tests/later/test.yaml', '''
requires: {min-version: 9}
checks:
- filter: {count: 5, match: {event_type: dns}}
''')
    capture = f'{root}/tests/one/in.pcap'
    right = {'event_type': 'dns', 'src_ip': '10.0.0.1', 'dns': {'id': 7}}
    corpus.eve(capture)
    expect('no parser', corpus.run('--write')[:2], (0, '0 of 2 checks'))
    corpus.eve(capture, right)
    expect('all right', corpus.run('--write')[:2], (0, '2 of 2 checks'))
    corpus.eve(capture, right, right)
    expect('one too many', corpus.run()[:2], (1, '1 of 2 checks'))
    corpus.eve(capture, right, {**right, 'dns': {'id': 8}})
    expect('one that must not be', corpus.run()[:2], (1, '1 of 2 checks'))
    corpus.eve(capture, {**right, 'dns': {'id': '7'}})
    code, score, said = corpus.run('-v', '--test', 'one')
    expect('another type', (code, score), (1, '1 of 2 checks'))
    expect('what differs is told', 'dns.id: we "7", they 7' in said, True)
    corpus.file(f'{capture}.eve', 'refused')
    expect('refused', corpus.run()[0], 1)


def main():
    paths()
    for check in (suricata_verify,):
        with tempfile.TemporaryDirectory() as folder:
            check(folder)
    print('\n'.join(failures) or 'as expected')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
