#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""curl and nginx: pages, logins, HTTP/2, TLS 1.2 and 1.3 with certificates and names."""
import re
import subprocess

from case import begin, check, wire
from evidence import Evidence, did
import services
from lab import SERVER4, wait_for

NAME = 'shop.lab.test'
HEX32 = re.compile('[0-9a-f]{32}')
SUBJECT = '/C=NL/O=Lab Shop'


def certificate(lab):
    """With two names; {field: what openssl reads in it}."""
    services.self_signed(lab.dir / 'tls', NAME, f'www.{NAME}', subject=SUBJECT)
    said = subprocess.run(['openssl', 'x509', '-in', lab.dir / 'tls.crt', '-noout', '-serial', '-fingerprint', '-sha1'],
                          check=True, capture_output=True, text=True).stdout
    serial, fingerprint = (line.split('=')[1] for line in said.splitlines())
    return {'serial': serial, 'fingerprint': fingerprint}


def more_servers(lab):
    (lab.dir / 'passwords').write_text('alice:{PLAIN}wonderland\n')
    tls = f'ssl_certificate {lab.dir}/tls.crt; ssl_certificate_key {lab.dir}/tls.key;'
    return f'''
  server {{ listen {SERVER4}:8080; root {lab.dir}/www;
            location = /old {{ return 301 http://{NAME}/new; }}
            auth_basic "the lab"; auth_basic_user_file {lab.dir}/passwords; }}
  server {{ listen {SERVER4}:8081 http2; root {lab.dir}/www; }}
  server {{ listen {SERVER4}:443 ssl http2; root {lab.dir}/www; {tls} ssl_protocols TLSv1.2 TLSv1.3; }}
'''


def curl(what, *words, code=0, said=None):
    return did(what, LAB.run('client', ['curl', '-sS', '-o', '/dev/null', '--max-time', '5', '-w', '%{http_code}',
                                        *words]), code, said)


with wire(start=False) as (LAB, weir):
    truth = certificate(LAB)
    services.start_web(LAB, more=more_servers(LAB))
    wait_for(lambda: all(LAB.listening('server', port) for port in (80, 443, 8080, 8081)), 20, 'nginx to listen')
    begin(LAB, weir, serve=False)
    evidence = Evidence(weir)

    curl('a page', f'http://{SERVER4}/?item=%2e%2e', '-A', 'lab-browser/1.0', '-e', 'http://before.lab.test/',
         '-H', f'Host: {NAME}', said='200')
    evidence.told('the page', 'http', {'hostname': NAME, 'url': '/?item=%2e%2e', 'http_method': 'GET', 'status': 200,
                                       'http_user_agent': 'lab-browser/1.0', 'http_refer': 'http://before.lab.test/',
                                       'http_content_type': 'text/html', 'length': ..., 'protocol': 'HTTP/1.1',
                                       '/dest_port': 80})
    curl('a page that is not there', f'http://{SERVER4}/none', said='404')
    evidence.told('the 404', 'http', {'hostname': SERVER4, 'url': '/none', 'status': 404})
    curl('two requests on one connection', f'http://{SERVER4}/first', f'http://{SERVER4}/second', said='404')
    for url in ('/first', '/second'):
        evidence.told(url, 'http', {'url': url, 'status': 404})
    check(len({r['flow_id'] for r in evidence.events('http') if r['http']['url'] in ('/first', '/second')}) == 1,
          'both of one flow')
    curl('a form', f'http://{SERVER4}/index.html', '--data', 'a=b', said='405')
    evidence.told('the form', 'http', {'http_method': 'POST', 'url': '/index.html', 'status': 405,
                                       'request_content_type': 'application/x-www-form-urlencoded'})

    curl('without a password', f'http://{SERVER4}:8080/', said='401')
    curl('a wrong password', '-u', 'alice:looking-glass', f'http://{SERVER4}:8080/', said='401')
    curl('an account that is not there', '-u', 'mallory:x', f'http://{SERVER4}:8080/', said='401')
    curl('the right password', '-u', 'alice:wonderland', f'http://{SERVER4}:8080/', said='200')
    curl('a redirect', f'http://{SERVER4}:8080/old', said='301')
    evidence.told('on another port', 'http', {'/dest_port': 8080, 'url': '/', 'status': 200, 'username': 'alice'})
    evidence.told('where to', 'http', {'url': '/old', 'status': 301, 'redirect': f'http://{NAME}/new'})
    basic = {'mechanism': re.compile('basic', re.I)}
    evidence.logins('http', {**basic, 'account': 'alice', 'outcome': 'failure', 'code': '401'},
                    {**basic, 'account': 'mallory', 'outcome': 'failure', 'code': '401'},
                    {**basic, 'account': 'alice', 'outcome': 'success', 'code': '200'})

    curl('HTTP/2 without TLS', '--http2-prior-knowledge', f'http://{SERVER4}:8081/index.html', said='200')
    evidence.told('HTTP/2', 'http', {'/dest_port': 8081, 'version': '2', 'url': '/index.html', 'http_method': 'GET',
                                     'status': 200, 'http2.stream_id': ...,
                                     'request_headers.name': [':method', ':path', ':authority', 'user-agent'],
                                     'request_headers.value': ['GET', '/index.html', f'{SERVER4}:8081'],
                                     'response_headers.name': [':status', 'server', 'last-modified', 'etag'],
                                     'response_headers.value': '200'})

    named = ['--insecure', '--resolve', f'{NAME}:443:{SERVER4}', f'https://{NAME}/']
    curl('TLS 1.2', '--tls-max', '1.2', *named, said='200')
    evidence.told('TLS 1.2: name, certificate, fingerprints', 'tls', {
        'sni': NAME, 'version': 'TLS 1.2', 'subject': re.compile(f'C=NL, ?O=Lab Shop, ?CN={NAME}'),
        'issuerdn': re.compile(f'C=NL, ?O=Lab Shop, ?CN={NAME}'), 'client_alpns': ['h2', 'http/1.1'],
        'server_alpns': 'h2', 'subjectaltname': [NAME, f'www.{NAME}'], 'notbefore': ..., 'notafter': ...,
        'serial': re.compile(':'.join(re.findall('..', truth['serial'])), re.I),
        'fingerprint': truth['fingerprint'].lower(),
        'ja3.hash': HEX32, 'ja3s.hash': HEX32, 'ja4': re.compile('t12d[0-9]{4}h2_[0-9a-f]{12}_[0-9a-f]{12}')})
    curl('TLS 1.3', '--tlsv1.3', '--http1.1', *named, said='200')
    evidence.told('TLS 1.3: name, fingerprints', 'tls', {
        'sni': NAME, 'version': 'TLS 1.3', 'client_alpns': 'http/1.1', 'ja3.hash': HEX32, 'ja3s.hash': HEX32,
        'ja4': re.compile('t13d[0-9]{4}h1_[0-9a-f]{12}_[0-9a-f]{12}')})
    curl('a certificate nobody signed', *named[1:], code=60)
    curl('no name', '--insecure', f'https://{SERVER4}/', '--tls-max', '1.2', said='200')
    evidence.told('each connection once', 'tls', {}, at_least=4)
    check(len(evidence.events('tls')) == 4 and [r for r in evidence.events('tls') if 'sni' not in r['tls']],
          'and one of them without a name')
    evidence.nothing_wrong()
