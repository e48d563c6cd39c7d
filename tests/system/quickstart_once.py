#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""appliance/quickstart --once, as the README has it: exit code 0 only if the attack was found and blocked and ordinary
traffic lost nothing. With programs that are built it takes less than a minute and leaves nothing behind."""
import subprocess
import time

from case import PROJECT, check, finish
from lab import skip, why_not_here


def namespaces():
    return {line.split()[0] for line in subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True,
                                                       check=True).stdout.splitlines()}


reason = why_not_here()
if reason:
    skip(reason)
before, begin = namespaces(), time.monotonic()
done = subprocess.run([PROJECT / 'appliance' / 'quickstart', '--once'], capture_output=True, text=True, timeout=240,
                      check=False, stdin=subprocess.DEVNULL)
print(done.stdout + done.stderr)
check(done.returncode == 0, f'quickstart --once ends with {done.returncode}')
check(time.monotonic() - begin < 60, f'after {time.monotonic() - begin:.0f} s')
check(namespaces() <= before, 'and its namespaces are gone')
finish()
