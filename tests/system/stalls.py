#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`workers.stall_after` as it is by default, 50 ms: after how long a stopped worker, or a stopped data plane, is seen
and gone, and that none is taken for stopped that only has much to do on a machine where others have as well.
stalls.py [TRIALS [SECONDS OF LOAD]]"""
import contextlib
import os
import signal
import statistics
import sys
import time

from case import check, end_ping, start_ping, start_transfer, wire
from lab import stop, wait_for
from stopped import Stopped

TRIALS = int(sys.argv[1]) if len(sys.argv) > 1 else 4
SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
# Of a machine that is busy otherwise, at the median; each within ten times the limit, which is what a watched thread
# gets that cannot be told from one that waits for a CPU.
MEDIAN_MS, MOST_MS = 100, 550


def is_exiting(pid):
    """Its threads are told to end; memory and ports take longer."""
    exiting = 0x4   # PF_EXITING, the 9th of proc(5) stat
    with contextlib.suppress(OSError), open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        words = stat.read().rsplit(') ', 1)[1].split()
        return words[0] in 'ZX' or int(words[6]) & exiting
    return True


def stalls(weir):
    return weir.status()['stalls']


def again(weir, pid):
    wait_for(lambda: weir.ready(pid=pid), 30, 'a new data plane')
    time.sleep(0.3)


def trial(weir, halt):
    """ms from the stop to the end of the data plane's threads."""
    pid = weir.status()['dataplane']['pid']
    begun, go_on = halt(pid)
    try:
        wait_for(lambda: is_exiting(pid), 5, 'the stopped one to be ended', every=0.0005)
        took = (time.monotonic() - begun) * 1e3
    finally:
        go_on()
    again(weir, pid)
    return took


def stop_worker(weir):
    def halt(_pid):
        worker = Stopped(weir, 0)
        begun = time.monotonic()
        worker.stop()
        return begun, worker.let_die
    return halt


def stop_process(pid):
    begun = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    return begun, lambda: None


def seen_in_time(weir, name, halt):
    took = sorted(round(trial(weir, halt)) for _ in range(TRIALS))
    median = statistics.median(took)
    print(f'{name}: seen and ended after, ms: {took}')
    check(median <= MEDIAN_MS and took[-1] <= MOST_MS, f'{name}: {median:.0f} ms at the median of {TRIALS}')


def busy_is_not_stalled(lab, weir):
    before = stalls(weir)
    load, ping = start_transfer(lab, '0'), start_ping(lab, 'client', '0.01')
    burners = [lab.start('client', ['sh', '-c', 'while :; do :; done'], name=f'burner-{n}')
               for n in range(os.cpu_count())]
    time.sleep(SECONDS)
    for burner in burners:
        stop(burner)
    stop(load)
    sent, answered, _ = end_ping(ping)
    with open('/proc/loadavg', encoding='ascii') as file:
        print(f'load {file.read().split()[0]} on {os.cpu_count()} cores; {answered} of {sent} pings answered')
    after = stalls(weir)
    check(after == before, f'{SECONDS} s of a transfer as fast as it goes, all cores taken by others: {after}')


with wire(workers={'stall_after': '50ms'}, seconds=100 + 12 * TRIALS + SECONDS) as (lab_, weir_):
    busy_is_not_stalled(lab_, weir_)
    begun_ = stalls(weir_)
    try:
        with Stopped(weir_, 0):
            pass
        seen_in_time(weir_, 'a worker', stop_worker(weir_))
        check(stalls(weir_)['workers'] == begun_['workers'] + TRIALS, f'each is counted: {stalls(weir_)}')
    except PermissionError as error:
        print(f'no ptrace here: {error}')
    begun_ = stalls(weir_)
    seen_in_time(weir_, 'the whole data plane', stop_process)
    check(stalls(weir_)['process'] == begun_['process'] + TRIALS, f'each is counted: {stalls(weir_)}')
