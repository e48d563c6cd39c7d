#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""appliance/quickstart --once, as the README has it: exit code 0 only if the attack was found and blocked and ordinary
traffic lost nothing. With programs that are built it takes less than a minute and leaves nothing behind."""
import subprocess
import time

from case import PROJECT, check, finish
from lab import skip, why_not_here


reason = why_not_here()
if reason:
    skip(reason)
begin = time.monotonic()
process = subprocess.Popen([PROJECT / 'appliance' / 'quickstart', '--once'], stdout=subprocess.PIPE, text=True,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
try:
    print(process.communicate(timeout=200)[0])
finally:
    process.terminate()
check(process.returncode == 0, f'quickstart --once ends with {process.returncode}')
check(time.monotonic() - begin < 60, f'after {time.monotonic() - begin:.0f} s')
left = subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True, check=True).stdout
check(f'weir-{process.pid}-' not in left, 'and its namespaces are gone')
finish()
