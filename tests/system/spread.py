#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two workers on one wire: every flow is whole at one of them, both work, fragments pass, a block and a
rate hold at both."""
import time

from case import check, wire
from lab import ATTACKER4, CLIENT4, SERVER4, wait_for

HOSTS = range(100, 140)


def seen(weir):
    """Address of a client -> its flows to the web server that have ended."""
    flows = {}
    for flow in weir.json('flows'):
        if flow.get('dest_port') == 80 and flow['ended']:
            flows.setdefault(flow['src_ip'], []).append(flow)
    return flows


def main():
    with wire(attacker=True, workers={'count': 2, 'cpus': 'auto', 'main_cpu': 'auto'}) as (lab, weir):
        check('spread over 2 workers' in weir.said(), 'the data plane says that the wire is spread')
        for n in HOSTS:   # many host pairs: one pair is one worker's
            lab.run('client', ['ip', 'addr', 'add', f'10.77.0.{n}/24', 'dev', 'c0'])
        for n in HOSTS:
            done = lab.run('client', ['curl', '-s', '-o', '/dev/null', '--max-time', '5', '--interface',
                                      f'10.77.0.{n}', f'http://{SERVER4}/'], timeout=10)
            if done.returncode != 0:
                check(False, f'10.77.0.{n} reaches the server')
        big = lab.run('client', ['ping', '-q', '-c', '5', '-i', '0.2', '-s', '4000', SERVER4], timeout=20)
        check(' 0% packet loss' in big.stdout, 'pings in three fragments pass')
        wait_for(lambda: len(seen(weir)) == len(HOSTS), 25, 'a flow of each host')
        flows = seen(weir)
        check(all(len(found) == 1 for found in flows.values()), 'each flow is known once, by one worker')
        workers = [int(found[0]['flow_id']) >> 56 for found in flows.values()]
        check(min(workers.count(0), workers.count(1)) >= len(HOSTS) // 5,
              f'both work: {workers.count(0)} and {workers.count(1)} flows')
        check(all(found[0]['pkts_toserver'] >= 4 and found[0]['pkts_toclient'] >= 3 for found in flows.values()),
              'each flow has both directions')
        weir.json('block', ATTACKER4, '--for', '1h')
        wait_for(lambda: any(a['state'] == 'standing' for a in weir.actions()), 5, 'the block to stand')
        lost = lab.run('attacker', ['ping', '-q', '-c', '3', '-i', '0.2', '-W', '1', SERVER4], timeout=10)
        check('100% packet loss' in lost.stdout, 'a blocked device does not get through')
        weir.json('limit', '10.77.0.0/24', '--rate', '100pps', '--for', '1h')
        wait_for(lambda: sum(a['state'] == 'standing' for a in weir.actions()) == 2, 5, 'the limit to stand')
        flood = ' & '.join(f'ping -q -n -I 10.77.0.{n} -c 100 -i 0.02 -W 1 {SERVER4}' for n in HOSTS[:20])
        sent, begin = weir.status()['total']['sent'], time.monotonic()
        lab.run('client', ['sh', '-c', f'{flood}; wait'], timeout=30)
        sent, seconds = weir.status()['total']['sent'] - sent, time.monotonic() - begin
        check(60 * seconds <= sent <= 130 * seconds + 20,
              f'a rate is one for both workers: 100 pps let {sent} of over 2,000 packets go in {seconds:.1f} s')
        weir.ask('undo', max(a['id'] for a in weir.actions()))
        fine = lab.run('client', ['ping', '-q', '-c', '3', '-i', '0.2', SERVER4], timeout=10)
        check(' 0% packet loss' in fine.stdout, f'{CLIENT4} does')


if __name__ == '__main__':
    main()
