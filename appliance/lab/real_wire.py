# SPDX-License-Identifier: Apache-2.0
"""quickstart --wire A,B: the appliance between two interfaces of this machine, put back as they were afterwards."""
import contextlib
import json
import pathlib
import re
import subprocess
import sys
import time

from appliance import Appliance
from lab import LabError, stop, wait_for


class ThisMachine:
    """Stands where the lab stands for Appliance: processes run right here, files lie in a folder of their own."""

    def __init__(self, folder):
        self.dir, self.prefix = pathlib.Path(folder), 'weir'

    def start(self, _host, words, name, **_):
        with open(self.dir / f'{name}.log', 'ab') as log:
            return subprocess.Popen([*map(str, words)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def ask(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ''


def why_not(port):
    """A reason not to touch that interface, or None."""
    found = json.loads(ask('ip', '-j', '-d', 'addr', 'show', 'dev', port) or '[]')
    if not found:
        return f'there is no interface {port}; this machine has: {" ".join(sorted(p.name for p in net_folders()))}'
    if 'LOOPBACK' in found[0]['flags']:
        return f'{port} is the loopback: a wire needs two interfaces with a cable each'
    if f'dev {port} ' in ask('ip', 'route', 'show', 'default') + ask('ip', '-6', 'route', 'show', 'default'):
        return f'{port} carries the default route of this machine: a wire through it would cut you off'
    if any(a['scope'] == 'global' for a in found[0].get('addr_info', [])):
        return f'{port} has an address: the two ports of a wire belong to the wire alone (ip addr flush dev {port})'
    return None


def net_folders():
    return pathlib.Path('/sys/class/net').iterdir()


@contextlib.contextmanager
def prepared(port):
    """Up and promiscuous, tags left in the frames and frames left as they are; all of it undone at the end."""
    before = json.loads(ask('ip', '-j', 'link', 'show', 'dev', port))[0]['flags']
    features = dict(re.findall(r'^([\w-]+): (on|off)(?! \[fixed\])', ask('ethtool', '-k', port), re.M))
    switched = [f for f in ('rx-vlan-offload', 'tx-vlan-offload', 'generic-receive-offload', 'large-receive-offload')
                if features.get(f) == 'on']
    for feature in switched:
        ask('ethtool', '-K', port, feature, 'off')
    ask('ip', 'link', 'set', 'dev', port, 'up', 'promisc', 'on')
    try:
        yield
    finally:
        if 'PROMISC' not in before:
            ask('ip', 'link', 'set', 'dev', port, 'promisc', 'off')
        if 'UP' not in before:
            ask('ip', 'link', 'set', 'dev', port, 'down')
        for feature in switched:
            ask('ethtool', '-K', port, feature, 'on')


def show(options):
    ports = options.wire.split(',')
    if len(ports) != 2 or ports[0] == ports[1]:
        sys.exit('quickstart: --wire takes two different interfaces: --wire eth1,eth2')
    for port in ports:
        if reason := why_not(port):
            sys.exit(f'quickstart: {reason}')
    folder = pathlib.Path('/var/lib/weir-quickstart')
    folder.mkdir(parents=True, exist_ok=True)
    with prepared(ports[0]), prepared(ports[1]):
        weir = Appliance(ThisMachine(folder), ports=ports, mode=options.mode, memory={'hugepages': 'auto'},
                         runtime_dir='/run/weir')
        weir.launch()
        try:
            wait_for(weir.ready, 30, 'both ports to have link and both programs to run (is a cable missing?)')
            print(f'Weir joins {ports[0]} and {ports[1]}, mode {options.mode}. Config: {weir.config_path}. '
                  f'Logs: {weir.config["log_dir"]}.', flush=True)
            watch(weir, options.once)
        except KeyboardInterrupt:
            print()
        except LabError as error:
            print(f'quickstart: {error}', file=sys.stderr)
            return 1
        finally:
            stop(weir.process, 10)
    return 0


def watch(weir, once):
    """One line of counters in place, and each new alert as it comes, until Ctrl-C."""
    known = set()
    while True:
        status = weir.status()
        for alert in weir.alerts():
            if alert['id'] not in known:
                known.add(alert['id'])
                print(f'\r\033[K   {alert["timestamp"]}  {alert["title"]}', flush=True)
        total = status['total']
        print(f'\r\033[K   received {total["received"]:,}  sent {total["sent"]:,}  dropped '
              f'{sum(total["dropped"].values()):,}  flows {status["flows"]["active"]:,}  devices {status["devices"]:,}',
              end='', flush=True)
        if once:
            print()
            return
        time.sleep(1)
