#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Each committed in.pcap is what make_captures.py makes, and each case folder is made by it."""
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
with tempfile.TemporaryDirectory() as fresh:
    subprocess.run([sys.executable, HERE / 'make_captures.py', fresh], check=True)
    made = {path.parent.name: path.read_bytes() for path in pathlib.Path(fresh).glob('*/in.pcap')}
kept = {path.parent.name: path.read_bytes() for path in HERE.glob('*/in.pcap')}
wrong = sorted(name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name))
print('differs from make_captures.py: ' + ' '.join(wrong) if wrong else f'{len(kept)} captures as made')
sys.exit(1 if wrong or not kept else 0)
