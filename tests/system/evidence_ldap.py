#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""OpenLDAP both sides: binds with the right and the wrong password, searches, changes."""
import re

from case import begin, wire
from directory_services import LDAP_ADMIN, LDAP_BASE, LDAP_PASSWORD, start_slapd
from evidence import Evidence, daemon_said, did
from lab import SERVER4

PEOPLE = {f'user{n}': f'Pass-{n}' for n in range(120)}
PEOPLE['alice'] = 'Alice-Pass1'
ALICE = f'uid=alice,ou=people,{LDAP_BASE}'

with wire(start=False) as (lab, weir):
    start_slapd(lab, PEOPLE)
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def ldap(what, tool, *words, code=0, said=None, text=None):
        stdin = {'stdin': None, 'input': text} if text else {}
        return did(what, lab.run('client', [tool, '-x', '-H', f'ldap://{SERVER4}', *words], **stdin), code, said)

    as_alice = ['-D', ALICE, '-w', 'Alice-Pass1']
    as_admin = ['-D', LDAP_ADMIN, '-w', LDAP_PASSWORD]
    ldap('the right password', 'ldapwhoami', *as_alice, said='dn:uid=alice')
    evidence.told('bind', 'ldap', {
        'request.operation': 'bind_request', 'request.bind_request.name': ALICE, 'request.bind_request.version': 3,
        'responses.bind_response.result_code': 'success', '/dest_port': 389})
    evidence.told('who am I', 'ldap', {'request.operation': 'extended_request',
                                       'request.extended_request.name': '1.3.6.1.4.1.4203.1.11.3'})
    ldap('a wrong password', 'ldapwhoami', '-D', ALICE, '-w', 'wrong', code=49, said='Invalid credentials')
    evidence.told('bind refused', 'ldap', {'request.bind_request.name': ALICE,
                                           'responses.bind_response.result_code': 'invalid_credentials'})
    ldap('somebody who is not there', 'ldapwhoami', '-D', f'cn=none,{LDAP_BASE}', '-w', 'x', code=49)
    everybody = ldap('everybody', 'ldapsearch', *as_alice, '-b', f'ou=people,{LDAP_BASE}',
                     '(&(objectClass=inetOrgPerson)(uid=*))', 'uid', 'cn', said='numEntries: 121')
    evidence.told('the search and what came of it', 'ldap', {
        'request.operation': 'search_request', 'request.search_request.base_object': f'ou=people,{LDAP_BASE}',
        'request.search_request.scope': 2,
        'request.search_request.filter.text': '(&(objectClass=inetOrgPerson)(uid=*))',
        'request.search_request.attributes': ['uid', 'cn'],
        'responses.search_result_done.result_code': 'success', 'response_count': ...})
    ldap('a search for nothing', 'ldapsearch', '-b', f'ou=none,{LDAP_BASE}', '(cn=a)', code=32)
    evidence.told('no such object', 'ldap', {
        'request.search_request.base_object': f'ou=none,{LDAP_BASE}', 'request.search_request.filter.text': '(cn=a)',
        'responses.search_result_done.result_code': 'no_such_object',
        'responses.search_result_done.matched_dn': LDAP_BASE})
    ldap('a change', 'ldapmodify', *as_admin,
         text=f'dn: {ALICE}\nchangetype: modify\nreplace: sn\nsn: Liddell\n-\nadd: mail\nmail: alice@lab.test\n')
    evidence.told('the change', 'ldap', {
        'request.operation': 'modify_request', 'request.modify_request.object': ALICE,
        'request.modify_request.changes.operation': ['replace', 'add'],
        'request.modify_request.changes.modification.attribute_type': ['sn', 'mail'],
        'responses.modify_response.result_code': 'success'})
    ldap('a change that is not allowed', 'ldapmodify', *as_alice, code=50,
         text=f'dn: {LDAP_BASE}\nchangetype: modify\nreplace: o\no: Mine\n')
    evidence.told('the refused change', 'ldap', {
        'request.modify_request.object': LDAP_BASE,
        'responses.modify_response.result_code': re.compile('insufficient_?access_?rights', re.I)})
    ldap('a new entry', 'ldapadd', *as_admin, text=f'dn: cn=new,{LDAP_BASE}\nobjectClass: person\ncn: new\nsn: new\n')
    evidence.told('the new entry', 'ldap', {
        'request.operation': 'add_request', 'request.add_request.entry': f'cn=new,{LDAP_BASE}',
        'request.add_request.attributes.name': ['objectClass', 'cn', 'sn'],
        'responses.add_response.result_code': 'success'})
    ldap('a new name', 'ldapmodrdn', '-r', *as_admin, f'cn=new,{LDAP_BASE}', 'cn=newer')
    evidence.told('the new name', 'ldap', {
        'request.operation': 'mod_dn_request', 'request.mod_dn_request.entry': f'cn=new,{LDAP_BASE}',
        'request.mod_dn_request.new_rdn': 'cn=newer', 'request.mod_dn_request.delete_old_rdn': True})
    ldap('a comparison', 'ldapcompare', *as_admin, ALICE, 'sn:Liddell', code=6)
    evidence.told('the comparison', 'ldap', {
        'request.operation': 'compare_request', 'request.compare_request.entry': ALICE,
        'responses.compare_response.result_code': re.compile('compare_?true', re.I)})
    ldap('a removal', 'ldapdelete', *as_admin, f'cn=newer,{LDAP_BASE}')
    evidence.told('the removal', 'ldap', {
        'request.operation': 'del_request', 'request.del_request.dn': f'cn=newer,{LDAP_BASE}',
        'responses.del_response.result_code': 'success'})
    did('by TLS', lab.run('client', ['env', 'LDAPTLS_REQCERT=never', 'ldapwhoami', '-ZZ', '-x', '-H',
                                     f'ldap://{SERVER4}', *as_alice]), 0, 'dn:uid=alice')
    evidence.told('TLS from StartTLS on', 'ldap', {'request.extended_request.name': '1.3.6.1.4.1.1466.20037',
                                                   'responses.extended_response.result_code': 'success'})
    evidence.told('TLS from StartTLS on', 'tls', {'version': 'TLS 1.3', 'ja3.hash': ..., '/dest_port': 389})
    daemon_said(lab, 'slapd', 'RESULT tag=97 err=0', 'RESULT tag=97 err=49', 'SEARCH RESULT .* nentries=121',
                'MOD dn="uid=alice')
    good = {'mechanism': 'simple', 'outcome': 'success'}
    bad = {'mechanism': 'simple', 'outcome': 'failure', 'code': 'invalid_credentials'}
    evidence.logins('ldap', {**good, 'account': ALICE}, {**bad, 'account': ALICE},
                    {**bad, 'account': f'cn=none,{LDAP_BASE}'}, {**good, 'account': ALICE},
                    {'mechanism': 'anonymous', 'outcome': 'success'},
                    *[{**good, 'account': who} for who in (LDAP_ADMIN, ALICE, LDAP_ADMIN, LDAP_ADMIN, LDAP_ADMIN,
                                                           LDAP_ADMIN)])
    evidence.nothing_wrong()
