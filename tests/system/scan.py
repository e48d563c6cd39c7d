#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A port scan is found within its first ten failed probes and stopped; who else lives on the segment loses nothing."""
import json
import subprocess
import time

from case import PROJECT, check, wire
import frames
import services
from lab import ATTACKER4, CLIENT4, SERVER4, wait_for

PROBES = 1000

with wire(attacker=True) as (lab, weir):
    client = lab.start('client', [PROJECT / 'appliance/lab/ordinary.py', SERVER4, services.DNS_NAME, '--pause', '0.02'],
                       name='ordinary', stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    capture = frames.Capture(lab, 'server', 's0', frames.tcp_syns_from(ATTACKER4))
    begin = time.monotonic()
    scan = lab.run('attacker', ['nmap', '-sS', '-Pn', '-n', '--max-retries', '2', '-p', f'1-{PROBES}', SERVER4],
                   timeout=120)
    print(f'nmap took {time.monotonic() - begin:.1f} s')
    check(scan.returncode == 0, 'nmap ran')
    alerts = wait_for(lambda: [a for a in weir.alerts(kind='scan') if ATTACKER4 in (a['device'], a['src_ip'])], 5,
                      'an alert of kind scan for the attacker')
    time.sleep(1)
    reached = len(capture.stop())
    check(reached < 0.03 * PROBES, f'{reached} of {PROBES} probes reached the server (less than 3 %)')

    alert = alerts[-1]
    print(json.dumps(alert, indent=1))
    failed = next((r['observed'] for r in alert['reasons'] if 'fail' in r['what']), None)
    check(failed is not None and float(str(failed).split()[0]) <= 10, f'found after {failed} failed probes (<= 10)')
    check(alert['enforced'] and alert['time_to_block_us'] > 0,
          f'time to block: {alert["time_to_block_us"]} us, {alert["leaked_packets"]} packets leaked')
    check(alert['packet_in'] <= alert['decided'] <= alert['enforced'], 'packet in, decided, enforced: in this order')
    standing = [a for a in weir.actions() if a['state'] == 'standing' and ATTACKER4 in json.dumps(a)]
    check(standing and standing[0]['packets'] > 0, f'weir actions shows the verdict and its hits: {standing[:1]}')
    why = weir.ask('why', alert['id'])
    check(why.returncode == 0 and ATTACKER4 in why.stdout, 'weir why explains it')
    check(not [a for a in weir.alerts() if a['kind'] == 'scan' and CLIENT4 in (a['device'], a['src_ip'])],
          'the client is not taken for a scanner')
    check(lab.run('attacker', ['curl', '-s', '--max-time', '2', f'http://{SERVER4}/']).returncode != 0,
          'the attacker gets nothing more')

    client.terminate()
    lines, _ = client.communicate(timeout=20)
    totals = json.loads(lines.splitlines()[-1])
    for tool, (asked, lost) in totals.items():
        check(asked > 20 and lost == 0, f'ordinary client: {asked} by {tool}, {lost} lost')
    weir.assert_accounting()
    check('verdict-drop' in weir.status()['total']['dropped'], 'and the drops are counted as verdict-drop')
