#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Telnet to inetutils' telnetd: a right and a wrong password."""
from case import begin, wire
from evidence import Evidence, did
from other_services import start_telnetd
import services
from lab import SERVER4

CLIENT = f'''import telnetlib
t = telnetlib.Telnet("{SERVER4}", timeout=30)
t.read_until(b"login: ", 30)
t.write(b"%s\\r\\n")
t.read_until(b"assword: ", 30)
t.write(b"%s\\r\\n")
got = t.expect([rb"\\$ $", rb"ncorrect"], 30)
print("in" if got[0] == 0 else "refused")
if got[0] == 0:
    t.write(b"exit\\r\\n")
    t.read_all()
'''

with wire(start=False) as (lab, weir):
    services.add_account(lab, 'alice', 'Alice-Pass1')
    start_telnetd(lab)
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)
    for what, account, password, said in (('the right password', 'alice', 'Alice-Pass1', '^in'),
                                          ('a wrong password', 'alice', 'wrong', '^refused'),
                                          ('nobody', 'mallory', 'x', '^refused')):
        words = ['/usr/bin/python3', '-W', 'ignore', '-c', CLIENT % (account, password)]
        did(what, lab.run('client', words, timeout=60), 0, said)   # telnetd takes its time on a busy machine
    evidence.told('the sessions', 'telnet', {'logins': 1, '/dest_port': 23}, 3)
    evidence.logins('telnet', {'account': 'alice', 'outcome': 'success'}, {'account': 'alice', 'outcome': 'failure'},
                    {'account': 'mallory', 'outcome': 'failure'})
    evidence.nothing_wrong()
