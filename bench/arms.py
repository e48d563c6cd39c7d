# SPDX-License-Identifier: Apache-2.0
"""What bench/run sets beside Weir: testpmd on the same ports, ndpiReader on the same capture; and the captures."""
import os
import re
import resource
import struct
import subprocess
import threading
import time

PORTS = ['net_pcap0,rx_pcap={pcap},infinite_rx=1', 'net_null1,no-rx=1']
RATE = 'packets_per_cpu_second'
HEADER = struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1)


class Testpmd:
    """One testpmd for the whole run, started and stopped for each trial; it sleeps between them."""

    def __init__(self, pcap, huge):
        memory = ['--in-memory'] if huge else ['--no-huge', '--no-shconf']
        ports = [argument for port in PORTS for argument in ('--vdev', port.format(pcap=pcap))]
        self.process = subprocess.Popen(
            ['stdbuf', '-o0', 'dpdk-testpmd', '--lcores', '0@0,1@1', '-m', '256', '--no-pci', '--no-telemetry',
             '--log-level', '*:error', '--file-prefix', f'benchpmd{os.getpid()}'] + memory + ports +
            ['--', '-i', '--total-num-mbufs=16384', '--forward-mode=macswap'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.more = [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.say('show port summary all', 'net_null')

    def _read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line)
                self.more.notify_all()
        with self.more:
            self.lines.append('ended')
            self.more.notify_all()

    def say(self, command, until):
        with self.more:
            self.lines.clear()
            self.process.stdin.write(command + '\n')
            self.process.stdin.flush()
            if not self.more.wait_for(lambda: any(until in line or line == 'ended' for line in self.lines), 20):
                raise SystemExit(f'testpmd does not answer to {command}: {"".join(self.lines[-9:])}')
            if self.lines[-1] == 'ended':
                raise SystemExit(f'testpmd ended: {"".join(self.lines[-9:])}')
            return ''.join(self.lines)

    def cpu_ns(self):
        tasks = f'/proc/{self.process.pid}/task'
        for task in os.listdir(tasks):
            with open(f'{tasks}/{task}/comm') as name, open(f'{tasks}/{task}/schedstat') as stat:
                if 'worker' in name.read():
                    return int(stat.read().split()[0])
        raise SystemExit('testpmd has no worker thread')

    def trial(self, mode, seconds):
        self.say(f'set fwd {mode}', f'Set {mode} packet forwarding')
        before = self.cpu_ns()
        self.say('start', 'nb forwarding')
        time.sleep(seconds)
        told = self.say('stop', 'Accumulated forward statistics for all ports')
        while 'Done.' not in told and 'TX-total' not in told.split('all ports')[-1]:
            time.sleep(0.05)
            told = ''.join(self.lines)
        cpu = (self.cpu_ns() - before) / 1e9
        packets = int(re.findall(r'RX-packets: (\d+)', told)[-1])
        return {'packets': packets, 'cpu_seconds': cpu, RATE: packets / cpu}

    def close(self):
        self.process.stdin.write('quit\n')
        self.process.stdin.flush()
        self.process.wait(10)


class NdpiReader:
    """CPU time of one run over a capture, less that of a run over an empty one."""

    def __init__(self, folder, pcap, packets):
        self.pcap, self.packets, self.empty = pcap, packets, os.path.join(folder, 'empty.pcap')
        with open(self.empty, 'wb') as f:
            f.write(HEADER)

    @staticmethod
    def cpu(pcap):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(['taskset', '-c', '1', 'ndpiReader', '-q', '-i', pcap], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            raise SystemExit(f'ndpiReader: {done.stderr[-500:]}')
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def trial(self):
        cpu = max(self.cpu(self.pcap) - self.cpu(self.empty), 1e-3)
        return {'packets': self.packets, 'cpu_seconds': cpu, RATE: self.packets / cpu}


def frames(path):
    """(time in us, captured bytes, length on the wire) of a classic little-endian Ethernet capture; else nothing."""
    with open(path, 'rb') as f:
        data = f.read()
    if data[:4] != b'\xd4\xc3\xb2\xa1' or struct.unpack_from('<I', data, 20)[0] != 1:
        return
    at = 24
    while at + 16 <= len(data):
        seconds, micros, held, length = struct.unpack_from('<IIII', data, at)
        yield seconds * 1_000_000 + micros, data[at + 16:at + 16 + held], length
        at += 16 + held


def port_bytes(path):
    """How many bytes of IPv4 TCP, and of them on ports 80 and 443."""
    all_bytes, by_port = 0, {80: 0, 443: 0}
    for _, frame, _ in frames(path):
        if frame[12:14] != b'\x08\x00' or len(frame) < 54 or frame[23] != 6:
            continue
        l4 = 14 + (frame[14] & 15) * 4
        if len(frame) < l4 + 4:
            continue
        all_bytes += len(frame)
        ports = struct.unpack_from('>HH', frame, l4)
        for port in by_port:
            by_port[port] += len(frame) if port in ports else 0
    return all_bytes, by_port


def merge(paths, out, packets_min=40_000):
    """One after the other, each beginning where the one before ended; all of them again, as new flows, until there are
    `packets_min`: a worker is measured at work, not at its first touch of everything. Returns how many packets."""
    forgotten = 7200 * 1_000_000  # us after which no flow is remembered
    packets, now = 0, 1_000_000_000
    captures = [list(frames(path)) for path in paths]
    with open(out, 'wb') as f:
        f.write(HEADER)
        while captures and packets < packets_min:
            for capture in captures:
                begin, last = None, now
                for when, frame, length in capture:
                    begin = when if begin is None else begin
                    last = max(last, now + when - begin)
                    f.write(struct.pack('<IIII', *divmod(last, 1_000_000), len(frame), length) + frame)
                    packets += 1
                now = last + 1_000_000
            if packets == 0:
                break
            now += forgotten
    return packets
