#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every capture of the corpus goes through: in tap as the file it is, byte by byte, whatever is in it; in enforce with
nothing missing but what is counted by reason. corpus_transparent.py WEIR [--test PART] [--all] [-v]

A sample, the same each time, and all that is about evasion, TCP and fragments, unless --all. Needs WEIR_CORPUS."""
import filecmp
import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'support'))
import corpus   # noqa: E402
import packets  # noqa: E402

SAMPLE_EVERY = 12
ALWAYS = re.compile(r'ipv6-evasion|/tcp-|defrag|frag|overlap|reassembl')


def replayed(weir, path, mode, out):
    done = subprocess.run([weir, 'replay', '--mode', mode, '--write', out, '--json', path], capture_output=True,
                          text=True, timeout=300, check=False)
    if done.returncode:
        return None, f'{mode}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}'
    return json.loads(done.stdout), None


def faults(weir, path):
    """What is wrong with this capture's ways through; nothing: all well."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / 'out'
        counts, wrong = replayed(weir, path, 'tap', out)
        if wrong:
            return [wrong]
        found = []
        if not filecmp.cmp(path, out, shallow=False):
            found.append('tap: what came out is not what went in')
        if counts['received'] != counts['sent'] or counts['dropped'] or counts['held']:
            found.append(f'tap: received {counts["received"]}, sent {counts["sent"]}, dropped {counts["dropped"]}')
        counts, wrong = replayed(weir, path, 'enforce', out)
        if wrong:
            return found + [wrong]
        right = counts['sent'] + sum(counts['dropped'].values()) + counts['held']
        if counts['received'] != right or counts['held']:
            found.append(f'enforce: received {counts["received"]}, sent {counts["sent"]} + dropped {counts["dropped"]} '
                         f'+ held {counts["held"]}')
        if path.read_bytes()[:4] in (b'\xd4\xc3\xb2\xa1', b'\xa1\xb2\xc3\xd4'):
            left = len(packets.read_pcap(out))
            if left != counts['sent'] + counts['injected']:
                found.append(f'enforce: {left} packets written, {counts["sent"]} sent, {counts["injected"]} of ours')
        return found


def in_sample(name):
    return ALWAYS.search(name) or hashlib.sha256(name.encode()).digest()[0] % SAMPLE_EVERY == 0


def main():
    options = corpus.arguments(__doc__, [('--all', {'action': 'store_true', 'help': 'not a sample'})])
    chosen = [(path, name) for path, name in corpus.captures()
              if corpus.chosen(name, options) and (options.all or options.test or in_sample(name))]
    bad = 0
    for (_, name), found in zip(chosen, corpus.in_parallel(lambda item: faults(options.weir, item[0]), chosen)):
        bad += bool(found)
        for fault in found:
            print(f'{name}: {fault}')
        if options.verbose and not found:
            print(f'{name}: well')
    print(f'{len(chosen)} captures, {len(chosen) - bad} go through as they should')
    return 1 if bad or not chosen else 0


if __name__ == '__main__':
    sys.exit(main())
