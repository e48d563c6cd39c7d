#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Link-state propagation: the client's cable goes, the server sees its own go; both come back together; a short flap
does nothing; what Weir took down it brings back up when it ends, also when its data plane was killed."""
import os
import signal
import sys
import time

from case import begin, check, wire
from lab import SERVER4, wait_for

KIND = sys.argv[1] if len(sys.argv) > 1 else ''


def set_link(lab, host, port, state):
    lab.run(host, ['ip', 'link', 'set', port, state])


def carrier(lab, host, port):
    return lab.run(host, ['cat', f'/sys/class/net/{port}/carrier']).stdout.strip() == '1'


def is_up(lab, port):
    return ',UP' in lab.run('dut', ['ip', '-o', 'link', 'show', port]).stdout


def pings(lab):
    return lab.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0


def side(weir, name):
    return weir.status()['wires'][0][name]


with wire(start=False, ports=(KIND + 'd0', KIND + 'd1')) as (lab, weir):
    weir.config['wires'][0].update({'link_propagation': True, 'link_debounce_ms': 150})
    weir.write_config()
    begin(lab, weir, serve=False)
    check(carrier(lab, 'server', 's0'), 'both ends have link')

    set_link(lab, 'client', 'c0', 'down')
    begun = time.monotonic()
    wait_for(lambda: not carrier(lab, 'server', 's0'), 5, 'the server to lose its link', every=0.01)
    took = time.monotonic() - begun
    check(0.1 < took < 1.5, f'the server has lost its link {took * 1e3:.0f} ms after the client (debounce 150 ms)')
    wait_for(lambda: side(weir, 'b')['held_down'] and not side(weir, 'a')['link'], 5, 'the status to say so')
    check('held' in weir.ask('status').stdout, 'weir status shows the port as held')
    time.sleep(1)
    check(side(weir, 'a')['link_losses'] == 1 and side(weir, 'b')['link_losses'] == 0,
          'one loss, of the client: what Weir takes down itself is none')

    set_link(lab, 'client', 'c0', 'up')
    wait_for(lambda: carrier(lab, 'server', 's0'), 5, 'the server to have its link back', every=0.01)
    wait_for(lambda: pings(lab), 5, 'a ping after the links are back')
    check(True, 'both are back and the wire carries')

    set_link(lab, 'server', 's0', 'down')
    wait_for(lambda: not carrier(lab, 'client', 'c0'), 5, 'the client to lose its link')
    set_link(lab, 'server', 's0', 'up')
    wait_for(lambda: carrier(lab, 'client', 'c0') and pings(lab), 8, 'the wire after the other way round')
    check(True, 'and the other way round')
    check(weir.status()['wires'][0]['links_taken_down'] == 2, 'taken down twice')

    set_link(lab, 'client', 'c0', 'down')
    wait_for(lambda: side(weir, 'b')['held_down'], 5, 'the server to be taken down again')
    pid = weir.status()['dataplane']['pid']
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: weir.status()['dataplane']['pid'] not in (0, pid) and side(weir, 'b')['held_down'], 15,
             'a new data plane, which takes it down as well')
    check(True, 'a new data plane goes on where the killed one was')
    check(weir.stop() == 0, 'weir run ends')
    check(is_up(lab, 'd1'), 'and has brought up what it had taken down')
