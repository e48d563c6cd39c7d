# SPDX-License-Identifier: Apache-2.0
"""What is written beside each measurement: where it ran, what ran, how sure the figure is, what the machine stole."""
import datetime
import hashlib
import json
import os
import platform
import random
import statistics
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def environment(build, files=()):
    def output(*command):
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
        return done.stdout.strip()

    with open('/proc/cpuinfo') as info:
        cpu = next((line.split(':')[1].strip() for line in info if line.startswith('model name')), '')
    with open('/proc/sys/vm/nr_hugepages') as pages:
        huge = int(pages.read())
    with open(os.path.join(build, 'meson-info/intro-buildoptions.json')) as f:
        built = {o['name']: o['value'] for o in json.load(f) if o['name'] in ('buildtype', 'cpp_args', 'optimization')}
    versions = output('dpkg-query', '-W', '-f', '${Package} ${Version}\n', 'libdpdk-dev', 'libndpi-dev', 'libndpi-bin',
                      'libhyperscan-dev')
    hashes = {os.path.basename(p): hashlib.sha256(open(p, 'rb').read()).hexdigest()[:16] for p in files}
    return {'cpu': cpu, 'cpus': os.cpu_count(), 'kernel': platform.release(), 'hugepages': huge, 'build': built,
            'versions': versions.split('\n'), 'revision': output('git', 'describe', '--always', '--dirty'),
            'load': os.getloadavg(), 'hashes': hashes, 'date': datetime.datetime.now().isoformat(timespec='seconds')}


def results_base(name):
    """results/<today>-<name>, without an ending."""
    os.makedirs(os.path.join(HERE, 'results'), exist_ok=True)
    return os.path.join(HERE, 'results', f'{datetime.date.today()}-{name}')


def write_results(base, env, rows, trials, **more):
    env['load_after'] = os.getloadavg()
    with open(base + '.json', 'w') as f:
        json.dump({'environment': env, 'rows': rows, **more}, f, indent=1)
    with open(base + '.trials.jsonl', 'w') as f:
        for trial in trials:
            f.write(json.dumps(trial) + '\n')


def interval(values):
    """(median, and its 95 % interval by bootstrap)"""
    dice = random.Random(1)
    medians = sorted(statistics.median(dice.choices(values, k=len(values))) for _ in range(2000))
    return statistics.median(values), medians[49], medians[1949]


def at_most(high, reach, beyond):
    return 'beyond' if beyond and high <= beyond else 'reached' if high <= reach else 'SHORT'


def probe_gaps(seconds):
    """A loop that does nothing but look at the clock: how often it was held up, and for which share of the time."""
    end = time.perf_counter_ns() + int(seconds * 1e9)
    gaps, lost, last, begun = [], 0, time.perf_counter_ns(), time.perf_counter_ns()
    while last < end:
        now = time.perf_counter_ns()
        if now - last > 10_000:
            gaps.append(now - last)
            lost += now - last
        last = now
    return {'gaps_10us': len(gaps), 'gaps_100us': sum(g > 100_000 for g in gaps),
            'gaps_1ms': sum(g > 1_000_000 for g in gaps), 'stolen_share': round(lost / (last - begun), 4)}


def waited_ns(pid):
    """How long the threads of a process have been ready to run and have not run, all of its life: the scheduler's."""
    waited = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat') as stat:
            waited += int(stat.read().split()[1])
    return waited
