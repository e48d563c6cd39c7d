#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong input of every kind: one clear sentence with its place, the right exit code, and nothing half-started."""
import pathlib
import re
import subprocess
import time

from case import check, wire
from lab import SERVER4
import packets

GOOD = '''instance: {instance}
runtime_dir: {dir}/run2
state_dir: {dir}/state2
log_dir: {dir}/log2
wires:
  - name: w
    a: d0
    b: d1
'''
# (what, text, replaced by, place of the error: line, and the column or None where several would do)
WRONG_CONFIGS = [
    ('an unknown key', 'instance:', 'instanze:', 1),
    ('an unknown key inside', '    b: d1', '    b: d1\n    c: d2', 9),
    ('a wrong type', '    b: d1', '    b: [d1]', 8),
    ('a wrong word', '    b: d1', '    b: d1\n    mode: enforced', 9),
    ('a wrong duration', 'wires:', 'flows: {tcp_new: 60 parsecs}\nwires:', 5),
    ('a wrong number', 'wires:', 'verdicts: {max: many}\nwires:', 5),
    ('no YAML at all', 'wires:', 'wires: [', 6),
    ('the same port twice', '    b: d1', '    b: d0', 8),
    ('an interface that is not there', '    b: d1', '    b: nowhere0', 8),
    ('a rule file that is not there', 'wires:', 'rules: {files: [/nowhere/x.rules]}\nwires:', 5),
]


def one_sentence(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return len(lines) == 1 and len(lines[0]) < 500


def configs(lab, weir):
    path = lab.dir / 'wrong.yaml'
    good = GOOD.format(instance=f'{lab.prefix}-2', dir=lab.dir)
    path.write_text(good)
    done = lab.run('dut', [weir.binary, 'check', '--config', path])
    check(done.returncode == 0, f'the config they are made from is good: {done.stderr.strip()}')
    for what, text, wrong, line in WRONG_CONFIGS:
        path.write_text(good.replace(text, wrong, 1))
        for verb in ('check', 'run'):
            done = lab.run('dut', [weir.binary, verb, '--config', path], timeout=20)
            placed = re.search(rf'wrong\.yaml:{line}:\d+', done.stderr)
            check(done.returncode == 1 and placed and one_sentence(done.stderr),
                  f'{what}, weir {verb}: code {done.returncode}: {done.stderr.strip()[-300:]}')
    check(not any((lab.dir / name).exists() for name in ('run2', 'state2', 'log2')), 'nothing was made for any of them')
    done = lab.run('dut', [weir.binary, 'run', '--config', lab.dir / 'none.yaml'])
    check(done.returncode == 1 and one_sentence(done.stderr), f'no such config: {done.stderr.strip()}')


def second_instance(lab, weir):
    before = weir.status()['dataplane']
    done = lab.run('dut', [weir.binary, 'run', '--config', weir.config_path], timeout=20)
    check(done.returncode == 1 and one_sentence(done.stderr), f'a second instance: {done.stderr.strip()}')
    time.sleep(0.5)
    after = weir.status()['dataplane']
    check((before['pid'], before['epoch']) == (after['pid'], after['epoch']), 'and the first does not notice')
    check(lab.run('client', ['ping', '-c', '3', '-i', '0.2', '-W', '1', SERVER4]).returncode == 0, 'and forwards')


def rules(lab, weir):
    path = lab.dir / 'wrong.rules'
    for what, text, line in (
            ('no action', '# good\nfrobnicate tcp any any -> any any (sid:1;)\n', 2),
            ('no sid', 'alert tcp any any -> any any (msg:"x";)\n', 1),
            ('a keyword nobody knows', 'alert tcp any any -> any any (msg:"x"; frob:1; sid:1;)\n', 1),
            ('no end', 'alert tcp any any -> any any (msg:"x"; sid:1;\n', 1),
            ('a port too far', 'alert tcp any any -> any 65536 (msg:"x"; sid:1;)\n', 1)):
        path.write_text(text)
        done = lab.run('dut', [weir.binary, 'check', '--rules', path])
        check(done.returncode == 1 and re.search(rf'wrong\.rules:{line}:\d+', done.stderr + done.stdout),
              f'{what}: {(done.stderr + done.stdout).strip()[-300:]}')


def captures(lab, weir):
    good = lab.dir / 'good.pcap'
    packets.write_pcap(good, [packets.ethernet(0x88b5, bytes([n] * 50)) for n in range(10)])
    whole = good.read_bytes()
    for what, data in (('cut off in a frame', whole[:-7]), ('cut off in its header', whole[:10]), ('empty', b''),
                       ('of another kind', b'\x7fELF' + bytes(200)),
                       ('with a frame of 4 GB', whole[:24 + 8] + b'\xff' * 8 + whole[24 + 16:])):
        path = lab.dir / 'odd.pcap'
        path.write_bytes(data)
        done = lab.run('dut', [weir.binary, 'replay', path, '--out', lab.dir / 'odd'], timeout=20)
        check(done.returncode == 1 and one_sentence(done.stderr) and 'odd.pcap' in done.stderr,
              f'a capture {what}: code {done.returncode}: {done.stderr.strip()[-300:]}')
    done = lab.run('dut', [weir.binary, 'replay', lab.dir / 'none.pcap'])
    check(done.returncode == 1 and one_sentence(done.stderr), f'no such capture: {done.stderr.strip()}')


def usage(lab, weir):
    for words in ([], ['dance'], ['status', '--loud'], ['replay'], ['block']):
        done = subprocess.run([weir.binary, *words], capture_output=True, text=True, check=False, timeout=10)
        check(done.returncode == 2, f'wrong usage: weir {" ".join(words)}: code {done.returncode}')
    done = subprocess.run([weir.binary, 'status', '--runtime-dir', lab.dir / 'nothing'], capture_output=True, text=True,
                          check=False, timeout=10)
    check(done.returncode == 1 and one_sentence(done.stderr), f'nobody to ask: {done.stderr.strip()}')


def privileges(lab, weir):
    """Root of a container may be less than root."""
    path = lab.dir / 'wrong.yaml'
    path.write_text(GOOD.format(instance=f'{lab.prefix}-2', dir=lab.dir))
    for name in ('net_admin', 'net_raw', 'sys_admin', 'setuid', 'chown'):
        words = ['setpriv', '--bounding-set', f'-{name}', weir.binary, 'run', '--config', path]
        done = lab.run('dut', words, timeout=20)
        check(done.returncode == 1 and one_sentence(done.stderr) and f'CAP_{name.upper()}' in done.stderr,
              f'without {name}: code {done.returncode}: {done.stderr.strip()[-300:]}')
    check(not (lab.dir / 'run2').exists(), 'nothing was made for any of them')


def port_gone(lab, weir):
    """A port that the data plane itself cannot open: its sentence, code 1, nothing left running or lying about."""
    path = lab.dir / 'wrong.yaml'
    path.write_text(GOOD.format(instance=f'{lab.prefix}-2', dir=lab.dir).replace(
        'a: d0', 'a: "net_nosuchdriver0"').replace('b: d1', 'b: "net_null0"'))  # d1 is in use
    done = lab.run('dut', [weir.binary, 'run', '--config', path], timeout=30)
    check(done.returncode == 1 and 'net_nosuchdriver0' in done.stderr,
          f'a driver that is not there: code {done.returncode}: {done.stderr.strip()[-300:]}')
    run = lab.dir / 'run2'
    left = sorted(p.name for p in run.iterdir()) if run.exists() else []
    check(set(left) <= {'lock'}, f'nothing is left in the runtime folder: {left}')
    mine = {weir.process.pid, *(weir.status()[part]['pid'] for part in ('dataplane', 'control'))}
    running = subprocess.run(['ip', 'netns', 'pids', lab.space('dut')], capture_output=True, text=True, check=False)
    others = [pid for pid in map(int, running.stdout.split())
              if pid not in mine and 'weir' in pathlib.Path(f'/proc/{pid}/comm').read_text()]
    check(not others, f'no process of it is left: {others}')


with wire() as (lab_, weir_):
    configs(lab_, weir_)
    rules(lab_, weir_)
    captures(lab_, weir_)
    usage(lab_, weir_)
    privileges(lab_, weir_)
    second_instance(lab_, weir_)
    port_gone(lab_, weir_)
