#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl logs in by NTLM at dovecot (IMAP, POP3, SMTP) and squid (HTTP); Samba's ntlm_auth judges."""
from case import begin, wire
from directory_services import WORKGROUP, ntlm_helper
from evidence import Evidence, daemon_said, did
from mail_services import start_exim, start_ntlm_dovecot
from other_services import start_squid
from lab import SERVER4

PASSWORD = 'Alice-Pass1'

with wire(start=False) as (lab, weir):
    helper = ntlm_helper(lab, 'MAIL1', PASSWORD)
    start_exim(lab, {})
    start_ntlm_dovecot(lab, helper)
    start_squid(lab, helper)
    begin(lab, weir)
    evidence = Evidence(weir)
    (lab.dir / 'mail.txt').write_text('Subject: By NTLM\r\n\r\nhello\r\n')

    def curl(what, password, code, *words, said=None):
        did(what, lab.run('client', ['curl', '-sS', '--max-time', '10', *words,
                                     '--proxy-user' if '--proxy' in words else '--user',
                                     f'{WORKGROUP}\\alice:{password}']), code, said)

    mail = ['--mail-from', 'alice@lab.test', '--mail-rcpt', 'bob@lab.test', '--upload-file', lab.dir / 'mail.txt']
    carriers = {'imap': ([f'imap://{SERVER4}/INBOX', '-X', 'NOOP'], 143), 'pop3': ([f'pop3://{SERVER4}/'], 110),
                'smtp': ([f'smtp://{SERVER4}:587/desk.lab.test', *mail], 587)}
    for protocol, (words, port) in carriers.items():
        by_ntlm = [*words, '--login-options', 'AUTH=NTLM']
        curl(f'{protocol}: the right password', PASSWORD, 0, *by_ntlm)
        curl(f'{protocol}: a wrong one', 'wrong', 67, *by_ntlm)
        evidence.told('both sides\' names', protocol, {
            '/dest_port': port, 'ntlmssp.user': 'alice', 'ntlmssp.domain': WORKGROUP,
            'ntlmssp.server.nb_computer': 'MAIL1'}, 2)
    proxied = ['--proxy', f'http://{SERVER4}:3128', '--proxy-ntlm', f'http://{SERVER4}/']
    curl('http: the right password', PASSWORD, 0, *proxied, '--fail')
    curl('http: a wrong one', 'wrong', 22, *proxied, '--fail', said='407')
    evidence.told('both sides\' names', 'http', {'/dest_port': 3128, 'status': 407, 'ntlmssp.user': 'alice',
                                                 'ntlmssp.domain': WORKGROUP, 'username': 'alice'})

    who = {'account': 'alice', 'domain': WORKGROUP, 'host': ...}
    for protocol in carriers:
        evidence.logins(protocol, {**who, 'mechanism': 'NTLM', 'outcome': 'success'},
                        {**who, 'mechanism': 'NTLM', 'outcome': 'failure', 'code': ...})
    evidence.logins('http', {**who, 'mechanism': 'ntlmssp', 'outcome': 'success', 'code': '200'},
                    {**who, 'mechanism': 'ntlmssp', 'outcome': 'failure', 'code': '407'})
    daemon_said(lab, 'dovecot', 'imap-login: Info: Login: user=<.*alice.*>, method=NTLM', 'imap-login: .*auth failed',
                'pop3-login: Info: Login: user=<.*alice.*>', 'submission-login: Info: Login: user=<.*alice.*>')
    evidence.nothing_wrong()
