#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenSSH both sides: keys and passwords, right and wrong."""
import re

from case import begin, check, wire
from evidence import Evidence, daemon_said, did
import services
from lab import SERVER4, wait_for

PASSWORD = 'Alice-Pass1'
HASSH = re.compile('[0-9a-f]{32}')


def ssh(*words):
    return ['ssh', '-F', 'none', '-o', 'StrictHostKeyChecking=no', '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=5',
            '-o', 'UserKnownHostsFile=/dev/null', '-o', 'NumberOfPasswordPrompts=1', *words]


with wire(start=False) as (lab, weir):
    services.add_account(lab, 'alice', PASSWORD)
    services.start_ssh(lab, passwords=True)
    wait_for(lambda: lab.listening('server', 22), 20, 'sshd to listen')
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)
    by_key = ['-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes']
    by_password = ['-o', 'PreferredAuthentications=password', f'alice@{SERVER4}']

    did('the right key', lab.run('client', ssh(*by_key, '-i', lab.dir / 'user_key', f'root@{SERVER4}', 'echo', 'in')),
        0, 'in')
    banner = evidence.told('both programs and their HASSH', 'ssh', {
        'client.software_version': re.compile('OpenSSH_.*'), 'server.software_version': re.compile('OpenSSH_.*'),
        'client.proto_version': '2.0', 'server.proto_version': '2.0', 'client.hassh.hash': HASSH,
        'server.hassh.hash': HASSH, '/dest_port': 22})
    version = lab.run('client', ['ssh', '-V']).stderr.split(',')[0].split()[0]
    check(banner.get('ssh', {}).get('client', {}).get('software_version') == version,
          f'ssh: the version that ssh -V names: {version}')
    did('a wrong key', lab.run('client', ssh(*by_key, '-i', lab.dir / 'host_key', f'root@{SERVER4}', 'true')), 255,
        'Permission denied')
    did('a wrong password', lab.run('client', ['sshpass', '-p', 'wrong', *ssh(*by_password, 'true')]), (5, 255))
    did('the right password', lab.run('client', ['sshpass', '-p', PASSWORD, *ssh(*by_password, 'echo', 'in')]), 0, 'in')
    did('a long answer', lab.run('client', ssh(*by_key, '-i', lab.dir / 'user_key', f'root@{SERVER4}',
                                               'head -c 300000 /dev/zero | tr "\\0" x')), 0, 'x{1000}')
    daemon_said(lab, 'sshd', 'Accepted publickey for root', 'Failed password for alice',
                'Accepted password for alice')
    evidence.logins('ssh', *({'outcome': outcome} for outcome in ('success', 'failure', 'failure', 'success',
                                                                  'success')))
    evidence.nothing_wrong()
