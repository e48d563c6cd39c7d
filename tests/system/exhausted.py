#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Weir keeps packets and records in, full: the frames of a wire (a scanner's held first contacts take them all),
the rings to a worker and from it (the other end is stopped meanwhile), a port that takes no more, the ring of event
records. Nothing is lost uncounted, no frame too many or too few, and afterwards all is as before.
exhausted.py [frames|workers|port|records]..."""
import os
import signal
import subprocess
import sys
import time

from case import check, wire
import packets as p
from frames import Capture, sender
from lab import SERVER4, stop, wait_for
from stopped import Stopped

FRAMES = 64          # the least there is: two bursts
RING = 1023          # what the ring between two workers takes: kHandoverSlots in contract/stats_page.h, less one
PAIRS, EACH = 64, 60
SILENT = '10s'       # no stopped worker is to be taken for a stalled one here
RULES = 'reject udp any any -> any 6000 (msg:"refused"; sid:1;)\n'


def pings(lab, host, count=20):
    out = lab.run(host, ['ping', '-q', '-n', '-c', count, '-i', '0.02', '-W', '1', SERVER4], timeout=30).stdout
    return f' {count} received' in out


def datagram(pair, port, number, to_server=True):
    src, dst = f'10.78.{pair}.1', '10.78.200.2'
    if not to_server:
        src, dst = dst, src
    return p.ip_frame(src, dst, p.UDP, p.udp(src, dst, 4000, port, f'{number:06d}'.encode() + b'.' * 40),
                      to_server=to_server)


def is_ours(frame):
    return frame[12:14] == b'\x08\x00' and frame[26:28] == b'\x0a\x4e'


def is_answer(frame):
    return frame[23] == p.ICMP


def pair_of(frame):
    return frame[28]


def send(out, frames):
    """Slowly enough that the port has room for each of them."""
    for n, frame in enumerate(frames):
        out.send(frame)
        if n % 64 == 63:
            time.sleep(0.002)


class Books:
    """What a wire has counted since it was opened, or since the last look."""

    def __init__(self, weir):
        self.weir = weir
        self.last = self._read()

    def _read(self):
        wire0 = self.weir.status()['wires'][0]
        out = {key: wire0[key] for key in ('received', 'sent')}
        out['missed'] = sum(wire0[side]['missed'] for side in 'ab')
        out.update(wire0['dropped'])
        return out

    def since(self):
        """Counts of what was since, and whether every packet is in one of them."""
        time.sleep(1.2)     # what a port had no room for is asked for now and then
        self.weir.assert_accounting()
        now = self._read()
        new = {key: now[key] - self.last.get(key, 0) for key in now}
        self.last = now
        return new


def frames_run_out(lab, weir):
    """Without a decision the scanner's probes wait in the worker's hands, until no frame is left to receive into."""
    words = ['nmap', '-sS', '-Pn', '-n', '--min-rate', '5000', '--max-retries', '0', '-p', '1-20000', SERVER4]
    nmap = lab.start('attacker', words, name='nmap', stdout=subprocess.DEVNULL)
    most, until = 0, time.monotonic() + 20
    while nmap.poll() is None and time.monotonic() < until and most < FRAMES - 8:
        most = max(most, weir.status()['total']['held'])
    check(most >= FRAMES - 8, f'up to {most} of {FRAMES} frames were held at once')
    stop(nmap)
    wait_for(lambda: weir.status()['total']['held'] == 0, 15, 'all that was held to have gone on')
    check(pings(lab, 'client'), 'with frames to spare again, every ping is answered')


def a_worker_is_behind(lab, weir):
    """Worker 0 polls the ports, worker 1 is stopped: what is worker 1's waits in the ring to it, then finds no room.
    Gives a pair of hosts that is worker 1's."""
    frames = [datagram(pair, 5000, n) for n in range(EACH) for pair in range(PAIRS)]
    arrived, books = Capture(lab, 'server', 's0', keep=is_ours), Books(weir)
    with Stopped(weir, 1):
        send(sender(lab, 'client', 'c0'), frames)
        of = books.since()
        lost = of.get('handover-full', 0)
        check(lost > 0 and of['received'] == of['sent'] + lost,
              f'worker 1 stopped: of {len(frames)} frames {lost} found its ring full: {of}')
    rest = books.since()
    check(rest.get('received') == rest.get('sent') and RING <= rest['sent'] < RING + 20,
          f'it goes on: what waited for it goes on as well: {rest}')
    got = arrived.stop()
    missed = of.get('missed', 0) + rest.get('missed', 0)
    check(len(got) == len(frames) - missed - lost, f'{len(frames)} sent = {len(got)} arrived + {lost} lost + {missed} '
                                                   'for which the port had no room')
    count = [0] * PAIRS
    for frame in got:
        count[pair_of(frame)] += 1
    less = [pair for pair in range(PAIRS) if count[pair] < EACH]
    check(0 < len(less) < PAIRS and sum(EACH - count[pair] for pair in less) == lost + missed,
          f'all that was lost is of the {len(less)} pairs of hosts of worker 1')
    check(sum(count[pair] for pair in less) == RING, f'of which a ring full has arrived, {RING}')
    return less[0]


def the_sender_is_behind(lab, weir, pair):
    """Worker 1 sends through worker 0, which is stopped: datagrams of worker 1's pair and its own answers to what it
    refuses of the other side are too many for the ring back."""
    there = [datagram(pair, 5000, n) for n in range(RING)]
    refused = [datagram(pair, 6000, n, to_server=False) for n in range(RING)]
    arrived, books, first, second = Capture(lab, 'server', 's0', keep=is_ours), Books(weir), Stopped(weir, 0), \
        Stopped(weir, 1)
    injected = weir.status()['wires'][0]['b']['injected']['packets']
    with second:
        send(sender(lab, 'client', 'c0'), there)
        send(sender(lab, 'server', 's0'), refused)
        time.sleep(0.5)     # worker 0 has handed over all of it
        first.stop()
    try:
        wait_for(lambda: weir.status()['total']['received'] >= books.last['received'] + 2 * RING, 5, 'worker 1')
    finally:
        first.go_on()
    of, got = books.since(), arrived.stop()
    lost, answers = of.get('handover-full', 0), [frame for frame in got if is_answer(frame)]
    injected = weir.status()['wires'][0]['b']['injected']['packets'] - injected
    check(lost > RING // 4 and of['received'] == of['sent'] + lost + of['rule-reject'],
          f'worker 0 stopped: {lost} of {RING} found the ring back to it full: {of}')
    check(len(got) - len(answers) == RING - lost, f'{RING} sent = {len(got) - len(answers)} arrived + {lost} lost')
    check(of['rule-reject'] == RING and len(answers) == injected < RING,
          f'{RING} refused, of its answers {injected} had room and {len(answers)} arrived')


def silence(lab):
    """No host says anything of its own: what is counted is what the test sends."""
    for host, port in (('client', 'c0'), ('server', 's0')):
        lab.run(host, ['sysctl', '-qw', f'net.ipv6.conf.{port}.disable_ipv6=1'])
    time.sleep(0.5)


def workers_are_behind(lab, weir):
    try:
        with Stopped(weir, 1):
            pass
    except OSError as error:
        return print(f'no ptrace here: {error}')
    silence(lab)
    pair = a_worker_is_behind(lab, weir)
    the_sender_is_behind(lab, weir, pair)
    check(weir.status()['stalls'] == {'workers': 0, 'process': 0}, 'none of them was taken for stalled')
    check(pings(lab, 'client'), 'every ping is answered')


def a_port_takes_no_more(lab, weir):
    """The server's end keeps whatever comes, and with it the frames of the port: a queue that hardly moves stands
    behind it."""
    silence(lab)
    for words in ('ip link add i0 type ifb', 'ip link set i0 up',
                  'tc qdisc add dev i0 root tbf rate 8kbit burst 2kb limit 100mb', 'tc qdisc add dev s0 clsact',
                  'tc filter add dev s0 ingress u32 match u32 0 0 action mirred egress redirect dev i0'):
        done = lab.run('server', words.split())
        if done.returncode:
            return check(False, f'{words}: {done.stderr.strip()}')
    frames = [datagram(n % PAIRS, 5000, n) for n in range(8000)]
    arrived, books, begun = Capture(lab, 'server', 's0', keep=is_ours), Books(weir), weir.status()
    send(sender(lab, 'client', 'c0'), frames)
    of = books.since()
    lost = of.get('tx-full', 0)
    check(lost > 0 and of['received'] == of['sent'] + lost == len(frames) - of['missed'],
          f'of {len(frames)} frames the port took {of["sent"]} and refused {lost}: {of}')
    status = weir.status()
    check(status['dataplane']['pid'] == begun['dataplane']['pid'] and status['stalls'] == begun['stalls'],
          'nobody took the worker for stalled because of it')
    check(len(arrived.frames) < of['sent'], f'{len(arrived.frames)} have arrived, the rest waits in the port')
    lab.run('server', ['tc', 'qdisc', 'del', 'dev', 's0', 'clsact'])
    lab.run('server', ['ip', 'link', 'del', 'i0'])
    got = arrived.stop()
    check(len(got) == of['sent'], f'the port takes frames again: what waited has arrived, {len(got)} with it')
    check(pings(lab, 'client'), 'every ping is answered')


def records_find_no_room(lab, weir):
    """The control plane is stopped, so nobody takes the records of a flood of new flows."""
    before, books = weir.status()['events'], Books(weir)
    frames = [p.ip_frame(f'10.78.{n >> 8}.{n & 255}', '10.79.0.1', p.UDP,
                         p.udp(f'10.78.{n >> 8}.{n & 255}', '10.79.0.1', 4000, 5000)) for n in range(50_000)]
    out, sent, until = sender(lab, 'client', 'c0'), 0, time.monotonic() + 4
    control = weir.status()['control']['pid']
    os.kill(control, signal.SIGSTOP)
    try:
        while time.monotonic() < until:
            out.send(frames[sent % len(frames)])
            sent += 1
            if sent % 64 == 0:
                time.sleep(0.0005)
    finally:
        os.kill(control, signal.SIGCONT)
    of, after = books.since(), weir.status()['events']
    check(after['lost'] > before['lost'], f'{sent} flows: {after["written"] - before["written"]} records written, '
                                          f'{after["lost"] - before["lost"]} found no room')
    check(of['received'] == of['sent'] and not weir.status()['total']['dropped'], f'and not a packet was lost: {of}')
    check(pings(lab, 'client'), 'every ping is answered')


def main(chosen):
    if 'frames' in chosen:      # AF_PACKET: an AF_XDP port does not start without frames for its rings
        with wire(attacker=True, ports=('af_packet:d0', 'af_packet:d1'), memory={'frames': FRAMES},
                  respond={'enabled': False}) as (lab, weir):
            frames_run_out(lab, weir)
    if 'workers' in chosen:
        with wire(rules=RULES, workers={'count': 2, 'stall_after': SILENT}, respond={'enabled': False},
                  detect={'scan': {'enabled': False}}) as (lab, weir):
            workers_are_behind(lab, weir)
    if 'port' in chosen:
        with wire() as (lab, weir):
            a_port_takes_no_more(lab, weir)
    if 'records' in chosen:
        with wire(flows={'max': 4096}, detect={'scan': {'enabled': False}}) as (lab, weir):
            records_find_no_room(lab, weir)


if __name__ == '__main__':
    main(sys.argv[1:] or ['frames', 'workers', 'port', 'records'])
