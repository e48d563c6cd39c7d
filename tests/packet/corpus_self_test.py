#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""That the corpus runners can fail: each is run over a corpus of our own with a `weir` that says what we tell it to."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'support'))
import corpus_fingerprints  # noqa: E402
import eve  # noqa: E402
import packets  # noqa: E402
import zeek_fields  # noqa: E402

# eve.json is the file that lies beside the capture
WEIR = '''#!/usr/bin/python3
import pathlib, sys
rows = pathlib.Path(sys.argv[2] + '.eve').read_text()
if rows == 'refused':
    sys.exit('no such capture')
(pathlib.Path(sys.argv[sys.argv.index('--out') + 1]) / 'eve.json').write_text(rows)
print('{}')
'''
failures = []


def expect(what, got, wanted):
    if got != wanted:
        failures.append(f'{what}: {got!r}, expected {wanted!r}')


class Corpus:
    """A corpus in a folder that goes away, and a runner over it."""

    def __init__(self, folder, runner):
        self.folder, self.runner = pathlib.Path(folder), runner
        self.file('weir', WEIR).chmod(0o755)

    def file(self, path, text):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def eve(self, capture, *rows):
        self.file(f'{capture}.eve', ''.join(json.dumps(row) + '\n' for row in rows))

    def run(self, *words):
        """(exit code, the line of the score, all that was said)"""
        done = subprocess.run([sys.executable, HERE / self.runner, self.folder / 'weir', '--baseline',
                               self.folder / 'baseline.json', *words], capture_output=True, text=True, check=False,
                              env={**os.environ, 'WEIR_CORPUS': str(self.folder)})
        score = [line for line in done.stdout.splitlines() if ' pass whole' in line]
        return done.returncode, score[0].split(' (')[0] if score else '', done.stdout + done.stderr


def paths():
    record = {'dns': {'queries': [{'rrname': 'a.example'}], 'ip': '2001:db8::1', 'aa': True, 'id': 1}}
    for match, wanted in (
            ({'dns.queries[0].rrname': 'a.example'}, 0), ({'dns.queries[1].rrname': 'a.example'}, 1),
            ({'dns.queries[0].rrname.__len': 9}, 0), ({'dns.queries.__len': 2}, 1),
            ({'dns.queries[0].rrname.__startswith': 'a.'}, 0), ({'dns.queries[0].rrname.__endswith': 'a.'}, 1),
            ({'has-key': 'dns.id'}, 0), ({'has-key': 'dns.tx_id'}, 1), ({'not-has-key': 'dns.id'}, 1),
            ({'not-has-key': ['dns.tx_id', 'dns.x[0]']}, 0), ({'dns.ip': '2001:0db8:0:0:0:0:0:0001'}, 0),
            ({'dns.aa': 1}, 1), ({'dns.id': True}, 1), ({'dns.id': '1'}, 1), ({'dns.id': 1, 'dns.aa': True}, 0)):
        expect(match, len(eve.differences(record, match)), wanted)


def suricata_verify(folder):
    corpus = Corpus(folder, 'corpus_eve.py')
    root = 'suricata-verify'
    corpus.file(f'{root}/manifest.csv', 'test,pcap,rules,ips_mode,args\n'
                'one,tests/one/in.pcap,,0,-k none\nlater,tests/one/in.pcap,,0,\n')
    corpus.file(f'{root}/tests/one/test.yaml', '''
checks:
- filter: {count: 1, match: {event_type: dns, dns.id: 7, src_ip: 10.0.0.1}}
- filter: {count: 0, match: {event_type: dns, dns.id: 8}}
- filter: {count: 9, match: {event_type: alert}}
- filter: {count: 1, requires: {min-version: 9}, match: {event_type: dns, dns.id: 9}}
''')
    corpus.file(f'{root}/tests/later/test.yaml', '''
requires: {min-version: 9}
checks:
- filter: {count: 5, match: {event_type: dns}}
''')
    capture = f'{root}/tests/one/in.pcap'
    right = {'event_type': 'dns', 'src_ip': '10.0.0.1', 'dns': {'id': 7}}
    corpus.eve(capture)
    expect('no parser', corpus.run('--write')[:2], (0, '0 of 2 checks'))
    corpus.eve(capture, right)
    expect('all right', corpus.run('--write')[:2], (0, '2 of 2 checks'))
    corpus.eve(capture, right, right)
    expect('one too many', corpus.run()[:2], (1, '1 of 2 checks'))
    corpus.eve(capture, right, {**right, 'dns': {'id': 8}})
    expect('one that must not be', corpus.run()[:2], (1, '1 of 2 checks'))
    corpus.eve(capture, {**right, 'dns': {'id': '7'}})
    code, score, said = corpus.run('-v', '--test', 'one')
    expect('another type', (code, score), (1, '1 of 2 checks'))
    expect('what differs is told', 'dns.id: we "7", they 7' in said, True)
    corpus.file(f'{capture}.eve', 'refused')
    expect('refused', corpus.run()[0], 1)


def zeek_words():
    """Zeek's word and ours for the same thing, and for another: the comparisons of zeek_fields.py."""
    fields = {f'{log}.{name}': field for log, spec in zeek_fields.LOGS.items() for name, field in spec.fields.items()}
    for field, theirs, right, wrong in (
            ('kerberos.error_msg', 'CLIENT_NOT_FOUND', 'KDC_ERR_C_PRINCIPAL_UNKNOWN', 'KDC_ERR_S_PRINCIPAL_UNKNOWN'),
            ('kerberos.till', '1421708099.000000', '2015-01-19T22:54:59', '2015-01-19T22:55:00'),
            ('kerberos.success', 'T', True, 'T'), ('kerberos.cipher', 'aes256-cts-hmac-sha1-96',
                                                   'AES256_CTS_HMAC_SHA1_96', 'AES128_CTS_HMAC_SHA1_96'),
            ('ldap_search.scope', 'tree', 2, 1), ('ldap_search.deref_aliases', 'always', 3, 0),
            ('ldap.result', 'invalid credentials', 'invalid_credentials', 'success'),
            ('ldap.message_id', '7', 7, '7'), ('ldap.object', '1.3.6 (whoami)', '1.3.6', '1.3'),
            ('rdp.client_channels', 'rdpdr,rdpsnd', ['rdpsnd', 'rdpdr'], ['rdpdr']),
            ('rdp.keyboard_layout', 'English - United States', 'en-US', 'en-GB'),
            ('rdp.requested_color_depth', '16bit', 16, 32),
            ('rdp.result', 'SSL_NOT_ALLOWED_BY_SERVER', 'ssl not allowed by server', 'Success'),
            ('x509.certificate.serial', '0100000001', '01:00:00:00:01', '01:00:00:00:02'),
            ('x509.certificate.subject', 'L=TURNBKL+CN=SERVR', 'CN=SERVR, L=TURNBKL', 'CN=SERVR'),
            ('smb_files.times.created', '1403193211.405449', 1403193211, 1403193212),
            ('smb_files.times.created', '1403193211.405449', 1403193211.405449, 1403193211.4),
            ('smb_mapping.share_type', 'DISK', 'FILE', 'PIPE'),
            ('smb_cmd.status', 'OBJECT_NAME_NOT_FOUND', 'STATUS_OBJECT_NAME_NOT_FOUND', 'STATUS_SUCCESS')):
        agrees = fields[field][1]
        expect(f'{field} {theirs} {right} {wrong}', (agrees(theirs, right), agrees(theirs, wrong)), (True, False))


def zeek(folder):
    corpus = Corpus(folder, 'corpus_zeek.py')
    corpus.file('zeek-traces/trace_to_baseline.csv', 'zeek_btest,trace_under_testing/btest/Traces,baseline_logs\n'
                'scripts.base.protocols.t,t.pcap,ldap.log\n')
    head = '\t'.join(['ts', 'id.orig_h', 'id.orig_p', 'id.resp_h', 'id.resp_p', 'message_id', 'opcode', 'result'])
    corpus.file('zeek-traces/baseline/scripts.base.protocols.t/ldap.log', f'#fields\t{head}\n'
                'X\t10.0.0.1\t1000\t10.0.0.2\t389\t1\tbind SASL\tSASL bind in progress\n'
                'X\t10.0.0.1\t1000\t10.0.0.2\t389\t2\tunbind\t-\n'
                'X\t10.0.0.1\t999\t10.0.0.2\t389\t3\tunbind\t-\n')
    ends = {'proto': 'TCP', 'src_ip': '10.0.0.1', 'src_port': 1000, 'dest_ip': '10.0.0.2', 'dest_port': 389}
    flow = {**ends, 'event_type': 'flow'}
    bind = {**ends, 'event_type': 'ldap', 'ldap': {
        'request': {'message_id': 1, 'operation': 'bind_request', 'bind_request': {'sasl': {'mechanism': 'NTLM'}}},
        'responses': [{'operation': 'bind_response', 'bind_response': {'result_code': 'sasl_bind_in_progress'}}]}}
    unbind = {**ends, 'event_type': 'ldap', 'ldap': {'request': {'message_id': 2, 'operation': 'unbind_request'}}}
    capture = 'zeek-traces/t.pcap'
    corpus.eve(capture, flow, unbind, bind)
    expect('as Zeek says, in another order', corpus.run('--write')[:2], (0, '5 of 5 fields'))
    corpus.eve(capture, flow, bind)
    expect('one event less', corpus.run()[:2], (1, '3 of 5 fields'))
    corpus.eve(capture, flow, unbind, {**bind, 'ldap': {**bind['ldap'], 'responses': []}})
    expect('one field less', corpus.run()[:2], (1, '4 of 5 fields'))
    corpus.eve(capture, flow, unbind, {**bind, 'src_port': 1001})
    expect('of another flow', corpus.run()[:2], (1, '2 of 5 fields'))


def ja4(folder):
    corpus = Corpus(folder, 'corpus_ja4.py')
    corpus.file('ja4/python/test/testdata/a.pcap.json', json.dumps(
        [{'src': '10.0.0.1', 'dst': '10.0.0.2', 'srcport': '1000', 'dstport': '443', 'JA4.1': 't13d', 'JA4_r.1': 'x'}]))
    right = {'event_type': 'tls', 'src_ip': '10.0.0.1', 'src_port': 1000, 'dest_ip': '10.0.0.2', 'dest_port': 443,
             'tls': {'ja4': 't13d'}}
    capture = 'ja4/pcap/a.pcap'
    corpus.eve(capture, right)
    expect('the JA4', corpus.run('--write')[:2], (0, '1 of 1 flows'))
    corpus.eve(capture, {**right, 'tls': {'ja4': 't12d'}})
    expect('another JA4', corpus.run()[:2], (1, '0 of 1 flows'))
    corpus.eve(capture, right, {**right, 'src_port': 1001})
    expect('one too many', corpus.run()[:2], (1, '1 of 2 flows'))


def ja4_by_hand():
    """The example of JA4's own description."""
    hello = {name: '' for name in corpus_fingerprints.HELLO_FIELDS}
    ciphers = '1a1a,1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035'
    kinds = 'baba,001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015'
    for name, values in (('ciphersuite', ciphers), ('extension.type', kinds), ('version', '0303'),
                         ('extensions.supported_version', '7a7a,0304,0303'),
                         ('sig_hash_alg', '0403,0804,0401,0503,0805,0501,0806,0601')):
        hello[f'tls.handshake.{name}'] = ','.join(f'0x{value}' for value in values.split(','))
    hello['tls.handshake.extensions_alpn_str'] = 'h2,http/1.1'
    expect('JA4', corpus_fingerprints.ja4(hello, False), 't13d1516h2_8daaf6152771_e5627efa2ab1')
    expect('JA4 in QUIC', corpus_fingerprints.ja4(hello, True), 'q13d1516h2_8daaf6152771_e5627efa2ab1')


# one event a direction, with what its stream says: read by sequence numbers, or (careless) of its first segment
READER = '''#!/usr/bin/python3
import json, pathlib, sys
sys.path.insert(0, {support!r})
import resegment
streams, first = {{}}, {{}}
link, frames = resegment.read(pathlib.Path(sys.argv[2]).read_bytes())
for segment in filter(None, (resegment.segment_of(link, frame) for frame in frames)):
    data = segment.frame.data[segment.payload:segment.payload + segment.size]
    place = segment.seq - first.setdefault(segment.key, segment.seq) + 2**31 & 0xffffffff
    if not {careless} or segment.key not in streams:
        streams.setdefault(segment.key, {{}}).update(enumerate(([byte] for byte in data), place))
out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1]) / 'eve.json'
out.write_text(''.join(json.dumps({{'event_type': 'http', 'src_port': key[-2] * 256 + key[-1], 'src_ip': '10.0.0.1',
    'said': b''.join(bytes(parts[at]) for at in sorted(parts)).hex()}}) + chr(10) for key, parts in streams.items()))
print('{{}}')
'''


def differential(folder):
    corpus = Corpus(folder, 'corpus_differential.py')
    frames = []
    for client, server, tags in (('10.0.0.1', '10.0.0.2', ()), ('2001:db8::1', '2001:db8::2', ((0x8100, 7),))):
        talk = packets.Conversation(client, server, 1000, 80, tags, isn=(0xfffffff0 - 4096, 9))
        frames += talk.open() + talk.say(True, bytes(range(256)) * 20) + talk.say(False, b'fine' * 700) + talk.close()
    corpus.file('corpus/a.pcap', '')
    packets.write_pcap(corpus.folder / 'corpus/a.pcap', frames)
    for careless, wanted in ((False, (0, '3 of 3 variants')), (True, (1, '0 of 3 variants'))):
        corpus.file('weir', READER.format(support=str(HERE.parent / 'support'), careless=careless))
        code, score, said = corpus.run()
        expect(f'careless: {careless}', (code, score), wanted)
        expect(f'disorder is told, careless: {careless}', '[disordered] 0 of 1' in said, careless)


def main():
    paths()
    ja4_by_hand()
    zeek_words()
    for check in (suricata_verify, zeek, ja4, differential):
        with tempfile.TemporaryDirectory() as folder:
            check(folder)
    print('\n'.join(failures) or 'as expected')
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main()
