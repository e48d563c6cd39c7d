#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Frames of the ports' full MTU pass, whatever the MTU; an MTU that a driver cannot carry is refused with the way out.
jumbo.py MTU PORT_PREFIX, such as 9000 af_packet:"""
import sys

from case import check, wire
from lab import SERVER4, SERVER6

mtu, prefix = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ''
refused = mtu > 3400 and not prefix
with wire(mtu=mtu, serve=False, start=not refused, ports=(f'{prefix}d0', f'{prefix}d1')) as (lab, weir):
    if refused:
        done = lab.run('dut', [weir.binary, 'run', '--config', weir.config_path], timeout=20)
        check(done.returncode == 1, f'exit code {done.returncode}')
        said = done.stderr + done.stdout
        check('af_packet:d0' in said, f'the sentence names the way out: {said.strip()[-200:]}')
    else:
        for server, headers in ((SERVER4, 28), (SERVER6, 48)):
            for size in (56, mtu - headers):
                words = ['ping', '-c', '5', '-i', '0.1', '-W', '2', '-M', 'do', '-s', str(size), '-q', server]
                done = lab.run('client', words, timeout=20)
                result = done.stdout.strip().splitlines()[-2:]
                check(' 0% packet loss' in done.stdout, f'ping of {size} bytes to {server}: {result}')
