#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A port scan is found within its first ten failed probes and stopped; who else lives on the segment loses nothing."""
import json
import re
import time

from case import check, wire
from client import Ordinary
import frames
from lab import ATTACKER4, CLIENT4, SERVER4, wait_for

PROBES = 1000

with wire(attacker=True) as (lab, weir):
    client = Ordinary(lab, pause=0.02)
    wait_for(lambda: client.counts()['curl'][0] >= 5, 30, 'ordinary traffic')
    capture = frames.Capture(lab, 'server', 's0', frames.tcp_syns_from(ATTACKER4))
    begin = time.monotonic()
    scan = lab.run('attacker', ['nmap', '-sS', '-Pn', '-n', '--max-retries', '1', '--min-rate', '300',
                                '-p', f'1-{PROBES}', SERVER4], timeout=120)
    print(f'nmap took {time.monotonic() - begin:.1f} s')
    check(scan.returncode == 0, 'nmap ran')
    alerts = wait_for(lambda: [a for a in weir.alerts(kind='scan') if ATTACKER4 in (a['device'], a['src_ip'])], 5,
                      'an alert of kind scan for the attacker')
    time.sleep(1)
    reached = len(capture.stop())
    check(reached < 0.03 * PROBES, f'{reached} of {PROBES} probes reached the server (less than 3 %)')

    alert = alerts[-1]
    print(json.dumps(alert, indent=1))
    check(alert['enforced'] and alert['time_to_block_us'] > 0,
          f'time to block: {alert["time_to_block_us"]} us, {alert["leaked_packets"]} packets leaked')
    check(alert['packet_in'] <= alert['decided'] <= alert['enforced'], 'packet in, decided, enforced: in this order')
    standing = [a for a in weir.actions() if a['state'] == 'standing' and ATTACKER4 in json.dumps(a)]
    check(standing and standing[0]['packets'] > 0, f'weir actions shows the verdict and its hits: {standing[:1]}')
    # the alert goes on counting while probes come; the action keeps what it was decided on
    failed = re.search(r'(\d+) first connections failed', standing[0]['reason']) if standing else None
    check(failed and int(failed.group(1)) <= 10, f'found after {failed and failed.group(1)} failed probes (at most 10)')
    why = weir.ask('why', alert['id'])
    check(why.returncode == 0 and ATTACKER4 in why.stdout, 'weir why explains it')
    check(not [a for a in weir.alerts() if a['kind'] == 'scan' and CLIENT4 in (a['device'], a['src_ip'])],
          'the client is not taken for a scanner')
    check(lab.run('attacker', ['curl', '-s', '--max-time', '2', f'http://{SERVER4}/']).returncode != 0,
          'the attacker gets nothing more')

    wait_for(lambda: client.counts()['curl'][0] >= 20, 60, 'more ordinary traffic')
    totals = client.end()
    for tool, (asked, lost) in totals.items():
        check(asked and lost == 0, f'ordinary client: {asked} by {tool}, {lost} lost')
    weir.assert_accounting()
    check('verdict-drop' in weir.status()['total']['dropped'], 'and the drops are counted as verdict-drop')
