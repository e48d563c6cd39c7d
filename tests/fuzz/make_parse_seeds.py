#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_parse_seeds.py FOLDER CAPTURE...: conversations of captures as inputs of fuzz_parse, one file each.

Short ones only, the first few of each capture: a corpus is a start, not an archive. Needs tshark."""
import hashlib
import pathlib
import subprocess
import sys

PER_CAPTURE, BYTES_MAX, PIECE_MAX = 6, 4096, 1500
FIELDS = ['tcp.stream', 'udp.stream', 'tcp.srcport', 'tcp.dstport', 'udp.srcport', 'udp.dstport', 'tcp.payload',
          'udp.payload', 'ip.src', 'ipv6.src']


def conversations(capture):
    """{(udp, stream): [server port, client, [(direction, bytes)]]}"""
    words = ['tshark', '-n', '-r', capture, '-o', 'tcp.desegment_tcp_streams:FALSE', '-T', 'fields', '-E',
             'occurrence=f']
    for field in FIELDS:
        words += ['-e', field]
    found = {}
    out = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    for line in out.splitlines():
        row = dict(zip(FIELDS, line.split('\t')))
        udp = bool(row.get('udp.stream'))
        kind = 'udp' if udp else 'tcp'
        stream = row.get(f'{kind}.stream')
        if not stream:
            continue
        sender = (row['ip.src'] or row['ipv6.src'], row[f'{kind}.srcport'])
        talk = found.setdefault((udp, stream), [int(row[f'{kind}.dstport']), sender, []])
        payload = bytes.fromhex(row.get(f'{kind}.payload') or '')
        if payload:
            talk[2].append((0 if sender == talk[1] else 1, payload[:PIECE_MAX if not udp else 0x7fff]))
    return found


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for capture in sys.argv[2:]:
        made = 0
        for (udp, _), (port, _, pieces) in conversations(capture).items():
            data = bytes([1 if udp else 0]) + port.to_bytes(2, 'big')
            for direction, piece in pieces:
                if len(data) + len(piece) > BYTES_MAX:
                    break
                data += (direction << 15 | len(piece)).to_bytes(2, 'big') + piece
            if len(data) < 8 or made == PER_CAPTURE:
                continue
            made += 1
            (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


main()
