#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pymodbus both sides: registers read and written, one that is not there. ngtcp2 both sides: HTTP/3 over QUIC."""
import re

from case import begin, wire
from evidence import Evidence, did
from device_services import start_controller, start_quic
from lab import SERVER4

NAME = 'shop.lab.test'
CLIENT = '''
import sys
from pymodbus.client import ModbusTcpClient
c = ModbusTcpClient(sys.argv[1], port=502)
c.connect()
print(c.read_holding_registers(4, 3, slave=7).registers)
print(c.write_register(9, 4711, slave=7))
print(c.read_coils(2, 5, slave=7).bits[:5])
print(c.read_holding_registers(900, 2, slave=7))
c.close()
'''

with wire(start=False) as (lab, weir):
    start_controller(lab)
    start_quic(lab, NAME)
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    did('registers', lab.run('client', ['/usr/bin/python3', '-c', CLIENT, SERVER4]), 0, r'\[17, 17, 17\]')
    unit = {'request.unit_id': 7, 'response.unit_id': 7, '/dest_port': 502}
    evidence.told('read', 'modbus', {**unit, 'request.function_raw': 3, 'request.function_code': 'RdHoldRegs',
                                     'request.data.address': 4, 'request.data.quantity': 3})
    evidence.told('written', 'modbus', {**unit, 'request.function_raw': 6, 'request.function_code': 'WrSingleReg',
                                        'request.data.address': 9})
    evidence.told('coils', 'modbus', {**unit, 'request.function_raw': 1, 'request.data.address': 2,
                                      'request.data.quantity': 5})
    evidence.told('one that is not there', 'modbus', {**unit, 'request.data.address': 900,
                                                      'response.function_raw': 0x83, 'response.exception.raw': 2})

    lab.own_file('client', '/etc/hosts', f'{SERVER4} {NAME}\n')
    did('a page by HTTP/3', lab.run('client', ['/usr/bin/gtlsclient', '--exit-on-all-streams-close', '--timeout', '5s',
                                               NAME, '443', f'https://{NAME}/index.html']), 0, 'an ordinary page')
    evidence.told('QUIC: name, version, fingerprint', 'quic', {
        'sni': NAME, 'version': '1', 'ja4': re.compile('q13d[0-9]{4}h3_[0-9a-f]{12}_[0-9a-f]{12}'),
        '/dest_port': 443, '/proto': 'UDP'})
    evidence.nothing_wrong()
