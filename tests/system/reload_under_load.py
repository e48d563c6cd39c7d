#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ten thousand rules replaced again and again under load: not one packet is lost for it, a bad set changes nothing.
With 60 it is the minute that is promised: reload_under_load.py [SECONDS]"""
import sys
import time

from case import check, end_ping, start_ping, start_transfer, wire
from lab import stop

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
RULES = 10_000


def write_rules(weir, turn):
    weir.rules.write_text(''.join(
        f'alert tcp any any -> any any (msg:"turn {turn}"; content:"needle-{turn}-{n}-in-the-hay"; sid:{n};)\n'
        for n in range(1, RULES + 1)))


def refuses_a_bad_set(weir, when):
    generation = weir.status()['rules']['generation']
    weir.rules.write_text('alert tcp any any -> any any (content:"half a rule\n')
    check(weir.ask('rules', 'reload', timeout=60).returncode != 0, f'a bad set is refused, {when}')
    rules = weir.status()['rules']
    check(rules['generation'] == generation and rules['count'] == RULES, 'and changes nothing')


with wire(seconds=SECONDS + 150) as (lab, weir):
    load = start_transfer(lab, '50M')
    ping = start_ping(lab, 'client', '0.005')
    begun, turns, good = time.monotonic(), 0, 0
    while time.monotonic() - begun < SECONDS:
        next_turn = time.monotonic() + 1
        if turns == SECONDS // 2:
            refuses_a_bad_set(weir, 'in between')
        turns += 1
        write_rules(weir, turns)
        good += weir.ask('rules', 'reload', timeout=60).returncode == 0
        time.sleep(max(0.0, next_turn - time.monotonic()))
    check(good == turns > 1, f'{turns} reloads of {RULES} rules in {time.monotonic() - begun:.0f} s, {good} went well')
    refuses_a_bad_set(weir, 'at the end')
    sent, answered, _ = end_ping(ping)
    check(answered >= sent - 1 > SECONDS * 50, f'{sent} pings meanwhile, {answered} answered')
    check(load.poll() is None, 'the transfer still runs')
    stop(load)
    status = weir.status()
    check(status['total']['dropped'] == {}, f'nothing was dropped: {status["total"]["dropped"]}')
    missed = sum(status['wires'][0][side]['missed'] for side in ('a', 'b'))
    check(missed == 0, f'and nothing missed: {missed}')
