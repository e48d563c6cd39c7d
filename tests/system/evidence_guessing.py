#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hydra guesses passwords at proftpd and sshd: every failure is counted, however few events tell of them."""
import time

from case import begin, check, wire
from evidence import SECONDS, Evidence, did
from other_services import start_proftpd
import services
from lab import SERVER4, wait_for

PASSWORD = 'Alice-Pass1'


def counted(evidence, protocol, outcome):
    """(how many such logins all events stand for, how many events)"""
    found = evidence.matching('login', {'protocol': protocol, 'outcome': outcome})
    return sum(r.get('count', 1) for r in found), len(found)


with wire(start=False) as (lab, weir):
    services.add_account(lab, 'alice', PASSWORD)
    services.start_ssh(lab, passwords=True)
    start_proftpd(lab, {'alice': PASSWORD})
    wait_for(lambda: lab.listening('server', 22), 20, 'sshd to listen')
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def guess(protocol, guesses, tasks, refused):
        """refused(): how many the daemon says it refused; hydra asks again where a connection ends under it."""
        words = lab.dir / f'words-{protocol}'
        words.write_text(''.join(f'guess-{n}\n' for n in range(guesses)))
        did(f'{guesses} guesses', lab.run('client', ['hydra', '-I', '-t', tasks, '-l', 'alice', '-P', words,
                                                     f'{protocol}://{SERVER4}'], timeout=90, cwd=lab.dir),
            0, '0 valid password')
        end = time.monotonic() + SECONDS
        while counted(evidence, protocol, 'failure')[0] < refused() and time.monotonic() < end:
            time.sleep(0.1)
        failures, events = counted(evidence, protocol, 'failure')
        check(failures == refused() >= guesses,
              f'login: {protocol}: {refused()} were refused, {failures} told in {events} events')

    def said(daemon, words):
        return lambda: (lab.dir / f'{daemon}.log').read_text(errors='replace').count(words)

    guess('ftp', 400, 8, said('proftpd', 'USER alice (Login failed)'))
    guess('ssh', 40, 4, said('sshd', 'Failed password for alice'))
    did('the right one', lab.run('client', ['curl', '-sS', '--max-time', '10', '--user', f'alice:{PASSWORD}',
                                            f'ftp://{SERVER4}/']), 0)
    evidence.told('the one that is right', 'login', {'protocol': 'ftp', 'account': 'alice', 'outcome': 'success'})
    check(counted(evidence, 'ftp', 'success')[0] == 1, 'login: ftp: no other succeeded')
    evidence.nothing_wrong()
