#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`weir why` names what touched a device or a flow: scan and block, the operator's order, a rule; and says so where
nothing did."""
import json
import time

from case import check, wire
from lab import ATTACKER4, CLIENT4, SERVER4, wait_for
from verdict_orders import order

RULES = 'drop tcp any any -> any 80 (msg:"evil words"; content:"evil-word"; sid:4711; rev:3;)\n'


def why(weir, about, touched=True):
    done = weir.ask('why', about, '--json')
    check(done.returncode == (0 if touched else 1), f'weir why {about}: exit code {done.returncode} {done.stderr}')
    return json.loads(done.stdout)


def page(lab, host, path):
    return lab.run(host, ['curl', '-s', '-o', '/dev/null', '--max-time', '2', f'http://{SERVER4}/{path}']).returncode


with wire(attacker=True, rules=RULES, respond={'never_touch': [CLIENT4]}) as (lab_, weir_):
    check(page(lab_, 'client', '') == 0, 'an ordinary page')
    nothing = why(weir_, CLIENT4, touched=False)
    check(nothing['device']['address'] == CLIENT4 and not nothing['touched'], 'the client is known, and untouched')
    check('nothing touched it' in weir_.ask('why', CLIENT4).stdout, 'and that is what people read')
    flow = next(f for f in weir_.json('flows') if f['dest_ip'] == SERVER4 and f.get('dest_port') == 80)
    check(not why(weir_, f'flow:{flow["flow_id"]}', touched=False)['drops'], 'so is its flow, by number')
    ends = f'{CLIENT4}:{flow["src_port"]}->{SERVER4}:80'
    check(why(weir_, ends, touched=False)['flow']['flow_id'] == flow['flow_id'], f'and by its ends, {ends}')
    check(why(weir_, f'{CLIENT4} -> {SERVER4}', touched=False)['flow'], 'ports may be left out')
    unknown = weir_.ask('why', '10.77.9.9')
    check(unknown.returncode == 1 and 'nothing is known' in unknown.stderr, unknown.stderr.strip())

    # A rule.
    check(page(lab_, 'client', 'evil-word') == 28, 'a rule drops')
    wait_for(lambda: weir_.alerts(kind='rule'), 5, 'its alert')
    told = why(weir_, CLIENT4)
    check(any(d.get('rule_sid') == 4711 and d['msg'] == 'evil words' and d['reason'] == 'rule-drop'
              for d in told['drops']), f'the rule, by sid and msg: {told["drops"]}')
    check([a['signature_id'] for a in told['alerts']] == [4711], 'and its alert')
    blocked = f'{CLIENT4}:{weir_.alerts(kind="rule")[0]["src_port"]}->{SERVER4}:80'
    told = why(weir_, blocked)
    check(told['drops'][0]['rule_sid'] == 4711 and told['drops'][0]['packets_told'] >= 1, f'the flow itself: {blocked}')
    check('rule 4711 "evil words"' in weir_.ask('why', blocked).stdout, 'in words')

    # The operator's order, by exact packets.
    before = weir_.status()['total']['dropped'].get('verdict-drop', 0)
    action = order(weir_, 'block', ATTACKER4, '--for', '1h', '--reason', 'ticket 4711')
    lab_.run('attacker', ['ping', '-q', '-n', '-c', '7', '-i', '0.05', '-W', '1', SERVER4], timeout=10)
    lost = lambda: weir_.status()['total']['dropped'].get('verdict-drop', 0) - before
    time.sleep(1.5)   # counters of verdicts come once a second
    told = wait_for(lambda: (w := why(weir_, ATTACKER4))['actions'][0]['packets'] == lost() >= 7 and w, 5,
                    'the action to have counted')
    check(str(told['actions'][0]['id']) == action and told['actions'][0]['reason'] == 'ticket 4711',
          f'the order and its {told["actions"][0]["packets"]} packets, exactly')
    check(any(str(d.get('action_id')) == action and d['reason'] == 'verdict-drop' for d in told['drops']),
          'what it dropped is put down to it')
    mac = told['device']['mac']
    check(mac == '02:77:00:00:00:66' and why(weir_, mac)['actions'][0]['id'] == int(action), f'by MAC: {mac}')
    weir_.ask('undo', action)

    # A scan and the verdict it led to.
    lab_.run('attacker', ['nmap', '-sS', '-Pn', '-n', '-T4', '--max-retries', '0', '-p', '1-300', SERVER4], timeout=60)
    wait_for(lambda: weir_.alerts(kind='scan'), 10, 'the scan alert')
    time.sleep(1.5)
    told = why(weir_, ATTACKER4)
    scans = [a for a in told['alerts'] if a['kind'] == 'scan']
    models = [a for a in told['actions'] if a['origin'] == 'model']
    undone = [a for a in told['actions'] if str(a['id']) == action]
    check(scans and scans[0]['score'] > 0 and scans[0]['reasons'], 'the scan, its score and reasons')
    check(models and models[0]['alert_id'] == scans[0]['id'] and models[0]['packets'] > 0,
          f'the verdict it led to, {models[0]["packets"]} packets stopped, {models[0]["leaked_packets"]} leaked')
    check(undone and undone[0]['state'] == 'undone', 'and the one that was taken back')
    check(weir_.alerts(kind='scan')[0]['leaked_packets'] == models[0]['leaked_packets'], 'the same leak everywhere')
