#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""iperf3 through Weir against iperf3 through DPDK's own testpmd, on the same ports, in turns: median ratio >= 0.8.

The lab's cores are shared with the senders, and with whatever else this machine does: only ratios of neighbouring
rounds mean anything, and their median is taken again over more rounds before it is believed to be bad."""
import json
import shutil
import statistics

from case import check, wire
from lab import SERVER4, skip, stop, wait_for

SECONDS = 3
ROUNDS, BATCHES = 3, 3
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
    ratios = ([], [])
    for batch in range(BATCHES):
        for _ in range(ROUNDS):
            base, ours = testpmd(lab_), through_weir(lab_, weir_)
            for way in (0, 1):
                if base[way]:
                    ratios[way].append(ours[way] / base[way])
            print('Gb/s to server and back: testpmd ' + ' '.join(f'{r / 1e9:.2f}' for r in base)
                  + ', weir ' + ' '.join(f'{r / 1e9:.2f}' for r in ours), flush=True)
        medians = [statistics.median(r) if r else 0 for r in ratios]
        if min(medians) >= RATIO_MIN:
            break
        print(f'median ratios {medians}: measuring again' if batch + 1 < BATCHES else '', flush=True)
    for way, median in zip(('to the server', 'to the client'), medians):
        check(median >= RATIO_MIN, f'{way}: {median:.2f} of what testpmd carries (median of {len(ratios[0])} rounds)')
