#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""weir top: what it says of a transfer of a known rate, once and again and again; what it says where nobody answers."""
import re
import signal
import subprocess
import time

from case import check, start_transfer, wire
from lab import CLIENT4, SERVER4, stop, wait_for

UNITS = {'': 1, 'k': 1e3, 'M': 1e6, 'G': 1e9}


def rate(text):
    number, unit = re.fullmatch(r'([\d.]+) ?([kMG]?)', text).groups()
    return float(number) * UNITS[unit]


def rows(text, head):
    """The table whose first line begins so, as dictionaries; columns are two blanks apart, and what repeats counts."""
    lines = text[text.index(head):].split('\n\n')[0].splitlines()
    names = re.split(r'\s{2,}', lines[0].strip())
    return [dict(zip((f'{name}{names[:n].count(name) or ""}' for n, name in enumerate(names)),
                     re.split(r'\s{2,}', line.strip()))) for line in lines[1:]]


with wire(flows={'update_every': '1s'}) as (lab, weir):
    load = start_transfer(lab, '20M')
    time.sleep(3)
    done = weir.ask('top', '--once', '--every', '2', '--rows', '3', timeout=20)
    print(done.stdout)
    check(done.returncode == 0 and not done.stderr and '\033' not in done.stdout, 'weir top --once, plain text')
    port = rows(done.stdout, 'wire')[0]
    check(port['port'] == 'd0' and port['link'] == 'up' and 14e6 < rate(port['bit/s']) < 28e6,
          f'the wire carries what is sent, 20 Mbit/s: {port["bit/s"]}')
    worker = rows(done.stdout, 'worker')[0]
    check(worker['worker'] == '0' and 0 < int(worker['cpu'].split()[0]) <= 100, f'its worker: {worker}')
    devices = {row['device']: rate(row['bit/s']) for row in rows(done.stdout, 'device')}
    check(all(14e6 < devices.get(a, 0) < 28e6 for a in (CLIENT4, SERVER4)), f'both ends of it: {devices}')
    flow = rows(done.stdout, 'from')[0]
    check(flow['to'] == f'{SERVER4}:5201' and 14e6 < rate(flow['bit/s']) < 28e6, f'and the flow itself, first: {flow}')
    check(len(rows(done.stdout, 'from')) <= 3, 'no more rows than asked for')

    top = lab.start('dut', [weir.binary, 'top', '--every', '0.3', '--runtime-dir', weir.config['runtime_dir']],
                    name='top', stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    weir.kill_control()
    wait_for(weir.ready, 20, 'a new control plane')
    time.sleep(1.5)
    top.send_signal(signal.SIGINT)
    said = top.communicate(timeout=10)[0]
    times = said.count('instance ')
    check(times >= 4, f'again and again, over the death of a control plane: {times}')
    stop(load)
    weir.stop(20)
    done = weir.ask('top', '--once')
    check(done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, f'nobody there: {done.stderr.strip()}')
