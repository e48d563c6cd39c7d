#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tap never drops, simulate says what it would have dropped; a scan is told in both and stops in neither."""
from case import check, wire
import frames
from lab import ATTACKER4, SERVER4, wait_for

import sys

RULES = 'drop tcp any any -> any 80 (msg:"dropped"; content:"evil-word"; sid:1; rev:1;)\n'
PROBES = 300
mode = sys.argv[1]

with wire(attacker=True, rules=RULES, mode=mode) as (lab, weir):
    page = lab.run('client', ['curl', '-s', '-o', '/dev/null', '--max-time', '5', f'http://{SERVER4}/evil-word'])
    check(page.returncode == 0, f'{mode}: a page with the word of a drop rule comes')
    probes = frames.Capture(lab, 'server', 's0', frames.tcp_syns_from(ATTACKER4))
    lab.run('attacker', ['nmap', '-sS', '-Pn', '-n', '-p', f'1-{PROBES}', SERVER4], timeout=60)
    reached = len(probes.stop())
    check(reached >= PROBES, f'{mode}: all of {PROBES} probes reach the server ({reached})')
    alert = wait_for(lambda: weir.alerts(kind='scan'), 5, 'the alert of the scan')[0]
    check(alert['mode'] == mode, f'the alert says in which mode: {alert["mode"]}')
    wire0 = weir.status()['wires'][0]
    check(not wire0['dropped'], f'{mode}: nothing dropped: {wire0["dropped"]}')
    would = wire0['would_drop']
    if mode == 'simulate':
        check(would.get('rule-drop', 0) > 0, f'simulate: what the rule would have dropped is counted: {would}')
        check(would.get('verdict-drop', 0) > 0, f'simulate: and what the verdict would have: {would}')
    else:
        check(not would, f'tap: nothing to simulate: {would}')
