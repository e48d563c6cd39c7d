# SPDX-License-Identifier: Apache-2.0
"""Which of our EVE fields says what a field of Zeek's log says: the table of corpus_zeek.py, and how to compare.

LOGS: log -> Log(things, fields). `things` of a row of ours that a line of the log may be about; `fields`: Zeek's
field -> (where we have it, how to compare). Where: paths, of which the first that is there counts, or a function.
What is not in the table (addresses, times of packets, Zeek's own identifiers) is not compared."""
import dataclasses
import datetime

import eve


@dataclasses.dataclass
class Log:
    things: object
    fields: dict
    per_flow: bool = False   # one line a flow: all our things of the flow, taken together


# ---- how to compare: Zeek's text with our value -----------------------------------------------------------------

def text(theirs, ours):
    return str(ours) == theirs


def closed(theirs, ours):
    """Zeek shows the NUL that closes a text as ?; it is not of the text."""
    return str(ours) in (theirs, theirs.removesuffix('?'))


def beginning(theirs, ours):
    return str(ours).startswith(theirs)


def folded(theirs, ours):
    """Words, whatever joins them and however they are written: SASL bind in progress = sasl_bind_in_progress."""
    def plain(words):
        return str(words).lower().replace('_', ' ').replace('-', ' ')
    return plain(ours) == plain(theirs)


def number(theirs, ours):
    return not isinstance(ours, bool) and isinstance(ours, (int, float)) and float(ours) == float(theirs)


def boolean(theirs, ours):
    return ours is {'T': True, 'F': False}[theirs]


def among(theirs, ours):
    return isinstance(ours, list) and sorted(map(str, ours)) == sorted(theirs.split(','))


def moment(theirs, ours):
    """Ours in seconds, whole or with a fraction, or as EVE writes a time; as exact as it is given."""
    if isinstance(ours, str):
        try:
            ours = datetime.datetime.fromisoformat(ours.replace('+0000', '+00:00'))
        except ValueError:
            return False
        ours = (ours if ours.tzinfo else ours.replace(tzinfo=datetime.timezone.utc)).timestamp()
        ours = int(ours) if ours == int(ours) else ours
    if isinstance(ours, int):
        return ours == int(float(theirs))
    return isinstance(ours, float) and abs(ours - float(theirs)) < 2e-6


def through(table, compare=text):
    """Zeek's words by a table into ours; any of several will do."""
    def judge(theirs, ours):
        words = table.get(theirs, theirs)
        return any(compare(word, ours) for word in ([words] if isinstance(words, str) else words))
    return judge


def name_parts(theirs, ours):
    """A distinguished name, in whichever order and with whichever separators."""
    def parts(name):
        return sorted(part.strip(' ').replace('\r', '\\0D').replace('\n', '\\0A')
                      for part in name.replace('+', ',').split(','))
    return isinstance(ours, str) and parts(ours) == parts(theirs)


def serial(theirs, ours):
    return str(ours).replace(':', '').lstrip('0').upper() == theirs.lstrip('0').upper()


# ---- what of our rows a line may be about ------------------------------------------------------------------------

def events(*kinds, where=lambda row: True):
    return lambda row: [row] if row['event_type'] in kinds and where(row) else []


def has(*paths):
    return lambda row: any(eve.value_of(row, path) is not eve.MISSING for path in paths)


def inside(name):
    """The object or list `name` under the part that is named after the event's type: smb.ntlmssp, rdp.certificates."""
    def things(row):
        found = eve.value_of(row, f'{row["event_type"]}.{name}')
        found = found if isinstance(found, list) else [] if found is eve.MISSING else [found]
        return [{name: thing} for thing in found]
    return things


def command(row):
    return str(eve.value_of(row, 'smb.command')).replace('SMB1_COMMAND_', '').replace('SMB2_COMMAND_', '')


# ---- what is put together from several of our fields -------------------------------------------------------------

def interface(field):
    """Of the interface that the call is for: the one whose procedure is known, else the first."""
    def find(row):
        for path in ('dcerpc.interfaces', 'smb.dcerpc.interfaces'):
            all_of = eve.value_of(row, path)
            if all_of is not eve.MISSING and all_of:
                return next((i for i in all_of if 'procedure' in i), all_of[0]).get(field, eve.MISSING)
        return eve.MISSING
    return find


def kerberos_request(row):
    kind = str(eve.value_of(row, 'krb5.msg_type'))
    if kind == 'KRB_ERROR':
        kind = str(eve.value_of(row, 'krb5.failed_request'))
    return kind.removeprefix('KRB_').split('_')[0]


def kerberos_client(row):
    name, realm = (eve.value_of(row, f'krb5.{part}') for part in ('cname', 'realm'))
    return '/'.join('' if part in (eve.MISSING, '<empty>') else part for part in (name, realm))


def kerberos_success(row):
    kind = eve.value_of(row, 'krb5.msg_type')
    return eve.MISSING if kind is eve.MISSING else kind != 'KRB_ERROR'


def ldap_operation(row):
    kind = str(eve.value_of(row, 'ldap.request.operation')).removesuffix('_request')
    if kind == 'bind':
        sasl = eve.value_of(row, 'ldap.request.bind_request.sasl')
        kind = 'bind simple' if sasl is eve.MISSING else 'bind SASL'
    return kind


def ldap_response(field):
    """Of the response that ends the request."""
    def find(row):
        for response in reversed(row['ldap'].get('responses', [])):
            value = eve.value_of(response, f'{response.get("operation")}.{field}')
            if value is not eve.MISSING:
                return value
        return eve.MISSING
    return find


def ldap_entries(row):
    return sum(r.get('operation') == 'search_result_entry' for r in row['ldap'].get('responses', []))


def ldap_filter(row):
    """As text; presence alone may be written as Suricata does, with a type."""
    found = eve.value_of(row, 'ldap.request.search_request.filter')
    if isinstance(found, dict):
        return found.get('text', f'({found.get("value")}=*)' if found.get('type') == 'present' else eve.MISSING)
    return found


def file_action(row):
    if eve.value_of(row, 'smb.rename') is not eve.MISSING:
        return 'SMB::FILE_RENAME'
    level = str(eve.value_of(row, 'smb.set_info.info_level'))
    if 'DISPOSITION' in level or command(row) == 'DELETE':
        return 'SMB::FILE_DELETE'
    for action, words in (('OPEN', ('CREATE', 'OPEN')), ('READ', ('READ',)), ('WRITE', ('WRITE',)),
                          ('CLOSE', ('CLOSE',))):
        if any(word in command(row) for word in words):
            return f'SMB::FILE_{action}'
    return eve.MISSING


def rdp_result(row):
    if eve.value_of(row, 'rdp.protocol') is not eve.MISSING:
        return 'Success'
    return eve.value_of(row, 'rdp.reason')


def certificates(row):
    found = eve.value_of(row, 'rdp.certificates')
    return len(found) if isinstance(found, list) else eve.MISSING


# ---- the table ---------------------------------------------------------------------------------------------------

LDAP = 'ldap.request.'
SEARCH = LDAP + 'search_request.'
CLIENT = 'rdp.client.'
NAMED_FILE = has('smb.filename', 'smb.directory')
FILE_NAME = ('smb.filename', 'smb.directory')
TIMES = {'modified': 'smb.modified', 'accessed': 'smb.accessed', 'created': 'smb.created', 'changed': 'smb.changed'}
# the error in Zeek's words, where the server sent no text, and the name of its code
KERBEROS_ERRORS = {'PREAUTH_FAILED': ('KDC_ERR_PREAUTH_FAILED', 'KDC_ERR_PREAUTH_REQUIRED', 'PREAUTH_FAILED'),
                   'CLIENT_NOT_FOUND': ('KDC_ERR_C_PRINCIPAL_UNKNOWN', 'CLIENT_NOT_FOUND'),
                   'SERVER_NOT_FOUND': ('KDC_ERR_S_PRINCIPAL_UNKNOWN', 'SERVER_NOT_FOUND')}

LOGS = {
    'dce_rpc': Log(events('dcerpc', 'smb', where=has('dcerpc.req.opnum', 'smb.dcerpc.opnum')), {
        'endpoint': (interface('service'), text),
        'operation': (interface('procedure'), text),
        'named_pipe': (('dcerpc.secondary_address', 'smb.named_pipe'), text),
    }),
    'kerberos': Log(events('krb5'), {
        'request_type': (kerberos_request, text),
        'client': (kerberos_client, text),
        'service': (('krb5.sname',), text),
        'success': (kerberos_success, boolean),
        'error_msg': (('krb5.error_text', 'krb5.error_code'), through(KERBEROS_ERRORS)),
        'from': (('krb5.from',), moment),
        'till': (('krb5.till',), moment),
        'cipher': (('krb5.ticket_encryption', 'krb5.encryption'), folded),
        'forwardable': (('krb5.forwardable',), boolean),
        'renewable': (('krb5.renewable',), boolean),
    }),
    'ldap': Log(events('ldap', where=has(LDAP + 'operation')), {
        'message_id': ((LDAP + 'message_id',), number),
        'version': ((LDAP + 'bind_request.version',), number),
        'opcode': (ldap_operation, text),
        'result': (ldap_response('result_code'), folded),
        'diagnostic_message': (ldap_response('message'), closed),
        'object': ((LDAP + 'bind_request.name', LDAP + 'extended_request.name', LDAP + 'add_request.entry'),
                   lambda theirs, ours: str(ours) == theirs.split(' (')[0]),
        # a password is not ours to tell, nor Zeek's
        'argument': ((LDAP + 'bind_request.sasl.mechanism',), text),
    }),
    'ldap_search': Log(events('ldap', where=has(LDAP + 'search_request')), {
        'message_id': ((LDAP + 'message_id',), number),
        'scope': ((SEARCH + 'scope',), lambda theirs, ours: ours == ['base', 'single', 'tree'].index(theirs)),
        'deref_aliases': ((SEARCH + 'deref_alias',),
                          lambda theirs, ours: ours == ['never', 'searching', 'finding', 'always'].index(theirs)),
        'base_object': ((SEARCH + 'base_object',), text),
        'result_count': (('ldap.response_count', ldap_entries), number),
        'result': (ldap_response('result_code'), folded),
        'diagnostic_message': (ldap_response('message'), text),
        'filter': (ldap_filter, text),
        'attributes': ((SEARCH + 'attributes',), among),
    }),
    'ntlm': Log(inside('ntlmssp'), {
        'username': (('ntlmssp.user',), text),
        'hostname': (('ntlmssp.host',), text),
        'domainname': (('ntlmssp.domain',), text),
        'server_nb_computer_name': (('ntlmssp.server.nb_computer',), text),
        'server_dns_computer_name': (('ntlmssp.server.dns_computer',), text),
        'server_tree_name': (('ntlmssp.server.dns_tree',), text),
    }, per_flow=True),
    'rdp': Log(events('rdp'), {
        'cookie': (('rdp.cookie',), text),
        'result': (rdp_result, folded),
        'security_protocol': (('rdp.protocol',), folded),
        'client_channels': (('rdp.channels',), among),
        'keyboard_layout': ((CLIENT + 'keyboard_layout',), through({'English - United States': 'en-US'})),
        'client_build': ((CLIENT + 'build',), through({'RDP 6.0': ('RDP 6.0', 'Windows Vista'),
                                                       'RDP 8.1': ('RDP 8.1', 'Windows 8.1')}, beginning)),
        'client_name': ((CLIENT + 'client_name',), text),
        'client_dig_product_id': ((CLIENT + 'id',), text),
        'desktop_width': ((CLIENT + 'desktop_width',), number),
        'desktop_height': ((CLIENT + 'desktop_height',), number),
        'requested_color_depth': ((CLIENT + 'color_depth',), lambda theirs, ours: f'{ours}bit' == theirs),
        'cert_count': (certificates, number),
        'encryption_level': (('rdp.encryption.level',), folded),
        'encryption_method': (('rdp.encryption.method',), folded),
    }, per_flow=True),
    'x509': Log(inside('certificates'), {
        'certificate.serial': (('certificates.serial',), serial),
        'certificate.subject': (('certificates.subject',), name_parts),
        'certificate.issuer': (('certificates.issuerdn',), name_parts),
        'certificate.not_valid_before': (('certificates.notbefore',), moment),
        'certificate.not_valid_after': (('certificates.notafter',), moment),
    }),
    'smb_mapping': Log(events('smb', where=lambda row: 'TREE_CONNECT' in command(row)), {
        'path': (('smb.share', 'smb.named_pipe'), text),
        'share_type': (('smb.share_type',), through({'DISK': 'FILE'})),
    }),
    'smb_files': Log(events('smb', where=NAMED_FILE), {
        'action': (file_action, text),
        'path': (('smb.share',), text),
        'name': (FILE_NAME, text),
        'size': (('smb.size',), number),
        **{f'times.{theirs}': ((ours,), moment) for theirs, ours in TIMES.items()},
    }),
    'smb_cmd': Log(events('smb'), {
        'command': (command, text),
        'status': (('smb.status',), lambda theirs, ours: str(ours).removeprefix('STATUS_') == theirs),
        'version': (lambda row: str(eve.value_of(row, 'smb.command'))[:4], text),
        'referenced_file.action': (file_action, text),
        'referenced_file.path': (('smb.share',), text),
        'referenced_file.name': (FILE_NAME, text),
        **{f'referenced_file.times.{theirs}': ((ours,), moment) for theirs, ours in TIMES.items()},
    }),
    'files': Log(events('fileinfo'), {
        'source': (('app_proto',), folded),
        'filename': (('fileinfo.filename',), text),
        'seen_bytes': (('fileinfo.size',), number),
    }),
}

# (test, log, field) or (test, log, field, number of the line) -> who is right, and why. Told, not scored.
DIFFERENCES = {
    ('krb.kinit', 'kerberos', 'cipher', 83): 'both are right: Zeek puts the cipher of the reply beside the realm of '
                                             'the request; our reply has its own, WELLKNOWN:ANONYMOUS (RFC 8062)',
    ('krb.kinit', 'kerberos', 'cipher', 84): 'as 83',
    ('ldap.aduser1', 'ldap_search', 'filter'): 'Zeek nests an operator of three terms in pairs',
    ('ldap.sasl-signed-clear-2', 'ldap_search', 'filter', 3): 'Zeek nests an operator of six terms in pairs',
    ('ldap.who-am-i', 'ldap', 'argument'): 'a password that Zeek replaces and we do not tell',
    ('ldap.gap', 'ldap', 'result'): 'a convention: its directions are in VLANs 80 and 81, which are two flows to us, '
                                    'as they are to Suricata by default',
    ('rdp.rdp-proprietary-encryption', 'rdp', 'cert_count', 1): 'a convention: the server refused and sent none, '
                                                                'which Zeek counts as 0 and we leave out',
}
