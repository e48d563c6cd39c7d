#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""weir-control dies twenty times, by kill -9, under traffic: no packet is lost because of it, verdicts stay in force,
and each new one attaches to the running data plane and knows what stood and who lives here."""
import json
import re
import subprocess
import time

from case import check, wire
from lab import ATTACKER4, SERVER4, stop, wait_for

KILLS = 20


def end_of_ping(process):
    """(sent, answered)"""
    process.send_signal(2)
    out, _ = process.communicate(timeout=10)
    return map(int, re.search(r'(\d+) packets transmitted, (\d+) received', out).groups())


def quiet_ping(lab, host, every):
    return lab.start(host, ['ping', '-q', '-n', '-i', every, SERVER4], name=f'ping-{host}', stdout=subprocess.PIPE,
                     text=True)


with wire(attacker=True) as (lab, weir):
    lab.start('server', ['iperf3', '-s'], name='iperf3-server')
    wait_for(lambda: lab.listening('server', 5201), 10, 'iperf3 to listen')
    done = weir.ask('block', ATTACKER4, '--for', '1h', '--reason', 'must stay')
    check(done.returncode == 0, f'weir block: {done.stdout.strip()} {done.stderr.strip()}')
    wait_for(lambda: any(a['state'] == 'standing' for a in weir.actions()), 5, 'the verdict to stand')
    devices = {d['address'] for d in weir.json('devices')}
    epoch = weir.status()['dataplane']['epoch']

    # a rate the lab's cores carry without loss, so that every lost ping has one possible cause
    load = lab.start('client', ['iperf3', '-c', SERVER4, '-t', '600', '-b', '50M', '-J'], name='iperf3',
                     stdout=subprocess.PIPE, text=True)
    client, attacker = quiet_ping(lab, 'client', '0.01'), quiet_ping(lab, 'attacker', '0.05')
    time.sleep(1)
    begin, slowest = time.monotonic(), 0
    for _ in range(KILLS):
        old, killed = weir.kill_control(), time.monotonic()
        wait_for(lambda: weir.ready() and weir.status()['control']['pid'] != old, 20, 'a new weir-control')
        slowest = max(slowest, time.monotonic() - killed)
        standing = [a for a in weir.actions() if a['state'] == 'standing' and ATTACKER4 in json.dumps(a)]
        if not standing or not devices <= {d['address'] for d in weir.json('devices')}:
            check(False, f'the new weir-control has forgotten: {standing} {weir.json("devices")}')
            break
        time.sleep(0.3)
    print(f'{KILLS} kills in {time.monotonic() - begin:.0f} s, answering again after at most {slowest:.1f} s')

    sent, answered = end_of_ping(client)
    # the last one may still be on its way when ping is told to stop
    check(sent > 300 and answered >= sent - 1, f'{sent} pings of the client, {answered} answered')
    sent, answered = end_of_ping(attacker)
    check(sent > 50 and answered == 0, f'{sent} pings of the blocked one, {answered} answered')
    check(load.poll() is None, 'the bulk transfer still runs')
    stop(load)
    status = weir.status()
    check(status['dataplane']['epoch'] == epoch, 'the data plane never restarted')
    check(set(status['total']['dropped']) <= {'verdict-drop'}, f'nothing else dropped: {status["total"]["dropped"]}')
