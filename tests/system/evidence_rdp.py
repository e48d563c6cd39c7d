#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""xfreerdp at xrdp, with RDP's own security and with TLS; a VNC desktop, right and wrong password."""
import os

from case import begin, wire
from evidence import Evidence, did
from other_services import start_vnc, start_xrdp
from lab import SERVER4

with wire(start=False) as (lab, weir):
    start_xrdp(lab)
    start_vnc(lab, 'vnc-pass')
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def desktop(what, *words):
        # there is no session behind the login screen, so that xfreerdp stays until it is told to go
        did(what, lab.run('client', ['xvfb-run', '-a', 'timeout', '--preserve-status', '-s', 'INT', '4', 'xfreerdp',
                                     f'/v:{SERVER4}', '/u:alice', '/p:Alice-Pass1', '/cert:ignore',
                                     '/client-hostname:DESK7', '/size:800x600', *words], cwd=lab.dir), range(256))

    desktop('with security of its own', '/sec:rdp')
    evidence.told('cookie', 'rdp', {'event_type': 'initial_request', 'cookie': 'alice', '/dest_port': 3389})
    evidence.told('who the client says it is', 'rdp', {
        'event_type': 'connect_request', 'client.client_name': 'DESK7', 'client.desktop_width': 800,
        'client.desktop_height': 600})
    desktop('with TLS', '/sec:tls')
    evidence.told('what the client can do', 'rdp', {'event_type': 'initial_request', 'cookie': 'alice',
                                                    'requested_protocols': 'ssl'})
    evidence.told('what was chosen', 'rdp', {'event_type': 'initial_response', 'protocol': 'ssl'})
    evidence.told('its TLS', 'tls', {'version': ..., 'ja3.hash': ..., '/dest_port': 3389})

    def look(what, password, code, said):
        tried = lab.dir / 'vnc' / 'tried'
        tried.write_bytes(lab.run('client', ['vncpasswd', '-f'], stdin=None, input=password.encode() + b'\n',
                                  text=False).stdout)
        did(what, lab.run('client', ['xvfb-run', '-a', 'timeout', '--preserve-status', '3', 'xtigervncviewer',
                                     '-passwd', tried, '-AlertOnFatalError=0', '-ReconnectOnError=0',
                                     f'{SERVER4}::5975'],
                          env={**os.environ, 'HOME': str(lab.dir / 'vnc')}), code, said)

    look('VNC', 'vnc-pass', range(256), 'Using pixel format')
    look('VNC, wrong password', 'other', range(256), 'Authentication failure')
    evidence.told('the desktop', 'rfb', {
        'server_protocol_version.major': '003', 'authentication.security_type': 2, 'framebuffer.name': 'lab desk',
        'framebuffer.width': 640, 'framebuffer.height': 480, 'authentication.security_result': 'OK',
        '/dest_port': 5975})
    evidence.told('refused', 'rfb', {'authentication.security_type': 2, 'authentication.security_result': 'FAIL'})
    evidence.logins('rfb', {'outcome': 'success'}, {'outcome': 'failure'})
    evidence.nothing_wrong()
