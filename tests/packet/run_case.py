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
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import eve  # noqa: E402
from packets import frames_of, read_pcap  # noqa: E402

failures = []


def same(what, got, wanted):
    if got != wanted:
        failures.append(f'{what}: {got!r}, expected {wanted!r}')


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
        found = [r for r in records if not eve.differences(r, fields)]
        if len(found) != wanted['count']:
            alike = [r for r in records if r['event_type'] == fields.get('event_type')][:3]
            failures.append(f'{len(found)} records with {fields}, expected {wanted["count"]}; there are {alike}')


def main():
    weir, case = sys.argv[1], pathlib.Path(sys.argv[2])
    expect = yaml.safe_load((case / 'expect.yaml').read_text())
    rules, config = case / 'rules', case / 'weir.yaml'
    words = ['--config', config] if config.exists() else []
    try:
        done = eve.replay(weir, case / 'in.pcap', rules if rules.exists() else None, expect.get('mode', 'enforce'),
                          [*words, *expect.get('arguments', [])], keep=True)
    except (eve.Refused, eve.Crashed) as refused:
        sys.exit(f'weir replay: {refused}')
    summary = done.summary
    print(json.dumps(summary))
    same('received - sent - dropped - held',
         summary['received'] - summary['sent'] - sum(summary['dropped'].values()) - summary['held'], 0)
    for key, wanted in expect['summary'].items():
        same(key, summary.get(key), wanted)
    before, after = read_pcap(case / 'in.pcap'), frames_of(done.left)
    same('received', summary['received'], len(before))
    compare_frames(expect, before, after)
    compare_events(expect, done.rows)
    print('\n'.join(failures) or 'as expected')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
