# SPDX-License-Identifier: Apache-2.0
"""Directories and names for the lab's server: Samba as a domain controller, OpenLDAP, bind, the MIT KDC."""
import os
import re

from lab import CLIENT4, SERVER4, wait_for
from services import made, self_signed

REALM, WORKGROUP = 'LAB.TEST', 'LAB'
ADMIN_PASSWORD = 'Admin-Pass1'
MIT_REALM = 'MIT.TEST'


# ---- Samba

def start_samba(lab, users, services):
    """`users`: {account: password}; `services`: {principal: account}. Some 20 s: it makes the domain anew.

    SMB is encrypted for who asks for it, LDAP takes passwords in the clear: a sensor can see what is said."""
    folder = lab.dir / 'samba'
    made('samba-tool domain provision', [
        'samba-tool', 'domain', 'provision', f'--realm={REALM}', f'--domain={WORKGROUP}', '--server-role=dc',
        '--dns-backend=SAMBA_INTERNAL', f'--adminpass={ADMIN_PASSWORD}', f'--targetdir={folder}', '--host-name=dc1',
        f'--host-ip={SERVER4}', '--option=interfaces=lo s0', '--option=bind interfaces only=yes'])
    config = folder / 'etc' / 'smb.conf'
    (folder / 'files').mkdir()
    (folder / 'ncalrpc').mkdir()
    (folder / 'run').mkdir()
    text = re.sub(r'interfaces = lo s0', f'interfaces = lo {SERVER4}/24', config.read_text())
    config.write_text(text.replace('[global]', f'''[global]
	pid directory = {folder}/run
	ncalrpc dir = {folder}/ncalrpc
	log file = {folder}/log.%m
	ldap server require strong auth = no
	server min protocol = NT1
	load printers = no
	disable spoolss = yes
	log level = 1 auth_audit:3
''', 1) + f'''
[files]
	path = {folder}/files
	read only = no
''')
    base = ['-H', folder / 'private' / 'sam.ldb', f'--configfile={config}']
    for account, password in users.items():
        made('samba-tool user create', ['samba-tool', 'user', 'create', account, password, *base])
    for principal, account in services.items():
        made('samba-tool spn add', ['samba-tool', 'spn', 'add', principal, account, *base])
    (folder / 'files').chmod(0o777)
    lab.start('server', ['unshare', '--uts', 'sh', '-c',
                         f'hostname dc1; exec samba -F --no-process-group -s {config} --debug-stdout'], name='samba')
    ports = (53, 88, 135, 139, 389, 445)
    wait_for(lambda: all(lab.listening('server', port) for port in ports), 60, 'samba to listen')


def join_client(lab):
    """The client's names come from the domain controller, and its Kerberos knows the realm; returns its environment."""
    lab.own_file('client', '/etc/resolv.conf', f'search lab.test\nnameserver {SERVER4}\noptions timeout:1 attempts:2\n')
    return kerberos_client(lab, REALM, 'dc1.lab.test', 'rc4-hmac')


def kerberos_client(lab, realm, kdc, *weak):
    """Tickets and configuration below lab.dir."""
    config = lab.dir / f'krb5-{realm}.conf'
    types = ' '.join(['aes256-cts-hmac-sha1-96', 'aes128-cts-hmac-sha1-96', *weak])
    config.write_text(f'''[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  allow_weak_crypto = {'true' if weak else 'false'}
  permitted_enctypes = {types}
[realms]
  {realm} = {{
    kdc = {kdc}
  }}
[domain_realm]
  .{realm.lower()} = {realm}
''')
    return {**os.environ, 'KRB5_CONFIG': str(config), 'KRB5CCNAME': f'FILE:{lab.dir}/tickets-{realm}'}


def ntlm_helper(lab, host, password):
    """What dovecot and squid ask about NTLM: Samba's ntlm_auth, without a domain. Who knows that password gets in."""
    folder = lab.dir / 'ntlm'
    folder.mkdir()
    folder.chmod(0o777)
    config, helper = folder / 'smb.conf', folder / 'helper'
    config.write_text(f'[global]\nworkgroup = {WORKGROUP}\nnetbios name = {host}\n' + ''.join(
        f'{kind} = {folder}\n' for kind in ('private dir', 'lock directory', 'state directory', 'cache directory')))
    helper.write_text(f'#!/bin/sh\nexec ntlm_auth --configfile={config} --password={password} "$@"\n')
    helper.chmod(0o755)
    return helper


# ---- OpenLDAP

LDAP_BASE = 'dc=lab,dc=test'
LDAP_ADMIN, LDAP_PASSWORD = f'cn=admin,{LDAP_BASE}', 'Admin-Pass1'


def start_slapd(lab, people):
    """`people`: {uid: password} below ou=people."""
    folder = lab.dir / 'slapd'
    (folder / 'data').mkdir(parents=True)
    certificate, key = self_signed(folder / 'tls', 'ldap.lab.test')
    (folder / 'slapd.conf').write_text(f'''include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
loglevel stats
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "{LDAP_BASE}"
rootdn "{LDAP_ADMIN}"
rootpw {LDAP_PASSWORD}
directory {folder}/data
access to attrs=userPassword by anonymous auth by self write by * none
access to * by * read
''')
    entries = f'dn: {LDAP_BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: lab\no: Lab\n\n'
    entries += f'dn: ou=people,{LDAP_BASE}\nobjectClass: organizationalUnit\nou: people\n\n'
    for uid, password in people.items():
        entries += (f'dn: uid={uid},ou=people,{LDAP_BASE}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\n'
                    f'sn: {uid}\nuserPassword: {password}\n\n')
    made('slapadd', ['/usr/sbin/slapadd', '-f', folder / 'slapd.conf'], input=entries, stdin=None)
    lab.start('server', ['/usr/sbin/slapd', '-d', 'stats', '-f', folder / 'slapd.conf', '-h', f'ldap://{SERVER4}/'],
              name='slapd')
    wait_for(lambda: lab.listening('server', 389), 20, 'slapd to listen')


# ---- bind

def start_bind(lab, zones):
    """`zones`: {name: (records, may the client transfer it?)}."""
    folder = lab.dir / 'bind'
    folder.mkdir()
    parts = []
    for name, (records, may_transfer) in zones.items():
        (folder / name).write_text(f'''$TTL 600
@ IN SOA ns.{name}. admin.{name}. 7 3600 600 86400 600
@ IN NS ns.{name}.
ns IN A {SERVER4}
{records}''')
        parts.append(f'zone "{name}" {{ type primary; file "{folder}/{name}"; '
                     f'allow-transfer {{ {CLIENT4 if may_transfer else "none"}; }}; }};')
    (folder / 'named.conf').write_text(f'''options {{ directory "{folder}"; pid-file none; recursion no; notify no;
  listen-on {{ {SERVER4}; }}; listen-on-v6 {{ none; }}; session-keyfile none; dnssec-validation no; }};
controls {{ }};
''' + '\n'.join(parts) + '\n')
    lab.start('server', ['/usr/sbin/named', '-g', '-c', folder / 'named.conf'], name='named')
    wait_for(lambda: lab.listening('server', 53) and lab.listening('server', 53, udp=True), 20, 'named to listen')


# ---- MIT Kerberos

def start_kdc(lab, principals):
    """`principals`: {name: (password, does it need pre-authentication?)}."""
    folder = lab.dir / 'kdc'
    folder.mkdir()
    (folder / 'kdc.conf').write_text(f'''[kdcdefaults]
  kdc_listen = {SERVER4}:88
  kdc_tcp_listen = {SERVER4}:88
[realms]
  {MIT_REALM} = {{
    database_name = {folder}/principal
    key_stash_file = {folder}/stash
    acl_file = {folder}/kadm5.acl
    supported_enctypes = aes256-cts-hmac-sha1-96:normal
    default_principal_flags = +preauth
  }}
[logging]
  kdc = STDERR
''')
    environment = {**kerberos_client(lab, MIT_REALM, SERVER4), 'KRB5_KDC_PROFILE': str(folder / 'kdc.conf')}
    made('kdb5_util', ['/usr/sbin/kdb5_util', 'create', '-s', '-r', MIT_REALM, '-P', 'master'], env=environment)
    for name, (password, preauth) in principals.items():
        made('kadmin.local', ['/usr/sbin/kadmin.local', '-r', MIT_REALM, '-q',
                              f'addprinc {"+" if preauth else "-"}requires_preauth -pw {password} {name}'],
             env=environment)
    lab.start('server', ['/usr/sbin/krb5kdc', '-n', '-r', MIT_REALM], name='krb5kdc', env=environment)
    wait_for(lambda: lab.listening('server', 88), 20, 'krb5kdc to listen')
    return environment


