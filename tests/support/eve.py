# SPDX-License-Identifier: Apache-2.0
"""eve.json of a replayed capture, and what to ask of its rows."""
import dataclasses
import ipaddress
import json
import pathlib
import re
import subprocess
import tempfile

MISSING = object()
STEP = re.compile(r'([^\[\]]*)((?:\[\d+\])*)$')
OPERATORS = {
    '__len': lambda value, wanted: hasattr(value, '__len__') and len(value) == wanted,
    '__contains': lambda value, wanted: hasattr(value, '__contains__') and wanted in value,
    '__find': lambda value, wanted: isinstance(value, str) and wanted in value,
    '__startswith': lambda value, wanted: isinstance(value, str) and value.startswith(wanted),
    '__endswith': lambda value, wanted: isinstance(value, str) and value.endswith(wanted),
}


class Refused(Exception):
    """`weir replay` did not end well, and said why."""


class Crashed(Exception):
    """`weir replay` was ended by a signal, or not at all: always worth a look."""


@dataclasses.dataclass
class Replay:
    rows: list
    summary: dict
    left: bytes | None


def replay(weir, capture, rules=None, mode='tap', arguments=(), keep=False):
    """keep: what left, too. Raises where the exit code is not 0."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        words = [weir, 'replay', capture, '--mode', mode, '--json', '--out', out, *arguments]
        words += ['--rules', rules] if rules else []
        words += ['--write', out / 'left'] if keep else []
        try:
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300, check=False)
        except subprocess.TimeoutExpired:
            raise Crashed(f'{capture}: no end after 300 s') from None
        if done.returncode < 0:
            raise Crashed(f'{capture}: ended by signal {-done.returncode}: {done.stderr.strip()[-300:]}')
        if done.returncode:
            raise Refused(f'exit code {done.returncode}: {done.stderr.strip()[-300:]}')
        lines = (out / 'eve.json').read_text().splitlines()
        return Replay([json.loads(line) for line in lines], json.loads(done.stdout),
                      (out / 'left').read_bytes() if keep else None)


def value_of(record, path):
    """`dns.queries[0].rrname` of a record; MISSING where there is no such thing."""
    for part in path.split('.'):
        name, indexes = STEP.match(part).groups()
        if not isinstance(record, dict) or name not in record:
            return MISSING
        record = record[name]
        for index in map(int, re.findall(r'\d+', indexes)):
            if not isinstance(record, list) or index >= len(record):
                return MISSING
            record = record[index]
    return record


def address(text):
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def same(got, wanted):
    """Equal in value and JSON type; an IPv6 address may be written in two ways."""
    if isinstance(got, bool) != isinstance(wanted, bool):
        return False
    if isinstance(got, str) and isinstance(wanted, str) and ':' in wanted and got != wanted:
        return address(wanted) is not None and address(got) == address(wanted)
    return got == wanted


def differences(record, match):
    """[(path, what the record has, what is wanted)] of a filter as suricata-verify writes them."""
    out = []
    for key, wanted in match.items():
        if key in ('has-key', 'not-has-key'):
            for path in wanted if isinstance(wanted, list) else [wanted]:
                value = value_of(record, path)
                if (value is MISSING) == (key == 'has-key'):
                    out.append((path, value, key))
            continue
        path, _, operator = key.rpartition('.')
        if operator in OPERATORS:
            value = value_of(record, path)
            if not OPERATORS[operator](value, wanted):
                out.append((path, value, f'{operator} {wanted!r}'))
        elif not same(value := value_of(record, key), wanted):
            out.append((key, value, wanted))
    return out


def shown(value):
    text = '(nothing)' if value is MISSING else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 160 else text[:157] + '...'


def ends(record):
    """Who talks to whom, whichever way: to find the events of a flow."""
    return record.get('proto'), frozenset((str(address(record[f'{side}_ip'])), record.get(f'{side}_port'))
                                          for side in ('src', 'dest') if f'{side}_ip' in record)
