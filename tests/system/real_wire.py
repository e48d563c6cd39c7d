#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""quickstart --wire A,B between two interfaces: starts, forwards, says so, and puts the interfaces back. It refuses
what would hurt."""
import json
import os
import subprocess

import case
from case import PROJECT, check
from lab import SERVER4, Lab, LabError, skip, why_not_here, wait_for

QUICKSTART = PROJECT / 'appliance' / 'quickstart'


def flags(lab, port):
    return json.loads(lab.run('dut', ['ip', '-j', 'link', 'show', 'dev', port]).stdout)[0]['flags']


reason = why_not_here()
if reason:
    skip(reason)
if os.path.exists('/run/weir/control.sock'):
    skip('/run/weir/control.sock is there: an appliance runs on this machine')
with Lab() as lab_:
    for wrong in ('d0', 'd0,d0', 'd0,nowhere0', 'd0,lo'):
        done = lab_.run('dut', [QUICKSTART, '--wire', wrong, '--once'], timeout=20)
        said = done.stderr.strip()
        check(done.returncode == 1 and len(said.splitlines()) == 1, f'--wire {wrong}: {said}')
    lab_.run('dut', ['ip', 'link', 'set', 'd0', 'promisc', 'off'])
    before = {port: flags(lab_, port) for port in ('d0', 'd1')}
    process = lab_.start('dut', [QUICKSTART, '--wire', 'd0,d1', '--mode', 'enforce'], name='quickstart',
                         stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: lab_.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0, 30,
                 'the first ping through the wire')
        done = lab_.run('client', ['ping', '-q', '-c', '20', '-i', '0.05', SERVER4])
        check(' 0% packet loss' in done.stdout, 'it forwards')
    except LabError as error:
        check(False, f'{error}: {(lab_.dir / "quickstart.log").read_text()}')
    process.send_signal(2)
    out, _ = process.communicate(timeout=20)
    check('joins d0 and d1, mode enforce' in out and 'received' in out, f'it says so: {out.strip()[:200]}')
    after = {port: flags(lab_, port) for port in ('d0', 'd1')}
    check(before == after, f'the interfaces are as they were: {after}')
    check(not os.path.exists('/run/weir/segment'), 'nothing is left in /run/weir')
case.finish()
