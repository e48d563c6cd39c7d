#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kinit and the MIT KDC: right and wrong passwords, no such account, tickets without pre-authentication, services."""
from case import begin, wire
from directory_services import MIT_REALM, kerberos_client, start_kdc
from evidence import Evidence, daemon_said, did
from lab import SERVER4

AES = 'AES256_CTS_HMAC_SHA1_96'

with wire(start=False) as (lab, weir):
    start_kdc(lab, {'alice': ('Alice-Pass1', True), 'roast': ('Roast-Pass1', False),
                    'http/web.mit.test': ('Web-Pass1', True)})
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)
    environment = kerberos_client(lab, MIT_REALM, SERVER4)

    def kinit(what, account, password, code, said=None):
        did(what, lab.run('client', ['kinit', account], env=environment, stdin=None, input=password + '\n'), code, said)

    kinit('the right password', 'alice', 'Alice-Pass1', 0)
    evidence.told('the KDC wants pre-authentication', 'krb5', {
        'msg_type': 'KRB_ERROR', 'failed_request': 'KRB_AS_REQ', 'error_code': 'KDC_ERR_PREAUTH_REQUIRED',
        'cname': 'alice', 'realm': MIT_REALM, 'sname': f'krbtgt/{MIT_REALM}', '/proto': 'UDP', '/dest_port': 88})
    evidence.told('a ticket for tickets', 'krb5', {
        'msg_type': 'KRB_AS_REP', 'cname': 'alice', 'realm': MIT_REALM, 'sname': f'krbtgt/{MIT_REALM}',
        'encryption': AES, 'weak_encryption': False})
    did('a ticket for a service', lab.run('client', ['kvno', 'http/web.mit.test'], env=environment), 0, 'kvno = ')
    evidence.told('a ticket for a service', 'krb5', {
        'msg_type': 'KRB_TGS_REP', 'cname': 'alice', 'realm': MIT_REALM, 'sname': 'http/web.mit.test',
        'ticket_encryption': AES})
    did('a service that is not there', lab.run('client', ['kvno', 'http/none.mit.test'], env=environment), 1,
        'not found')
    evidence.told('no such service', 'krb5', {
        'msg_type': 'KRB_ERROR', 'failed_request': 'KRB_TGS_REQ', 'error_code': 'KDC_ERR_S_PRINCIPAL_UNKNOWN',
        'sname': 'http/none.mit.test'})
    kinit('a wrong password', 'alice', 'wrong', 1, 'Password incorrect|Preauthentication failed')
    evidence.told('a wrong password', 'krb5', {
        'msg_type': 'KRB_ERROR', 'failed_request': 'KRB_AS_REQ', 'error_code': 'KDC_ERR_PREAUTH_FAILED',
        'cname': 'alice'})
    kinit('no such account', 'mallory', 'x', 1, 'not found in Kerberos database')
    evidence.told('no such account', 'krb5', {
        'msg_type': 'KRB_ERROR', 'failed_request': 'KRB_AS_REQ', 'error_code': 'KDC_ERR_C_PRINCIPAL_UNKNOWN',
        'cname': 'mallory'})
    kinit('without pre-authentication', 'roast', 'Roast-Pass1', 0)
    evidence.told('a ticket that can be guessed at', 'krb5', {
        'msg_type': 'KRB_AS_REP', 'cname': 'roast', 'encryption': AES})
    daemon_said(lab, 'krb5kdc', 'AS_REQ.*NEEDED_PREAUTH: alice', 'AS_REQ.*ISSUE.*alice', 'TGS_REQ.*ISSUE.*alice',
                'CLIENT_NOT_FOUND: mallory', 'PREAUTH_FAILED: alice', 'AS_REQ.*ISSUE.*roast')
    evidence.logins('krb5', {'account': 'alice', 'domain': MIT_REALM, 'outcome': 'success'},
                    {'account': 'alice', 'outcome': 'failure', 'code': 'KDC_ERR_PREAUTH_FAILED'},
                    {'account': 'mallory', 'outcome': 'failure', 'code': 'KDC_ERR_C_PRINCIPAL_UNKNOWN'},
                    {'account': 'roast', 'outcome': 'success'})
    evidence.nothing_wrong()
