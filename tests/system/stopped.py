# SPDX-License-Identifier: Apache-2.0
"""One worker of the data plane stopped, the rest of it going on: by ptrace, the one way to stop a single thread."""
import contextlib
import ctypes
import os

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def worker_thread(pid, worker):
    """The thread of that worker; DPDK numbers it from one."""
    for tid in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{tid}/comm', encoding='ascii') as comm:
            if comm.read().strip().endswith(f'worker-{worker + 1}'):
                return int(tid)
    raise AssertionError(f'process {pid} has no worker {worker}')


class Stopped:
    """To be used from one thread."""

    def __init__(self, weir, worker):
        self.thread = worker_thread(weir.status()['dataplane']['pid'], worker)
        self.stands = False

    def stop(self):
        for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            if libc.ptrace(request, self.thread, None, None):
                raise OSError(ctypes.get_errno(), 'ptrace')
        os.waitpid(self.thread, WALL)
        self.stands = True

    def go_on(self):
        if self.stands:
            libc.ptrace(PTRACE_DETACH, self.thread, None, None)
        self.stands = False

    def let_die(self):
        """The process was ended meanwhile: that its thread has gone is ours to see, else it stays."""
        self.go_on()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(self.thread, WALL)[0] and os.path.exists(f'/proc/{self.thread}'):
                pass

    def __enter__(self):
        self.stop()
        return self

    def __exit__(self, *_error):
        self.go_on()
