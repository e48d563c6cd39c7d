# SPDX-License-Identifier: Apache-2.0
"""The client's ordinary traffic (ordinary.py) in the background, and what became of it."""
import json
import shlex

import services
from appliance import PROJECT
from lab import SERVER4


class Ordinary:
    """Runs from now until end(); counts() are totals so far: {tool: [asked, lost]}."""

    def __init__(self, lab, pause=0.1):
        self.path = lab.dir / 'ordinary.out'
        ssh = shlex.join(map(str, services.ssh_words(lab, 'true')))
        with open(self.path, 'wb') as out:
            self.process = lab.start('client', [PROJECT / 'appliance/lab/ordinary.py', SERVER4, services.DNS_NAME,
                                                '--pause', pause, '--ssh', ssh], name='ordinary', stdout=out)

    def counts(self):
        lines = [line for line in self.path.read_text().splitlines() if line.endswith('}')]
        return json.loads(lines[-1]) if lines else {'curl': [0, 0], 'dig': [0, 0]}

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        return self.counts()


def in_words(counts):
    """("12 pages, 12 names, 2 ssh logins, 40 pings", how many of all were lost)"""
    words = {'curl': 'pages', 'dig': 'names', 'ssh': 'ssh logins', 'ping': 'pings'}
    asked = ', '.join(f'{counts[tool][0]} {word}' for tool, word in words.items() if tool in counts)
    return asked, sum(lost for _, lost in counts.values())
