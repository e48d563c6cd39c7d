# SPDX-License-Identifier: Apache-2.0
"""Mail for the lab's server: exim takes it, dovecot hands it out by IMAP and POP3."""
import pwd
import shutil

from lab import SERVER4, wait_for
from services import self_signed

DOMAIN = 'lab.test'


def start_exim(lab, accounts):
    """`accounts`: {account: password}. Mail to elsewhere needs a login; all goes to lab.dir/exim."""
    folder = lab.dir / 'exim'
    (folder / 'mail').mkdir(parents=True)
    user = pwd.getpwnam('Debian-exim')
    for path in (folder, folder / 'mail'):
        shutil.chown(path, user.pw_uid, user.pw_gid)
    (folder / 'accounts').write_text(''.join(f'{account}: {password}\n' for account, password in accounts.items()))
    password_of = f'${{lookup{{$auth%d}}lsearch{{{folder}/accounts}}{{$value}}fail}}'
    certificate, key = self_signed(folder / 'tls', f'mail.{DOMAIN}')
    config = folder / 'exim.conf'
    config.write_text(f'''primary_hostname = mail.{DOMAIN}
spool_directory = {folder}
log_file_path = {folder}/%slog
local_interfaces = {SERVER4}
daemon_smtp_ports = 25
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = recipient
acl_smtp_data = accept
begin acl
recipient:
  accept domains = {DOMAIN}
         local_parts = alice : bob
  deny domains = {DOMAIN}
       message = nobody of that name
  accept authenticated = *
  deny message = log in first
begin routers
all:
  driver = accept
  transport = file
begin transports
file:
  driver = appendfile
  directory = {folder}/mail
  maildir_format
  user = Debian-exim
  delivery_date_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if eq{{$auth3}}{{{password_of % 2}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if eq{{$auth2}}{{{password_of % 1}}}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = {password_of % 1}
  server_set_id = $auth1
''')
    lab.start('server', ['/usr/sbin/exim4', '-bdf', '-C', config], name='exim')
    wait_for(lambda: lab.listening('server', 25), 20, 'exim to listen')


def start_dovecot(lab, accounts):
    """`accounts`: {account: password}, each with an empty mailbox; logins with TLS or without."""
    run_dovecot(lab, 'imap pop3', '''auth_mechanisms = plain login cram-md5
passdb {
  driver = passwd-file
  args = %s/accounts
}''', accounts)


def start_ntlm_dovecot(lab, helper):
    """Logins by NTLM alone, which Samba's ntlm_auth judges; `helper`: see directory_services. Mail to be sent goes to
    exim."""
    run_dovecot(lab, 'imap pop3 submission', f'''auth_mechanisms = ntlm
auth_use_winbind = yes
auth_winbind_helper_path = {helper}
submission_relay_host = {SERVER4}
hostname = mail.{DOMAIN}''', {})
    wait_for(lambda: lab.listening('server', 587), 20, 'dovecot to take mail')


def run_dovecot(lab, protocols, logins, accounts):
    """`logins`: how its configuration says who may; %s in it: its folder."""
    folder = lab.dir / 'dovecot'
    (folder / 'mail').mkdir(parents=True)
    mail = pwd.getpwnam('mail')
    shutil.chown(folder / 'mail', mail.pw_uid, mail.pw_gid)
    (folder / 'accounts').write_text(''.join(f'{account}:{{PLAIN}}{password}\n'
                                             for account, password in accounts.items()))
    certificate, key = self_signed(folder / 'tls', f'mail.{DOMAIN}')
    config = folder / 'dovecot.conf'
    config.write_text(f'''protocols = {protocols}
listen = {SERVER4}
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_failure_delay = 0
default_vsz_limit = 512M
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
{logins.replace('%s', str(folder))}
userdb {{
  driver = static
  args = allow_all_users=yes uid={mail.pw_uid} gid={mail.pw_gid} home={folder}/mail/%u
}}
''')
    lab.start('server', ['/usr/sbin/dovecot', '-F', '-c', config], name='dovecot')
    wait_for(lambda: lab.listening('server', 143) and lab.listening('server', 110), 20, 'dovecot to listen')
