#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SIPp both sides: calls over UDP and TCP from their INVITE to their BYE; who registers, and with which password."""
import re

from case import begin, check, wire
from evidence import Evidence, did
from device_services import register, start_phone, start_registrar
from lab import CLIENT4, SERVER4

CALLS = 3
REFUSALS = {'udp': (5065, '403', 'Forbidden'), 'tcp': (5066, '401', 'Unauthorized')}

with wire(start=False) as (lab, weir):
    for transport in ('udp', 'tcp'):
        start_phone(lab, transport)
        port, code, reason = REFUSALS[transport]
        start_registrar(lab, port, 'alice', 'right-1', f'{code} {reason}', transport)
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def call(what, port, number, transport):
        did(what, lab.run('client', ['sipp', '-sn', 'uac', f'{SERVER4}:5060', '-i', CLIENT4, '-p', port,
                                     '-t', transport, '-s', number, '-m', CALLS, '-r', '5', '-d', '100', '-nostdin',
                                     '-timeout', '20s'],
                          cwd=lab.dir), 0, f'Successful call +\\| +0 +\\| +{CALLS}')

    for what, port, number, transport in (('calls over UDP', 5070, 'bob', 'u1'), ('calls over TCP', 5071, 'eve', 't1')):
        call(what, port, number, transport)
        uri = f'sip:{number}@{SERVER4}:5060'
        ask = {'uri': uri, 'version': 'SIP/2.0', '/src_port': port if transport == 'u1' else ..., '/dest_port': 5060}
        evidence.told('INVITE', 'sip', {
            **ask, 'method': 'INVITE', 'request_line': f'INVITE {uri} SIP/2.0', 'call_id': ...,
            'from': re.compile(f'sipp <sip:sipp@{CLIENT4}:[0-9]+>;tag=.*'), 'to': re.compile(f'.*<{uri}>')}, CALLS)
        for method in ('ACK', 'BYE'):
            evidence.told(method, 'sip', {**ask, 'method': method}, CALLS)
        proto = {'/proto': 'UDP' if transport == 'u1' else 'TCP'}
        evidence.told('it rings', 'sip', {**proto, 'code': '180', 'reason': 'Ringing'}, CALLS)
        evidence.told('taken, ended', 'sip', {**proto, 'code': '200', 'response_line': 'SIP/2.0 200 OK'}, 2 * CALLS)
        calls = {r['sip']['call_id'] for r in evidence.matching('sip', {**proto, 'method': 'INVITE'})}
        check(len(calls) == CALLS, f'sip: {CALLS} calls by their Call-ID, {len(calls)} told')

    logins = []
    for transport, (port, code, _) in REFUSALS.items():
        for password, answer, outcome in (('wrong-1', code, 'failure'), ('right-1', '200', 'success')):
            did(f'registers over {transport}, {outcome}', register(lab, port, 'alice', password, answer, transport))
            logins.append({'account': 'alice', 'domain': 'lab.example', 'mechanism': 'digest', 'outcome': outcome,
                           'code': answer})
    evidence.logins('sip', *logins)
    evidence.told('the first challenge is told, and is no login', 'sip', {'code': '401', '/dest_port': 5065}, 2)
    evidence.nothing_wrong()
