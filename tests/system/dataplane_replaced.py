#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`weir restart-dataplane`, again and again under 1,000 pings a second: few are lost, what is blocked is blocked again,
and every packet that Weir had in its hands is accounted for. dataplane_replaced.py [TIMES]"""
import sys
import time

from case import check, end_ping, start_ping, wire
from lab import ATTACKER4, SERVER4, wait_for

TIMES = int(sys.argv[1]) if len(sys.argv) > 1 else 5
LOST_MS_EACH_MAX = 20   # at the median: a ping a millisecond


def blocked(lab):
    return lab.run('attacker', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode != 0


with wire(attacker=True, seconds=60 + 15 * TIMES) as (lab_, weir_):
    weir_.ask('block', ATTACKER4, '--for', '1h', '--reason', 'must stay')
    wait_for(lambda: any(a['state'] == 'standing' for a in weir_.actions()), 5, 'the verdict to stand')
    whole = start_ping(lab_, 'client', '0.001')
    lost, took = [], []
    for _ in range(TIMES):
        before = weir_.status()['dataplane']
        probe = start_ping(lab_, 'client', '0.001')
        time.sleep(0.2)
        begun = time.monotonic()
        done = weir_.ask('restart-dataplane', timeout=70)
        took.append(round((time.monotonic() - begun) * 1e3))
        wait_for(weir_.ready, 20, 'weir to be ready')
        after = weir_.status()['dataplane']
        if done.returncode or after['epoch'] == before['epoch'] or after['pid'] == before['pid']:
            check(False, f'a new data plane after {done.stdout}{done.stderr}: {before} {after}')
        wait_for(lambda: blocked(lab_), 10, 'the blocked one to be blocked again')
        sent, answered, _ = end_ping(probe)
        lost.append(sent - answered)
    sent, answered, out = end_ping(whole)
    print(f'each took, ms: {sorted(took)}')
    print(f'pings lost at each, sorted, one a millisecond: {sorted(lost)}; over the run {sent - answered} of {sent}')
    median = sorted(lost)[TIMES // 2]
    check(median <= LOST_MS_EACH_MAX, f'the median of {TIMES} lost {median} of 1,000 a second')
    check('duplicates' not in out, 'nothing came twice')
    check(weir_.status()['stalls'] == {'workers': 0, 'process': 0}, 'and none was taken for a stalled one')
