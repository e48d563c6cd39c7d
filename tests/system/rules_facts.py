#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rules over what is said, on live traffic: a name asked for, a name in a ClientHello, a path in a request. What a rule
names never reaches its server; everything else loses nothing."""
from case import begin, check, wire
import services
from lab import SERVER4, wait_for

RULES = '''drop dns any any -> any any (msg:"a"; dns.query; dotprefix; content:".evil.test"; nocase; endswith; sid:1;)
drop tls any any -> any any (msg:"b"; tls.sni; content:"evil.test"; endswith; sid:2;)
reject http any any -> any any (msg:"c"; flow:to_server,established; http.uri; content:"/secret plans"; sid:3;)
alert http any any -> any any (msg:"none"; flow:to_client; http.stat_code; content:"404"; sid:4; rev:1;)
alert http any any -> any any (msg:"who"; fact:http.http_user_agent; content:"odd-browser"; sid:5; rev:1;)
'''
GOOD, EVIL = 'www.good.test', 'www.evil.test'


def dig(name, *words):
    """0: an answer came; 9: none."""
    return LAB.run('client', ['dig', '+tries=1', '+time=2', *words, f'@{SERVER4}', name, 'A']).returncode


def curl(url, *words):
    """(curl's exit code, HTTP's); 28: no answer came in time, 56 or 35: reset."""
    done = LAB.run('client', ['curl', '-sk', '-o', '/dev/null', '--max-time', '3', '-w', '%{http_code}', *words, url])
    return done.returncode, done.stdout


def https(name, *words):
    return curl(f'https://{name}/', '--resolve', f'{name}:443:{SERVER4}', *words)


def said(name):
    path = LAB.dir / name
    return path.read_text(errors='replace') if path.exists() else ''


def web(lab):
    services.self_signed(lab.dir / 'tls', GOOD, EVIL)
    log = f'access_log {lab.dir}/seen.log;'
    tls = f'ssl_certificate {lab.dir}/tls.crt; ssl_certificate_key {lab.dir}/tls.key; ssl_protocols TLSv1.2 TLSv1.3;'
    services.start_web(lab, more=f'''
  server {{ listen {SERVER4}:8080; root {lab.dir}/www; {log} location / {{ try_files $uri /index.html; }}
            location /none {{ return 404; }} }}
  server {{ listen {SERVER4}:443 ssl; server_name {GOOD} {EVIL}; root {lab.dir}/www; {tls} {log} }}
''')


with wire(start=False, rules=RULES) as (LAB, weir):
    web(LAB)
    services.start_dns(LAB, f'log-queries\nlog-facility={LAB.dir}/queries.log\naddress=/test/{SERVER4}\n')
    wait_for(lambda: all(LAB.listening('server', port) for port in (443, 8080)) and
             LAB.listening('server', 53, udp=True), 20, 'nginx and dnsmasq to listen')
    begin(LAB, weir, serve=False)

    check(dig(GOOD) == 0 and dig('www.evil.test.good.test') == 0, 'names that no rule means are answered')
    check(dig(EVIL) == 9 and dig('EVIL.test') == 9, 'dns.query: the question gets no answer')
    check(dig(EVIL, '+tcp') == 9, 'nor by TCP')
    check(GOOD in said('queries.log') and f' {EVIL} ' not in said('queries.log'), 'its server never heard it')

    check(https(GOOD) == (0, '200'), 'TLS to a name that no rule means')
    for version in ('--tlsv1.3', '--tls-max=1.2'):
        words = version.split('=')
        check(https(EVIL, *words)[0] == 28, f'tls.sni: the handshake ends at its hello ({version})')
    check(https(GOOD, '--tls-max', '1.2') == (0, '200'), 'and that of the other name does not')

    check(curl(f'http://{SERVER4}:8080/plans') == (0, '200'), 'a path that no rule means')
    before = said('seen.log').count('8080') + said('seen.log').count('GET')
    for path in ('/secret%20plans', '/%73ecret%20pl%61ns?x=1'):
        code, _ = curl(f'http://{SERVER4}:8080{path}', '--path-as-is')
        check(code == 56, f'http.uri, on any port, however it is written: {path} is reset ({code})')
    check(said('seen.log').count('8080') + said('seen.log').count('GET') == before, 'its server never saw it')
    check(curl(f'http://{SERVER4}:8080/none') == (0, '404'), 'alert: the answer comes')
    check(curl(f'http://{SERVER4}:8080/', '-A', 'odd-browser/1.0') == (0, '200'), 'alert by any fact: it goes on')

    def alerts(sid):
        return [r for r in weir.eve('alert') if r['alert']['signature_id'] == sid]

    wait_for(lambda: all(alerts(sid) for sid in range(1, 6)), 5, 'an alert of every rule in eve.json')
    for sid, count, app, action in ((1, 3, 'DNS', 'blocked'), (2, 2, 'TLS', 'blocked'), (3, 2, 'HTTP', 'blocked'),
                                    (4, 1, 'HTTP', 'allowed'), (5, 1, 'HTTP', 'allowed')):
        found = alerts(sid)
        good = [r for r in found if r['alert']['action'] == action and r['app_proto'].startswith(app)]
        check(len(found) == len(good) == count, f'rule {sid}: {len(found)} alerts, {action}, of {app}')
    check(all(r['tx_id'] == 0 for r in alerts(3)), 'with the number of their transaction')
