#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Mosquitto, FreeRADIUS, chrony and dnsmasq's DHCP: messages, logins, the time, an address."""
import re

from case import begin, check, wire
from evidence import Evidence, daemon_said, did
from other_services import start_chrony, start_mosquitto, start_radius
import services
from lab import ADDRESSES, SERVER4, wait_for

CLIENT_MAC = ADDRESSES['client'][3]

with wire(start=False) as (lab, weir):
    start_mosquitto(lab, {'alice': 'Alice-Pass1'})
    start_radius(lab, {'alice': 'Alice-Pass1'}, 'lab-secret')
    start_chrony(lab)
    services.start_dns(lab, 'dhcp-range=10.77.0.100,10.77.0.120,1h\ndhcp-authoritative\ndhcp-broadcast\n'
                            f'dhcp-leasefile={lab.dir}/leases\ndomain=lab.test\n')
    wait_for(lambda: lab.listening('server', 67, udp=True), 20, 'dnsmasq to listen')
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    # ---- MQTT
    def publish(what, account, password, code=0, said=None):
        did(what, lab.run('client', ['mosquitto_pub', '-h', SERVER4, '-i', 'meter-7', '-u', account, '-P', password,
                                     '-t', 'hall/heat', '-m', '21.5', '-q', '1']), code, said)

    listener = lab.start('client', ['mosquitto_sub', '-h', SERVER4, '-i', 'display', '-u', 'alice', '-P', 'Alice-Pass1',
                                    '-t', 'hall/#', '-C', '1'], name='mosquitto_sub')
    evidence.told('subscribed', 'mqtt', {'subscribe.topics.topic': 'hall/#'})
    publish('a message', 'alice', 'Alice-Pass1')
    publish('a wrong password', 'alice', 'wrong', 5, 'not authorised')
    publish('nobody', 'mallory', 'x', 5, 'not authorised')
    listener.wait(10)
    daemon_said(lab, 'mosquitto_sub', '21.5')
    daemon_said(lab, 'mosquitto', 'PUBLISH from meter-7')
    evidence.told('who connects', 'mqtt', {'connect.client_id': 'meter-7', 'connect.username': 'alice',
                                           'connect.protocol_string': 'MQTT', '/dest_port': 1883})
    evidence.told('the message', 'mqtt', {'publish.topic': 'hall/heat', 'publish.message': '21.5', 'publish.qos': 1})
    evidence.told('refused', 'mqtt', {'connack.return_code': 5}, 2)
    good, bad = {'account': 'alice', 'outcome': 'success'}, {'account': 'alice', 'outcome': 'failure', 'code': ...}
    evidence.logins('mqtt', good, good, bad, {**bad, 'account': 'mallory'})

    # ---- RADIUS
    def radius(what, password, code, said):
        request = (f'User-Name = "alice"\n{password}\nNAS-Identifier = "door-3"\n'
                   'Calling-Station-Id = "02-77-00-00-00-01"\n')
        did(what, lab.run('client', ['radclient', '-r', '1', '-t', '5', '-x', f'{SERVER4}:1812', 'auth', 'lab-secret'],
                          stdin=None, input=request), code, said)

    radius('RADIUS', 'User-Password = "Alice-Pass1"', 0, 'Access-Accept')
    radius('RADIUS, a wrong password', 'User-Password = "wrong"', 1, 'Access-Reject')
    radius('RADIUS by CHAP', 'CHAP-Password = "Alice-Pass1"', 0, 'Access-Accept')
    evidence.told('asked', 'radius', {'code': 'Access-Request', 'user_name': 'alice', 'nas_identifier': 'door-3',
                                      'calling_station_id': '02-77-00-00-00-01', '/dest_port': 1812})
    evidence.told('accepted', 'radius', {'code': 'Access-Accept', 'reply_message': 'Welcome, alice'})
    evidence.told('rejected', 'radius', {'code': 'Access-Reject'})
    evidence.logins('radius', {'account': 'alice', 'outcome': 'success'}, {'account': 'alice', 'outcome': 'failure'},
                    {'account': 'alice', 'outcome': 'success'})

    # ---- the time
    did('the time', lab.run('client', ['chronyd', '-Q', '-U', '-u', 'root', '-t', '8', '-f', '/dev/null',
                                       f'server {SERVER4} iburst maxsamples 1', f'pidfile {lab.dir}/chronyc.pid']),
        0, 'System clock wrong by')
    evidence.told('asked', 'ntp', {'mode': 3, 'version': 4, '/dest_port': 123})
    evidence.told('told', 'ntp', {'mode': 4, 'stratum': 5})

    # ---- an address
    lease = did('an address', lab.run('client', ['udhcpc', '-f', '-q', '-n', '-i', 'c0', '-s', '/bin/true', '-x',
                                                 'hostname:desk7', '-t', '5', '-T', '2']), 0,
                'lease of 10.77.0.1[0-9]+ obtained')
    address = re.search('lease of ([0-9.]+) obtained', lease.stdout + lease.stderr).group(1)
    asking = Evidence(weir, '0.0.0.0', '255.255.255.255')
    asking.told('who asks', 'dhcp', {'dhcp_type': 'discover', 'client_mac': CLIENT_MAC, 'hostname': 'desk7',
                                     'vendor_class_identifier': re.compile('udhcp .*'), 'fingerprint': ...})
    asking.told('what it takes', 'dhcp', {'dhcp_type': 'request', 'requested_ip': address, 'hostname': 'desk7'})
    given = [Evidence(weir, SERVER4, to) for to in ('255.255.255.255', address)]
    wait_for(lambda: any(one.matching('dhcp', {'dhcp_type': 'ack'}) for one in given), 6, 'what dnsmasq gave')
    for kind in ('offer', 'ack'):
        there = [r for one in given for r in one.matching('dhcp', {'dhcp_type': kind, 'assigned_ip': address,
                                                                   'client_mac': CLIENT_MAC, 'lease_time': 3600})]
        check(there, f'dhcp: {kind} of {address}')
    evidence.nothing_wrong()
