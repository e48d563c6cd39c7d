#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ordinary traffic, counted. Runs inside the client's namespace until SIGTERM (or --seconds); real curl, dig and ping.

ordinary.py SERVER NAME [--pause S] [--ssh COMMAND]: a round is one page by HTTP on a new connection and one DNS query,
every tenth also the ssh command, beside ten pings a second. After each round one JSON line of totals, the last with
the pings: {"curl": [asked, lost], "dig": [...], "ssh": [...], "ping": [...]}. A request is lost if it fails or takes
over 5 s."""
import argparse
import json
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time


def succeeded(words):
    done = subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                          check=False)
    return done.returncode == 0


class Ping:
    """One long-running ping. It counts as asked what has an answer or was given two seconds to get one."""

    def __init__(self, server):
        self.output = tempfile.TemporaryFile('w+')  # a pipe nobody reads would stop it one day
        self.process = subprocess.Popen(['ping', '-n', '-i', '0.1', server], stdout=self.output,
                                        stdin=subprocess.DEVNULL)

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        self.output.seek(0)
        out = self.output.read()
        sent, received = re.search(r'(\d+) packets transmitted, (\d+) received', out).groups()
        # the last one may still be on its way when ping is stopped
        answered = [int(n) for n in re.findall(r'icmp_seq=(\d+)', out)]
        in_flight = 1 if answered and int(sent) == max(answered) + 1 else 0
        return [int(sent) - in_flight, int(sent) - in_flight - int(received)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('server')
    parser.add_argument('name')
    parser.add_argument('--pause', type=float, default=0.1)
    parser.add_argument('--ssh', help='a whole command line')
    options = parser.parse_args()
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    signal.signal(signal.SIGINT, lambda *_: stopping.append(True))
    totals = {'curl': [0, 0], 'dig': [0, 0]}
    tools = {'curl': ['curl', '-sf', '-o', '/dev/null', '--max-time', '5', f'http://{options.server}/'],
             'dig': ['dig', '+tries=1', '+time=5', '+short', f'@{options.server}', options.name]}
    if options.ssh:
        tools['ssh'] = shlex.split(options.ssh)
        totals['ssh'] = [0, 0]
    ping = Ping(options.server)
    rounds = 0
    while not stopping:
        rounds += 1
        for tool, words in tools.items():
            if tool == 'ssh' and rounds % 10 != 1:
                continue
            good = succeeded(words)
            totals[tool][0] += 1
            totals[tool][1] += not good
        print(json.dumps(totals), flush=True)
        time.sleep(options.pause)
    print(json.dumps({**totals, 'ping': ping.end()}), flush=True)
    sys.exit(0)


if __name__ == '__main__':
    main()
