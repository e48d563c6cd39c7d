#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The frames that a wire may have in its hands run out: a scanner's held first contacts take them all. Nothing is lost
uncounted, and when they have gone on, all is as before."""
import subprocess
import time

from case import check, wire
from lab import SERVER4, stop, wait_for

FRAMES = 64   # the least there is: two bursts


def pings(lab, host, count=20):
    out = lab.run(host, ['ping', '-q', '-n', '-c', count, '-i', '0.02', '-W', '1', SERVER4], timeout=30).stdout
    return f' {count} received' in out


def frames_run_out(lab, weir):
    """Without a decision the scanner's probes wait in the worker's hands, until no frame is left to receive into."""
    words = ['nmap', '-sS', '-Pn', '-n', '--min-rate', '5000', '--max-retries', '0', '-p', '1-20000', SERVER4]
    nmap = lab.start('attacker', words, name='nmap', stdout=subprocess.DEVNULL)
    most, until = 0, time.monotonic() + 20
    while nmap.poll() is None and time.monotonic() < until and most < FRAMES - 8:
        most = max(most, weir.status()['total']['held'])
    check(most >= FRAMES - 8, f'up to {most} of {FRAMES} frames were held at once')
    stop(nmap)
    wait_for(lambda: weir.status()['total']['held'] == 0, 15, 'all that was held to have gone on')
    check(pings(lab, 'client'), 'with frames to spare again, every ping is answered')
    total = weir.assert_accounting()['total']
    check(True, f'accounting: received {total["received"]} = sent {total["sent"]} + dropped {total["dropped"]}')


# AF_PACKET: an AF_XDP port does not start without frames for its rings.
with wire(attacker=True, ports=('af_packet:d0', 'af_packet:d1'), memory={'frames': FRAMES},
          respond={'enabled': False}) as (lab_, weir_):
    frames_run_out(lab_, weir_)
