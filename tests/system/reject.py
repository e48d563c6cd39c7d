#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is rejected fails at once, in the words of real kernels: new connections and established ones, TCP and UDP, over
IPv4 and IPv6, for the one who asks and for the one who serves."""
import json

from case import check, wire
from lab import ATTACKER4, ATTACKER6, SERVER4, SERVER6, wait_for
from verdict_orders import order

# Tells how a connect, or a datagram, ended: errno's name and after how many milliseconds.
TRY = '''
import errno, json, socket, sys, time
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET,
                  socket.SOCK_STREAM if kind == 'tcp' else socket.SOCK_DGRAM)
s.settimeout(4)
begin, ended = time.monotonic(), 'ok'
try:
    s.connect((host, port))
    if kind == 'udp':
        s.send(b'anybody there')
        s.recv(100)
except TimeoutError:
    ended = 'timeout'
except OSError as error:
    ended = errno.errorcode.get(error.errno, str(error.errno))
print(json.dumps([ended, round((time.monotonic() - begin) * 1000)]))
'''
# Holds a connection and says one word ten times a second; tells how it ended.
HOLD = '''
import errno, socket, sys, time
host, talks = sys.argv[1], sys.argv[2] == 'talks'
s = socket.create_connection((host, 7), 4)
s.settimeout(20)
s.sendall(b'hello')
s.recv(100)
print('held', flush=True)
try:
    while True:
        if talks:
            time.sleep(0.1)
            s.sendall(b'word')
        if not s.recv(100):
            print('closed', flush=True)
            break
except TimeoutError:
    print('timeout', flush=True)
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
'''
# Echoes; with 'talks' it also says a word ten times a second, so that the other may be silent.
SERVE = '''
import errno, socket, sys, threading, time
talks = sys.argv[2] == 'talks'
def serve(s):
    try:
        s.sendall(s.recv(100))
        while True:
            if talks:
                time.sleep(0.1)
                s.sendall(b'word')
            else:
                got = s.recv(100)
                if not got:
                    break
                s.sendall(got)
    except OSError as error:
        print('server', errno.errorcode.get(error.errno, 'timeout'), flush=True)
listener = socket.create_server((sys.argv[1], 7), family=socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET)
print('listens', flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
'''


def attempt(lab, host, kind, to, port):
    out = lab.run(host, ['/usr/bin/python3', '-c', TRY, kind, to, port], timeout=10).stdout
    return tuple(json.loads(out))


def established(lab, weir, server, attacker, client_talks):
    """One side talks, the other listens; after the order both learn at once that it is over."""
    who = f'{"6" if ":" in server else "4"}-{"client" if client_talks else "server"}'
    listening = lab.start('server', ['/usr/bin/python3', '-c', SERVE, server, 'echoes' if client_talks else 'talks'],
                          name=f'serve-{who}')
    served, held = lab.dir / f'serve-{who}.log', lab.dir / f'hold-{who}.log'
    wait_for(lambda: 'listens' in served.read_text(), 5, 'the server to listen')
    lab.start('attacker', ['/usr/bin/python3', '-c', HOLD, server, 'talks' if client_talks else 'listens'],
              name=f'hold-{who}')
    wait_for(lambda: 'held' in held.read_text(), 5, 'an established connection')
    action = order(weir, 'block', attacker, '--to', server, '--port', '7', '--proto', 'tcp', '--reject', '--for', '1h')
    wait_for(lambda: len(held.read_text().split()) > 1 and 'server' in served.read_text(), 3,
             f'both ends to learn of it; {held.read_text()!r} {served.read_text()!r}')
    check(held.read_text().split()[1] in ('ECONNRESET', 'EPIPE'),
          f'IPv{who} talks: the connection of the rejected one is reset: {held.read_text().split()}')
    check('server ECONNRESET' in served.read_text() or 'server EPIPE' in served.read_text(),
          f'IPv{who} talks: and the server is told: {served.read_text().split()}')
    weir.ask('undo', action)
    listening.kill()
    listening.wait()


with wire(attacker=True) as (lab_, weir_):
    for server_, attacker_ in ((SERVER4, ATTACKER4), (SERVER6, ATTACKER6)):
        ip = 'IPv6' if ':' in server_ else 'IPv4'
        check(attempt(lab_, 'attacker', 'tcp', server_, 80)[0] == 'ok', f'{ip}: before, the port is open')
        tcp = order(weir_, 'block', attacker_, '--to', server_, '--port', '80', '--proto', 'tcp', '--reject')
        ended, ms = attempt(lab_, 'attacker', 'tcp', server_, 80)
        check(ended == 'ECONNREFUSED' and ms < 500, f'{ip}: connect() is refused at once: {ended} after {ms} ms')
        udp = order(weir_, 'block', attacker_, '--to', server_, '--port', '53', '--proto', 'udp', '--reject')
        ended, ms = attempt(lab_, 'attacker', 'udp', server_, 53)
        check(ended == 'ECONNREFUSED' and ms < 500, f'{ip}: a UDP sender is refused at once: {ended} after {ms} ms')
        check(attempt(lab_, 'client', 'tcp', server_, 80)[0] == 'ok', f'{ip}: others are not')
        weir_.ask('undo', tcp)
        weir_.ask('undo', udp)
        check(attempt(lab_, 'attacker', 'tcp', server_, 80)[0] == 'ok', f'{ip}: undone, the port is open again')
        for talks in (True, False):
            established(lab_, weir_, server_, attacker_, talks)
    check(weir_.status()['total']['dropped'].get('verdict-reject', 0) > 0, 'counted as verdict-reject')
