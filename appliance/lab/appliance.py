# SPDX-License-Identifier: Apache-2.0
"""The appliance in the lab's wire: writes weir.yaml, starts `weir run`, asks it questions, checks its accounting."""
import json
import os
import pathlib
import signal
import subprocess
import time

from lab import LabError, die_with_parent, stop, wait_for

PROJECT = pathlib.Path(__file__).resolve().parents[2]


def program(name='weir'):
    """WEIR_PROGRAMS is the folder of the programs under test (meson sets it); else this checkout's build."""
    return pathlib.Path(os.environ.get('WEIR_PROGRAMS', PROJECT / 'build' / 'appliance')) / name


def as_yaml(value, indent=0):
    """Block style for tables, flow style for what is small: readable for who looks into the lab's weir.yaml."""
    lines = []
    for key, item in value.items():
        pad = ' ' * indent
        if isinstance(item, dict) and item:
            lines += [f'{pad}{key}:', as_yaml(item, indent + 2)]
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            lines.append(f'{pad}{key}:')
            for entry in item:
                block = as_yaml(entry, indent + 4).lstrip()
                lines.append(f'{pad}  - {block}')
        else:
            lines.append(f'{pad}{key}: {json.dumps(item)}')
    return '\n'.join(lines)


def merged(base, changes):
    out = dict(base)
    for key, value in changes.items():
        out[key] = merged(out[key], value) if isinstance(value, dict) and isinstance(out.get(key), dict) else value
    return out


class Appliance:
    """One `weir run` in the lab's DUT namespace. Everything it writes lies below lab.dir/<name>."""

    def __init__(self, lab, name='weir', rules='', ports=('d0', 'd1'), mode='enforce', **changes):
        self.lab, self.name, self.binary = lab, name, program()
        self.dir = lab.dir / name
        self.dir.mkdir(exist_ok=True)
        self.dir.chmod(0o755)
        self.rules = self.dir / 'lab.rules'
        self.rules.write_text(rules)
        self.config_path = self.dir / 'weir.yaml'
        self.config = merged({
            'instance': f'{lab.prefix}-{name}',
            'runtime_dir': str(self.dir / 'run'), 'state_dir': str(self.dir / 'state'),
            'log_dir': str(self.dir / 'log'),
            'wires': [{'name': 'wire0', 'a': ports[0], 'b': ports[1], 'mode': mode}],
            'memory': {'hugepages': 'off'},
            # the lab's CPUs are shared, maybe with other machines: time stolen from a worker looks like work of its own
            'workers': {'stall_after': '250ms'},
            'rules': {'files': [str(self.rules)]},
        }, changes)
        self.process = None
        self.write_config()

    def write_config(self):
        self.config_path.write_text(as_yaml(self.config) + '\n')

    # ---- running

    def launch(self):
        """Starts `weir run` without waiting for anything."""
        self.process = self.lab.start('dut', [program(), 'run', '--config', self.config_path], name=self.name)
        return self.process

    def start(self, seconds=20):
        """Starts and returns when both programs run and both ports have link."""
        self.launch()
        wait_for(self.ready, seconds, f'weir to be ready; it said: {self.said()}')
        return self

    def ready(self, epoch=-1, pid=-1):
        """Both programs run and both ports have link; with a data plane younger than that epoch, and none of the
        programs is that process (asked apart, it could be the old one that runs and the new one that is another)."""
        if self.process.poll() is not None:
            raise LabError(f'weir run ended with code {self.process.returncode}: {self.said()}')
        try:
            status = self.status()
        except LabError:
            return False
        return (status['dataplane']['epoch'] > epoch and pid not in (status[p]['pid'] for p in ('dataplane', 'control'))
                and status['dataplane']['state'] == 'running' and status['control']['state'] == 'running'
                and all(wire[side]['link'] for wire in status['wires'] for side in ('a', 'b')))

    def said(self):
        path = self.lab.dir / f'{self.name}.log'
        return path.read_text(errors='replace')[-2000:].strip() if path.exists() else ''

    def stop(self, seconds=10):
        """SIGTERM; returns the exit code."""
        return stop(self.process, seconds)

    def kill_control(self):
        pid = self.status()['control']['pid']
        os.kill(pid, signal.SIGKILL)
        return pid

    # ---- asking

    def ask(self, *words, timeout=10):
        """`weir VERB ...` against this instance; CompletedProcess."""
        return subprocess.run([program(), *map(str, words), '--runtime-dir', self.config['runtime_dir']],
                              capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL, preexec_fn=die_with_parent())

    def json(self, *words, timeout=10):
        done = self.ask(*words, '--json', timeout=timeout)
        if done.returncode:
            raise LabError(f'weir {" ".join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}')
        return json.loads(done.stdout)

    def status(self):
        return self.json('status')

    def alerts(self, **fields):
        return [a for a in self.json('alerts') if all(a.get(k) == v for k, v in fields.items())]

    def actions(self, *more):
        return self.json('actions', *more)

    def eve(self, kind=None):
        """The records written so far, oldest first."""
        path = pathlib.Path(self.config['log_dir']) / 'eve.json'
        if not path.exists():
            return []
        records = [json.loads(line) for line in path.read_text().splitlines() if line.endswith('}')]
        return [r for r in records if kind in (None, r['event_type'])]

    # ---- the law

    def accounting_faults(self):
        """received = sent + dropped by reason + held, on every wire and in total; what does not hold, in words."""
        status = self.status()
        faults = []
        for where in status['wires'] + [{**status['total'], 'name': 'total'}]:
            right = where['sent'] + sum(where['dropped'].values()) + where['held']
            if where['received'] != right or not where['balanced']:
                faults.append(f'{where["name"]}: received {where["received"]} != sent {where["sent"]} + '
                              f'dropped {where["dropped"]} + held {where["held"]}')
        return faults

    def assert_accounting(self, seconds=5):
        """Counters are read while packets move, so it may take a quiet moment to be exact; never more than this."""
        end = time.monotonic() + seconds
        while (faults := self.accounting_faults()) and time.monotonic() < end:
            time.sleep(0.2)
        if faults:
            raise AssertionError('; '.join(faults))
        return self.status()
