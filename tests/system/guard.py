#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A wire that never goes dead: the data plane is stopped, killed and ended, and each time it is replaced in time, the
bypass command is called as it should be, and the wire carries again."""
import os
import re
import signal
import time

from case import begin, check, wire
from lab import SERVER4, wait_for


def pings(lab):
    return lab.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0


def calls(record):
    """The words the bypass command was called with, without the heartbeats."""
    words = record.read_text().split() if record.exists() else []
    return [w for w in words if w != 'beat'], words.count('beat')


def is_running(weir, old):
    return weir.ready(pid=old)


with wire(start=False, workers={'stall_after': '50ms'}) as (lab, weir):
    record = lab.dir / 'relay-calls'
    hook = lab.dir / 'relay'
    hook.write_text(f'#!/bin/sh\necho "$2" >> {record}\n')
    hook.chmod(0o755)
    weir.config['wires'][0]['bypass'] = {'command': [str(hook), 'wire0'], 'timeout': '2s', 'heartbeat': '100ms'}
    weir.write_config()
    begin(lab, weir, serve=False)
    wait_for(lambda: calls(record)[0] == ['on', 'off'], 5, 'bypass on while it starts, off once it runs')
    check(True, 'bypass is on while Weir starts and off once its workers run')
    wait_for(lambda: calls(record)[1] >= 5, 5, 'heartbeats')
    check(True, 'and the command gets its heartbeat')

    pid = weir.status()['dataplane']['pid']
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_running(weir, pid), 20, 'a new data plane after kill -9')
    wait_for(lambda: calls(record)[0] == ['on', 'off'] * 2, 5, f'on and off after kill -9: {calls(record)[0]}')
    wait_for(lambda: pings(lab), 10, 'a ping after kill -9')
    check(weir.status()['stalls'] == {'workers': 0, 'process': 0}, 'a killed data plane is not called a stalled one')

    for turn in range(1, 4):
        pid, beats = weir.status()['dataplane']['pid'], calls(record)[1]
        begun = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: not os.path.exists(f'/proc/{pid}'), 5, 'the stopped one to be killed', every=0.001)
        print(f'SIGSTOP: gone after {(time.monotonic() - begun) * 1e3:.0f} ms')
        wait_for(lambda: is_running(weir, pid), 20, 'a new data plane after SIGSTOP')
        wait_for(lambda: pings(lab), 10, 'a ping after SIGSTOP')
        check(weir.status()['stalls'] == {'workers': 0, 'process': turn}, f'stall {turn} is counted')
        wait_for(lambda: calls(record)[0] == ['on', 'off'] * (2 + turn), 5, f'on and off: {calls(record)[0]}')
    said = [int(ms) for ms in re.findall(r'nothing in it has moved for (\d+) ms', weir.said())]
    check(len(said) == 3, f'weir run says so, with for how long: {said} ms')
    check('stalls' in weir.ask('status').stdout, 'weir status shows the stalls')

    time.sleep(5)
    check(weir.status()['stalls'] == {'workers': 0, 'process': 3}, 'nothing is called stalled that is not')
    check(weir.stop() == 0, 'weir run ends')
    check(calls(record)[0] == ['on', 'off'] * 5 + ['on'], f'and leaves the relay bypassing: {calls(record)[0]}')
