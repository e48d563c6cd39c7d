#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl and Python's own clients at dovecot: IMAP and POP3, logins of every kind, right and wrong."""
import re

from case import begin, wire
from evidence import Evidence, daemon_said, did
from mail_services import start_dovecot
from lab import SERVER4

PASSWORD = 'Alice-Pass1'
MAIL = 'From: carol@far.test\r\nTo: alice@lab.test\r\nSubject: For the mailbox\r\n\r\nhello\r\n'
IMAP = f'import imaplib; box = imaplib.IMAP4("{SERVER4}"); print(box.login("alice", "%s")); box.logout()'
POP = f'import poplib; box = poplib.POP3("{SERVER4}"); box.user("alice"); print(box.pass_("%s")); box.quit()'

with wire(start=False) as (lab, weir):
    start_dovecot(lab, {'alice': PASSWORD})
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)
    (lab.dir / 'mail.txt').write_text(MAIL)

    def curl(what, url, *words, password=PASSWORD, code=0, said=None):
        did(what, lab.run('client', ['curl', '-sS', '--max-time', '10', url, '--user', f'alice:{password}', *words]),
            code, said)

    def python(what, program, password, code, said):
        did(what, lab.run('client', ['/usr/bin/python3', '-c', program % password]), code, said)

    box = f'imap://{SERVER4}'
    curl('IMAP: a new mail', f'{box}/INBOX', '--login-options', 'AUTH=PLAIN', '--upload-file', lab.dir / 'mail.txt')
    curl('IMAP: read it', f'{box}/INBOX;MAILINDEX=1', '--login-options', 'AUTH=CRAM-MD5', said='For the mailbox')
    curl('IMAP: search', f'{box}/INBOX?SUBJECT%20mailbox', '--login-options', 'AUTH=LOGIN', said='SEARCH 1')
    curl('IMAP PLAIN, wrong', box, '--login-options', 'AUTH=PLAIN', password='wrong', code=67)
    curl('IMAP CRAM-MD5, wrong', box, '--login-options', 'AUTH=CRAM-MD5', password='wrong', code=67)
    python('IMAP LOGIN', IMAP, PASSWORD, 0, 'OK')
    python('IMAP LOGIN, wrong', IMAP, 'wrong', 1, 'AUTHENTICATIONFAILED')
    evidence.told('the sessions', 'imap', {'greeting': re.compile('OK .*Dovecot .*ready.'), 'commands': ...,
                                           '/dest_port': 143}, 7)
    evidence.told('the mailboxes they opened', 'imap', {'mailboxes': 'INBOX'}, 2)
    who = {'account': 'alice'}
    evidence.logins('imap', {**who, 'mechanism': 'PLAIN', 'outcome': 'success'},
                    {**who, 'mechanism': 'CRAM-MD5', 'outcome': 'success'},
                    {**who, 'mechanism': 'LOGIN', 'outcome': 'success'},
                    {**who, 'mechanism': 'PLAIN', 'outcome': 'failure', 'code': ...},
                    {**who, 'mechanism': 'CRAM-MD5', 'outcome': 'failure'},
                    {**who, 'outcome': 'success'}, {**who, 'outcome': 'failure'})

    box = f'pop3://{SERVER4}'
    curl('POP3: a mail', f'{box}/1', '--login-options', 'AUTH=PLAIN', said='For the mailbox')
    curl('POP3 PLAIN, wrong', box, '--login-options', 'AUTH=PLAIN', password='wrong', code=67)
    python('POP3 USER and PASS', POP, PASSWORD, 0, 'OK')
    python('POP3 USER and PASS, wrong', POP, 'wrong', 1, 'AUTH')
    for command in ('CAPA', 'AUTH', 'USER', 'PASS'):
        evidence.told(command, 'pop3', {'request.command': command, '/dest_port': 110})
    evidence.told('the session after the login', 'pop3', {'session.retrieved': 1, 'session.commands': ...})
    evidence.logins('pop3', {**who, 'mechanism': 'PLAIN', 'outcome': 'success'},
                    {**who, 'mechanism': 'PLAIN', 'outcome': 'failure', 'code': ...},
                    {**who, 'outcome': 'success'}, {**who, 'outcome': 'failure'})
    for name, port in (('imap', 143), ('pop3', 110)):
        curl(f'{name} by TLS', f'{name}://{SERVER4}/', '--ssl-reqd', '--insecure', '--tls-max', '1.2')
        evidence.told(f'TLS from STARTTLS on, {name}', 'tls', {
            'version': 'TLS 1.2', 'subject': 'CN=mail.lab.test', 'ja3.hash': ..., '/dest_port': port})
    daemon_said(lab, 'dovecot', 'imap-login: Info: Login: user=<alice>, method=PLAIN',
                'imap-login: Info: Login: user=<alice>, method=CRAM-MD5', 'imap-login: .*auth failed',
                'pop3-login: Info: Login: user=<alice>', 'pop3-login: .*auth failed')
    evidence.nothing_wrong()
