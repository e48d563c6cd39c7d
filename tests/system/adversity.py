#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What else may befall a running appliance: one worker's thread stopped, control plane and supervisor stopped, the
supervisor killed, no room on the disk for logs and state, files of the runtime folder gone, a port deleted and made
again, a second instance on the same ports. Each time the wire carries, or says why not, and is itself again."""
import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

from case import begin, check, end_ping, start_ping, wire
from appliance import Appliance
from lab import SERVER4, wait_for

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000
RULES = 'drop tcp any any -> any 80 (msg:"dropped"; content:"evil-word"; sid:1;)\n'


def inspects(lab):
    """The connection stands, and the page with the word does not come. A crowded machine may need a second try."""
    words = ['curl', '-s', '-o', '/dev/null', '--max-time', '1', '-w', '%{time_connect}', f'http://{SERVER4}/evil-word']
    for _ in range(3):
        done = lab.run('client', words, timeout=10)
        if done.returncode == 28 and float(done.stdout) > 0:
            return True
        if done.returncode == 0:
            return False
    return False


def carries(lab):
    return lab.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0


@contextlib.contextmanager
def lost(lab, what, most):
    """How many pings of 200 a second what happens inside costs."""
    ping = start_ping(lab, 'client', '0.005')
    time.sleep(0.3)
    yield
    time.sleep(0.3)
    sent, answered, _ = end_ping(ping)
    check(sent - answered <= most, f'{what}: {sent - answered} of {sent} pings lost')


def back(lab, weir, epoch, what):
    wait_for(lambda: weir.ready(epoch=epoch), 20, f'a new data plane, {what}')
    wait_for(lambda: inspects(lab), 15, f'inspection, {what}')


def one_worker_stops(lab, weir):
    """By ptrace: the one way to stop a single thread."""
    before = weir.status()
    pid = before['dataplane']['pid']
    tids = [int(t) for t in os.listdir(f'/proc/{pid}/task')]
    names = {t: open(f'/proc/{pid}/task/{t}/comm', encoding='ascii').read().strip() for t in tids}
    worker = next(t for t, name in names.items() if 'worker' in name)
    begun = time.monotonic()
    if libc.ptrace(PTRACE_ATTACH, worker, None, None):
        return print(f'no ptrace here: {os.strerror(ctypes.get_errno())}')
    try:
        wait_for(lambda: not os.path.exists(f'/proc/{pid}/task/{worker}') or
                 re.search(r'\) [ZX] ', open(f'/proc/{pid}/stat', encoding='ascii').read()), 5,
                 'the data plane with the stopped worker to go', every=0.001)
        took = (time.monotonic() - begun) * 1e3
    finally:
        libc.ptrace(PTRACE_DETACH, worker, None, None)
        with contextlib.suppress(ChildProcessError):    # its end is ours to see, else the process stays
            while os.waitpid(worker, WALL)[0] and os.path.exists(f'/proc/{pid}/task/{worker}'):
                pass
    back(lab, weir, before['dataplane']['epoch'], 'after one worker was stopped')
    stalls = weir.status()['stalls']
    said = re.findall(r'worker 0 has not moved for (\d+) ms', weir.said())
    check(stalls['workers'] == before['stalls']['workers'] + 1, f'a stopped worker is seen after {took:.0f} ms: {said}')


def programs_stop(lab, weir):
    before = weir.status()
    with lost(lab, 'the control plane stopped for 4 s', 0):
        os.kill(before['control']['pid'], signal.SIGSTOP)
        time.sleep(4)
        os.kill(before['control']['pid'], signal.SIGCONT)
    wait_for(lambda: inspects(lab), 10, 'inspection')
    after = weir.status()
    gone = after['wires'][0]['fail']['control-gone']['uninspected'] - \
        before['wires'][0]['fail']['control-gone']['uninspected']
    check(gone > 0 and after['dataplane']['pid'] == before['dataplane']['pid'],
          f'for {gone} packets the policy for control-gone counted, and nothing was replaced')
    with lost(lab, 'the supervisor stopped, the data plane killed beside it', 100):
        weir.process.send_signal(signal.SIGSTOP)
        os.kill(before['dataplane']['pid'], signal.SIGKILL)
        time.sleep(1)
        check(carries(lab), 'the kernel relays while nobody could start anything')
        weir.process.send_signal(signal.SIGCONT)
        back(lab, weir, before['dataplane']['epoch'], 'after the supervisor was stopped')


def supervisor_dies(lab, weir):
    """Both others end with it; another `weir run` takes over what stands."""
    pids = [weir.status()[which]['pid'] for which in ('dataplane', 'control')]
    with lost(lab, 'the supervisor killed, another one started', 150):
        weir.process.kill()
        weir.process.wait(10)
        wait_for(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in pids), 15, 'the others to end with it')
        check(carries(lab), "the kernel relays what is nobody's")
        weir.start(40)
    wait_for(lambda: inspects(lab), 15, 'inspection')
    check(True, 'and it inspects again')


def no_room(lab, weir, small):
    before = weir.status()
    filler = small / 'filler'
    with contextlib.suppress(OSError), open(filler, 'wb', buffering=0) as file:
        while True:
            file.write(b'\0' * 4096)
    with lost(lab, 'no room on the disk', 0):
        for n in range(200):
            lab.run('client', ['curl', '-s', '-o', '/dev/null', '--max-time', '1', f'http://{SERVER4}/page-{n}'])
            if n % 20 == 0 and weir.status()['logs']['lost'] > before['logs']['lost']:
                break
        wait_for(lambda: weir.status()['logs']['lost'] > before['logs']['lost'], 20, 'lines that are counted as lost')
    check(inspects(lab), 'rules still hold')
    done = weir.ask('block', '10.77.0.99', '--for', '1m')
    check(done.returncode in (0, 1) and weir.status()['control']['pid'] == before['control']['pid'],
          f'an order is answered, and the control plane lives: {(done.stdout + done.stderr).strip()}')
    filler.unlink()
    lines = len(weir.eve())
    lab.run('client', ['curl', '-s', '-o', '/dev/null', '--max-time', '1', f'http://{SERVER4}/after'])
    wait_for(lambda: len(weir.eve()) > lines, 15, 'lines again')
    check(True, 'with room again the logs go on')


def files_go(lab, weir):
    run = weir.dir / 'run'
    with lost(lab, 'the files of the runtime folder deleted', 0):
        for path in run.iterdir():
            if path.name not in ('lock',):
                path.unlink()
        time.sleep(0.5)
    done = weir.ask('status')
    check(done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1,
          f'a question says what is the matter: {done.stderr.strip()}')
    check(inspects(lab), 'rules still hold')
    check(weir.stop(20) == 0, 'weir run ends with 0 all the same')
    weir.start(40)
    wait_for(lambda: inspects(lab), 15, 'inspection')


def second_instance(lab, weir):
    other = Appliance(lab, name='other')
    with lost(lab, 'another instance tried on the same ports', 0):
        process = other.launch()
        code = process.wait(30)
    check(code == 1, f'it is refused: {other.said()}')
    check(inspects(lab) and carries(lab), 'and does the first no harm')


def port_made_again(lab, weir):
    """Deleted and made again, it has the same name and is another interface."""
    epoch = weir.status()['dataplane']['epoch']
    lab.cut_cable('server', 's0')
    wait_for(lambda: not weir.status()['wires'][0]['b']['link'], 10, 'the port to be seen gone')
    lab.make_cable('server', 's0', 'd1')
    wait_for(lambda: carries(lab), 30, 'the wire to carry again')
    wait_for(lambda: inspects(lab), 15, 'inspection')
    check(weir.status()['dataplane']['epoch'] > epoch, 'with a data plane that has the new port')


with wire(rules=RULES, seconds=290, start=False) as (lab_, weir_):
    small_ = lab_.dir / 'small'
    small_.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=3m', 'none', small_], check=True)
    lab_.on_exit.append(lambda: subprocess.run(['umount', '-l', small_], check=False))
    small_.chmod(0o755)
    for key in ('log_dir', 'state_dir'):
        weir_.config[key] = str(small_ / key)
    weir_.write_config()
    begin(lab_, weir_)
    check(inspects(lab_), 'rules hold')
    one_worker_stops(lab_, weir_)
    programs_stop(lab_, weir_)
    second_instance(lab_, weir_)
    no_room(lab_, weir_, small_)
    files_go(lab_, weir_)
    supervisor_dies(lab_, weir_)
    port_made_again(lab_, weir_)
