#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Zeek's logs of its own traces against our events. corpus_zeek.py WEIR [--protocol ldap] [--test NAME] [-v] [--write]

The table of fields is zeek_fields.py. A line of a log is compared with the event of its flow that agrees with it
best, each event with one line; each field that Zeek sets counts. Lines of flows that the capture has not are left out
(some of Zeek's tests read several captures). Needs WEIR_CORPUS."""
import collections
import csv
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402
import zeek_fields  # noqa: E402

UNSET = ('-', '(empty)', '')


def unescaped(value):
    value = re.sub(r'\\x([0-9a-fA-F]{2})', lambda found: chr(int(found.group(1), 16)), value)
    return value.replace('\\\\', '\\')


def lines_of(path):
    """[{field: text}] of a Zeek log; some baselines were cut to a few columns, with their names first."""
    names, out = None, []
    for line in path.read_text().splitlines():
        parts = line.split('\t')
        if line.startswith('#fields'):
            names = parts[1:]
        elif not line or line.startswith('#'):
            continue
        elif names is None or parts == names:
            names = parts
        else:
            out.append({name: unescaped(value) for name, value in zip(names, parts)})
    return out


def flow_of(line):
    ends = [(str(eve.address(line[f'id.{side}_h'])), int(line[f'id.{side}_p']))
            for side in ('orig', 'resp') if f'id.{side}_h' in line]
    return frozenset(ends) or None


def ours(where, thing):
    if callable(where):
        return where(thing)
    for path in where:
        value = path(thing) if callable(path) else eve.value_of(thing, path)
        if value is not eve.MISSING:
            return value
    return eve.MISSING


def differing(fields, line, thing):
    """{field: what we have} where it is not what the line says."""
    out = {}
    for name, (where, agrees) in fields.items():
        if line.get(name, '-') not in UNSET:
            value = eve.MISSING if thing is None else ours(where, thing)
            if value is eve.MISSING or not agrees(line[name], value):
                out[name] = value
    return out


def merged(things):
    """One of all: what a later one says is added, lists and objects included."""
    out = {}
    for thing in things:
        for name, value in thing.items():
            if isinstance(value, dict):
                out[name] = merged([out.get(name) if isinstance(out.get(name), dict) else {}, value])
            elif name not in out or out[name] in ('', []):
                out[name] = value
    return out


def paired(log, lines, rows):
    """For each line the thing of ours that it is about, or None: the pairs that agree best first, each taken once."""
    things = collections.defaultdict(list)
    for row in rows:
        for thing in log.things(row):
            things[eve.ends(row)[1]].append(thing)
    if log.per_flow:
        things = {flow: [merged(found)] for flow, found in things.items()}
    all_of = [(flow, thing) for flow, found in things.items() for thing in found]
    pairs = []
    for number, line in enumerate(lines):
        wanted, given = flow_of(line), sum(line.get(name, '-') not in UNSET for name in log.fields)
        for place, (flow, thing) in enumerate(all_of):
            if wanted in (None, flow) and (agree := given - len(differing(log.fields, line, thing))):
                pairs.append((-agree, number, place))
    out, taken = [None] * len(lines), set()
    for _, number, place in sorted(pairs):
        if out[number] is None and place not in taken:
            out[number] = all_of[place][1]
            taken.add(place)
    return out


def judge_log(test, path, rows, flows):
    name = path.name.removesuffix('.log').split('.')[-1]
    log = zeek_fields.LOGS[name]
    result = corpus.Result(f'{test}/{path.name}', name)
    lines = [line for line in lines_of(path) if flow_of(line) in flows | {None}]
    for number, (line, thing) in enumerate(zip(lines, paired(log, lines, rows)), 1):
        wrong = differing(log.fields, line, thing)
        for field in log.fields:
            if line.get(field, '-') in UNSET:
                continue
            why = zeek_fields.DIFFERENCES.get((test, name, field)) \
                or zeek_fields.DIFFERENCES.get((test, name, field, number))
            if field in wrong:
                result.told.append(f'line {number} {field}: we {eve.shown(wrong[field])}, they {line[field]!r}'
                                   + (f' (not scored: {why})' if why else '' if thing else ' (no such event)'))
            result.total += not (why and field in wrong)
            result.passed += field not in wrong
    return result


def judge(weir, root, row, options):
    test = row['zeek_btest'].removeprefix('scripts.base.protocols.')
    logs = [path for path in sorted((root / 'baseline' / row['zeek_btest']).glob('*.log'))
            if options.protocol in (None, name := path.name.removesuffix('.log').split('.')[-1])
            and name in zeek_fields.LOGS]
    try:
        trace = root / row['trace_under_testing/btest/Traces']
        rows = eve.replay(weir, trace, arguments=['-k', 'none']).rows if logs else []  # as Zeek's tests do: -C
    except eve.Refused as refused:
        return [corpus.Result(test, 'replay', 0, 1, [str(refused)])]
    flows = {eve.ends(r)[1] for r in rows if r['event_type'] == 'flow'}
    return [judge_log(test, path, rows, flows) for path in logs]


def main():
    options = corpus.arguments(__doc__)
    root = corpus.folder('zeek-traces')
    with open(root / 'trace_to_baseline.csv', newline='', encoding='utf-8') as file:
        tests = [row for row in csv.DictReader(file) if corpus.chosen(row['zeek_btest'], options)]
    results = corpus.judged(lambda row: judge(options.weir, root, row, options), tests)
    corpus.finish(results, options, 'fields')


if __name__ == '__main__':
    main()
