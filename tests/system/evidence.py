# SPDX-License-Identifier: Apache-2.0
"""What clients did, looked for in eve.json. A test says what happened; nothing here knows how Weir finds it out."""
import json
import re
import time

from case import check
from lab import CLIENT4, SERVER4

SECONDS = 6


def values(record, path):
    """All that stands at that path; a list on the way is taken apart."""
    found = [record]
    for key in path.split('.'):
        found = [entry[key] for entry in found if isinstance(entry, dict) and key in entry]
        found = [entry for value in found for entry in (value if isinstance(value, list) else [value])]
    return found


def agrees(found, wanted):
    """`...` is anything, a pattern must match the whole text, a set or list must all be there."""
    if wanted is ...:
        return bool(found)
    if isinstance(wanted, (set, list)):
        return all(agrees(found, entry) for entry in wanted)
    if isinstance(wanted, re.Pattern):
        return any(isinstance(value, str) and wanted.fullmatch(value) for value in found)
    return wanted in found


def disagreements(record, kind, facts):
    """{path: what stands there}, of the facts that are otherwise."""
    where = {key: values(record, key[1:] if key[0] == '/' else f'{kind}.{key}') for key in facts}
    return {key: where[key] for key, wanted in facts.items() if not agrees(where[key], wanted)}


class Evidence:
    """The appliance's events between the lab's client and server."""

    def __init__(self, weir, client=CLIENT4, server=SERVER4):
        self.weir, self.client, self.server = weir, client, server

    def events(self, kind):
        """Those of that event_type, oldest first."""
        ends = (self.client, self.server)
        return [r for r in self.weir.eve(kind) if (r['src_ip'], r['dest_ip']) in (ends, ends[::-1])]

    def matching(self, kind, facts):
        """Keys are paths below the object named as the event_type, or from the top if they begin with '/'."""
        return [r for r in self.events(kind) if not disagreements(r, kind, facts)]

    def told(self, what, kind, facts, at_least=1):
        """Waits until such an event is written, and says what was there instead; gives the newest, or {}."""
        end = time.monotonic() + SECONDS
        while len(found := self.matching(kind, facts)) < at_least and time.monotonic() < end:
            time.sleep(0.1)
        good = len(found) >= at_least
        check(good, f'{kind}: {what}')
        if not good:
            print(f'       looked for {facts}')
            there = sorted(self.events(kind), key=lambda r: len(disagreements(r, kind, facts)))
            for record in there[:2]:
                print(f'       {disagreements(record, kind, facts)} is otherwise in {json.dumps(record)[:700]}')
        return found[-1] if found else {}

    def logins(self, protocol, *wanted):
        """Exactly these logins of that protocol so far, in order. Each is {field: value}; see agrees()."""
        end = time.monotonic() + SECONDS

        def there():
            return [r for r in self.events('login') if r['login'].get('protocol') == protocol]
        while sum(r.get('count', 1) for r in there()) < len(wanted) and time.monotonic() < end:
            time.sleep(0.1)
        found = there()
        good = len(found) == len(wanted) and all(
            r['src_ip'] == self.client and r['dest_ip'] == self.server and
            all(agrees(values(r['login'], key), value) for key, value in one.items())
            for r, one in zip(found, wanted))
        check(good, f'login: {protocol}: ' +
              ', '.join(f'{one.get("account", "somebody")} {one["outcome"]}' for one in wanted))
        if not good:
            print(f'       looked for {wanted}')
            for record in found:
                print(f'       there was {record["src_ip"]} -> {record["dest_ip"]} {json.dumps(record["login"])}')

    def nothing_wrong(self):
        """A conversation of real programs violates no protocol and is dropped nowhere."""
        for record in self.weir.eve('anomaly'):
            print(f'       anomaly {json.dumps(record)[:400]}')
        check(not [r for r in self.weir.eve('anomaly') if r['anomaly'].get('type') == 'applayer'],
              'no anomaly of an application')
        dropped = {k: n for k, n in self.weir.status()['total']['dropped'].items() if n}
        check(not dropped, f'no packet was dropped {dropped or ""}')


def did(what, done, code=0, said=None):
    """A client's exit code, and what it must have said; its words when it is not so."""
    text = done.stdout + done.stderr
    good = done.returncode == code if isinstance(code, int) else done.returncode in code
    good = good and (said is None or re.search(said, text) is not None)
    check(good, f'{what}: exit code {done.returncode}' + (f', said "{said}"' if said else ''))
    if not good:
        print('       ' + text[-600:].replace('\n', '\n       '))
    return done


def daemon_said(lab, name, *patterns):
    """Each of them stands in that daemon's log: the test's own ground to stand on."""
    text = (lab.dir / f'{name}.log').read_text(errors='replace')
    for pattern in patterns:
        if not check(re.search(pattern, text) is not None, f'{name} itself says: {pattern}'):
            print('       ' + text[-600:].replace('\n', '\n       '))
