#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What quickstart shows: the appliance in a wire, ordinary traffic, an attack found and blocked."""
import argparse
import collections
import os
import re
import subprocess
import sys
import textwrap
import time

import frames
import real_wire
import services
from client import Ordinary, in_words
from appliance import Appliance, program
from lab import ATTACKER4, CLIENT4, SERVER4, Lab, LabError, wait_for, why_not_here

COLOUR = sys.stdout.isatty() and not os.environ.get('NO_COLOR')
LEARN_SECONDS = 6
PROBES = 1000
PICTURE = f'''
     client  {CLIENT4:<11} ──┐
                           ├── switch ──── d0 [ weir ] d1 ──── server {SERVER4}   nginx · dnsmasq · sshd
   attacker  {ATTACKER4:<11} ──┘
'''


def paint(code, text):
    return f'\033[{code}m{text}\033[0m' if COLOUR else text


def heading(number, text):
    print(f'\n{paint("1", f"{number}  {text}")}', flush=True)


def say(text='', mark=' '):
    colour = {'+': '32', '!': '33', 'x': '31'}.get(mark)
    sign = {'+': '✓', '!': '▲', 'x': '✗'}.get(mark, ' ')
    print(f'   {paint(colour, sign) if colour else sign} {text}', flush=True)


class Verdicts:
    """The claims of the show; --once succeeds if all of them are true."""

    def __init__(self):
        self.broken = []

    def claim(self, good, text):
        say(text, '+' if good else 'x')
        if not good:
            self.broken.append(text)


def duration(micros):
    if micros < 1000:
        return f'{micros:.0f} µs'
    return f'{micros / 1000:.1f} ms' if micros < 1e6 else f'{micros / 1e6:.1f} s'


def show_learned(weir):
    devices = weir.json('devices')
    say('what Weir has learned by watching:')
    for device in sorted(devices, key=lambda d: d['address']):
        if not device['address'].startswith('10.'):
            continue
        ports = [f'serves {" ".join(map(str, device["ports_served"]))}'] if device['ports_served'] else []
        ports += [f'uses {" ".join(map(str, device["ports_used"]))}'] if device['ports_used'] else []
        say(f'  {device["address"]:<12} {device["flows"]:>4} flows  {device["peers"]} peers  {", ".join(ports)}')
    seen = collections.Counter(flow['app_proto'] for flow in weir.json('flows') + [
        {'app_proto': record.get('app_proto', 'unknown')} for record in weir.eve('flow')])
    say('  applications: ' + ', '.join(f'{name} {count}' for name, count in seen.most_common(5)))


def show_alert(alert):
    say(paint('1', alert['title']), '!')
    for reason in alert['reasons'][:6]:
        expected = f' (expected {reason["expected"]})' if reason.get('expected') not in (None, '') else ''
        print(textwrap.fill(f'{reason["what"]}: {reason["observed"]}{expected}', 100, initial_indent=' ' * 7 + '· ',
                            subsequent_indent=' ' * 9))


def attack(lab, weir, verdicts):
    probes = frames.Capture(lab, 'server', 's0', frames.tcp_syns_from(ATTACKER4))
    words = ['nmap', '-sS', '-Pn', '-n', '--max-retries', '1', '--min-rate', '300', '-p', f'1-{PROBES}',
             SERVER4]
    say(paint('2', 'attacker$ ') + ' '.join(words))
    nmap = lab.start('attacker', words, name='nmap', stdout=subprocess.PIPE, text=True)
    found = lambda: next((a for a in weir.alerts(kind='scan') if ATTACKER4 in (a['device'], a['src_ip'])), None)
    try:
        wait_for(found, 15, 'an alert')
        alert = wait_for(lambda: (a := found()) and a['enforced'] and a, 5, 'the verdict')
    except LabError:
        alert = found()
    if alert:
        show_alert(alert)
    verdicts.claim(bool(alert), 'found' if alert else 'the scan was not found')
    blocked = alert and alert['enforced'] and alert['mode'] == 'enforce'
    verdicts.claim(bool(blocked), f'blocked {duration(alert["time_to_block_us"])} after the packet that gave it away, '
                   f'{alert["leaked_packets"]} packets leaked meanwhile' if blocked else 'the scan was not blocked')
    out, _ = nmap.communicate(timeout=90)
    shown = re.search(r'(All|Not shown:) \d+ .*', out)
    say(f'nmap says: {shown.group(0) if shown else out.strip().splitlines()[-1]}')
    reached = len(probes.stop())
    verdicts.claim(reached < 0.03 * PROBES, f'{reached} of {PROBES} probes reached the server')


def second_attack(lab, verdicts):
    packets = frames.Capture(lab, 'server', 's0', frames.tcp_syns_from(ATTACKER4))
    words = ['nmap', '-sV', '-Pn', '-n', '-T4', '--max-retries', '1', '-p', '22,53,80', SERVER4]
    say(paint('2', 'attacker$ ') + ' '.join(words))
    out = lab.run('attacker', words, timeout=60).stdout
    for line in re.findall(r'^\d+/tcp.*', out, re.M):
        say(f'nmap says: {line}')
    reached = len(packets.stop())
    verdicts.claim(reached == 0, f'{reached} packets of it reached the server')


def show_end(weir, ordinary, verdicts):
    asked, lost = in_words(ordinary)
    verdicts.claim(lost == 0, f'ordinary traffic all the while: {asked}; {lost} lost')
    total = weir.status()['total']
    try:
        total = weir.assert_accounting()['total']
        balanced = True
    except AssertionError:
        balanced = False
    drops = ' + '.join(f'{n:,} {reason}' for reason, n in total['dropped'].items()) or '0'
    verdicts.claim(balanced, f'every packet accounted for: received {total["received"]:,} = sent {total["sent"]:,} '
                             f'+ dropped ({drops}) + held {total["held"]:,}')


def look_around(weir):
    command = os.path.relpath(program())
    if not command.startswith('.'):
        command = f'./{command}'
    where = weir.config['runtime_dir']
    more = '' if where == '/run/weir' else f' --runtime-dir {where}'
    heading('', 'The lab stays up, with its ordinary traffic, until Ctrl-C. In another terminal:')
    for verb, what in (('status', 'the wire and its counters'), ('devices', 'who lives here'),
                       ('alerts', 'what was found'), (f'why {ATTACKER4}', 'and why'),
                       ('actions', 'what is done about it'), ('flows', 'who talks')):
        say(f'{command} {verb}{more}'.ljust(50) + paint('2', f' {what}'))
    say(paint('2', f'logs (EVE JSON): {weir.config["log_dir"]}/eve.json'))


def show_lab(options):
    reason = why_not_here()
    if reason:
        sys.exit(f'quickstart: {reason}')
    verdicts = Verdicts()
    print(paint('1', 'Weir, an inline network sensor that learns, explains and contains'))
    print(paint('2', PICTURE.strip('\n')))
    with Lab(attacker=True) as lab:
        services.start_all(lab)
        places = {} if options.once or os.path.exists('/run/weir/control.sock') else {'runtime_dir': '/run/weir'}
        weir = Appliance(lab, **places)
        heading(1, 'In the wire')
        weir.start()
        wait_for(lambda: lab.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0, 20,
                 'the first ping through the wire')
        wire = weir.status()['wires'][0]
        say(f'{wire["name"]} joins d0 and d1, mode {wire["mode"]}; ordinary memory, no hugepages needed here', '+')
        heading(2, 'Ordinary life')
        ordinary = Ordinary(lab)
        time.sleep(LEARN_SECONDS)
        asked, lost = in_words(ordinary.counts())
        say(f'the client has asked for {asked}; {lost} lost', '+' if not lost else 'x')
        show_learned(weir)
        heading(3, f'An attacker on the same segment scans {PROBES:,} ports')
        attack(lab, weir, verdicts)
        heading(4, 'He tries again, another way')
        second_attack(lab, verdicts)
        heading(5, 'And everyone else')
        show_end(weir, ordinary.end(), verdicts)
        if not options.once:
            ordinary = Ordinary(lab)
            look_around(weir)
            try:
                while weir.process.poll() is None and ordinary.process.poll() is None:
                    time.sleep(0.5)
                say(f'something ended by itself: {weir.said()[-300:]}', 'x')
            except KeyboardInterrupt:
                print('\n   cleaning up')
        weir.stop()
    return 1 if verdicts.broken else 0


def main():
    parser = argparse.ArgumentParser(prog='quickstart', description=__doc__)
    parser.add_argument('--once', action='store_true')
    parser.add_argument('--wire', metavar='A,B')
    parser.add_argument('--mode', choices=('tap', 'simulate', 'enforce'), default='simulate')
    options = parser.parse_args()
    try:
        code = real_wire.show(options) if options.wire else show_lab(options)
    except LabError as error:
        sys.exit(f'quickstart: {error}')
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == '__main__':
    main()
