#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What may be changed under a running wire by somebody who does not think of it: a port's name, its MTU, weir.yaml and
the rule files. The wire goes on, or says in one line what is lost and until when, and every frame is accounted for."""
import os
import time

from case import begin, check, end_ping, start_ping, wire
from lab import SERVER4, wait_for

RULES = 'drop tcp any any -> any 80 (msg:"dropped"; content:"evil-word"; sid:1;)\n'


def answered(lab, size=56, count=3):
    words = ['ping', '-n', '-c', count, '-i', '0.2', '-W', '1', '-s', size, '-M', 'do', SERVER4]
    return lab.run('client', words, timeout=10).stdout.count('bytes from')


def set_dut(lab, *words):
    done = lab.run('dut', ['ip', 'link', 'set', *words])
    check(done.returncode == 0, f'ip link set {" ".join(words)} {done.stderr.strip()}')


def said(weir, words):
    """How many lines of weir run have these words."""
    return sum(words in line for line in (weir.lab.dir / f'{weir.name}.log').read_text().splitlines())


def a_name(lab, weir):
    """Its number is what counts while it is in use."""
    pid, ping = weir.status()['dataplane']['pid'], start_ping(lab, 'client', '0.01')
    set_dut(lab, 'd1', 'name', 'other1')
    wait_for(lambda: said(weir, 'port d1 of wire wire0 is called other1 by now'), 5, 'the line that says so')
    time.sleep(0.5)
    sent, got, _ = end_ping(ping)
    status = weir.status()
    check(sent - got <= 1 and status['wires'][0]['b']['link'],
          f'renamed, the port has link; {got} of {sent} pings answered')
    check(status['wires'][0]['b']['link_losses'] == 0 and status['dataplane']['pid'] == pid,
          'nothing was lost or replaced')
    set_dut(lab, 'other1', 'name', 'd1')
    wait_for(lambda: said(weir, 'port d1 of wire wire0 has its name again'), 5, 'the line that says so')


def a_port_s_mtu(lab, weir):
    check(answered(lab, 1472) == 3, 'packets of 1,500 pass')
    set_dut(lab, 'd1', 'mtu', '1400')
    wait_for(lambda: said(weir, 'd1 has MTU 1400 by now, 1500 when it was opened'), 5, 'the line that says so')
    check(answered(lab, 1472) == 0 and answered(lab) == 3, 'with 1,400 at one port, longer ones do not')
    dropped = weir.assert_accounting()['total']['dropped']
    check(dropped == {'tx-oversize': 3}, f'and are told: {dropped}')
    set_dut(lab, 'd1', 'mtu', '1500')
    wait_for(lambda: said(weir, 'd1 has MTU 1500 by now, as it was opened'), 5, 'the line that says so')
    check(answered(lab, 1472) == 3, 'and back')
    for port in ('d0', 'd1'):
        set_dut(lab, port, 'mtu', '3000')
    wait_for(lambda: said(weir, 'longer frames are lost until weir restart-dataplane') == 2, 5, 'two lines that say so')
    for host, port in (('client', 'c0'), ('server', 's0')):
        lab.run(host, ['ip', 'link', 'set', port, 'mtu', '3000'])
    missed = weir.status()['wires'][0]['a']['missed']
    check(answered(lab, 2900) == 0 and answered(lab) == 3, 'raised, longer packets do not pass yet')
    time.sleep(1)
    check(weir.status()['wires'][0]['a']['missed'] == missed + 3, 'and count as missed')
    check(weir.ask('restart-dataplane', timeout=70).returncode == 0, 'weir restart-dataplane')
    wait_for(lambda: answered(lab, 2900) == 3, 10, 'long packets to pass')
    check(True, 'now they do')


def the_files(lab, weir):
    text = weir.config_path.read_text()
    weir.config_path.unlink()
    done = weir.ask('reload')
    check(done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1 and str(weir.config_path) in done.stderr,
          f'weir.yaml gone, weir reload: {done.stderr.strip()}')
    done = weir.ask('restart-dataplane', timeout=70)
    check(done.returncode == 0 and said(weir, 'starts with the settings it had') == 1,
          'a new data plane starts all the same')
    weir.config_path.write_text(text)
    for what, data in (('noise', b'\xfe' + os.urandom(5000)), ('UTF-16', RULES.encode('utf-16')),
                       ('a program', b'\x7fELF' + bytes(999))):
        weir.rules.write_bytes(data)
        done = weir.ask('rules', 'reload', timeout=30)
        check(done.returncode == 1 and f'{weir.rules}:1:' in done.stderr,
              f'rules of {what}: {done.stderr.strip()[-200:]}')
        check(weir.status()['rules']['count'] == 1, 'the last good ones stay, and weir status can be read')
    weir.rules.write_bytes(RULES.replace('dropped', 'verwürfelt').encode('latin-1'))
    check(weir.ask('rules', 'reload', timeout=30).returncode == 0, 'a message in Latin-1 is none of our business')
    lab.run('client', ['curl', '-s', '-o', '/dev/null', '--max-time', '1', f'http://{SERVER4}/evil-word'])
    wait_for(lambda: any('verw' in r.get('alert', {}).get('signature', '') for r in weir.eve('alert')), 10, 'its alert')
    check(True, 'and what is written of it is UTF-8')
    weir.rules.unlink()
    check(weir.ask('rules', 'reload', timeout=30).returncode == 1 and weir.ask('reload').returncode == 1,
          'without the file neither reload changes anything')
    check(weir.status()['rules']['count'] == 1 and answered(lab) == 3, 'and the wire goes on')


with wire(start=False, rules=RULES, wires=[{'name': 'wire0', 'a': 'd0', 'b': 'd1', 'mode': 'enforce',
                                            'link_propagation': True}]) as (lab_, weir_):
    begin(lab_, weir_)
    a_name(lab_, weir_)
    a_port_s_mtu(lab_, weir_)
    the_files(lab_, weir_)
