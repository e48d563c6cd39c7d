# SPDX-License-Identifier: Apache-2.0
"""Real daemons for the lab's server: nginx, dnsmasq and sshd, each from its own files in the lab's folder."""
import os
import subprocess

from lab import SERVER4, SERVER6, LabError, wait_for

DNS_NAME = 'www.lab.test'


def made(what, words, **kwargs):
    """Runs what prepares a daemon's files; its output, or LabError with what it said."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, timeout=120,
                          **{'stdin': subprocess.DEVNULL, **kwargs})
    if done.returncode:
        raise LabError(f'{what}: {done.stderr.strip() or done.stdout.strip()}')
    return done.stdout


def self_signed(path, name, *more_names, subject=''):
    """path.crt and path.key, for everybody to read."""
    names = ','.join(f'DNS:{one}' for one in (name, *more_names))
    made('openssl req', ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj',
                         f'{subject}/CN={name}', '-addext', f'subjectAltName={names}', '-keyout', f'{path}.key',
                         '-out', f'{path}.crt'])
    os.chmod(f'{path}.key', 0o644)
    return f'{path}.crt', f'{path}.key'


def add_account(lab, account, password):
    """One that may log in on the lab's server, and nowhere else; its home is lab.dir."""
    crypted = made('openssl passwd', ['openssl', 'passwd', '-6', password]).strip()
    for path, line in (('/etc/passwd', f'{account}:x:7701:100::{lab.dir}:/bin/sh'),
                       ('/etc/shadow', f'{account}:{crypted}:19000:0:99999:7:::')):
        with open(path, encoding='utf-8') as machines:
            lab.own_file('server', path, machines.read() + line + '\n')


def start_all(lab, big_file_megabytes=0):
    """Returns when all three listen. The web root is lab.dir/www; big.bin in it is random."""
    start_web(lab, big_file_megabytes)
    start_dns(lab)
    start_ssh(lab)
    wait_for(lambda: lab.listening('server', 80) and lab.listening('server', 53, udp=True)
             and lab.listening('server', 22), 20, 'nginx, dnsmasq and sshd to listen')


def start_web(lab, big_file_megabytes=0, more=''):
    """`more`: lines of nginx.conf inside of http {}."""
    www = lab.dir / 'www'
    www.mkdir()
    (www / 'index.html').write_text('<h1>An ordinary page</h1>\n' + '<p>with ordinary words</p>\n' * 40)
    if big_file_megabytes:
        with open(www / 'big.bin', 'wb') as out:
            for _ in range(big_file_megabytes):
                out.write(os.urandom(1 << 20))
    temporary = ''.join(f'{kind}_temp_path {lab.dir}/nginx-{kind};\n'
                        for kind in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
    config = lab.dir / 'nginx.conf'
    config.write_text(f'''daemon off; user root; worker_processes 1; pid {lab.dir}/nginx.pid;
error_log {lab.dir}/nginx-error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; {temporary}
  server {{ listen {SERVER4}:80 backlog=1024; listen [{SERVER6}]:80; root {www}; }}
{more}}}
''')
    lab.start('server', ['/usr/sbin/nginx', '-c', config], name='nginx')


def start_dns(lab, more=''):
    """`more`: lines of dnsmasq.conf."""
    config = lab.dir / 'dnsmasq.conf'
    config.write_text(f'''no-resolv
no-hosts
bind-interfaces
listen-address={SERVER4},{SERVER6}
address=/{DNS_NAME}/{SERVER4}
address=/{DNS_NAME}/{SERVER6}
user=root
pid-file={lab.dir}/dnsmasq.pid
{more}''')
    lab.start('server', ['/usr/sbin/dnsmasq', '--keep-in-foreground', f'--conf-file={config}'], name='dnsmasq')


def start_ssh(lab, passwords=False):
    """`passwords`: sshd asks the server's /etc/shadow, which the test has covered with its own."""
    for key in ('host', 'user'):
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(lab.dir / f'{key}_key')],
                       check=True, stdin=subprocess.DEVNULL)
    (lab.dir / 'authorized_keys').write_text((lab.dir / 'user_key.pub').read_text())
    # sshd wants this folder to exist; a package's boot script makes it where sshd was ever started
    if not os.path.isdir('/run/sshd'):
        os.mkdir('/run/sshd', 0o755)
        lab.on_exit.append(lambda: os.rmdir('/run/sshd'))
    # without PAM sshd refuses accounts whose password is locked, as root's often is
    with open('/etc/shadow', encoding='utf-8') as shadow:
        locked = any(line.startswith('root:!') for line in shadow)
    config = lab.dir / 'sshd_config'
    config.write_text(f'''Port 22
ListenAddress {SERVER4}
ListenAddress {SERVER6}
HostKey {lab.dir}/host_key
AuthorizedKeysFile {lab.dir}/authorized_keys
PidFile none
StrictModes no
UsePAM {'yes' if locked and not passwords else 'no'}
PasswordAuthentication {'yes' if passwords else 'no'}
PermitRootLogin prohibit-password
UseDNS no
MaxStartups 200
''')
    lab.start('server', ['/usr/sbin/sshd', '-D', '-e', '-f', config], name='sshd')


def ssh_words(lab, *remote):
    """The ssh client's command line for the lab's server."""
    return ['ssh', '-F', 'none', '-i', lab.dir / 'user_key', '-o', 'StrictHostKeyChecking=no', '-o', 'LogLevel=ERROR',
            '-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=5', f'root@{SERVER4}',
            *remote]
