#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same streams in other segments must give the same parser events, and hit the same rules over what these state.
corpus_differential.py WEIR [--all] [-v]

Captures of the corpus with TCP data are rewritten (tests/support/resegment.py) and replayed; of each flow the parser
events must be the same, in their order, but for times and packet numbers, and the rules that hit. A sample, the same
each time, unless --all. --protocol is the variant, --keep FOLDER keeps the rewritten captures. Needs WEIR_CORPUS."""
import collections
import pathlib
import random
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402
import resegment  # noqa: E402

SEED, SAMPLE, SAMPLE_BYTES_MAX = 20261124, 90, 400_000
# arp has no stream; when its repeats are told hangs on how many packets there are
NOT_PARSERS = {'alert', 'arp', 'drop', 'flow', 'netflow', 'stats', 'verdict'}
# app_proto: nDPI looks at the first packets, not at streams
NOT_COMPARED = {'timestamp', 'flow_id', 'pcap_cnt', 'app_proto', 'flow'}
# As many as a packet's hits have room for, so that none crowds out another.
FACTS = ['http.url_normalized', 'http.http_user_agent', 'http.status', 'tls.sni', 'tls.ja4', 'tls.subject',
         'ssh.client.software_version', 'ssh.server.hassh.hash', 'smb.share', 'smb.filename', 'ntlmssp.user',
         'ftp.command_data', 'ftp.reply', 'smtp.rcpt_to', 'krb5.sname']
RULES = ''.join(f'alert tcp any any -> any any (fact:{fact}; bsize:>0; sid:{number};)\n'
                for number, fact in enumerate(FACTS, 1))
# capture or variant -> why it gives other events; told, not scored
EXPLAINED = {'disordered': 'segments out of order are not put in order yet'}


def events(rows):
    """{flow: [event without what may differ]}"""
    flows, hits = collections.defaultdict(list), collections.defaultdict(set)
    for row in rows:
        if row['event_type'] == 'alert' and row['weir']['kind'] == 'rule':
            hits[eve.ends(row)].add(row['alert']['signature_id'])
        if row['event_type'] in NOT_PARSERS:
            continue
        if row['event_type'] == 'anomaly' and eve.value_of(row, 'anomaly.app_proto') is eve.MISSING:
            continue
        flows[eve.ends(row)].append({key: value for key, value in row.items() if key not in NOT_COMPARED})
    for flow, sids in hits.items():  # of two events in a segment a rule hits once
        flows[flow].append({'rules': [FACTS[sid - 1] for sid in sorted(sids)]})
    return flows


def leaves(value, path=''):
    """{path: value} of all that is in an event."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in leaves(inner, f'{path}.{key}'.lstrip('.')).items()}
    if isinstance(value, list) and value:
        return {k: v for i, inner in enumerate(value) for k, v in leaves(inner, f'{path}[{i}]').items()}
    return {path: value}


def compare(before, after):
    """What the first difference of each flow is."""
    told = []
    for flow in before.keys() | after.keys():
        one, other = before.get(flow, []), after.get(flow, [])
        if one == other:
            continue
        who = f'{flow[0]} ' + ' '.join(f'{host}:{port}' for host, port in sorted(flow[1], key=str))
        told.append(f'{who}: {len(one)} events as captured, {len(other)} as rewritten')
        at = next((i for i, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))
        a, b = (leaves(side[at]) if at < len(side) else {} for side in (one, other))
        told += [f'  event {at + 1} {path}: captured {eve.shown(a.get(path, eve.MISSING))}, '
                 f'rewritten {eve.shown(b.get(path, eve.MISSING))}'
                 for path in sorted(a.keys() | b.keys()) if a.get(path, eve.MISSING) != b.get(path, eve.MISSING)][:12]
    return told


def judge(options, capture, name, folder):
    words, rules = ['-k', 'none'], pathlib.Path(folder) / 'facts.rules'
    try:
        link, frames = resegment.read(capture.read_bytes())
        before = events(eve.replay(options.weir, capture, rules, arguments=words).rows)
    except (resegment.Unreadable, eve.Refused):
        return []
    results = []
    for variant, rewrite in resegment.VARIANTS.items() if before else ():
        if options.protocol not in (None, variant):
            continue
        path = pathlib.Path(options.keep or folder) / f'{name.replace("/", "_")}.{variant}.pcap'
        resegment.write(path, link, rewrite(link, frames, random.Random(f'{SEED} {name} {variant}')))
        result = corpus.Result(name, variant, total=1, why=EXPLAINED.get(name) or EXPLAINED.get(variant, ''))
        try:
            result.told = compare(before, events(eve.replay(options.weir, path, rules, arguments=words).rows))
        except eve.Refused as refused:
            result.told = [str(refused)]
        if not options.keep:
            path.unlink()
        result.passed = int(not result.told)
        results.append(result)
    return results


def has_tcp_data(capture):
    try:
        link, frames = resegment.read(capture.read_bytes())
    except resegment.Unreadable:
        return False
    return any(resegment.segment_of(link, frame) for frame in frames)


def sample(captures):
    """Some of every folder, by turns, as chance has it; always the same."""
    dice, groups = random.Random(SEED), collections.defaultdict(list)
    for capture, name in captures:
        if capture.stat().st_size <= SAMPLE_BYTES_MAX:
            # suricata-verify: a group of tests each; else: a collection each
            part = name.split('/')
            groups[part[2].split('-')[0] if part[0] == 'suricata-verify' else part[0]].append((capture, name))
    turns = []
    for _, group in sorted(groups.items()):
        dice.shuffle(group)
        turns += enumerate(group)
    dice.shuffle(turns)
    return [pair for _, pair in sorted(turns, key=lambda turn: turn[0])][:SAMPLE]


def main():
    options = corpus.arguments(__doc__, [
        ('--all', {'action': 'store_true', 'help': 'every capture'}), ('--keep', {'help': 'a folder'})])
    captures = [(path, name) for path, name in corpus.captures() if has_tcp_data(path)]
    if not options.all and not options.test:
        captures = sample(captures)
    captures = [pair for pair in captures if corpus.chosen(pair[1], options)]
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / 'facts.rules').write_text(RULES)
        results = corpus.judged(lambda pair: judge(options, *pair, folder), captures)
    if not results:
        print(f'of {len(captures)} captures none gives parser events')
        sys.exit(77)
    options.verbose = True
    corpus.finish(results, options, 'variants', strict=True)


if __name__ == '__main__':
    main()
