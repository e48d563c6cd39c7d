#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Three wires beside the lab's own with a mode each, shared by some workers: many_wires.py WORKERS. What goes into one
comes out of its other side, in order and nowhere else; each drops, or not, as it is told; each is accounted for by
itself."""
import sys
import time

from case import check, wire
import frames
import packets as p
from lab import wait_for

WORKERS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
COUNT, FLOWS, EVERY_EVIL = 1500, 50, 10
WIRES = {'one': ('e0', 'e1', 'enforce'), 'two': ('f0', 'f1', 'tap'), 'three': ('g0', 'g1', 'simulate')}
RULES = 'drop udp any any -> any 5000 (msg:"dropped"; content:"evil"; sid:1;)\n'


def frames_for(number, name, to_b):
    """Datagrams of many pairs of hosts, numbered; every tenth one has the word, in a flow of its own."""
    out = []
    for n in range(COUNT):
        evil = n % EVERY_EVIL == 0
        pair = n % FLOWS + 1
        src, dst = f'10.{number}.{pair}.1', f'10.{number}.{pair}.2'
        text = f'{"evil" if evil else "good"} {name} {int(to_b)} {n:05d} '.encode() + b'.' * 40
        sport = 30000 + n if evil else 4000
        if not to_b:
            src, dst = f'10.{number}.{pair}.3', f'10.{number}.{pair}.4'
        out.append(p.ip_frame(src, dst, p.UDP, p.udp(src, dst, sport, 5000, text)))
    return out


def text_of(frame):
    return frame[42:].split(b' .')[0].decode(errors='replace')


def is_ours(frame):
    return frame[12:14] == b'\x08\x00' and frame[42:46] in (b'evil', b'good')


def in_order(got, wanted):
    """Of each pair of hosts, and of each flow, in the order in which they were sent."""
    def by_ends(list_of):
        out = {}
        for frame in list_of:
            out.setdefault(frame[26:38], []).append(frame)
        return out
    return by_ends(got) == by_ends(wanted)


extra = [{'name': name, 'a': a, 'b': b, 'mode': mode} for name, (a, b, mode) in WIRES.items()]
with wire(start=False, serve=False, workers={'count': WORKERS}, rules=RULES,
          wires=[{'name': 'wire0', 'a': 'd0', 'b': 'd1', 'mode': 'enforce'}] + extra) as (lab, weir):
    for a, b, _ in WIRES.values():
        lab.spare_port('dut', a)
        lab.spare_port('dut', b)
    weir.start(40)
    captures = {port: frames.Capture(lab, 'dut', f'{port}x', keep=is_ours)
                for a, b, _ in WIRES.values() for port in (a, b)}
    sent = {}
    for number, (name, (a, b, _)) in enumerate(WIRES.items(), 20):
        for port, far, to_b in ((a, b, True), (b, a, False)):
            sent[far] = frames_for(number, name, to_b)
    senders = {far: frames.sender(lab, 'dut', f'{near}x')
               for a, b, _ in WIRES.values() for near, far in ((a, b), (b, a))}
    for n in range(COUNT):
        for far, out in senders.items():
            out.send(sent[far][n])
        if n % 8 == 7:
            time.sleep(0.002)
    total = COUNT * 2 * len(WIRES)
    wait_for(lambda: weir.status()['total']['received'] >= total, 20, 'all frames to have come in')
    got = {port: capture.stop() for port, capture in captures.items()}
    status = {w['name']: w for w in weir.status()['wires']}
    for name, (a, b, mode) in WIRES.items():
        for port in (a, b):
            wanted = [f for f in sent[port] if mode != 'enforce' or not text_of(f).startswith('evil')]
            check(sorted(got[port]) == sorted(wanted),
                  f'{name} ({mode}), out of {port}: {len(got[port])} frames, {len(wanted)} wanted, none from elsewhere')
            check(in_order(got[port], wanted), f'{name}, out of {port}: in order')
        of = status[name]
        evil = COUNT * 2 // EVERY_EVIL
        check(of['received'] == COUNT * 2 and of['mode'] == mode, f'{name}: {of["received"]} received')
        check(of['dropped'].get('rule-drop', 0) == (evil if mode == 'enforce' else 0),
              f'{name}: dropped {of["dropped"]}')
        check(of['would_drop'].get('rule-drop', 0) == (evil if mode == 'simulate' else 0),
              f'{name}: would have dropped {of["would_drop"]}')
        right = of['sent'] + sum(of['dropped'].values()) + of['held']
        check(of['received'] == right and of['balanced'], f'{name}: accounted for')
