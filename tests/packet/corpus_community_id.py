#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Community ID against the baseline its authors publish. corpus_community_id.py WEIR; needs WEIR_CORPUS.

Each id of the baseline must come out for a flow between the same two addresses, and none that is not in it."""
import gzip
import ipaddress
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'support'))
import corpus  # noqa: E402
import eve  # noqa: E402


def pair(a, b):
    return frozenset((ipaddress.ip_address(a), ipaddress.ip_address(b)))


def main():
    folder = corpus.folder('community-id')
    wanted = {(entry['communityid'], pair(entry['saddr'], entry['daddr']))
              for entry in json.loads((folder / 'baseline/baseline_deflt.json').read_text())}
    with tempfile.TemporaryDirectory() as out:
        capture = pathlib.Path(out) / 'combined.pcap'
        capture.write_bytes(gzip.decompress((folder / 'pcaps/combined.pcap.gz').read_bytes()))
        records = eve.replay(sys.argv[1], capture).rows
    got = {(r['community_id'], pair(r['src_ip'], r['dest_ip'])) for r in records if r['event_type'] == 'flow'}
    for what, ids in (('not computed', wanted - got), ('not in the baseline', got - wanted)):
        for name, ends in sorted(ids, key=str):
            print(f'{what}: {name} of {" ".join(map(str, ends))}')
    print(f'{len(wanted & got)} of {len(wanted)} ids of the baseline, {len(got - wanted)} others')
    sys.exit(0 if wanted == got else 1)


if __name__ == '__main__':
    main()
