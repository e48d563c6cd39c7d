# SPDX-License-Identifier: Apache-2.0
"""What devices speak, for the lab's server: SNMP agents, SIP phones, Modbus controllers; and a server of QUIC."""
import os

from lab import CLIENT4, SERVER4
from other_services import folder_of, listens
from services import self_signed


def start_snmpd(lab, community, users):
    """`community` may read; `users`: {name: (authentication's password, privacy's)}, by SHA and AES."""
    folder = folder_of(lab, 'snmpd')
    config = folder / 'snmpd.conf'
    config.write_text(f'agentaddress udp:{SERVER4}:161\nrocommunity {community} {CLIENT4}\nsysName agent7\n' + ''.join(
        f'createUser {name} SHA "{auth}" AES "{private}"\nrouser {name} auth\n'
        for name, (auth, private) in users.items()))
    lab.start('server', ['/usr/sbin/snmpd', '-f', '-Lo', '-C', '-c', config, '-p', folder / 'pid'], name='snmpd',
              env={**os.environ, 'SNMP_PERSISTENT_DIR': str(folder)})
    listens(lab, 'snmpd', 161, udp=True)


def start_phone(lab, transport='udp'):
    """Takes every call at port 5060; ends by itself after a minute without one."""
    folder = folder_of(lab, f'phone-{transport}')
    lab.start('server', ['sipp', '-sn', 'uas', '-i', SERVER4, '-p', '5060', '-t', 't1' if transport == 'tcp' else 'u1',
                         '-nostdin', '-timeout', '60s'], name=f'phone-{transport}', cwd=folder)
    listens(lab, 'sipp', 5060, udp=transport == 'udp')


ANSWERED = """[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
%sContent-Length: 0

]]></send>"""
CHALLENGE = 'WWW-Authenticate: Digest realm="lab.example", nonce="0123456789abcdef"\n'
REGISTRAR = ('<?xml version="1.0"?><scenario name="registrar"><recv request="REGISTER"/>'
             '<send><![CDATA[\nSIP/2.0 401 Unauthorized\n' + ANSWERED % CHALLENGE +
             '<recv request="REGISTER"><action><verifyauth assign_to="right" username="%s" password="%s"/></action>'
             '</recv><nop hide="true" test="right" next="good"/>'
             '<send next="end"><![CDATA[\nSIP/2.0 %s\n' + ANSWERED % '' +
             '<label id="good"/><send><![CDATA[\nSIP/2.0 200 OK\n' + ANSWERED % '' + '<label id="end"/></scenario>')
REGISTER = """<send retrans="500"><![CDATA[
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:phone@lab.example>;tag=[call_number]
To: <sip:phone@lab.example>
Call-ID: [call_id]
CSeq: %d REGISTER
Contact: <sip:phone@[local_ip]:[local_port]>
%sContent-Length: 0

]]></send>"""
REGISTERS = ('<?xml version="1.0"?><scenario name="phone">' + REGISTER % (1, '') +
             '<recv response="401" auth="true"/>' +
             REGISTER % (2, '[authentication username=%s password=%s]\n') + '<recv response="%s"/></scenario>')


def start_registrar(lab, port, account, password, refusal, transport='udp'):
    """Lets that account register with that password; another gets that code and reason. For a minute."""
    folder = folder_of(lab, f'registrar-{port}')
    (folder / 'registrar.xml').write_text(REGISTRAR % (account, password, refusal))
    lab.start('server', ['sipp', '-sf', folder / 'registrar.xml', '-i', SERVER4, '-p', port, '-t',
                         't1' if transport == 'tcp' else 'u1', '-nostdin', '-timeout', '60s'],
              name=f'registrar-{port}', cwd=folder)
    listens(lab, 'sipp', port, udp=transport == 'udp')


def register(lab, port, account, password, code, transport='udp'):
    """A phone registers once and wants that code for its credentials."""
    folder = folder_of(lab, f'phone-of-{account}-{port}-{code}')
    (folder / 'phone.xml').write_text(REGISTERS % (account, password, code))
    return lab.run('client', ['sipp', '-sf', folder / 'phone.xml', f'{SERVER4}:{port}', '-i', CLIENT4, '-t',
                              't1' if transport == 'tcp' else 'u1', '-m', 1, '-nostdin', '-timeout', '20s'], cwd=folder)


CONTROLLER = '''
import sys
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer
block = lambda: ModbusSequentialDataBlock(0, [17] * 100)
slave = ModbusSlaveContext(di=block(), co=block(), hr=block(), ir=block())
StartTcpServer(context=ModbusServerContext(slaves=slave, single=True), address=(sys.argv[1], 502))
'''


def start_controller(lab):
    """Modbus: a hundred registers and coils of each kind, all of them 17."""
    lab.start('server', ['/usr/bin/python3', '-c', CONTROLLER, SERVER4], name='controller')
    listens(lab, 'pymodbus', 502)


def start_quic(lab, name):
    """HTTP/3: the files of lab.dir/quic."""
    folder = folder_of(lab, 'quic')
    certificate, key = self_signed(lab.dir / 'quic-tls', name)
    (folder / 'index.html').write_text('an ordinary page\n')
    lab.start('server', ['/usr/sbin/gtlsserver', '-q', '-d', folder, SERVER4, '443', key, certificate], name='quic')
    listens(lab, 'gtlsserver', 443, udp=True)
