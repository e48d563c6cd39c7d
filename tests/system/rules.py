#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rules on live traffic: alert, drop, reject, pass, ratelimit; reload; and a bad rule that changes nothing."""
import re
import time

from case import check, wire
from lab import ATTACKER4, SERVER4, wait_for

RULES = f'''alert tcp any any -> any 80 (msg:"told"; content:"told-word"; sid:1; rev:1;)
drop tcp any any -> any 80 (msg:"dropped"; content:"evil-word"; sid:2; rev:1;)
reject tcp any any -> any 80 (msg:"rejected"; content:"rude-word"; sid:3; rev:1;)
pass tcp {ATTACKER4} any -> any 80 (msg:"may"; content:"evil-word"; sid:4; rev:1;)
'''


def page(lab, host, path, seconds=2):
    """(curl's exit code, seconds): 0 or 22 an answer came, 28 none came in time, 56 the connection was reset."""
    begin = time.monotonic()
    done = lab.run(host, ['curl', '-s', '-o', '/dev/null', '--max-time', seconds, f'http://{SERVER4}/{path}'])
    return done.returncode, time.monotonic() - begin


def alerts_of(weir, sid):
    return [r for r in weir.eve('alert') if r['alert']['signature_id'] == sid]


with wire(attacker=True, rules=RULES) as (lab_, weir_):
    check(page(lab_, 'client', '')[0] == 0, 'an ordinary page')
    check(page(lab_, 'client', 'told-word')[0] == 0, 'alert: the page comes')
    check(page(lab_, 'client', 'evil-word')[0] == 28, 'drop: nothing comes')
    code, seconds = page(lab_, 'client', 'rude-word', 10)
    check(code == 56 and seconds < 2, f'reject: the connection is reset at once ({seconds:.2f} s)')
    check(page(lab_, 'attacker', 'evil-word')[0] == 0, 'pass beats drop, for whom it is for')
    wait_for(lambda: all(alerts_of(weir_, sid) for sid in (1, 2, 3)), 5, 'the alerts in eve.json')
    for sid, action in ((1, 'allowed'), (2, 'blocked'), (3, 'blocked')):
        check(alerts_of(weir_, sid)[0]['alert']['action'] == action, f'eve.json: rule {sid} is {action}')
    hits = {rule['sid']: rule['hits'] for rule in weir_.json('rules')}
    check(set(hits) == {1, 2, 3, 4} and all(hits[sid] for sid in (1, 2, 3)), f'weir rules counts the hits: {hits}')
    dropped = weir_.status()['total']['dropped']
    check(dropped.get('rule-drop', 0) > 0 and dropped.get('rule-reject', 0) > 0, f'counted by reason: {dropped}')

    weir_.rules.write_text(RULES + 'drop tcp any any -> any 80 (msg:"new"; content:"new-word"; sid:5; rev:1;)\n')
    check(page(lab_, 'client', 'new-word')[0] == 0, 'a rule that is only in the file does nothing yet')
    done = weir_.ask('rules', 'reload')
    check(done.returncode == 0, f'weir rules reload: {done.stdout.strip()}{done.stderr.strip()}')
    check(page(lab_, 'client', 'new-word')[0] == 28, 'after reload it is in force')
    generation = weir_.status()['rules']['generation']

    weir_.rules.write_text('drop tcp any any -> any 80 (msg:"ok"; sid:6;)\n'
                           'drop tcp any any - any 80 (msg:"x"; sid:7;)\n')
    done = weir_.ask('rules', 'reload')
    said = (done.stderr + done.stdout).strip()
    placed = re.search(r'lab\.rules:2:\d+', said)
    check(done.returncode == 1 and placed, f'a bad rule is refused with its place: {said}')
    check(page(lab_, 'client', 'new-word')[0] == 28 and page(lab_, 'client', '')[0] == 0, 'and the old ones stay')
    check(weir_.status()['rules']['generation'] == generation, 'no new generation')

    weir_.rules.write_text(f'ratelimit icmp any any -> {SERVER4} any (msg:"slowly"; rate:10pps; sid:8; rev:1;)\n')
    check(weir_.ask('rules', 'reload').returncode == 0, 'reload to a rate limit')
    out = lab_.run('client', ['ping', '-q', '-c', '200', '-i', '0.01', '-W', '1', SERVER4], timeout=30).stdout
    got = int(re.search(r'(\d+) received', out).group(1))
    check(5 <= got <= 60, f'ratelimit: {got} of 200 pings in 2 s answered')
    check(page(lab_, 'client', 'evil-word')[0] == 0, 'and what is no longer in the file is no longer done')
