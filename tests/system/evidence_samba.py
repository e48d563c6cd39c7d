#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Samba as a domain controller: files, logins by NTLM and Kerberos, remote calls, tickets with RC4, LDAP."""
import re

from case import begin, check, wire
from directory_services import ADMIN_PASSWORD, REALM, WORKGROUP, join_client, start_samba
from evidence import Evidence, did
from lab import SERVER4

PASSWORD = 'Alice-Pass1'
SERVICE = 'MSSQLSvc/db1.lab.test:1433'
HOSTS = f'127.0.0.1 localhost\n{SERVER4} dc1.lab.test dc1\n'

with wire(start=False) as (lab, weir):
    for host in ('client', 'server'):
        lab.own_file(host, '/etc/hosts', HOSTS)
    start_samba(lab, {'alice': PASSWORD, 'svc_sql': 'Sql-Pass1'}, {SERVICE: 'svc_sql'})
    environment = join_client(lab)
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)
    config = lab.dir / 'client-smb.conf'
    config.write_text(f'[global]\nworkgroup = {WORKGROUP}\nrealm = {REALM}\nlock directory = {lab.dir}\n'
                      f'state directory = {lab.dir}\ncache directory = {lab.dir}\npid directory = {lab.dir}\n'
                      f'private dir = {lab.dir}\nnetbios name = DESK7\n')
    plain = [f'--configfile={config}', '--use-kerberos=off']

    def run(what, *words, code=0, said=None):
        return did(what, lab.run('client', words, env=environment, cwd=lab.dir), code, said)

    def kinit(what, account, password, code, said=None):
        did(what, lab.run('client', ['kinit', account], env=environment, stdin=None, input=password + '\n'), code, said)

    # ---- files, with NTLM
    (lab.dir / 'plan.txt').write_text('a plan\n' * 2000)
    share = f'//{SERVER4}/files'
    run('the right password', 'smbclient', share, *plain, '-U', f'{WORKGROUP}/alice%{PASSWORD}', '-c',
        'mkdir drawer; put plan.txt drawer\\plan.txt; get drawer\\plan.txt copy.txt; '
        'rename drawer\\plan.txt drawer\\old.txt; del drawer\\old.txt; rmdir drawer')
    check((lab.dir / 'copy.txt').read_bytes() == (lab.dir / 'plan.txt').read_bytes(), 'the file came back as it went')
    run('a wrong password', 'smbclient', share, *plain, '-U', f'{WORKGROUP}/alice%wrong', '-c', 'ls', code=1,
        said='NT_STATUS_LOGON_FAILURE')
    run('an account that is not there', 'smbclient', share, *plain, '-U', f'{WORKGROUP}/mallory%x', '-c', 'ls', code=1,
        said='NT_STATUS_LOGON_FAILURE')
    run('a share that is not there', 'smbclient', f'//{SERVER4}/none', *plain, '-U', f'{WORKGROUP}/alice%{PASSWORD}',
        '-c', 'ls', code=1, said='NT_STATUS_BAD_NETWORK_NAME')
    evidence.told('dialect', 'smb', {'command': 'SMB2_COMMAND_NEGOTIATE_PROTOCOL', 'dialect': '3.11',
                                     'status': 'STATUS_SUCCESS', '/dest_port': 445})
    evidence.told('session, with names', 'smb', {
        'command': 'SMB2_COMMAND_SESSION_SETUP', 'status': 'STATUS_SUCCESS', 'ntlmssp.user': 'alice',
        'ntlmssp.domain': WORKGROUP, 'ntlmssp.host': 'DESK7'})
    evidence.told('share', 'smb', {'command': 'SMB2_COMMAND_TREE_CONNECT', 'share': f'\\\\{SERVER4}\\files',
                                   'status': 'STATUS_SUCCESS', 'share_type': 'FILE'})
    evidence.told('no such share', 'smb', {'command': 'SMB2_COMMAND_TREE_CONNECT', 'share': f'\\\\{SERVER4}\\none',
                                           'status': 'STATUS_BAD_NETWORK_NAME'})
    evidence.told('folder made', 'smb', {'command': 'SMB2_COMMAND_CREATE', 'directory': 'drawer',
                                         'disposition': 'FILE_CREATE', 'status': 'STATUS_SUCCESS'})
    evidence.told('file opened', 'smb', {'command': 'SMB2_COMMAND_CREATE', 'filename': 'drawer\\plan.txt',
                                         'status': 'STATUS_SUCCESS'})
    evidence.told('written', 'smb', {'filename': 'drawer\\plan.txt', 'write.bytes': 14000})
    evidence.told('read', 'smb', {'filename': 'drawer\\plan.txt', 'read.bytes': 14000})
    evidence.told('renamed', 'smb', {'rename.from': 'drawer\\plan.txt', 'rename.to': 'drawer\\old.txt',
                                     'status': 'STATUS_SUCCESS'})
    evidence.told('deleted', 'smb', {'filename': 'drawer\\old.txt', 'status': 'STATUS_SUCCESS',
                                     'access': 'delete on close'})
    evidence.told('folder deleted', 'smb', {'filename': 'drawer', 'status': 'STATUS_SUCCESS',
                                            'set_info.info_level': 'SMB2_FILE_DISPOSITION_INFO'})

    # ---- remote calls, in pipes and over TCP
    def rpc(what, binding, *commands, user='alice', password=PASSWORD, code=0, said=None):
        run(what, 'rpcclient', *plain, '-U', f'{WORKGROUP}/{user}%{password}', binding, '-c', '; '.join(commands),
            code=code, said=said)

    rpc('accounts', SERVER4, 'enumdomusers', said='alice')
    rpc('names', SERVER4, 'lookupnames alice', said='S-1-5-21-')
    rpc('shares', SERVER4, 'netshareenumall', said='files')
    rpc('a wrong password', SERVER4, 'enumdomusers', password='wrong', code=1, said='NT_STATUS_LOGON_FAILURE')
    for endpoint, operation in (('samr', 'SamrConnect.*'), ('samr', 'SamrOpenDomain'),
                                ('samr', 'SamrEnumerateUsersInDomain'), ('lsarpc', 'LsarOpenPolicy.*'),
                                ('lsarpc', 'LsarLookupNames.*'), ('srvsvc', 'NetrShareEnum')):
        evidence.told(f'{endpoint} {operation}', 'smb', {
            'dcerpc.endpoint': endpoint, 'dcerpc.operation': re.compile(operation), 'dcerpc.request': 'REQUEST',
            'dcerpc.response': 'RESPONSE'})
    rpc('accounts, over TCP', f'ncacn_ip_tcp:{SERVER4}[sign]', 'enumdomusers', said='alice')
    evidence.told('over TCP', 'dcerpc', {'endpoint': 'samr', 'operation': 'SamrEnumerateUsersInDomain',
                                         'request': 'REQUEST', 'response': 'RESPONSE'})
    evidence.told('where it is to be found', 'dcerpc', {'endpoint': 'epmapper', 'operation': 'ept_map',
                                                        '/dest_port': 135})
    ntlm = {'mechanism': 'ntlmssp', 'domain': WORKGROUP, 'host': 'DESK7'}
    good = {**ntlm, 'account': 'alice', 'outcome': 'success', 'code': 'STATUS_SUCCESS'}
    bad = {**ntlm, 'account': 'alice', 'outcome': 'failure', 'code': 'STATUS_LOGON_FAILURE'}
    files = [good, bad, {**bad, 'account': 'mallory'}, good]
    calls = [good, good, good, bad]
    evidence.logins('smb', *files, *calls)

    # ---- SMB 1, and SMB 3 with encryption
    run('SMB 1', 'smbclient', share, *plain, '-U', f'{WORKGROUP}/alice%{PASSWORD}', '--option=client min protocol=NT1',
        '-m', 'NT1', '-c', 'put plan.txt old-plan.txt; del old-plan.txt')
    evidence.told('SMB 1', 'smb', {'command': 'SMB1_COMMAND_SESSION_SETUP_ANDX', 'status': 'STATUS_SUCCESS',
                                   'dialect': re.compile('NT LM 0.12|NT LANMAN 1.0')})
    evidence.told('written with SMB 1', 'smb', {'filename': re.compile(r'\\?old-plan\.txt'), 'write.bytes': 14000})
    evidence.told('deleted with SMB 1', 'smb', {'command': 'SMB1_COMMAND_DELETE',
                                                'filename': re.compile(r'\\?old-plan\.txt')})
    run('encrypted', 'smbclient', share, *plain, '-U', f'{WORKGROUP}/alice%{PASSWORD}', '--client-protection=encrypt',
        '-c', 'ls')
    calls += [good, good]
    evidence.logins('smb', *files, *calls)

    # ---- services, as somebody would look for them who moves from host to host
    run('services', 'net', 'rpc', 'service', 'list', f'--configfile={config}', '-S', SERVER4, '-U',
        f'{WORKGROUP}/Administrator%{ADMIN_PASSWORD}', '--use-kerberos=off')
    evidence.told('svcctl OpenSCManagerW', 'smb', {'dcerpc.endpoint': 'svcctl', 'named_pipe': ...,
                                                   'dcerpc.operation': re.compile('R?OpenSCManagerW')})
    calls += [{**good, 'account': 'Administrator'}]
    evidence.logins('smb', *files, *calls)

    # ---- Kerberos
    kinit('kinit, the right password', 'alice', PASSWORD, 0)
    evidence.told('a ticket for tickets', 'krb5', {
        'msg_type': 'KRB_AS_REP', 'cname': 'alice', 'realm': REALM, 'sname': f'krbtgt/{REALM}', '/dest_port': 88})
    run('a ticket with RC4', 'kvno', '-e', 'rc4-hmac', SERVICE, said='kvno = ')
    evidence.told('a ticket with RC4 asked for', 'krb5', {
        'msg_type': 'KRB_TGS_REQ', 'sname': SERVICE, 'realm': REALM, 'etypes': 'RC4_HMAC'})
    evidence.told('a ticket with RC4 given', 'krb5', {
        'msg_type': 'KRB_TGS_REP', 'cname': 'alice', 'sname': SERVICE, 'ticket_encryption': 'RC4_HMAC',
        'ticket_weak_encryption': True})
    run('files with the ticket', 'smbclient', '//dc1.lab.test/files', f'--configfile={config}',
        f'--use-krb5-ccache={environment["KRB5CCNAME"]}', '-c', 'ls')
    # smbclient hides who it asks for (FAST)
    evidence.told('a ticket for files', 'krb5', {'msg_type': 'KRB_TGS_REP', 'sname': 'cifs/dc1.lab.test'})
    evidence.logins('smb', *files, *calls, {'mechanism': 'kerberos', 'outcome': 'success',
                                            'service': 'cifs/dc1.lab.test'})
    kinit('kinit, a wrong password', 'alice', 'wrong', 1, 'Password incorrect|Preauthentication failed')
    kinit('kinit, no such account', 'mallory', 'x', 1, 'not found in Kerberos database')
    evidence.logins('krb5', {'account': 'alice', 'domain': REALM, 'outcome': 'success'},
                    {'account': 'alice', 'outcome': 'failure', 'code': 'KDC_ERR_PREAUTH_FAILED'},
                    {'account': 'mallory', 'outcome': 'failure', 'code': 'KDC_ERR_C_PRINCIPAL_UNKNOWN'})

    # ---- LDAP of the directory
    search = ['ldapsearch', '-LLL', '-x', '-H', f'ldap://{SERVER4}', '-b', 'DC=lab,DC=test']
    run('who has a service', *search, '-D', 'alice@lab.test', '-w', PASSWORD, '(servicePrincipalName=MSSQLSvc*)',
        'sAMAccountName', said='svc_sql')
    run('a wrong password', *search, '-D', 'alice@lab.test', '-w', 'wrong', '(cn=a)', code=49)
    evidence.told('the search', 'ldap', {
        'request.search_request.base_object': 'DC=lab,DC=test', 'responses.search_result_done.result_code': 'success',
        'request.search_request.filter.text': '(servicePrincipalName=MSSQLSvc*)',
        'request.search_request.attributes': 'sAMAccountName'})
    run('with the ticket', 'ldapsearch', '-Q', '-LLL', '-Y', 'GSSAPI', '-H', 'ldap://dc1.lab.test',
        '-b', 'DC=lab,DC=test', '(cn=alice)', 'cn', said='cn: alice')
    evidence.told('a ticket for LDAP', 'krb5', {'msg_type': 'KRB_TGS_REP', 'sname': 'ldap/dc1.lab.test',
                                                'cname': 'alice'})
    evidence.logins('ldap', {'mechanism': 'simple', 'account': 'alice@lab.test', 'outcome': 'success'},
                    {'mechanism': 'simple', 'account': 'alice@lab.test', 'outcome': 'failure',
                     'code': 'invalid_credentials'},
                    {'mechanism': re.compile('GSSAPI|kerberos'), 'outcome': 'success', 'service': ...})
    run('a service of the domain', 'dig', '+tries=1', f'@{SERVER4}', '_ldap._tcp.lab.test', 'SRV', said='dc1.lab.test')
    evidence.told('a service of the domain', 'dns', {'queries.rrname': '_ldap._tcp.lab.test', 'queries.rrtype': 'SRV',
                                                     'answers.srv.port': 389, 'answers.srv.name': 'dc1.lab.test'})
    evidence.nothing_wrong()
