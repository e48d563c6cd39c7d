#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Floods at full speed beside what was there before: SYNs, datagrams, pings, fragments and half-open TLS greetings from
invented sources, over tables that are far too small for them. Nothing established is lost: a transfer, connections that
only keep alive, one login by ssh that lives through all of them, pings; and every frame is accounted for."""
import select
import socket
import struct
import subprocess
import threading
import time

from case import check, end_ping, start_ping, start_transfer, wire
import packets as p
from frames import sender
from lab import ADDRESSES, CLIENT4, SERVER4, die_with_parent, stop
import services

FLOWS = 4096          # of which a flood needs a hundred thousand
SECONDS = 3.0
IDLE = 200            # connections that say nothing during a flood
PORT = 7000
SERVER_MAC = bytes.fromhex(ADDRESSES['server'][3].replace(':', ''))
ATTACKER_MAC = bytes.fromhex(ADDRESSES['attacker'][3].replace(':', ''))
HELLO = b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(64)   # and no more of it


def source(n):
    return f'10.{100 + (n >> 16 & 31)}.{n >> 8 & 255}.{n & 255}'


def syns(n):
    return [p.ipv4(source(n), SERVER4, p.TCP, p.tcp(source(n), SERVER4, 1024 + n % 60000, 9, p.SYN, n * 7919))]


def datagrams(n):
    return [p.ipv4(source(n), SERVER4, p.UDP, p.udp(source(n), SERVER4, 1024 + n % 60000, n % 65536, b'x' * 20))]


def pings(n):
    return [p.ipv4(source(n), SERVER4, p.ICMP, p.icmp(8, 0, struct.pack('>HH', n & 0xffff, 1), b'x' * 20))]


def fragments(n):
    """First and middle ones, whose last never comes; some of them of the idle connections' own client."""
    src = source(n) if n % 4 else CLIENT4
    return [p.ipv4(src, SERVER4, p.UDP, b'x' * 64, ident=n & 0xffff, flags=1, offset=64 * (n % 3))]


def greetings(n):
    """Connections as if established, each with half of a TLS greeting that a parser has to keep."""
    src, port = source(n), 1024 + n % 60000
    segments = ((p.SYN, 1, b''), (p.ACK, 2, b''), (p.PSH | p.ACK, 2, HELLO))
    return [p.ipv4(src, SERVER4, p.TCP, p.tcp(src, SERVER4, port, 443, flags, seq, 1, payload))
            for flags, seq, payload in segments]


class Established:
    """Connections to an echo of ours in the server's namespace."""

    def __init__(self, lab):
        with lab.inside('server'):
            self.listener = socket.create_server(('0.0.0.0', PORT), backlog=IDLE)
        threading.Thread(target=self._echo, daemon=True).start()
        with lab.inside('client'):
            self.talks = [socket.create_connection((SERVER4, PORT), timeout=5) for _ in range(IDLE)]
        for talk in self.talks:
            talk.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
            talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        self.told = 0

    def _echo(self):
        def serve(talk):
            with talk:
                while data := talk.recv(4096):
                    talk.sendall(data)
        while True:
            talk, _ = self.listener.accept()
            threading.Thread(target=serve, args=(talk,), daemon=True).start()

    def alive(self):
        """How many still answer."""
        good = 0
        self.told += 1
        word = f'are you there {self.told}'.encode()
        for talk in self.talks:
            try:
                talk.sendall(word)
                good += talk.recv(100) == word
            except OSError:
                pass
        return good


class Shell:
    """A login by ssh; commands are given one after the other, as someone types them."""

    def __init__(self, lab):
        self.process = subprocess.Popen(
            lab.command('client', services.ssh_words(lab, 'exec sh')), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1, preexec_fn=die_with_parent())
        lab.processes.append(('shell', self.process))
        self.given = self.answered = 0
        self.slowest = 0.0

    def does(self, seconds=10):
        """Whether the shell at the other end does what it is told, in this time."""
        self.given += 1
        begun = time.monotonic()
        try:
            self.process.stdin.write(f'echo $(({self.given} * 7))\n')
        except OSError:
            return False
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        good = self.process.stdout.readline().strip() == str(self.given * 7)
        self.answered += good
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return good

    def work_until(self, ended):
        """A command every fifth of a second."""
        while not ended.wait(0.2) and self.does():
            pass


def flood(lab, make):
    """Frames made before, sent as fast as this machine takes them for SECONDS; how many."""
    frames = [p.ethernet(p.IPV4, packet, src=ATTACKER_MAC, dst=SERVER_MAC) for n in range(60_000) for packet in make(n)]
    out, sent, end = sender(lab, 'attacker', 'a0'), 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        for frame in frames[sent % len(frames):][:1000]:
            try:
                out.send(frame)
                sent += 1
            except OSError:     # its queue is full
                time.sleep(0.0005)
    out.close()
    return sent


def withstands(lab, weir, established, shell, name, make):
    before = weir.status()
    given, answered_by_shell, shell.slowest = shell.given, shell.answered, 0.0
    ended = threading.Event()
    typing = threading.Thread(target=shell.work_until, args=(ended,))
    typing.start()
    load, ping = start_transfer(lab, '10M') if name == 'SYN' else None, start_ping(lab, 'client', '0.02')
    time.sleep(0.3)
    begun = time.monotonic()
    sent = flood(lab, make)
    took = time.monotonic() - begun
    ended.set()
    typing.join()
    pinged, answered, _ = end_ping(ping)
    time.sleep(1.2)     # the ports are asked now and then
    after = weir.status()
    created = after['flows']['created'] - before['flows']['created']
    missed = sum(after['wires'][0][s]['missed'] - before['wires'][0][s]['missed'] for s in ('a', 'b'))
    received = after['wires'][0]['a']['received']['packets'] - before['wires'][0]['a']['received']['packets']
    check(sent <= received + missed < sent * 1.2 + 5000,
          f'{name}: {sent} sent; {received} received and {missed} missed, all told')
    print(f'{name}: {sent} frames in {took:.1f} s ({sent / took / 1e3:.0f} k/s), {created} flows made, '
          f'evicted {after["flows"]["evicted"] - before["flows"]["evicted"]}')
    check(sent > 20_000, f'{name}: a flood it was')
    check(created > 5 * FLOWS or name == 'fragments', f'{name}: the table of {FLOWS} had to take {created}')
    # What a port has no room for never reached Weir: on two shared cores the sender is the receiver's rival. A ping
    # has the same chance there as any frame of the flood, and passes twice.
    lost = 2 * missed / sent
    check(answered >= (pinged - 1) * (1 - lost) - 4 * (pinged * lost) ** 0.5,
          f'{name}: {pinged} pings beside it, {answered} answered; the ports had no room for {lost / 2:.0%}')
    shell.does()
    given, answered_by_shell = shell.given - given, shell.answered - answered_by_shell
    check(answered_by_shell == given > 1 and shell.process.poll() is None,
          f'{name}: the shell by ssh did {answered_by_shell} of {given} commands, the slowest in {shell.slowest:.1f} s')
    alive = established.alive()
    check(alive == IDLE, f'{name}: {alive} of {IDLE} idle connections answer afterwards')
    check(set(after['total']['dropped']) <= {'tx-full'}, f'{name}: dropped: {after["total"]["dropped"]}')
    try:
        weir.assert_accounting()
    except AssertionError as error:
        check(False, f'{name}: {error}')
    if load:
        check(load.poll() is None, f'{name}: the transfer that was there runs on')
        stop(load)


with wire(attacker=True, flows={'max': FLOWS}, parse={'flows': 64, 'buffers': 16}, fragments={'datagrams': 64},
          inspect={'classify_flows': 128}, detect={'scan': {'enabled': False}}, seconds=280) as (lab_, weir_):
    lab_.run('server', ['sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv4.ip_forward=0'])
    lab_.run('server', ['ip', 'route', 'add', 'blackhole', '10.96.0.0/11'])
    established_ = Established(lab_)
    check(established_.alive() == IDLE, f'{IDLE} connections stand')
    shell_ = Shell(lab_)
    check(shell_.does(), 'somebody has logged in by ssh')
    for name_, make_ in (('SYN', syns), ('UDP', datagrams), ('ICMP', pings), ('fragments', fragments),
                         ('TLS', greetings)):
        withstands(lab_, weir_, established_, shell_, name_, make_)
