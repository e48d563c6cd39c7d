# SPDX-License-Identifier: Apache-2.0
"""A lab in network namespaces: hosts, a wire, and room for the appliance in the middle. Nothing leaves the machine.

    client  c0 10.77.0.1 --+                          +-- s0 10.77.0.2  server
                           | switch -- d0  weir  d1 --+
    attacker a0 10.77.0.66-+   (without an attacker: c0 -- d0, so that nothing eats L2 control frames)

Used by quickstart and by the system tests. Every name carries this process's id; leaving the `with` block, by an
exception or by SIGTERM as well, ends every process that was started, then deletes the namespaces and the files.
Every wait is bounded. Standard library only; needs root, iproute2 and ethtool."""
import contextlib
import ctypes
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLIENT4, ATTACKER4, SERVER4 = '10.77.0.1', '10.77.0.66', '10.77.0.2'
CLIENT6, ATTACKER6, SERVER6 = 'fd77::1', 'fd77::66', 'fd77::2'
ADDRESSES = {'client': ('c0', CLIENT4, CLIENT6, '02:77:00:00:00:01'),
             'attacker': ('a0', ATTACKER4, ATTACKER6, '02:77:00:00:00:66'),
             'server': ('s0', SERVER4, SERVER6, '02:77:00:00:00:02')}
OFFLOADS = ('tx', 'rx', 'tso', 'gso', 'gro', 'sg', 'rxvlan', 'txvlan')
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SKIP = 77
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something of the lab (not of the appliance under test) does not work; the message is for the reader."""


def skip(reason):
    print(reason)
    sys.exit(SKIP)


def why_not_here():
    """One sentence why no lab can be made on this machine, or None."""
    if os.geteuid() != 0:
        return 'needs root for network namespaces'
    name = f'weir-{os.getpid()}-probe'
    made = subprocess.run(['ip', 'netns', 'add', name], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        return f'network namespaces do not work here: {made.stderr.strip()}'
    subprocess.run(['ip', 'netns', 'del', name], check=False)
    return None


def wait_for(probe, seconds, what, every=0.05):
    """Polls until probe() is true and returns what it gave; LabError after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f'waited {seconds} s in vain for {what}')
        time.sleep(every)


def die_with_parent(how=signal.SIGKILL):
    return lambda: _libc.prctl(PR_SET_PDEATHSIG, int(how))


class Lab:
    def __init__(self, attacker=False, mtu=1500):
        self.mtu = mtu
        self.hosts = ['client', 'server'] + (['attacker'] if attacker else [])
        self.prefix = f'weir-{os.getpid()}'
        self.spaces = []
        self.processes = []      # (name, Popen), in the order started
        self.on_exit = []        # called first to last before the processes are ended
        self.own_files = {}      # host: {machine's path: path of the host's own}
        self.dir = None

    # ---- coming and going

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda n, _frame: sys.exit(128 + n))
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='weir-lab-'))
        self.dir.chmod(0o755)    # the unprivileged part of the appliance lives in here as well
        try:
            self._remove_leftovers()
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, error, trace):
        self.close()

    def close(self):
        """Ends and removes everything; what fails here is told, and does not keep the rest from going."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for action in self.on_exit:
            try:
                action()
            except Exception as error:  # pylint: disable=broad-except
                print(f'lab: while closing: {error}', file=sys.stderr)
        for _name, process in reversed(self.processes):
            stop(process)
        for space in self.spaces:
            self._end_processes_of(space)
            subprocess.run(['ip', 'netns', 'del', space], capture_output=True, check=False)
        if self.dir and not os.environ.get('WEIR_LAB_KEEP'):
            shutil.rmtree(self.dir, ignore_errors=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    @staticmethod
    def _end_processes_of(space):
        for how, seconds in ((signal.SIGTERM, 2), (signal.SIGKILL, 2)):
            for _ in range(int(seconds / 0.05)):
                pids = subprocess.run(['ip', 'netns', 'pids', space], capture_output=True, text=True,
                                      check=False).stdout.split()
                if not pids:
                    return
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), how)
                time.sleep(0.05)

    @staticmethod
    def _remove_leftovers():
        """Namespaces of labs whose process was killed before it could tidy up, if nothing runs in them any more."""
        listing = subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True, check=False).stdout
        for name, pid in re.findall(r'^(weir-(\d+)-\w+)', listing, re.M):
            if not os.path.exists(f'/proc/{pid}'):
                busy = subprocess.run(['ip', 'netns', 'pids', name], capture_output=True, text=True, check=False)
                if not busy.stdout.split():
                    subprocess.run(['ip', 'netns', 'del', name], capture_output=True, check=False)

    # ---- the topology

    def space(self, host):
        return f'{self.prefix}-{host}'

    def _ip(self, *words):
        done = subprocess.run(['ip', *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f'ip {" ".join(words)}: {done.stderr.strip()}')

    def _sysctl(self, host, *settings):
        subprocess.run(['ip', 'netns', 'exec', self.space(host), 'sysctl', '-qw', *settings],
                       capture_output=True, check=False)

    def _build(self):
        bridged = 'attacker' in self.hosts
        for host in self.hosts + ['dut'] + (['switch'] if bridged else []):
            self._ip('netns', 'add', self.space(host))
            self.spaces.append(self.space(host))
            self._sysctl(host, 'net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0',
                         'net.ipv6.conf.all.accept_ra=0', 'net.ipv4.ping_group_range=0 2147483647')
            self._ip('-n', self.space(host), 'link', 'set', 'lo', 'up')
        if bridged:
            self._ip('-n', self.space('switch'), 'link', 'add', 'br0', 'type', 'bridge')
            for host, port in (('client', 'p0'), ('attacker', 'p1')):
                self._cable(host, ADDRESSES[host][0], 'switch', port)
            self._cable('switch', 'p2', 'dut', 'd0')
            for port in ('p0', 'p1', 'p2'):
                self._mute('switch', port, 'master', 'br0')
            self._mute('switch', 'br0')
        else:
            self._cable('client', 'c0', 'dut', 'd0')
        self._cable('server', 's0', 'dut', 'd1')
        for port in ('d0', 'd1'):
            self._mute('dut', port, 'arp', 'off', 'promisc', 'on')
        for host in self.hosts:
            self._address(host)

    def _cable(self, host, port, other, other_port):
        mtu = str(self.mtu)
        self._ip('-n', self.space(host), 'link', 'add', port, 'mtu', mtu, 'type', 'veth',
                 'peer', 'name', other_port, 'netns', self.space(other), 'mtu', mtu)
        for end, name in ((host, port), (other, other_port)):
            if end != 'dut':
                self._plain(end, name)

    def cut_cable(self, host, port):
        """The interface goes, and its other end with it."""
        self._ip('-n', self.space(host), 'link', 'del', port)

    def make_cable(self, host, port, dut_port):
        """As it was at first: that host's interface with its addresses, and its other end at the appliance."""
        self._cable(host, port, 'dut', dut_port)
        self._mute('dut', dut_port, 'arp', 'off', 'promisc', 'on')
        self._address(host)

    def _address(self, host):
        port, v4, v6, mac = ADDRESSES[host]
        space = self.space(host)
        self._ip('-n', space, 'link', 'set', port, 'address', mac)
        self._ip('-n', space, 'addr', 'add', f'{v4}/24', 'dev', port)
        self._ip('-n', space, 'addr', 'add', f'{v6}/64', 'dev', port, 'nodad')
        self._ip('-n', space, 'link', 'set', port, 'up')

    def _plain(self, host, port):
        """Frames as on a real cable: complete checksums, no super-frames, tags inside."""
        for offload in OFFLOADS:
            subprocess.run(['ip', 'netns', 'exec', self.space(host), 'ethtool', '-K', port, offload, 'off'],
                           capture_output=True, check=False)

    def _mute(self, host, port, *more):
        self._sysctl(host, f'net.ipv6.conf.{port}.disable_ipv6=1')
        self._ip('-n', self.space(host), 'link', 'set', port, *more, 'up')

    def spare_port(self, host, port):
        """One more interface of that host, mute and without addresses, whose other end is nowhere else."""
        self._ip('-n', self.space(host), 'link', 'add', port, 'type', 'veth', 'peer', 'name', port + 'x')
        self._mute(host, port)
        self._mute(host, port + 'x')

    @contextlib.contextmanager
    def inside(self, host):
        """This thread's new sockets belong to that host. Sockets stay there afterwards."""
        home = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
        away = os.open(f'/run/netns/{self.space(host)}', os.O_RDONLY)
        try:
            if _libc.setns(away, CLONE_NEWNET):
                raise LabError(f'setns: {os.strerror(ctypes.get_errno())}')
            yield
        finally:
            _libc.setns(home, CLONE_NEWNET)
            os.close(home)
            os.close(away)

    # ---- processes

    def own_file(self, host, path, text):
        """From now on that host's processes see this text at that path (/etc/hosts, say); nobody else does."""
        if not os.path.isfile(path):
            raise LabError(f'{path} is not there to be covered')
        mine = self.dir / f'{host}{path.replace("/", "-")}'
        mine.write_text(text)
        mine.chmod(os.stat(path).st_mode & 0o777)
        self.own_files.setdefault(host, {})[path] = mine

    def command(self, host, words):
        # ip netns exec gives each process a mount namespace of its own
        covers = ''.join(f'mount --bind {shlex.quote(str(mine))} {shlex.quote(path)} && '
                         for path, mine in self.own_files.get(host, {}).items())
        within = ['sh', '-c', f'{covers}exec "$@"', 'sh'] if covers else []
        return ['ip', 'netns', 'exec', self.space(host), *within, *map(str, words)]

    def run(self, host, words, timeout=30, **kwargs):
        """Runs to the end; CompletedProcess with text output. A timeout is exit code 124, not an exception."""
        kwargs = {'capture_output': True, 'text': True, 'stdin': subprocess.DEVNULL, **kwargs}
        try:
            return subprocess.run(self.command(host, words), timeout=timeout, check=False, **kwargs)
        except subprocess.TimeoutExpired as late:
            text = lambda b: b.decode(errors='replace') if isinstance(b, bytes) else b or ''
            return subprocess.CompletedProcess(words, 124, text(late.stdout), text(late.stderr))

    def start(self, host, words, name=None, stdout=None, stop_by=signal.SIGTERM, **kwargs):
        """Starts in the background; output goes to <dir>/<name>.log unless stdout says otherwise."""
        name = name or os.path.basename(str(words[0]))
        with open(self.dir / f'{name}.log', 'ab') as log:
            process = subprocess.Popen(self.command(host, words), stdin=subprocess.DEVNULL,
                                       stdout=log if stdout is None else stdout, stderr=log,
                                       preexec_fn=die_with_parent(stop_by), **kwargs)
        self.processes.append((name, process))
        return process

    def listening(self, host, port, udp=False):
        out = self.run(host, ['ss', '-Hlnu' if udp else '-Hlnt'], timeout=5).stdout
        return any(re.search(rf':{port}$', line.split()[3]) for line in out.splitlines() if len(line.split()) > 3)


def stop(process, seconds=5):
    """Asks, then insists."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)
    return process.returncode
