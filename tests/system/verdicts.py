#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the operator asks for happens at once, to new and to established flows, and to nothing else; it ends by itself
or by undo."""
import re
import subprocess
import time

from case import check, wire
import services
from lab import ATTACKER4, CLIENT4, SERVER4, wait_for
from verdict_orders import order


def reaches(lab, host, seconds=1.5):
    return lab.run(host, ['curl', '-s', '-o', '/dev/null', '--max-time', seconds, f'http://{SERVER4}/']).returncode == 0


def pings(lab, host, count=20, every=0.02):
    out = lab.run(host, ['ping', '-q', '-n', '-c', count, '-i', every, '-W', '1', SERVER4], timeout=30).stdout
    return int(re.search(r'(\d+) received', out).group(1))


def megabits(lab, host, seconds):
    """Rate of a download that would take less without a limit, Mb/s over those seconds (or until it is done)."""
    words = ['curl', '-s', '-o', '/dev/null', '--max-time', seconds, '-w', '%{speed_download}',
             f'http://{SERVER4}/big.bin']
    return float(lab.run(host, words, timeout=seconds + 5).stdout) * 8 / 1e6


def block_and_undo(lab, weir):
    action = order(weir, 'block', ATTACKER4, '--to', SERVER4, '--port', '80', '--proto', 'tcp', '--for', '1h')
    check(not reaches(lab, 'attacker'), 'a blocked port is not reached')
    check(pings(lab, 'attacker') == 20, 'all else of that device is')
    check(reaches(lab, 'client'), 'and so are others')
    check(weir.ask('undo', action).returncode == 0 and reaches(lab, 'attacker', 5), 'undo opens it again')
    check(weir.ask('undo', action).returncode == 1, 'a second undo says no')
    action = order(weir, 'block', '10.77.0.64/29', '--for', '1h')
    check(pings(lab, 'attacker') == 0 and pings(lab, 'client') == 20, 'a prefix is blocked as a whole, and only that')
    weir.ask('undo', action)


def kept_to_known(lab, weir):
    """Pages and pings the attacker has had before; ssh it has not."""
    def port_22():
        words = ['curl', '-s', '--max-time', '1.5', f'telnet://{SERVER4}:22']
        return 'SSH' in lab.run('attacker', words, stdin=subprocess.DEVNULL).stdout
    action = order(weir, 'keep', ATTACKER4, '--for', '1h')
    check(reaches(lab, 'attacker', 5) and pings(lab, 'attacker') == 20, 'kept to what it always did, that goes on')
    check(not port_22(), 'and what it never did does not')
    check(any(d['address'] == ATTACKER4 and d['standing'] == 'kept' for d in weir.json('devices')),
          'its standing says so')
    weir.ask('undo', action)
    check(port_22(), 'undo opens it again')
    refused = weir.ask('keep', '10.77.0.99')
    check(refused.returncode == 1 and 'nothing is known' in refused.stderr, f'weir keep: {refused.stderr.strip()}')


def established(lab, weir):
    log = lab.dir / 'session.log'
    lab.start('attacker', services.ssh_words(lab, 'while sleep 0.1; do echo x; done'), name='session')
    lines = lambda: log.read_text().count('x') if log.exists() else 0
    wait_for(lambda: lines() > 5, 10, 'the ssh session')
    action = order(weir, 'block', ATTACKER4, '--for', '1h')
    before = lines()
    time.sleep(1.5)
    after = lines()
    check(after - before <= 1, f'an established ssh session stops at once ({after - before} lines more)')
    weir.ask('undo', action)
    wait_for(lambda: lines() > after + 5, 20, 'the session to go on after undo')
    check(True, 'and goes on after undo')


def expiry_and_limit(lab, weir):
    action = order(weir, 'block', ATTACKER4, '--for', '2s')
    check(pings(lab, 'attacker', 5) == 0, 'blocked for two seconds')
    wait_for(lambda: any(str(a['id']) == action and a['state'] == 'expired' for a in weir.actions('--all')), 6,
             'the action to expire')
    check(pings(lab, 'attacker') == 20, 'and then no longer')
    action = order(weir, 'limit', ATTACKER4, '--rate', '2mbps', '--for', '1h')
    limited, free = megabits(lab, 'attacker', 5), megabits(lab, 'client', 5)
    check(0.3 <= limited <= 2.2, f'limited to 2 Mb/s, TCP gets {limited:.2f} Mb/s of it')
    check(free > 20, f'the client is not limited: {free:.0f} Mb/s')
    check('verdict-ratelimit' in weir.status()['total']['dropped'], 'and it is counted as verdict-ratelimit')
    weir.ask('undo', action)


def scan(lab, host):
    lab.run(host, ['nmap', '-sS', '-Pn', '-n', '-T4', '--max-retries', '0', '-p', '1-200', SERVER4], timeout=60)
    time.sleep(1)


def by_mac(lab, weir):
    mac = '02:77:00:00:00:66'
    action = order(weir, 'block', mac, '--for', '1h')
    check(pings(lab, 'attacker', 5) == 0 and pings(lab, 'client') == 20, 'a device is blocked by its MAC, only that')
    check(not reaches(lab, 'attacker'), 'whatever it does')
    weir.ask('undo', action)
    action = order(weir, 'block', mac, '--port', '80', '--proto', 'tcp', '--for', '1h')
    check(not reaches(lab, 'attacker') and pings(lab, 'attacker') == 20, 'and a port of it by MAC')
    weir.ask('undo', action)
    refused = weir.ask('block', '02:77:00:00:00:01')
    check(refused.returncode == 1 and 'never_touch' in refused.stderr, f'never_touch holds: {refused.stderr.strip()}')


def per_source(lab, weir):
    """The same rate for each, not one for all: what one uses up is not missing to the other."""
    rate = 20
    action = order(weir, 'limit', '10.77.0.64/29', '--rate', f'{rate}pps', '--per', 'source', '--for', '1h')
    lab.run('attacker', ['ip', 'address', 'add', '10.77.0.67/24', 'dev', 'a0'])
    both = ' & '.join(f'ping -q -n -I {source} -c 300 -i 0.01 -W 1 {SERVER4}' for source in (ATTACKER4, '10.77.0.67'))
    out = lab.run('attacker', ['sh', '-c', f'{both}; wait'], timeout=30).stdout
    for received, milliseconds in re.findall(r'(\d+) received.*time (\d+)ms', out):
        share = rate * int(milliseconds) / 1000
        check(0.6 * share <= int(received) <= share + 5,
              f'both at once, each has its own {rate} pps: {received} pings in {milliseconds} ms')
    check(len(re.findall('received', out)) == 2, 'both were counted')
    weir.ask('undo', action)


def spared(lab, weir):
    scan(lab, 'client')
    check(reaches(lab, 'client', 5), 'an address of never_touch is not blocked, whatever it does')
    check([a for a in weir.alerts(kind='scan') if CLIENT4 in (a['device'], a['src_ip'])], 'but it is told')
    order(weir, 'allow', ATTACKER4, '--for', '1h')
    scan(lab, 'attacker')
    check(reaches(lab, 'attacker', 5), 'an allowed device is not blocked by a model')
    check(any(d['address'] == ATTACKER4 and d['standing'] == 'allowed' for d in weir.json('devices')),
          'and its standing says so')


with wire(attacker=True, big_file_megabytes=50, respond={'never_touch': [CLIENT4]}) as (lab_, weir_):
    block_and_undo(lab_, weir_)
    kept_to_known(lab_, weir_)
    established(lab_, weir_)
    expiry_and_limit(lab_, weir_)
    by_mac(lab_, weir_)
    per_source(lab_, weir_)
    spared(lab_, weir_)
    for words in (['block', 'not-an-address'], ['limit', ATTACKER4, '--rate', 'fast'], ['block'], ['undo', '999999']):
        refused = weir_.ask(*words)
        said = refused.stderr.strip()
        check(refused.returncode in (1, 2) and said, f'weir {" ".join(words)}: {said}')
