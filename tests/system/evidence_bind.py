#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""bind: whole zones asked for, given and refused; questions over TCP."""
from case import begin, check, wire
from directory_services import start_bind
from evidence import Evidence, did
from lab import SERVER4

HOSTS = 400
RECORDS = ''.join(f'host{n} IN A 10.77.1.{n % 250 + 1}\n' for n in range(HOSTS))


def dig(what, *words, said):
    return did(what, LAB.run('client', ['dig', '+tries=1', '+time=5', f'@{SERVER4}', *words]), (0, 9), said)


with wire(start=False) as (LAB, weir):
    start_bind(LAB, {'open.test': (RECORDS, True), 'closed.test': (RECORDS, False)})
    begin(LAB, weir, serve=False)
    evidence = Evidence(weir)

    zone = dig('a zone that may be had', 'open.test', 'AXFR', said='XFR size: 40[0-9] records')
    check(zone.stdout.count('IN\tA\t10.77.1.') == HOSTS, f'all {HOSTS} hosts came through')
    evidence.told('asked for a whole zone', 'dns', {'queries.rrname': 'open.test', 'queries.rrtype': 'AXFR',
                                                    'type': 'request', '/proto': 'TCP', '/dest_port': 53})
    evidence.told('and it was given', 'dns', {'queries.rrname': 'open.test', 'queries.rrtype': 'AXFR',
                                              'type': 'response', 'rcode': 'NOERROR', 'answers.rrtype': ['SOA', 'A'],
                                              'answers.rrname': 'host0.open.test', 'answers.soa.serial': 7,
                                              'answer_count': HOSTS + 4})
    dig('a zone that may not', 'closed.test', 'AXFR', said='Transfer failed')
    evidence.told('a whole zone, refused', 'dns', {'queries.rrname': 'closed.test', 'queries.rrtype': 'AXFR',
                                                   'type': 'response', 'rcode': 'REFUSED'})
    dig('by TCP, two on one connection', '+tcp', '+keepopen', 'host1.open.test', 'A', 'none.open.test', 'A',
        said='10.77.1.2')
    one = evidence.told('an answer by TCP', 'dns', {'queries.rrname': 'host1.open.test', 'answers.rdata': '10.77.1.2',
                                                    'aa': True, 'rcode': 'NOERROR', '/proto': 'TCP'})
    two = evidence.told('not there', 'dns', {'queries.rrname': 'none.open.test', 'rcode': 'NXDOMAIN',
                                             'authorities.rrtype': 'SOA', 'authorities.soa.mname': 'ns.open.test'})
    check(one.get('flow_id', 1) == two.get('flow_id', 2), 'both of one flow')
    evidence.nothing_wrong()
