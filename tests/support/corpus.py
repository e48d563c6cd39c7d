# SPDX-License-Identifier: Apache-2.0
"""What the corpus runners have in common: where the corpus lies, their arguments, their score, their ratchet.

A baseline beside the runner (`corpus_x.baseline.json`) holds what passed when it was last written: per protocol how
many checks, and the tests that passed whole. A run fails where either got less; `--write` renews it."""
import argparse
import atexit
import collections
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import zipfile

import eve

WORKERS = 2


@dataclasses.dataclass
class Result:
    """Of one test, for one protocol. `why`: a reason for which it is told, but not scored."""
    test: str
    protocol: str
    passed: int = 0
    total: int = 0
    told: list = dataclasses.field(default_factory=list)
    why: str = ''


def folder(name=''):
    corpus = os.environ.get('WEIR_CORPUS')
    if not corpus:
        print('WEIR_CORPUS is not set: nothing to compare with')
        sys.exit(77)
    return pathlib.Path(corpus) / name


def arguments(about, more=()):
    """more: [(flag, what argparse wants)]"""
    parser = argparse.ArgumentParser(description=about.split('\n', 1)[0])
    parser.add_argument('weir', help='the program')
    parser.add_argument('--protocol', help='only this one')
    parser.add_argument('--test', action='append', default=[], help='only tests whose name has this in it')
    parser.add_argument('-v', '--verbose', action='store_true', help='each field that differs')
    parser.add_argument('--write', action='store_true', help='renew the baseline')
    parser.add_argument('--baseline', type=pathlib.Path, help='instead of the one beside the runner')
    for flag, wanted in more:
        parser.add_argument(flag, **wanted)
    options = parser.parse_args()
    options.baseline = options.baseline or pathlib.Path(sys.argv[0]).with_suffix('.baseline.json')
    return options


def captures():
    """Every capture of the corpus, each content once: [(path, name)]. Archives are unpacked for as long as we run."""
    root, seen, out = folder(), set(), []
    unpacked = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, unpacked, ignore_errors=True)
    for archive in root.rglob('*.zip'):
        with zipfile.ZipFile(archive) as members:
            members.extractall(pathlib.Path(unpacked) / archive.relative_to(root))
    for base in (root, pathlib.Path(unpacked)):
        for path in sorted(base.rglob('*')):
            if path.suffix in ('.pcap', '.pcapng', '.cap') and path.is_file():
                mark = hashlib.sha256(path.read_bytes()).digest()
                if mark not in seen:
                    seen.add(mark)
                    out.append((path, str(path.relative_to(base))))
    return out


def chosen(name, options):
    return not options.test or any(part in name for part in options.test)


def judged(judge, items):
    """All results of judge(item); a crash is one that fails."""
    def careful(item):
        try:
            return judge(item)
        except eve.Crashed as crash:
            return [Result(str(crash).split(':', 1)[0], 'crash', 0, 1, [str(crash)])]
    return [result for found in in_parallel(careful, items) for result in found]


def in_parallel(work, items):
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(work, items)


def tallied(results):
    counts = collections.defaultdict(lambda: [0, 0])
    for result in results:
        if result.total and not result.why:
            counts[result.protocol][0] += result.passed
            counts[result.protocol][1] += result.total
    return dict(sorted(counts.items()))


def passing(results):
    whole = collections.defaultdict(lambda: True)
    for result in results:
        if not result.why and result.total:
            whole[result.test] &= result.passed == result.total
    return sorted(name for name, good in whole.items() if good)


def lost(results, before, everything):
    """Sentences on what the baseline has and this run has not."""
    now, ran = set(passing(results)), {result.test for result in results}
    out = [f'{test}: passed before' for test in before['tests'] if test not in now and (everything or test in ran)]
    if everything:
        counts = tallied(results)
        for protocol, passed in before['passed'].items():
            got = counts.get(protocol, [0, 0])[0]
            if got < passed:
                out.append(f'{protocol}: {got} passed, {passed} before')
    return out


def baseline(options):
    """{'passed': {protocol: checks}, 'tests': [names]} as last written."""
    return json.loads(options.baseline.read_text()) if options.baseline.exists() else {'passed': {}, 'tests': []}


def finish(results, options, unit='checks', strict=False):
    """Tells, compares with the baseline or renews it, and ends the program. strict: no baseline, all must pass."""
    everything = not options.protocol and not options.test
    counts = tallied(results)
    for result in results:
        if result.told and (options.verbose or result.protocol == 'crash' or result.why):
            reason = f' (not scored: {result.why})' if result.why else ''
            print(f'{result.test} [{result.protocol}] {result.passed} of {result.total}{reason}')
            print(''.join(f'    {line}\n' for line in result.told), end='')
    if options.write and not strict:
        if not everything:
            sys.exit('--write needs the whole run')
        kept = {'passed': {name: passed for name, (passed, _) in counts.items() if passed}, 'tests': passing(results)}
        options.baseline.write_text(json.dumps(kept, indent=1) + '\n')
    for protocol, (passed, total) in counts.items():
        print(f'{protocol:16} {passed:5} of {total:5}  {passed / max(1, total):7.2%}')
    passed, total = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    whole = {result.test for result in results if result.total and not result.why}
    print(f'{passed} of {total} {unit} ({passed / max(1, total):.2%}); {len(passing(results))} of {len(whole)} tests '
          'pass whole')
    faults = [f'{result.test} crashed' for result in results if result.protocol == 'crash']
    if strict:
        faults += [f'{total - passed} of {total} {unit}'] if passed < total else []
    else:
        faults += lost(results, baseline(options), everything)
    for fault in faults:
        print(f'FAILED  {fault}')
    sys.exit(1 if faults or not total else 0)
