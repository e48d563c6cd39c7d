#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run_case.py WEIR CASE: `weir replay` over CASE/in.pcap, compared with CASE/expect.yaml.

expect.yaml, all but the first optional:
  summary:   {received: 13, sent: 9, dropped: {rule-drop: 4}}   what the JSON summary must say, where named
  gone:      [4, 5]        numbers (from 1) of the packets that did not leave; all others left, identical and in order.
             some          what left is identical and in order, whatever is missing; `summary` says how many
  added:     2             frames of our own (RST, ICMP) among what left; default 0
  events:    [{count: 1, event_type: alert, alert.signature_id: 7, pcap_cnt: 4}]   records of eve.json that have these
             values (a dot goes into an object), and how many of them there are
  mode:      enforce       --mode
  arguments: [-k, none]    more of the command line
Held in every case, without being asked for: exit code 0 and received = sent + dropped + held."""
import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
from packets import read_pcap  # noqa: E402

failures = []


def same(what, got, wanted):
    if got != wanted:
        failures.append(f'{what}: {got!r}, expected {wanted!r}')


def value_of(record, dotted):
    for part in dotted.split('.'):
        record = record.get(part) if isinstance(record, dict) else None
    return record


def compare_frames(expect, before, after):
    if expect.get('gone') == 'some':
        position = iter(frame for _, frame in before)
        if not all(any(frame == other for other in position) for _, frame in after):
            failures.append('what left is not a part of what came, in order')
        return
    gone = set(expect.get('gone', []))
    kept = [frame for number, (_, frame) in enumerate(before, 1) if number not in gone]
    left = [frame for _, frame in after]
    added = len(left) - len(kept)
    same('frames of our own', added, expect.get('added', 0))
    if added <= 0:
        for number, (got, wanted) in enumerate(zip(left, kept), 1):
            if got != wanted:
                failures.append(f'frame {number} that left: {got.hex()}, expected {wanted.hex()}')
                break
    else:
        position = iter(left)
        if not all(any(frame == other for other in position) for frame in kept):
            failures.append('what passes did not leave as it came, in order')


def compare_events(expect, records):
    for wanted in expect.get('events', []):
        fields = {k: v for k, v in wanted.items() if k != 'count'}
        found = [r for r in records if all(value_of(r, k) == v for k, v in fields.items())]
        if len(found) != wanted['count']:
            alike = [r for r in records if r['event_type'] == fields.get('event_type')][:3]
            failures.append(f'{len(found)} records with {fields}, expected {wanted["count"]}; there are {alike}')


def main():
    weir, case = sys.argv[1], pathlib.Path(sys.argv[2])
    expect = yaml.safe_load((case / 'expect.yaml').read_text())
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        words = [weir, 'replay', case / 'in.pcap', '--mode', expect.get('mode', 'enforce'), '--json', '--out', out,
                 '--write', out / 'left.pcap']
        words += ['--rules', case / 'rules'] if (case / 'rules').exists() else []
        words += ['--config', case / 'weir.yaml'] if (case / 'weir.yaml').exists() else []
        done = subprocess.run([*map(str, words), *expect.get('arguments', [])], capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode:
            sys.exit(f'weir replay: exit code {done.returncode}: {done.stderr}{done.stdout}')
        summary = json.loads(done.stdout)
        print(json.dumps(summary))
        same('received - sent - dropped - held',
             summary['received'] - summary['sent'] - sum(summary['dropped'].values()) - summary['held'], 0)
        for key, wanted in expect['summary'].items():
            same(key, summary.get(key), wanted)
        before, after = read_pcap(case / 'in.pcap'), read_pcap(out / 'left.pcap')
        same('received', summary['received'], len(before))
        compare_frames(expect, before, after)
        lines = (out / 'eve.json').read_text().splitlines()
        compare_events(expect, [json.loads(line) for line in lines])
    print('\n'.join(failures) or 'as expected')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
