#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl hands mail to exim: envelopes, subjects, attachments, logins of three kinds, refusals."""
import email.message
import email.policy

from case import begin, check, wire
from evidence import Evidence, did
from mail_services import start_exim
from lab import SERVER4

PASSWORD = 'Alice-Pass1'

NO_LOGINS = f'''
import smtplib
box = smtplib.SMTP("{SERVER4}")
box.ehlo("desk.far.test")
print(box.docmd("AUTH", "FOO"), box.docmd("AUTH", "CRAM-MD5"), box.docmd("*"), box.quit())
'''


def written(lab):
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail['From'], mail['To'], mail['Cc'] = 'Carol <carol@far.test>', 'alice@lab.test', 'bob@lab.test'
    mail['Subject'], mail['Message-ID'], mail['X-Mailer'] = 'Our figures', '<lab-1@far.test>', 'Lab Mailer 1.0'
    mail.set_content('The figures are attached.\n' * 200)
    mail.add_attachment(b'\x00\x01' * 20000, maintype='application', subtype='octet-stream', filename='figures.xlsx')
    (lab.dir / 'mail.txt').write_bytes(mail.as_bytes())


with wire(start=False) as (lab, weir):
    written(lab)
    start_exim(lab, {'alice': PASSWORD})
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def send(what, to, *words, code=0, said=None):
        did(what, lab.run('client', ['curl', '-sS', '--max-time', '10', f'smtp://{SERVER4}/desk.far.test',
                                     '--mail-from', 'carol@far.test', *[w for one in to for w in ('--mail-rcpt', one)],
                                     '--upload-file', lab.dir / 'mail.txt', *words]), code, said)

    def login(what, kind, password, code):
        send(what, ['dave@elsewhere.test'], '--user', f'alice:{password}', '--login-options', f'AUTH={kind}', code=code)

    send('mail with an attachment', ['alice@lab.test', 'bob@lab.test'])
    evidence.told('envelope, subject, attachment', 'smtp', {
        'helo': 'desk.far.test', 'mail_from': '<carol@far.test>', 'rcpt_to': ['<alice@lab.test>', '<bob@lab.test>'],
        '/email.from': 'Carol <carol@far.test>', '/email.to': 'alice@lab.test', '/email.cc': 'bob@lab.test',
        '/email.subject': 'Our figures', '/email.message_id': '<lab-1@far.test>', '/email.x_mailer': 'Lab Mailer 1.0',
        '/email.attachment': 'figures.xlsx', '/email.status': 'PARSE_DONE', '/dest_port': 25})
    send('to nobody', ['mallory@lab.test'], code=55, said='550')
    send('to elsewhere without a login', ['dave@elsewhere.test'], code=55, said='550')
    login('PLAIN', 'PLAIN', PASSWORD, 0)
    login('PLAIN, wrong', 'PLAIN', 'wrong', 67)
    login('LOGIN', 'LOGIN', PASSWORD, 0)
    login('LOGIN, wrong', 'LOGIN', 'wrong', 67)
    login('CRAM-MD5', 'CRAM-MD5', PASSWORD, 0)
    login('CRAM-MD5, wrong', 'CRAM-MD5', 'wrong', 67)
    did('AUTH by an unknown mechanism, AUTH cancelled', lab.run('client', ['/usr/bin/python3', '-c', NO_LOGINS]), 0,
        r'504.*501')
    send('by TLS', ['dave@elsewhere.test'], '--user', f'alice:{PASSWORD}', '--ssl-reqd', '--insecure')
    evidence.told('TLS from STARTTLS on', 'tls', {'version': 'TLS 1.3', 'ja3.hash': ..., 'ja4': ..., '/dest_port': 25})
    log = (lab.dir / 'exim' / 'mainlog').read_text()
    for sign in ('<= carol@far.test', 'A=plain:alice', 'A=login:alice', 'A=cram:alice', 'authenticator failed',
                 'rejected RCPT <mallory@lab.test>: nobody of that name'):
        check(sign in log, f'exim itself says: {sign}')
    evidence.told('mail after a login', 'smtp', {'rcpt_to': '<dave@elsewhere.test>',
                                                 '/email.subject': 'Our figures'}, 3)
    evidence.logins('smtp', *({'account': 'alice', 'mechanism': kind, 'outcome': outcome, 'code': code}
                              for kind in ('PLAIN', 'LOGIN', 'CRAM-MD5')
                              for outcome, code in (('success', '235'), ('failure', '535'))))
    evidence.nothing_wrong()
