# SPDX-License-Identifier: Apache-2.0
"""More daemons for the lab's server, each from its own files below lab.dir: desktops, files, databases, the time."""
import glob
import os
import pwd
import shutil
import subprocess

from lab import CLIENT4, SERVER4, wait_for
from services import made, self_signed


def folder_of(lab, name, user=None):
    folder = lab.dir / name
    folder.mkdir()
    if user:
        shutil.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    return folder


def crypted(password):
    return made('openssl passwd', ['openssl', 'passwd', '-6', password]).strip()


def listens(lab, name, *ports, udp=False, seconds=20):
    wait_for(lambda: all(lab.listening('server', port, udp=udp) for port in ports), seconds, f'{name} to listen')


def start_xrdp(lab):
    """Answers with TLS or with RDP's own security, as the client likes; there is no session behind it."""
    folder = folder_of(lab, 'xrdp')
    certificate, key = self_signed(folder / 'tls', 'desk.lab.test')
    config = folder / 'xrdp.ini'
    config.write_text(f'''[Globals]
ini_version=1
fork=true
port=tcp://{SERVER4}:3389
tcp_nodelay=true
security_layer=negotiate
crypt_level=high
certificate={certificate}
key_file={key}
ssl_protocols=TLSv1.2, TLSv1.3
allow_channels=true
[Logging]
LogFile={folder}/xrdp.log
LogLevel=INFO
EnableSyslog=false
EnableConsole=true
[Channels]
rdpdr=true
rdpsnd=true
drdynvc=true
cliprdr=true
[Xorg]
name=Xorg
lib=libxup.so
username=ask
password=ask
ip=127.0.0.1
port=-1
code=20
''')
    lab.start('server', ['/usr/sbin/xrdp', '--nodaemon', '--config', config], name='xrdp')
    listens(lab, 'xrdp', 3389)


def start_squid(lab, ntlm_helper):
    """A proxy for who logs in by NTLM, at port 3128."""
    folder = folder_of(lab, 'squid', 'proxy')
    config = folder / 'squid.conf'
    config.write_text(f'''http_port {SERVER4}:3128
auth_param ntlm program {ntlm_helper} --helper-protocol=squid-2.5-ntlmssp
auth_param ntlm children 2 startup=2
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all
cache deny all
pid_filename none
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
cache_effective_user proxy
visible_hostname proxy.lab.test
pinger_enable off
''')
    lab.start('server', ['/usr/sbin/squid', '-N', '-f', config], name='squid')
    listens(lab, 'squid', 3128)


def start_vnc(lab, password):
    folder = folder_of(lab, 'vnc')
    scrambled = subprocess.run(['vncpasswd', '-f'], input=password.encode() + b'\n', capture_output=True,
                               check=True).stdout
    (folder / 'password').write_bytes(scrambled)
    lab.start('server', ['/usr/bin/Xtigervnc', ':75', '-rfbport', '5975', '-geometry', '640x480',
                         '-desktop', 'lab desk', '-SecurityTypes', 'VncAuth', '-PasswordFile', folder / 'password',
                         '-nolisten', 'unix', '-AlwaysShared'], name='vnc', env={**os.environ, 'HOME': str(folder)})
    listens(lab, 'Xtigervnc', 5975)


def start_mosquitto(lab, accounts):
    folder = folder_of(lab, 'mosquitto')
    for account, password in accounts.items():
        made('mosquitto_passwd', ['mosquitto_passwd', *([] if (folder / 'accounts').exists() else ['-c']), '-b',
                                  folder / 'accounts', account, password])
    (folder / 'mosquitto.conf').write_text(f'''listener 1883 {SERVER4}
allow_anonymous false
password_file {folder}/accounts
persistence false
user root
log_dest stderr
log_type all
''')
    lab.start('server', ['/usr/sbin/mosquitto', '-c', folder / 'mosquitto.conf'], name='mosquitto')
    listens(lab, 'mosquitto', 1883)


def start_proftpd(lab, accounts):
    """Everybody's home is lab.dir/proftpd/home."""
    folder = folder_of(lab, 'proftpd')
    (folder / 'home').mkdir()
    (folder / 'home').chmod(0o777)
    users = folder / 'accounts'
    users.write_text(''.join(f'{account}:{crypted(password)}:7701:7701::{folder}/home:/bin/sh\n'
                             for account, password in accounts.items()))
    users.chmod(0o600)
    (folder / 'proftpd.conf').write_text(f'''ServerType standalone
ServerName "lab"
DefaultAddress {SERVER4}
SocketBindTight on
Port 21
UseIPv6 off
User nobody
Group nogroup
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
PidFile {folder}/pid
ScoreboardFile {folder}/scoreboard
DelayEngine off
ControlsEngine off
UseReverseDNS off
WtmpLog off
TransferLog none
AllowOverwrite on
''')
    lab.start('server', ['/usr/sbin/proftpd', '-n', '-c', folder / 'proftpd.conf'], name='proftpd')
    listens(lab, 'proftpd', 21)


def start_radius(lab, accounts, secret):
    folder = folder_of(lab, 'radius')
    (folder / 'users').write_text(''.join(f'{account} Cleartext-Password := "{password}"\n'
                                          f'\tReply-Message := "Welcome, {account}"\n'
                                          for account, password in accounts.items()))
    (folder / 'radiusd.conf').write_text(f'''raddbdir = {folder}
logdir = {folder}
run_dir = {folder}
db_dir = {folder}
libdir = /usr/lib/freeradius
pidfile = {folder}/pid
security {{
  allow_vulnerable_openssl = yes
  reject_delay = 0
}}
modules {{
  files {{
    usersfile = {folder}/users
  }}
  pap {{
  }}
  chap {{
  }}
}}
client lab {{
  ipaddr = {CLIENT4}
  secret = {secret}
}}
server default {{
  listen {{
    type = auth
    ipaddr = {SERVER4}
    port = 1812
  }}
  authorize {{
    files
    chap
    pap
  }}
  authenticate {{
    Auth-Type PAP {{
      pap
    }}
    Auth-Type CHAP {{
      chap
    }}
  }}
}}
''')
    lab.start('server', ['/usr/sbin/freeradius', '-X', '-d', folder], name='freeradius')
    listens(lab, 'freeradius', 1812, udp=True)


def start_tftpd(lab):
    """Its files are in lab.dir/tftp; only what is there can be written."""
    folder = folder_of(lab, 'tftp')
    lab.start('server', ['/usr/sbin/in.tftpd', '-L', '-4', '-a', f'{SERVER4}:69', '-u', 'root', '-s', folder],
              name='tftpd')
    listens(lab, 'in.tftpd', 69, udp=True)
    return folder


def start_chrony(lab):
    """Tells the time and touches no clock."""
    folder = folder_of(lab, 'chrony')
    (folder / 'chrony.conf').write_text(f'''bindaddress {SERVER4}
allow all
local stratum 5
cmdport 0
bindcmdaddress /
pidfile {folder}/pid
''')
    lab.start('server', ['/usr/sbin/chronyd', '-d', '-x', '-U', '-u', 'root', '-f', folder / 'chrony.conf'],
              name='chronyd')
    listens(lab, 'chronyd', 123, udp=True)


def start_postgres(lab, accounts):
    """One database, shop, with a table of goods; passwords by SCRAM, of account old by MD5; TLS for who asks."""
    folder = folder_of(lab, 'postgres', 'postgres')
    certificate, key = self_signed(folder / 'tls', 'db.lab.test')
    os.chmod(key, 0o600)
    shutil.chown(key, 'postgres')
    bin_folder = max(glob.glob('/usr/lib/postgresql/*/bin'), default='/usr/lib/postgresql/bin')
    as_postgres = ['runuser', '-u', 'postgres', '--']
    made('initdb', [*as_postgres, f'{bin_folder}/initdb', '-N', '-D', folder / 'data', '--auth', 'trust', '-E', 'UTF8',
                    '--locale', 'C'], cwd='/')
    (folder / 'data' / 'pg_hba.conf').write_text('local all all trust\nhost all old all md5\n'
                                                 'host all all all scram-sha-256\n')
    sql = 'CREATE DATABASE shop;\n' + ''.join(
        f"SET password_encryption = '{'md5' if account == 'old' else 'scram-sha-256'}';\n"
        f"CREATE ROLE {account} LOGIN PASSWORD '{password}';\n" for account, password in accounts.items())
    single = [*as_postgres, f'{bin_folder}/postgres', '--single', '-D', folder / 'data']
    made('postgres --single', [*single, 'postgres'], input=sql, stdin=None, cwd='/')
    made('postgres --single', [*single, 'shop'], input='CREATE TABLE goods (name text, price int);\n'
         'GRANT ALL ON goods TO PUBLIC;\n', stdin=None, cwd='/')
    lab.start('server', [*as_postgres, f'{bin_folder}/postgres', '-D', folder / 'data', '-h', SERVER4, '-k', folder,
                         '-F', '-c', 'ssl=on', '-c', f'ssl_cert_file={certificate}', '-c', f'ssl_key_file={key}'],
              name='postgres', cwd='/')
    listens(lab, 'postgres', 5432)


def start_mariadb(lab, accounts):
    """One database, shop, with a table of goods; TLS for who asks."""
    folder = folder_of(lab, 'mariadb')
    certificate, key = self_signed(folder / 'tls', 'db.lab.test')
    statements = ['CREATE DATABASE shop', 'CREATE TABLE shop.goods (name text, price int)']
    for account, password in accounts.items():
        statements += [f"CREATE USER '{account}'@'%' IDENTIFIED BY '{password}'",
                       f"GRANT ALL ON shop.* TO '{account}'@'%'"]
    (folder / 'init.sql').write_text(''.join(f'{one};\n' for one in statements))
    common = ['--no-defaults', f'--datadir={folder}/data', '--user=root', f'--socket={folder}/socket',
              f'--pid-file={folder}/pid']
    made('mariadb-install-db', ['mariadb-install-db', *common[:3], '--auth-root-authentication-method=normal',
                                '--skip-test-db'])
    lab.start('server', ['/usr/sbin/mariadbd', *common, f'--bind-address={SERVER4}', '--skip-name-resolve',
                         f'--init-file={folder}/init.sql', '--innodb-buffer-pool-size=16M',
                         f'--ssl-cert={certificate}', f'--ssl-key={key}',
                         '--performance-schema=OFF'], name='mariadb')
    listens(lab, 'mariadbd', 3306)


def start_telnetd(lab):
    """Behind inetd, as ever."""
    folder = folder_of(lab, 'telnet')
    (folder / 'inetd.conf').write_text(f'{SERVER4}:23 stream tcp nowait root /usr/sbin/telnetd telnetd\n')
    (folder / 'more').mkdir()
    lab.start('server', ['/usr/sbin/inetutils-inetd', '-d', f'-p{folder}/pid', folder / 'inetd.conf', folder / 'more'],
              name='inetd')
    listens(lab, 'inetd', 23)
