#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""/metrics is what Prometheus reads: the exposition format, line by line, and the numbers of `weir status`."""
import re
import time

from case import check, wire
from lab import SERVER4

LABELS = r'\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\}'
SAMPLE = re.compile(rf'^([a-zA-Z_:][\w:]*)({LABELS})? (-?[\d.]+(?:[eE][+-]?\d+)?|NaN|[+-]Inf)$')


def parse(text):
    """{name: {labels: value}}; what is not in the format is a failed check."""
    samples, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith('# TYPE '):
            _, _, name, kind = line.split(' ')
            kinds[name] = kind
        elif line and not line.startswith('# HELP '):
            found = SAMPLE.match(line)
            if not check(bool(found), f'a sample of the format: {line}') or not found:
                continue
            name, labels, value = found.groups()
            samples.setdefault(name, {})[labels or ''] = float(value)
    base = lambda name: re.sub(r'_(bucket|sum|count)$', '', name)
    untyped = [name for name in samples if name not in kinds and base(name) not in kinds]
    check(not untyped, f'every metric has a type: {untyped}')
    check(all(name.startswith('weir_') for name in samples), f'every name begins with weir_: {sorted(samples)}')
    return samples


with wire() as (lab, weir):
    for _ in range(5):
        lab.run('client', ['curl', '-s', '-o', '/dev/null', f'http://{SERVER4}/'])
    time.sleep(1.5)
    fetched = lab.run('dut', ['curl', '-s', '-i', '--max-time', '5', 'http://127.0.0.1:9477/metrics'])
    check(fetched.returncode == 0 and fetched.stdout.startswith('HTTP/1.1 200'), 'GET /metrics')
    check(re.search(r'content-type: text/plain; version=0.0.4', fetched.stdout, re.I) is not None, 'its content type')
    metrics = parse(re.split(r'\r?\n\r?\n', fetched.stdout, maxsplit=1)[1])
    status = weir.status()
    received = [sum(v.values()) for k, v in metrics.items() if 'received' in k and 'packets' in k]
    check(any(0 < n <= status['total']['received'] for n in received),
          f'packets received: {received}, status {status["total"]["received"]}')
    check(lab.run('dut', ['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', 'http://127.0.0.1:9477/other']).stdout
          == '404', 'anything else there is 404')
