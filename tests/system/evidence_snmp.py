#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Net-SNMP both sides: versions 1, 2c and 3, a wrong community, a wrong password, what may not be set, a trap."""
from case import begin, wire
from evidence import Evidence, did
from device_services import start_snmpd
from lab import SERVER4

SYSTEM, NAME = '.1.3.6.1.2.1.1', '.1.3.6.1.2.1.1.5.0'
AUTH, PRIVATE = 'Alice-Pass1', 'Alice-Private1'

with wire(start=False) as (lab, weir):
    start_snmpd(lab, 'lab-reads', {'alice': (AUTH, PRIVATE)})
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def snmp(what, program, *words, code=0, said=None):
        did(what, lab.run('client', [program, '-t', '1', '-r', '0', *words]), code, said)

    def user(password, level, name='alice'):
        return ['-v', '3', '-u', name, '-l', level, '-a', 'SHA', '-A', password, '-x', 'AES', '-X', PRIVATE, SERVER4]

    snmp('version 1', 'snmpwalk', '-v', '1', '-c', 'lab-reads', SERVER4, SYSTEM, said='agent7')
    evidence.told('walked', 'snmp', {'version': 1, 'community': 'lab-reads', 'pdu_type': 'get_next_request',
                                     'vars': '1.3.6.1.2.1.1', '/dest_port': 161})
    evidence.told('answered', 'snmp', {'version': 1, 'pdu_type': 'response', 'vars': NAME[1:], '/src_port': 161})
    snmp('version 2c', 'snmpbulkwalk', '-v', '2c', '-c', 'lab-reads', SERVER4, SYSTEM, said='agent7')
    evidence.told('in bulk', 'snmp', {'version': 2, 'community': 'lab-reads', 'pdu_type': 'get_bulk_request'})
    snmp('a wrong community', 'snmpget', '-v', '2c', '-c', 'guess-1', SERVER4, NAME, code=1, said='Timeout')
    evidence.told('the guess', 'snmp', {'community': 'guess-1', 'pdu_type': 'get_request', 'vars': NAME[1:]})
    snmp('what may not be set', 'snmpset', '-v', '2c', '-c', 'lab-reads', SERVER4, NAME, 's', 'mine', code=2,
         said='noAccess')
    evidence.told('refused', 'snmp', {'pdu_type': 'response', 'error': 'NoAccess', 'vars': NAME[1:]})
    evidence.told('what was to be set', 'snmp', {'pdu_type': 'set_request', 'vars': NAME[1:]})

    snmp('version 3', 'snmpget', *user(AUTH, 'authPriv'), NAME, said='agent7')
    evidence.told('who asks, sealed', 'snmp', {'version': 3, 'usm': 'alice', 'security_level': 'authPriv',
                                               'pdu_type': 'encrypted', 'engine_id': ...})
    snmp('version 3, readable', 'snmpget', *user(AUTH, 'authNoPriv'), NAME, said='agent7')
    evidence.told('who asks for what', 'snmp', {'version': 3, 'usm': 'alice', 'security_level': 'authNoPriv',
                                                'pdu_type': 'get_request', 'vars': NAME[1:]})
    snmp('a wrong password', 'snmpget', *user('wrong-password', 'authNoPriv'), NAME, code=1, said='Authentication')
    evidence.told('usmStatsWrongDigests', 'snmp', {'version': 3, 'pdu_type': 'report',
                                                   'vars': '1.3.6.1.6.3.15.1.1.5.0'})
    snmp('nobody', 'snmpget', *user(AUTH, 'authNoPriv', 'mallory'), NAME, code=1, said='Unknown user')
    snmp('too little', 'snmpget', *user(AUTH, 'noAuthNoPriv'), NAME, code=2, said='authorizationError')
    snmp('a wrong password, sealed', 'snmpget', *user('wrong-password', 'authPriv'), NAME, code=1)
    snmp('many questions', 'snmpwalk', *user(AUTH, 'authPriv'), SYSTEM, said='agent7')
    usm = {'mechanism': 'usm', 'account': 'alice'}
    in_, out = {**usm, 'outcome': 'success'}, {**usm, 'outcome': 'failure', 'code': 'usmStatsWrongDigests'}
    evidence.logins('snmp', in_, in_, out,
                    {'account': 'mallory', 'outcome': 'failure', 'code': 'usmStatsUnknownUserNames'}, out, in_)
    snmp('a trap', 'snmptrap', '-v', '2c', '-c', 'traps', SERVER4, '', '.1.3.6.1.6.3.1.1.5.1')
    evidence.told('the trap', 'snmp', {'community': 'traps', 'pdu_type': 'trap_v2', '/dest_port': 162})
    evidence.nothing_wrong()
