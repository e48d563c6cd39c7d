#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tally.py LABEL=MESON_BUILD_DIR... [--broken LABEL]...: the one line that says how the tests went.

Counts what each build's meson-logs/testlog.json holds: one per meson test, so one per gtest program, per fuzz
target, per packet case, per system test. Exit code 77 counts as skipped. A build or a stage that broke before its
tests ran counts as one failure. Failed and skipped tests are told first, with the end of what they printed."""
import json
import pathlib
import sys

PASSED = ('OK', 'EXPECTEDFAIL')


def tail(test, lines):
    text = (test.get('stdout') or '') + (test.get('stderr') or '')
    return text.strip().splitlines()[-lines:]


def main():
    passed = failed = skipped = 0
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        if argument == '--broken':
            print(f'FAILED  {next(arguments)}: did not build or did not run')
            failed += 1
            continue
        label, build = argument.split('=', 1)
        for line in (pathlib.Path(build) / 'meson-logs/testlog.json').read_text().splitlines():
            test = json.loads(line)
            name = f'{test["name"]} ({label})'
            if test['result'] in PASSED:
                passed += 1
            elif test['result'] == 'SKIP':
                skipped += 1
                print(f'skipped {name}: {" ".join(tail(test, 1))}')
            else:
                failed += 1
                print(f'FAILED  {name}: {test["result"]}')
                for text in tail(test, 40):
                    print(f'    | {text}')
    print(f'{passed} passed, {failed} failed, {skipped} skipped')
    sys.exit(1 if failed or not passed else 0)


if __name__ == '__main__':
    main()
