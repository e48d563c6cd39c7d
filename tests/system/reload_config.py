#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The whole configuration is reloaded under load: modes, fail policies, responses, logs and metrics change without a
restart and without a packet lost; a bad one changes nothing and says where; what has to wait says for what, and comes
with the restart; what is in force outlives the death of either program."""
import os
import re
import signal
import time

from case import check, end_ping, start_ping, start_transfer, wire
from lab import ATTACKER4, SERVER4, stop, wait_for

RULES = 'drop tcp any any -> any 80 (msg:"dropped"; content:"evil-word"; sid:2; rev:1;)\n'
TURNS = 20


def comes(lab, word, host='client'):
    done = lab.run(host, ['curl', '-s', '-o', '/dev/null', '--max-time', 2, f'http://{SERVER4}/{word}'])
    return done.returncode == 0


def reload(weir):
    weir.write_config()
    done = weir.ask('reload', timeout=60)
    return done.returncode, (done.stdout + done.stderr).strip()


def put_in_force(weir, what):
    code, said = reload(weir)
    check(code == 0, f'weir reload, {what}: {said}')
    return said


def set_mode(weir, mode):
    weir.config['wires'][0]['mode'] = mode


def mode(weir):
    return weir.status()['wires'][0]['mode']


def modes_change(lab, weir):
    check(not comes(lab, 'evil-word'), 'enforce: the rule drops')
    set_mode(weir, 'simulate')
    said = put_in_force(weir, 'to simulate')
    check('wire0: mode enforce -> simulate' in said, 'and it says what has changed')
    check(comes(lab, 'evil-word') and mode(weir) == 'simulate', 'simulate: the page comes')
    check(weir.status()['wires'][0]['would_drop'].get('rule-drop', 0) > 0, 'and what would have been dropped is told')
    set_mode(weir, 'enforce')
    put_in_force(weir, 'back to enforce')
    check(not comes(lab, 'evil-word'), 'enforce again: the rule drops')


def bad_ones_change_nothing(lab, weir):
    """Each with a mode that must not take effect."""
    def refused(what, place):
        code, said = reload(weir)
        check(code == 1 and re.search(place, said), f'refused, {what}: {said}')
        check(mode(weir) == 'enforce' and not comes(lab, 'evil-word'), 'and nothing has changed')

    set_mode(weir, 'tap')
    weir.config['flwos'] = {'max': 2048}
    refused('an unknown key', r'weir\.yaml:\d+:\d+: .*flows')
    del weir.config['flwos']
    weir.config['inspect'] = {'depths': {'NoSuchApplication': 1}}
    refused('an application that is none', 'NoSuchApplication')
    del weir.config['inspect']
    weir.rules.write_text(RULES + 'drop tcp any any - any 80 (msg:"x"; sid:7;)\n')
    refused('a bad rule', r'lab\.rules:2:\d+')
    weir.rules.write_text(RULES)
    weir.config['rules']['files'].append('/nowhere/there.rules')
    refused('a rule file that is not there', '/nowhere/there.rules')
    weir.config['rules']['files'].pop()
    os.chmod(weir.config_path, 0o600)
    try:
        refused('a file that weir-control may not read', 'weir.yaml.*(denied|read)')
    finally:
        os.chmod(weir.config_path, 0o644)
    set_mode(weir, 'enforce')
    put_in_force(weir, 'the good one')


def policies_and_responses_change(lab, weir):
    weir.config['wires'][0]['fail'] = 'closed'
    put_in_force(weir, 'fail closed')
    wait_for(lambda: not weir.status()['wires'][0]['kernel_relay'], 5, 'the relay to go')
    check(weir.status()['wires'][0]['fail']['overload']['policy'] == 'closed', 'fail: closed, and the relay is gone')
    weir.config['wires'][0]['fail'] = 'open'
    put_in_force(weir, 'fail open')
    wait_for(lambda: weir.status()['wires'][0]['kernel_relay'], 5, 'the relay to stand')
    weir.config['respond'] = {'never_touch': [ATTACKER4]}
    put_in_force(weir, 'never_touch')
    done = weir.ask('block', ATTACKER4, '--for', '1m')
    check(done.returncode == 1 and 'never_touch' in done.stdout + done.stderr, 'never_touch holds from now on')
    weir.config['respond'] = {}
    put_in_force(weir, 'without')
    check(weir.ask('block', ATTACKER4, '--for', '1m').returncode == 0, 'and no longer')


def logs_and_metrics_change(lab, weir):
    def listens(port):
        return lab.run('dut', ['curl', '-s', '--max-time', '3', f'http://127.0.0.1:{port}/metrics']).returncode == 0

    check(listens(9477) and not listens(9478), '/metrics at its first port')
    weir.config['metrics'] = {'listen': '127.0.0.1:9478'}
    weir.config['logs'] = {'eve': ['alert']}
    put_in_force(weir, 'logs and metrics')
    wait_for(lambda: listens(9478), 5, '/metrics at the other port')
    check(not listens(9477), 'and at the first no more')
    time.sleep(0.5)
    flows = len(weir.eve('http'))
    comes(lab, 'quiet')
    time.sleep(1)
    check(len(weir.eve('http')) == flows, 'logs.eve: http records are written no more')
    weir.config['logs'] = {}
    put_in_force(weir, 'all records again')
    comes(lab, 'loud')
    wait_for(lambda: len(weir.eve('http')) > flows, 5, 'http records again')


def what_waits_comes_with_the_restart(lab, weir):
    size = weir.status()['flows']['table_bytes']
    weir.config['flows'] = {'max': 65536, 'tcp_new': '30s'}
    weir.config['wires'][0]['inspect'] = False
    weir.config['instance'] = 'other'
    said = put_in_force(weir, 'tables and timeouts')
    check('flows.tcp_new: ' in said.split('waits')[0], 'the timeout takes effect')
    check('restart-dataplane: flows.max: ' in said and 'restart-dataplane: wire0: inspect' in said, 'the sizes wait')
    check('stopped and started: instance: ' in said, 'and the name for a start')
    check(weir.status()['flows']['table_bytes'] == size, 'nothing of it yet')
    said = weir.ask('status').stdout
    check('flows.max' in said, 'weir status tells what waits')
    done = weir.ask('restart-dataplane', timeout=60)
    check(done.returncode == 0, f'weir restart-dataplane: {done.stdout.strip()}{done.stderr.strip()}')
    check(weir.status()['flows']['table_bytes'] < size, 'the table is smaller now')
    check(comes(lab, 'evil-word'), 'and the wire is not inspected')
    weir.config['wires'][0]['inspect'] = True
    del weir.config['instance']
    put_in_force(weir, 'inspected again')
    check(weir.ask('restart-dataplane', timeout=60).returncode == 0, 'with the next restart')
    wait_for(lambda: not comes(lab, 'evil-word'), 15, 'the rule to drop again')
    weir.config['workers']['cpus'] = [1023]
    put_in_force(weir, 'a CPU that is not there')
    weir.ask('restart-dataplane', timeout=90)
    wait_for(weir.ready, 30, 'a data plane with the settings before')
    check('goes on with the settings it had' in weir.said(), 'what cannot start is not insisted on')
    del weir.config['workers']['cpus']
    put_in_force(weir, 'as before')


def outlives_either(lab, weir):
    set_mode(weir, 'simulate')
    put_in_force(weir, 'simulate')
    old = weir.status()['dataplane']
    os.kill(old['pid'], signal.SIGKILL)
    wait_for(lambda: weir.ready(epoch=old['epoch']), 20, 'a new data plane')
    check(mode(weir) == 'simulate', 'the mode is kept when the data plane is killed')
    weir.kill_control()
    wait_for(weir.ready, 10, 'a new control plane')
    wait_for(lambda: comes(lab, 'evil-word'), 10, 'the page to come')
    check(mode(weir) == 'simulate', 'and when the control plane is')
    set_mode(weir, 'enforce')
    weir.write_config()
    weir.process.send_signal(signal.SIGHUP)
    wait_for(lambda: mode(weir) == 'enforce', 10, 'SIGHUP to do the same')
    wait_for(lambda: not comes(lab, 'evil-word'), 10, 'the rule to drop')


def under_load(lab, weir):
    load = start_transfer(lab, '50M')
    ping = start_ping(lab, 'client', '0.002')
    time.sleep(0.5)
    good, begun = 0, time.monotonic()
    for turn in range(TURNS):
        set_mode(weir, ('simulate', 'enforce')[turn % 2])
        weir.config['flows']['tcp_new'] = f'{30 + turn}s'
        good += reload(weir)[0] == 0
    took = time.monotonic() - begun
    check(good == TURNS, f'{good} of {TURNS} reloads under load went well, {took / TURNS * 1e3:.0f} ms each')
    sent, answered, _ = end_ping(ping)
    check(answered >= sent - 1 > 100, f'{sent} pings meanwhile, {answered} answered')
    check(load.poll() is None, 'the transfer still runs')
    stop(load)
    after = weir.status()
    dropped = after['total']['dropped']
    check(set(dropped) <= {'rule-drop'}, f'nothing was dropped but what the rule had stopped before: {dropped}')
    missed = sum(after['wires'][0][side]['missed'] for side in ('a', 'b'))
    check(missed == 0, f'and nothing missed: {missed}')


with wire(attacker=True, rules=RULES, flows={}, seconds=280) as (lab_, weir_):
    modes_change(lab_, weir_)
    under_load(lab_, weir_)
    bad_ones_change_nothing(lab_, weir_)
    policies_and_responses_change(lab_, weir_)
    logs_and_metrics_change(lab_, weir_)
    outlives_either(lab_, weir_)
    what_waits_comes_with_the_restart(lab_, weir_)
