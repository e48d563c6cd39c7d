#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""weir-control dies twenty times, by kill -9, under traffic: no packet is lost because of it, verdicts stay in force,
and each new one attaches to the running data plane and knows what stood and who lives here."""
import contextlib
import json
import time

from case import check, end_ping, start_ping, start_transfer, wire
from lab import ATTACKER4, LabError, stop, wait_for

KILLS = 20


def stands(weir):
    return [a for a in weir.actions() if a['state'] == 'standing' and ATTACKER4 in json.dumps(a)]


with wire(attacker=True) as (lab, weir):
    done = weir.ask('block', ATTACKER4, '--for', '1h', '--reason', 'must stay')
    check(done.returncode == 0, f'weir block: {done.stdout.strip()} {done.stderr.strip()}')
    wait_for(lambda: any(a['state'] == 'standing' for a in weir.actions()), 5, 'the verdict to stand')
    devices = {d['address'] for d in weir.json('devices')}
    epoch = weir.status()['dataplane']['epoch']

    # a rate the lab's cores carry without loss, so that every lost ping has one possible cause
    load = start_transfer(lab, '50M')
    client, attacker = start_ping(lab, 'client', '0.01'), start_ping(lab, 'attacker', '0.05')
    time.sleep(1)
    begin, slowest = time.monotonic(), 0
    for _ in range(KILLS):
        old, killed = weir.kill_control(), time.monotonic()
        wait_for(lambda: weir.ready(pid=old), 20, 'a new weir-control')
        slowest = max(slowest, time.monotonic() - killed)
        # what is remembered is pending until the worker has told that it still has it
        with contextlib.suppress(LabError):
            wait_for(lambda: stands(weir), 2, 'the verdict to stand again')
        standing = stands(weir)
        if not standing or not devices <= {d['address'] for d in weir.json('devices')}:
            check(False, f'the new weir-control has forgotten: {standing} {weir.json("devices")}')
            break
        time.sleep(0.3)
    print(f'{KILLS} kills in {time.monotonic() - begin:.0f} s, answering again after at most {slowest:.1f} s')

    sent, answered, _ = end_ping(client)
    # the last one may still be on its way when ping is told to stop
    check(sent > 300 and answered >= sent - 1, f'{sent} pings of the client, {answered} answered')
    sent, answered, _ = end_ping(attacker)
    check(sent > 50 and answered == 0, f'{sent} pings of the blocked one, {answered} answered')
    check(load.poll() is None, 'the bulk transfer still runs')
    stop(load)
    status = weir.status()
    check(status['dataplane']['epoch'] == epoch, 'the data plane never restarted')
    check(set(status['total']['dropped']) <= {'verdict-drop'}, f'nothing else dropped: {status["total"]["dropped"]}')
