#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""iperf3 through Weir against iperf3 through DPDK's own testpmd, on the same ports, in turns: at least 0.8 of it.

The lab's cores are shared with the senders and with whatever else this machine does, so that one round of either may
go twice as fast or as slow as the next. Each round of Weir is therefore set beside the testpmd rounds right before and
right after it, and the median of these ratios counts: one lucky or one stolen round moves it by one place."""
import json
import shutil
import statistics

from case import check, wire
from lab import SERVER4, skip, stop, wait_for

SECONDS = 3
ROUNDS_MIN, ROUNDS_MAX = 5, 10
RATIO_MIN = 0.8


def carries(lab):
    ping = ['ping', '-c', '1', '-W', '1', SERVER4]
    return lab.run('client', ping, timeout=3).returncode == 0


def bits_per_second(lab, reverse):
    """What arrived, in bits per second; 0 if iperf3 failed."""
    words = ['iperf3', '-c', SERVER4, '-t', SECONDS, '-J'] + (['-R'] if reverse else [])
    out = json.loads(lab.run('client', words, timeout=SECONDS + 20).stdout or '{}')
    return out.get('end', {}).get('sum_received', {}).get('bits_per_second', 0)


def both_ways(lab, what):
    wait_for(lambda: carries(lab), 20, f'{what} to forward')
    return [bits_per_second(lab, reverse) for reverse in (False, True)]


def testpmd(lab):
    process = lab.start('dut', ['dpdk-testpmd', '--file-prefix', f'{lab.prefix}-pmd', '-l', '0,1', '--no-pci',
                                '--no-huge', '-m', '256', '--vdev', 'net_af_xdp0,iface=d0',
                                '--vdev', 'net_af_xdp1,iface=d1', '--',
                                '--forward-mode=io', '--total-num-mbufs=32768', '--auto-start', '--stats-period', '60'])
    try:
        return both_ways(lab, 'testpmd')
    finally:
        stop(process)


def through_weir(lab, weir):
    weir.start()
    try:
        rates = both_ways(lab, 'weir')
        weir.assert_accounting()
        return rates
    finally:
        check(weir.stop() == 0, 'weir run ends with 0')


def ratios_of(ours, base, way):
    """weir's rounds against the mean of the testpmd rounds on either side of them."""
    means = [(before[way] + after[way]) / 2 for before, after in zip(base, base[1:])]
    return [round_[way] / mean if mean else 0 for round_, mean in zip(ours, means)]


def is_clear(ratios):
    """Three quarters of the rounds are above the mark: no further ones will turn the median."""
    return statistics.quantiles(ratios, n=4)[0] >= RATIO_MIN


def told(name, rates):
    print(f'{name}: Gb/s to the server {rates[0] / 1e9:.2f}, back {rates[1] / 1e9:.2f}', flush=True)
    return rates


if not shutil.which('dpdk-testpmd'):
    skip('dpdk-testpmd is not installed')
with wire(serve=False, start=False, seconds=560) as (lab_, weir_):
    lab_.start('server', ['iperf3', '-s'], name='iperf3-server')
    wait_for(lambda: lab_.listening('server', 5201), 10, 'iperf3 to listen')
    base, ours = [told('testpmd', testpmd(lab_))], []
    for done in range(1, ROUNDS_MAX + 1):
        ours.append(told('weir', through_weir(lab_, weir_)))
        base.append(told('testpmd', testpmd(lab_)))
        ratios = [ratios_of(ours, base, way) for way in (0, 1)]
        if done >= ROUNDS_MIN and all(is_clear(r) for r in ratios):
            break
    for way, found in zip(('to the server', 'to the client'), ratios):
        median = statistics.median(found)
        check(median >= RATIO_MIN, f'{way}: {median:.2f} of what testpmd carries (median of {done} rounds: '
              f'{" ".join(f"{r:.2f}" for r in found)})')
