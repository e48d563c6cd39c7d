#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Facts of our events against tshark. corpus_tshark.py WEIR [--protocol dns] [--test NAME] [--all] [-v] [--write]

The table of facts is tshark_fields.py. Of each flow in which tshark shows values of a fact, ours must be the same: a
value that one has and the other has not fails. Where only we know the fact of a flow it is told with -v. A sample of
the captures, the same each time, unless --all. Needs WEIR_CORPUS and tshark."""
import collections
import pathlib
import random
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402
import tshark_fields as table  # noqa: E402

SEED, SAMPLE, BYTES_MAX = 20261129, 130, 1_000_000
ADDRESSES = ('ip.src', 'ipv6.src', 'ip.dst', 'ipv6.dst', 'tcp.srcport', 'udp.srcport', 'tcp.dstport', 'udp.dstport')
BETWEEN = '\x1f'
PREFERENCES = ('tcp.reassemble_out_of_order:TRUE', 'tcp.check_checksum:FALSE')


def last(first, other):
    """Of an address field as tshark gives it, outermost first: the innermost, whichever version it is of."""
    return (first or other).split(BETWEEN)[-1]


def quoted(values):
    """Whether it is an ICMP error, which shows the packet that it complains of: that came the other way."""
    sources, targets = ((values[f'ip.{end}'] or values[f'ipv6.{end}']).split(BETWEEN) for end in ('src', 'dst'))
    return len(sources) > 1 and sources[-1] == targets[0] and targets[-1] != targets[0]


def tshark_says(capture):
    """{(flow, fact): Counter of values}"""
    names = [*ADDRESSES, *table.FIELDS]
    words = ['tshark', '-n', '-r', capture, '-T', 'fields', '-E', f'aggregator={BETWEEN}']
    for wish in PREFERENCES:
        words += ['-o', wish]
    for name in names:
        words += ['-e', name]
    done = subprocess.run(words, capture_output=True, timeout=300, check=False)
    flows = collections.defaultdict(collections.Counter)
    for line in done.stdout.decode(errors='replace').split('\n'):
        parts = line.split('\t')
        if not any(parts[len(ADDRESSES):]):
            continue
        values = dict(zip(names, parts + [''] * len(names)))
        src, dst, sport, dport = (last(*(values[name] for name in ADDRESSES[i:i + 2])) for i in (0, 2, 4, 6))
        if not (sport and dport) or quoted(values):
            continue
        flow = frozenset(((str(eve.address(src)), int(sport)), (str(eve.address(dst)), int(dport))))
        lists = {name: values[name].split(BETWEEN) if values[name] else [] for name in table.FIELDS}
        for fact, about in table.FACTS.items():
            if fact.startswith('http ') and not values['tcp.srcport']:
                continue  # SSDP, HTTP/3
            if found := [text for text in about.theirs(lists) if text]:
                flows[flow, fact].update(found)
    return flows


def we_say(rows):
    flows = collections.defaultdict(collections.Counter)
    for row in rows:
        for fact, about in table.FACTS.items():
            for text in filter(None, about.ours(row)):
                flows[eve.ends(row)[1], fact][text] += row.get('count', 1)
    return flows


def judge(weir, capture, name):
    theirs = tshark_says(capture)
    try:
        ours = we_say(eve.replay(weir, capture, arguments=['-k', 'none']).rows)
    except eve.Refused as refused:
        return [corpus.Result(name, 'replay', told=[str(refused)])]  # some are broken on purpose
    results = {}
    for flow, fact in sorted(theirs.keys() | ours.keys(), key=lambda key: (key[1], sorted(key[0], key=str))):
        mine, wanted = ours.get((flow, fact), collections.Counter()), theirs.get((flow, fact), collections.Counter())
        if table.FACTS[fact].as_set:
            mine, wanted = (collections.Counter(set(side)) for side in (mine, wanted))
        protocol = fact.split(' ')[0]
        why = table.DIFFERENCES.get((name, fact)) or table.DIFFERENCES.get((name, protocol)) or ''
        result = results.setdefault((protocol, why), corpus.Result(name, protocol, why=why))
        if wanted:
            result.total += sum((mine | wanted).values())
            result.passed += sum((mine & wanted).values())
        ends = ' '.join(f'{host}:{port}' for host, port in sorted(flow, key=str))
        for who, more in (('only we', mine - wanted), ('only they', wanted - mine)):
            listed = ', '.join(f'{text!r}' + (f' x{n}' if n > 1 else '') for text, n in sorted(more.items())[:12])
            result.told += [f'{fact}, {ends}: {who}{"" if wanted else " know the fact"}: {listed}'] if listed else []
    return list(results.values())


def sample(captures):
    """Some of every folder, as chance has it; always the same."""
    dice, groups = random.Random(SEED), collections.defaultdict(list)
    for pair in captures:
        part = pair[1].split('/')
        groups[part[2].split('-')[0] if part[0] == 'suricata-verify' else part[0]].append(pair)
    turns = []
    for _, group in sorted(groups.items()):
        dice.shuffle(group)
        turns += enumerate(group)
    return [pair for _, pair in sorted(turns, key=lambda turn: turn[0])][:SAMPLE]


def main():
    options = corpus.arguments(__doc__, [('--all', {'action': 'store_true', 'help': 'every capture'})])
    if not shutil.which('tshark'):
        print('tshark is not here')
        sys.exit(77)
    captures = [pair for pair in corpus.captures() if pair[0].stat().st_size <= BYTES_MAX]
    if not options.all and not options.test:
        captures = sample(captures)
    captures = [pair for pair in captures if corpus.chosen(pair[1], options)]
    results = [r for r in corpus.judged(lambda pair: judge(options.weir, *pair), captures)
               if options.protocol in (None, r.protocol, 'crash')]
    print(f'{len(captures)} captures asked')
    corpus.finish(results, options, 'values')


if __name__ == '__main__':
    main()
