#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""dig and dnsmasq: addresses, names that are not there, addresses' names, over UDP and TCP."""
import ipaddress

from case import begin, check, wire
from evidence import Evidence, did
import services
from lab import SERVER4, SERVER6, wait_for

NAME = services.DNS_NAME
MORE = f'''local=/lab.test/
local=/in-addr.arpa/
ptr-record=2.0.77.10.in-addr.arpa,{NAME}
cname=web.lab.test,{NAME}
txt-record=lab.test,"said in","two parts"
srv-host=_ldap._tcp.lab.test,{NAME},389,10,20
mx-host=lab.test,mail.lab.test,5
host-record={NAME},{SERVER4}
'''


def dig(what, *words, status='NOERROR'):
    return did(what, LAB.run('client', ['dig', '+tries=1', '+time=5', f'@{SERVER4}', *words]), 0, f'status: {status}')


with wire(start=False) as (LAB, weir):
    services.start_dns(LAB, MORE)
    wait_for(lambda: LAB.listening('server', 53, udp=True), 20, 'dnsmasq to listen')
    begin(LAB, weir, serve=False)
    evidence = Evidence(weir)

    def asked(name, kind, **more):
        answer = evidence.told(f'{kind} {name} answered', 'dns', {
            'queries.rrname': name, 'queries.rrtype': kind, 'type': 'response', 'rcode': 'NOERROR', **more})
        evidence.told(f'{kind} {name} asked', 'dns', {'type': 'request', 'queries.rrname': name,
                                                      'queries.rrtype': kind, '/dest_port': 53})
        return answer

    dig('an address', NAME, 'A')
    asked(NAME, 'A', **{'answers.rrname': NAME, 'answers.rrtype': 'A', 'answers.rdata': SERVER4, 'rd': True,
                        '/proto': 'UDP', '/src_port': 53})
    dig('an address of IPv6', NAME, 'AAAA')
    asked(NAME, 'AAAA', **{'answers.rdata': ipaddress.ip_address(SERVER6).exploded})
    dig('the name of an address', '-x', SERVER4)
    asked('2.0.77.10.in-addr.arpa', 'PTR', **{'answers.rdata': NAME})
    dig('another name for it', 'web.lab.test', 'A')
    asked('web.lab.test', 'A', **{'answers.rrtype': ['CNAME', 'A'], 'answers.rdata': [NAME, SERVER4]})
    dig('a text', 'lab.test', 'TXT')
    asked('lab.test', 'TXT')
    dig('a service', '_ldap._tcp.lab.test', 'SRV')
    asked('_ldap._tcp.lab.test', 'SRV', **{'answers.srv.port': 389, 'answers.srv.priority': 10,
                                           'answers.srv.weight': 20, 'answers.srv.name': NAME})
    dig('who takes mail', 'lab.test', 'MX')
    asked('lab.test', 'MX')
    dig('a name that is not there', 'nothing.lab.test', 'A', status='NXDOMAIN')
    evidence.told('it is not there', 'dns', {'queries.rrname': 'nothing.lab.test', 'rcode': 'NXDOMAIN',
                                             'type': 'response'})
    dig('a name of others', 'www.example', 'A', status='REFUSED')
    evidence.told('refused', 'dns', {'queries.rrname': 'www.example', 'rcode': 'REFUSED', 'type': 'response'})
    dig('by TCP', '+tcp', 'lab.test', 'TXT')
    evidence.told('by TCP', 'dns', {'queries.rrname': 'lab.test', 'queries.rrtype': 'TXT', 'rcode': 'NOERROR',
                                    'type': 'response', '/proto': 'TCP'})
    dig('upper and lower case', 'wWw.LaB.tEsT', 'A')
    evidence.told('as it was written', 'dns', {'queries.rrname': 'wWw.LaB.tEsT', 'type': 'response'})
    responses = [r for r in evidence.events('dns') if r['dns']['type'] == 'response']
    check(len(responses) == 11, f'eleven answers ({len(responses)})')
    evidence.nothing_wrong()
