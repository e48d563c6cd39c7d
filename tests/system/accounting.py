#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every packet is accounted for whatever happens to it: a flood of new flows over a full table, a port without link,
a port that is full, reloads under load, the control plane killed, then the data plane killed and back. Conversations
that were there before the flood lose nothing."""
import os
import signal
import subprocess
import time

from case import check, end_ping, start_ping, start_transfer, wire
from lab import SERVER4, stop, wait_for

FLOOD = 40_000
FLOWS = 1024   # the least that weir.yaml takes: a flood fills it in no time


def balanced(weir, when):
    try:
        status = weir.assert_accounting()
    except AssertionError as error:
        check(False, f'accounting {when}: {error}')
        return weir.status()
    total = status['total']
    check(total['received'] > 0, f'accounting {when}: received {total["received"]} = sent {total["sent"]} + '
                                 f'dropped {total["dropped"]} + held {total["held"]}')
    return status


def flood(lab, packets):
    """SYNs from changing ports to a port that nobody answers, as fast as this machine makes them."""
    subprocess.run(['ip', 'netns', 'exec', lab.space('client'), '/usr/bin/python3', '-c', f'''
import socket, struct
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("c0", 0))
def checksum(b):
    n = sum(struct.unpack("!%dH" % (len(b) // 2), b)); n = (n >> 16) + (n & 0xffff); return ~(n + (n >> 16)) & 0xffff
dst, src = bytes.fromhex("027700000002"), bytes.fromhex("027700000001")
for i in range({packets}):
    a, b = bytes([10, 78, i >> 8 & 255, i & 255]), bytes([10, 77, 0, 2])
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, i & 0xffff, 0, 64, 6, 0, a, b)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    tcp = struct.pack("!HHIIBBHHH", 1024 + i % 60000, 9, i, 0, 0x50, 2, 1000, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(a + b + struct.pack("!BBH", 0, 6, 20) + tcp)) + tcp[18:]
    s.send(dst + src + b"\\x08\\x00" + ip + tcp)
'''], check=True, timeout=120)


def without_link(lab, weir, host, port):
    """What comes in for a port without link is dropped as that, to the packet: the kernel would take it and lose it."""
    def told():
        wire0 = weir.status()['wires'][0]
        return wire0['dropped'].get('port-down', 0) + sum(wire0[side]['missed'] for side in 'ab')
    lab.run(host, ['ip', 'link', 'set', port, 'down'])
    wait_for(lambda: not weir.status()['wires'][0]['b']['link'], 5, 'the link to go')
    before, sent = told(), weir.status()['wires'][0]['b']['sent']['packets']
    flood(lab, 2000)
    time.sleep(1.2)
    status = balanced(weir, f'without link at {port}')
    check(told() - before >= 2000 and status['wires'][0]['b']['sent']['packets'] == sent,
          f'without link at {port}: {told() - before} told for 2,000 and some, none counted as sent: '
          f'{status["total"]["dropped"]}')
    check(set(status['total']['dropped']) == {'port-down'}, 'and for no other reason')
    lab.run(host, ['ip', 'link', 'set', port, 'up'])
    wait_for(lambda: weir.status()['wires'][0]['b']['link'], 5, 'the link to come back')


with wire(flows={'max': FLOWS}, detect={'scan': {'enabled': False}}) as (lab, weir):
    load = start_transfer(lab, '20M')
    ping = start_ping(lab, 'client', '0.02')
    time.sleep(1)
    before = weir.status()['flows']
    flood(lab, FLOOD)
    sent, answered, _ = end_ping(ping)
    time.sleep(1.2)     # what a port had no room for is asked for now and then
    status = balanced(weir, 'after a flood of new flows')
    check(status['flows']['evicted'] > 10 * FLOWS, f'{status["flows"]["evicted"]} flows of the flood gave way')
    # What never reached Weir is not lost by it: a ping has the same chance there as a frame of the flood, twice.
    missed = sum(status['wires'][0][side]['missed'] for side in 'ab') / FLOOD
    check(answered >= (sent - 1) * (1 - 2 * missed) - 4 * (sent * 2 * missed) ** 0.5 and sent > 20,
          f'{sent} pings during it, {answered} answered; the ports had no room for {missed:.0%}')
    check(load.poll() is None, 'the transfer that was there before still runs')
    check(status['flows']['created'] - before['created'] < 40_500, 'no flow had to be made twice')
    check(status['total']['dropped'] == {}, f'nothing was dropped: {status["total"]["dropped"]}')

    for host, port in (('dut', 'd1'), ('server', 's0')):     # the port itself, and what it is plugged into
        without_link(lab, weir, host, port)
    wait_for(lambda: lab.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0, 15,
             'the wire to come back')

    weir.rules.write_text(''.join(f'alert tcp any any -> any any (content:"needle-{n}"; sid:{n};)\n'
                                  for n in range(1, 2001)))
    for _ in range(3):
        done = weir.ask('rules', 'reload', timeout=30)
        check(done.returncode == 0, f'weir rules reload: {done.stdout.strip()} {done.stderr.strip()}')
    balanced(weir, 'after three reloads under load')

    weir.kill_control()
    wait_for(weir.ready, 10, 'a new control plane')
    balanced(weir, 'after the death of the control plane')

    old = weir.status()['dataplane']
    os.kill(old['pid'], signal.SIGKILL)
    wait_for(lambda: weir.ready(epoch=old['epoch']), 20, 'a new data plane')
    wait_for(lambda: lab.run('client', ['ping', '-c', '1', '-W', '1', SERVER4], timeout=3).returncode == 0, 15,
             'the wire to come back')
    balanced(weir, 'after the death of the data plane')
    check(load.poll() is None, 'the transfer has outlived all of it')
    stop(load)
