#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""iperf3 through Weir against iperf3 through DPDK's own testpmd, on the same ports, in turns: at least 0.8 of it.

The lab's cores are shared with the senders and with whatever else this machine does, which only ever slows a round
down: so the best round of each is what it can carry, and there are more rounds before a bad ratio is believed."""
import json
import shutil

from case import check, wire
from lab import SERVER4, skip, stop, wait_for

SECONDS = 3
ROUNDS_MIN, ROUNDS_MAX = 3, 10
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


if not shutil.which('dpdk-testpmd'):
    skip('dpdk-testpmd is not installed')
with wire(serve=False, start=False, seconds=560) as (lab_, weir_):
    lab_.start('server', ['iperf3', '-s'], name='iperf3-server')
    wait_for(lambda: lab_.listening('server', 5201), 10, 'iperf3 to listen')
    best = {'testpmd': [0, 0], 'weir': [0, 0]}
    for done in range(1, ROUNDS_MAX + 1):
        for name, rates in (('testpmd', testpmd(lab_)), ('weir', through_weir(lab_, weir_))):
            best[name] = [max(old, new) for old, new in zip(best[name], rates)]
            print(f'{name}: Gb/s to the server {rates[0] / 1e9:.2f}, back {rates[1] / 1e9:.2f}', flush=True)
        ratios = [ours / base if base else 0 for ours, base in zip(best['weir'], best['testpmd'])]
        if done >= ROUNDS_MIN and min(ratios) >= RATIO_MIN:
            break
    for way, ratio in zip(('to the server', 'to the client'), ratios):
        check(ratio >= RATIO_MIN, f'{way}: {ratio:.2f} of what testpmd carries (best of {done} rounds each)')
