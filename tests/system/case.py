# SPDX-License-Identifier: Apache-2.0
"""What every system test begins and ends with: a lab, the appliance in its wire, checks that are counted, and at the
end the accounting of each wire. Exit code 77 where no lab can be made."""
import contextlib
import faulthandler
import pathlib
import re
import signal
import subprocess
import sys
import traceback

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(PROJECT / 'appliance' / 'lab'), str(PROJECT / 'tests' / 'support')]

import lab as labs            # noqa: E402
import services               # noqa: E402
from appliance import Appliance, program  # noqa: E402

failures = []


def check(good, what):
    """Says what was looked at and how it came out; a failure is remembered and does not stop the test."""
    print(f'{"ok    " if good else "FAILED"} {what}', flush=True)
    if not good:
        failures.append(what)
    return good


def finish():
    if failures:
        print(f'{len(failures)} of the checks failed')
        sys.exit(1)
    print('all checks hold')


@contextlib.contextmanager
def wire(attacker=False, serve=True, mtu=1500, big_file_megabytes=0, start=True, seconds=240, **config):
    """Gives (lab, weir) with the wire forwarding; closes everything, checks the accounting, ends the test."""
    reason = labs.why_not_here()
    if reason:
        labs.skip(reason)
    if not program().exists():
        sys.exit(f'there is no {program()}: build it, or say in WEIR_PROGRAMS where it is')
    faulthandler.dump_traceback_later(seconds, exit=True)   # a test that hangs says where
    try:
        with labs.Lab(attacker=attacker, mtu=mtu) as lab:
            weir = Appliance(lab, **config)
            try:
                if start:
                    begin(lab, weir, serve, big_file_megabytes)
                yield lab, weir
                if weir.process and weir.process.poll() is None:
                    status = weir.assert_accounting()
                    total = status['total']
                    check(True, f'accounting: received {total["received"]} = sent {total["sent"]} + '
                                f'dropped {total["dropped"]} + held {total["held"]}')
                    check(weir.stop() == 0, 'weir run ends with 0 on SIGTERM')
            except BaseException:
                print(f'---- weir said\n{weir.said()}', flush=True)
                raise
    except (AssertionError, labs.LabError) as error:
        traceback.print_exc()
        check(False, str(error))
    faulthandler.cancel_dump_traceback_later()
    finish()


def start_ping(lab, host, every):
    """Pings the server until end_ping; says nothing meanwhile."""
    return lab.start(host, ['ping', '-q', '-n', '-i', every, labs.SERVER4], name=f'ping-{host}',
                     stdout=subprocess.PIPE, text=True)


def end_ping(process):
    """(sent, answered, what ping said); the last one may still be on its way."""
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    sent, answered = map(int, re.search(r'(\d+) packets transmitted, (\d+) received', out).groups())
    return sent, answered, out


def start_transfer(lab, rate):
    """A TCP transfer from the client to the server, until it is stopped."""
    lab.start('server', ['iperf3', '-s'], name='iperf3-server')
    labs.wait_for(lambda: lab.listening('server', 5201), 10, 'iperf3 to listen')
    return lab.start('client', ['iperf3', '-c', labs.SERVER4, '-t', '600', '-b', rate], name='iperf3',
                     stdout=subprocess.DEVNULL)


def begin(lab, weir, serve=True, big_file_megabytes=0):
    if serve:
        services.start_all(lab, big_file_megabytes)
    weir.start()
    labs.wait_for(lambda: lab.run('client', ['ping', '-c', '1', '-W', '1', labs.SERVER4], timeout=3).returncode == 0,
                  20, 'the first ping through the wire')
