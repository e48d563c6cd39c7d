#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl at proftpd and at tftpd: files up and down, logins right and wrong."""
from case import begin, check, wire
from evidence import Evidence, daemon_said, did
from other_services import start_proftpd, start_tftpd
from lab import SERVER4

with wire(start=False) as (lab, weir):
    start_proftpd(lab, {'alice': 'Alice-Pass1'})
    tftp = start_tftpd(lab)
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)
    (lab.dir / 'report.txt').write_text('a report\n' * 3000)

    def curl(what, *words, code=0, said=None):
        did(what, lab.run('client', ['curl', '-sS', '--max-time', '10', *words]), code, said)

    user = ['--user', 'alice:Alice-Pass1']
    base = f'ftp://{SERVER4}'
    curl('FTP: a file up', *user, '-T', lab.dir / 'report.txt', f'{base}/report.txt')
    curl('FTP: and down', *user, '-o', lab.dir / 'back.txt', f'{base}/report.txt')
    check((lab.dir / 'back.txt').read_bytes() == (lab.dir / 'report.txt').read_bytes(), 'it came back as it went')
    curl('FTP: the older way, without EPSV', *user, '--disable-epsv', f'{base}/', said='report.txt')
    curl('FTP: the server calls back', *user, '--ftp-port', '-', '--disable-eprt', f'{base}/', said='report.txt')
    curl('FTP: a removal', *user, '-Q', 'DELE report.txt', f'{base}/')
    curl('FTP: nothing there', *user, f'{base}/none.txt', code=78)
    curl('FTP: a wrong password', '--user', 'alice:wrong', f'{base}/', code=67, said='530')
    daemon_said(lab, 'proftpd', 'Login successful', 'Incorrect password')
    for command, data in (('USER', 'alice'), ('STOR', 'report.txt'), ('RETR', 'report.txt'), ('DELE', 'report.txt')):
        evidence.told(f'{command} {data}', 'ftp', {'command': command, 'command_data': data, 'completion_code': ...,
                                                   '/dest_port': 21})
    evidence.told('RETR none.txt or SIZE of it', 'ftp', {'command_data': 'none.txt', 'completion_code': '550'})
    for command in ('EPSV', 'PASV', 'PORT'):
        evidence.told(f'{command} and its port', 'ftp', {'command': command, 'dynamic_port': ...})
    good = {'account': 'alice', 'outcome': 'success', 'code': '230'}
    evidence.logins('ftp', *[good] * 6, {'account': 'alice', 'outcome': 'failure', 'code': '530'})

    (tftp / 'boot.img').write_bytes(b'x' * 20000)
    (tftp / 'config').write_text('')
    (tftp / 'config').chmod(0o666)
    curl('TFTP: a file', f'tftp://{SERVER4}/boot.img', said='x{20000}')
    curl('TFTP: nothing there', f'tftp://{SERVER4}/none.img', code=68)
    curl('TFTP: a file up', '-T', lab.dir / 'report.txt', f'tftp://{SERVER4}/config')
    for packet, name in (('read', 'boot.img'), ('read', 'none.img'), ('write', 'config')):
        evidence.told(f'{packet} {name}', 'tftp', {'packet': packet, 'file': name, 'mode': 'octet', '/dest_port': 69})
    evidence.nothing_wrong()
