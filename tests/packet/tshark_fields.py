# SPDX-License-Identifier: Apache-2.0
"""Which of our EVE fields says what a field of tshark's says: the table of corpus_tshark.py.

FACTS: fact -> Fact. `theirs` makes its values of {tshark field: [texts]} of a frame, `ours` of a row of EVE; both are
texts. `as_set`: how often is not compared, where the two tell it at different moments. The first word of a fact is
the protocol that it is scored by."""
import dataclasses
import re
import typing

import eve


@dataclasses.dataclass
class Fact:
    theirs: typing.Callable
    ours: typing.Callable
    as_set: bool = False


def leaves(value, path):
    """All that a path like dns.queries[].rrname leads to."""
    head, _, rest = path.partition('.')
    name = head.removesuffix('[]')
    if not isinstance(value, dict) or name not in value:
        return []
    inner = value[name] if head.endswith('[]') and isinstance(value[name], list) else [value[name]]
    return [leaf for each in inner for leaf in (leaves(each, rest) if rest else [each])]


FIELDS = []  # what tshark is asked for


def asked(*names):
    FIELDS.extend(name for name in names if name not in FIELDS)


def as_shown(value):
    """Of ours, as tshark would write it: with escapes."""
    signs = {'\n': 'n', '\r': 'r', '\t': 't', '\a': 'a', '\b': 'b', '\f': 'f', '\v': 'v'}
    return ''.join(signs.get(c, f'{ord(c):03o}' if c < ' ' and c != '\0' else c) for c in str(value))


def plain(text):
    """Without what the two write in different ways: signs of nothing, backslashes, a closing NUL or dot."""
    text = '' if text in ('NULL', '<MISSING>', '<empty>', '<root>', '<Root>') else str(text).replace('\\', '')
    text = text.split('\0')[0].rstrip(' .')
    return re.sub('[^!-~]+', '?', text.replace('\ufffd', '?'))


def lower(text):
    return plain(text).lower()


def values(fields, paths, shape=plain, as_set=False):
    """A fact that is what some fields of theirs and some paths of ours say."""
    asked(*fields)
    return Fact(lambda lists: [shape(text) for name in fields for text in lists[name]],
                lambda row: [shape(as_shown(leaf)) for path in paths for leaf in leaves(row, path)], as_set)


def through(table, shape=plain):
    return lambda text: table.get(text, shape(text))


RCODES = {'NOERROR': '0', 'FORMERR': '1', 'SERVFAIL': '2', 'NXDOMAIN': '3', 'NOTIMP': '4', 'REFUSED': '5',
          'YXDOMAIN': '6', 'YXRRSET': '7', 'NXRRSET': '8', 'NOTAUTH': '9', 'NOTZONE': '10'}
DNS_KINDS = ('dns', 'mdns', 'llmnr')


def address(text):
    return str(eve.address(text) or text)


def host_only(text):
    return lower(re.sub(r':\d*$', '', text.rsplit('@', 1)[-1])).strip('[]')[:250]


def opnums(lists):
    """Of requests; answers show that of what they answer, further fragments that of the first."""
    kinds, firsts = lists['dcerpc.pkt_type'], lists['dcerpc.cn_flags.first_frag']
    calls = [pair for pair in zip(kinds, firsts) if pair[0] in ('0', '2', '3')]
    numbers = lists['dcerpc.opnum']
    alike = len(kinds) == len(firsts) and len(calls) == len(numbers)
    return [n for pair, n in zip(calls, numbers) if pair in (('0', '1'), ('0', 'True'))] if alike else []


asked('dcerpc.pkt_type', 'dcerpc.opnum', 'dcerpc.cn_flags.first_frag', 'smtp.req.parameter',
      'pgsql.parameter_name', 'pgsql.parameter_value', 'tftp.opcode', 'tftp.source_file', 'tftp.destination_file')


def tftp_files(lists):
    """Of requests; data shows that of its request, too."""
    asked_for = lists['tftp.source_file'] + lists['tftp.destination_file']
    return [plain(text) for text in asked_for] if {'1', '2'} & set(lists['tftp.opcode']) else []


def envelope(word):
    def theirs(lists):
        out = []
        for text in lists['smtp.req.parameter']:
            found = re.match(rf'{word}:\s*<?([^>\s]*)', text, re.IGNORECASE)
            out += [lower(found.group(1))] if found else []
        return out
    return theirs


def pg_parameter(name):
    return lambda lists: [plain(value) for key, value in zip(lists['pgsql.parameter_name'],
                                                             lists['pgsql.parameter_value']) if key == name]


def parts(text):
    return [plain(part) for part in re.split(r'[/@]', str(text)) if part]


def krb_names(*paths):
    """But for the ticket-granting service: of a ticket that another message carries we tell nothing."""
    return lambda row: [p for path in paths for leaf in leaves(row, path)
                        for p in parts(leaf) if not str(leaf).startswith('krbtgt')]


def components(field):
    asked(field)

    def theirs(lists):
        texts = lists[field]
        granting = {i + k for i, text in enumerate(texts) if text == 'krbtgt' for k in (0, 1)}
        return [p for i, text in enumerate(texts) if i not in granting for p in parts(text)]
    return theirs


def services(row):
    """Also of a ticket that is shown to a service, whatever carries it."""
    login = row.get('login', {})
    shown = parts(login.get('service', '')) if login.get('mechanism') == 'kerberos' else []
    return krb_names('krb5.sname', 'smb.kerberos.snames[]')(row) + shown


def share(text):
    return lower(str(text).rstrip('\\').rsplit('\\', 1)[-1])


def unpiped(text):
    return lower(str(text).lstrip('\\').removesuffix(':$DATA').replace('<share_root>', ''))


def ntlm(name):
    kinds = ('smb', 'http', 'ldap', 'dcerpc', 'smtp', 'imap', 'pop3', 'rdp', 'mssql')
    return [f'{kind}.ntlmssp.{name}' for kind in kinds]


FACTS = {
    'dns name': values(['dns.qry.name'], [f'{k}.queries[].rrname' for k in DNS_KINDS], lower),
    'dns rcode': values(['dns.flags.rcode'], [], through(RCODES)),
    'dns address': values(['dns.a', 'dns.aaaa'], [], address, True),
    'dns target': values(['dns.cname', 'dns.ptr.domain_name', 'dns.ns'], [], lower, True),
    'tls name': values(['tls.handshake.extensions_server_name'], ['tls.sni', 'quic.sni'], lower, True),
    'http method': values(['http.request.method', 'http2.headers.method'], ['http.http_method']),
    'http host': values(['http.host', 'http2.headers.authority'], ['http.hostname'], host_only, True),
    'http uri': values(['http.request.uri', 'http2.headers.path'], ['http.url'], lambda text: plain(text)[:1000]),
    'http status': values(['http.response.code', 'http2.headers.status'], ['http.status'],
                          lambda text: '' if len(str(text)) < 3 or str(text) == '100' else plain(text)),
    'http agent': values(['http.user_agent', 'http2.headers.user_agent'], ['http.http_user_agent'], as_set=True),
    'smb file': values([], ['smb.filename', 'smb.directory'], unpiped, True),
    'smb share': values(['smb2.tree', 'smb.path'], [], share, True),
    'ntlmssp user': values(['ntlmssp.auth.username'], ntlm('user'), as_set=True),
    'ntlmssp domain': values(['ntlmssp.auth.domain'], ntlm('domain'), as_set=True),
    'ntlmssp host': values(['ntlmssp.auth.hostname'], ntlm('host'), as_set=True),
    'krb5 client': Fact(components('kerberos.CNameString'), krb_names('krb5.cname'), True),
    'krb5 service': Fact(components('kerberos.SNameString'), services, True),
    'ldap bind': values(['ldap.name'], ['ldap.request.bind_request.name'], lower),
    'ldap base': values(['ldap.baseObject'], ['ldap.request.search_request.base_object'], lower),
    'ssh version': values(['ssh.protocol'], [], lambda text: plain(text.split(' ')[0])),  # no comments
    'ftp command': values(['ftp.request.command'], ['ftp.command'], lambda text: plain(text).upper()),
    'ftp argument': values(['ftp.request.arg'], ['ftp.command_data'], as_set=True),
    'ftp reply': values(['ftp.response.code'], ['ftp.completion_code[]']),
    'smtp from': Fact(envelope('FROM'), lambda row: [lower(v.strip('<>')) for v in leaves(row, 'smtp.mail_from')]),
    'smtp to': Fact(envelope('TO'), lambda row: [lower(v.strip('<>')) for v in leaves(row, 'smtp.rcpt_to[]')], True),
    'dhcp host': values(['dhcp.option.hostname'], ['dhcp.hostname']),
    'sip method': values(['sip.Method'], ['sip.method']),
    'sip status': values(['sip.Status-Code'], ['sip.code']),
    'snmp community': values(['snmp.community'], ['snmp.community']),
    'mqtt topic': values(['mqtt.topic'], ['mqtt.publish.topic', 'mqtt.subscribe.topics[].topic',
                                          'mqtt.unsubscribe.topics[]']),
    'radius user': values(['radius.User_Name'], ['radius.user_name']),
    'mysql user': values(['mysql.user'], ['mysql.user']),
    'pgsql user': Fact(pg_parameter('user'), lambda row: leaves(row, 'pgsql.request.startup_parameters.user')),
    'mssql user': values(['tds.7login.username'], ['mssql.user']),
    'modbus function': values(['modbus.func_code'], ['modbus.request.function_raw', 'modbus.response.function_raw'],
                              lambda text: str(int(text) & 0x7f)),
    'tftp file': Fact(tftp_files, lambda row: [plain(as_shown(v)) for v in leaves(row, 'tftp.file')]),
    'rdp cookie': values(['rdp.rt_cookie'], ['rdp.cookie'],
                         lambda text: plain(text).removeprefix('Cookie:?mstshash=')[:100]),
    'rdp client': values(['rdp.client.name'], ['rdp.client.client_name']),
    'dnp3 function': values(['dnp3.al.func'], ['dnp3.application.function_code',
                                               'dnp3.request.application.function_code',
                                               'dnp3.response.application.function_code']),
    'dcerpc interface': values(['dcerpc.cn_bind_to_uuid'], ['dcerpc.interfaces[].uuid', 'smb.dcerpc.interfaces[].uuid'],
                               lower, True),
    'dcerpc operation': Fact(opnums, lambda row: [str(v) for path in ('dcerpc.req.opnum', 'dcerpc.opnum',
                                                                      'smb.dcerpc.opnum') for v in leaves(row, path)]),
}


def answers(kinds, shape):
    """What the answers of a row hold, of these record types."""
    def ours(row):
        return [shape(record['rdata']) for kind in DNS_KINDS for part in ('answers', 'authorities', 'additionals')
                for record in leaves(row, f'{kind}.{part}[]') if record.get('rrtype') in kinds and 'rdata' in record]
    return ours


def rcodes(row):
    """Of responses; tshark shows none of a request."""
    return [RCODES.get(code, str(code)) for kind in DNS_KINDS if kind in row and row[kind].get('qr') is True
            for code in leaves(row, f'{kind}.rcode')]


def shares(row):
    """A share of pipes is a pipe to Suricata and us; so is what is opened in it, whose name has no host."""
    named = [path for path in leaves(row, 'smb.named_pipe') if path.startswith('\\\\')]
    return [share(as_shown(path)) for path in leaves(row, 'smb.share') + named]


def opened(lists):
    """Files that are opened, not those that a listing or a referral names."""
    two = lists['smb2.filename'] if '5' in lists['smb2.cmd'] else []
    one = lists['smb.file'] if lists['smb.cmd'] and not {'50', '0x32'} & {*lists['smb.cmd']} else []
    return [unpiped(text) for text in two + one]


def ssh_versions(row):
    return [plain(f'SSH-{side["proto_version"]}-{side["software_version"]}')
            for end in ('client', 'server') for side in leaves(row, f'ssh.{end}') if 'software_version' in side]


FACTS['dns address'].ours = answers(('A', 'AAAA'), address)
FACTS['dns target'].ours = answers(('CNAME', 'PTR', 'NS'), lower)
asked('smb2.cmd', 'smb2.filename', 'smb.file', 'smb.cmd')
FACTS['smb file'].theirs = opened
FACTS['smb share'].ours = shares
FACTS['dns rcode'].ours = rcodes
FACTS['ssh version'].ours = ssh_versions

# (capture, fact or protocol) -> who is right and why; told, not scored
SUITE = 'suricata-verify/tests/'
DIFFERENCES = {
    ('ja4/pcap/chrome-cloudflare-quic-with-secrets.pcapng', 'http'): 'the capture holds the keys of its HTTP/3',
    ('ja4/pcap/gre-erspan-vxlan.pcap', 'http'): 'a blank in the URI: they end it there, as strict servers would',
    ('ndpi-4.2/pcap/ftp-start-tls.pcap', 'ftp'): 'after CCC they read on in the clear; we stop at AUTH TLS',
    ('ndpi-4.2/pcap/fuzz-2020-02-16-11740.pcap', 'radius'): 'packets broken on purpose: they read on behind faults',
    ('ndpi-4.2/pcap/malformed_dns.pcap', 'dns'): 'names longer than a name may be',
    ('ndpi-4.2/pcap/netbios_wildcard_dns_query.pcap', 'dns'): 'NetBIOS, to us and by its port',
    (SUITE + 'bug-5162/input.pcap', 'dcerpc'): 'past the bound on events a second we count them with the last one told',
    (SUITE + 'app-layer-protocol-exact/input.pcap', 'dns'): 'DNS behind HTTP on one connection',
    (SUITE + 'app-layer-protocol-exact/input.pcap', 'http'): 'DNS behind HTTP on one connection',
    (SUITE + 'firewall/ruletype-firewall-54-snmp-v1-trap/public-wiresharkwiki-c06-snmpv1-trap-app-r1-1-12.pcap',
     'snmp'): 'a tag that is none: they show what is before it, we an anomaly',
    (SUITE + 'firewall/ruletype-firewall-132-smtp-nested-mail-from/smtp-nested-mail.pcap', 'smtp'):
        'a MAIL FROM that the server refuses',
    (SUITE + 'http-multiple-cl/input.pcap', 'http'): 'two lengths: what is smuggled depends on whom one believes',
    (SUITE + 'http-not09-file/input.pcap', 'http'): 'an answer to what is no request',
    (SUITE + 'mqtt-events-missing-connect/input.pcap', 'mqtt'): 'without a CONNECT they do not know the version',
    (SUITE + 'http2-keywords2/input.pcap', 'http'): 'a request that upgrades is HTTP/1 and stream 1: two events',
    ('zeek-traces/smb/smb_v2_only_non_zero_reserved1.pcap', 'smb'): 'shares that were connected over another channel',
    ('community-id/pcaps/tcp.pcap', 'http'): 'frames are cut: they read a cut request',
}
