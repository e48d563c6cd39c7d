#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""psql and PostgreSQL, mariadb both sides: logins right and wrong, statements, errors, what TLS leaves to be seen."""
import os
import re

from case import begin, wire
from evidence import Evidence, daemon_said, did
from other_services import start_mariadb, start_postgres
from lab import SERVER4

with wire(start=False) as (lab, weir):
    start_postgres(lab, {'alice': 'Alice-Pass1', 'old': 'Old-Pass1'})
    start_mariadb(lab, {'bob': 'Bob-Pass1'})
    begin(lab, weir, serve=False)
    evidence = Evidence(weir)

    def psql(what, account, password, statement, code=0, said=None, database='shop', tls='disable', host=SERVER4):
        did(what, lab.run('client', ['psql', '-X', '-U', account, '-c', statement,
                                     f'host={host} hostaddr={SERVER4} dbname={database} sslmode={tls} '
                                     'gssencmode=disable'],
                          env={**os.environ, 'PGPASSWORD': password}, cwd='/'), code, said)

    psql('a statement', 'alice', 'Alice-Pass1', "INSERT INTO goods VALUES ('tea', 3)", said='INSERT 0 1')
    psql('another', 'alice', 'Alice-Pass1', 'SELECT name FROM goods WHERE price < 9', said='tea')
    psql('a wrong password', 'alice', 'wrong', 'SELECT 1', 2, 'authentication failed')
    psql('the old kind of password', 'old', 'Old-Pass1', 'SELECT 1', said='1 row')
    psql('the old kind, wrong', 'old', 'wrong', 'SELECT 1', 2, 'authentication failed')
    psql('a table that is not there', 'alice', 'Alice-Pass1', 'SELECT * FROM secrets', 1, 'does not exist')
    psql('a database that is not there', 'alice', 'Alice-Pass1', 'SELECT 1', 2, 'does not exist', database='none')
    daemon_said(lab, 'postgres', 'password authentication failed for user "alice"', 'relation "secrets" does not exist')
    evidence.told('who comes, to which database', 'pgsql', {
        'request.startup_parameters.user': 'alice', 'request.startup_parameters.optional_parameters.database': 'shop',
        'response.message': 'authentication_sasl', '/dest_port': 5432})
    evidence.told('how it proves that', 'pgsql', {'request.sasl_authentication_mechanism': 'SCRAM-SHA-256'})
    evidence.told('a statement', 'pgsql', {'request.simple_query': "INSERT INTO goods VALUES ('tea', 3)",
                                           'response.command_completed': 'INSERT 0 1'})
    evidence.told('another', 'pgsql', {'request.simple_query': 'SELECT name FROM goods WHERE price < 9',
                                       'response.data_rows': 1, 'response.command_completed': 'SELECT 1'})
    evidence.told('what failed', 'pgsql', {'request.simple_query': 'SELECT * FROM secrets', 'response.code': '42P01',
                                           'response.message': 'relation "secrets" does not exist'})
    evidence.logins('pgsql', *({'account': account, 'outcome': outcome, **more} for account, outcome, more in (
        ('alice', 'success', {}), ('alice', 'success', {}), ('alice', 'failure', {'code': '28P01'}),
        ('old', 'success', {}), ('old', 'failure', {'code': '28P01'}), ('alice', 'success', {}),
        ('alice', ..., {}))))

    psql('by TLS', 'alice', 'Alice-Pass1', 'SELECT 7', said='7', tls='require', host='db.lab.test')
    psql('by TLS, a wrong password', 'alice', 'wrong', 'SELECT 7', 2, 'authentication failed', tls='require')
    sealed = {'version': 'TLS 1.3', 'ja3.hash': ..., 'ja3s.hash': ...,
              'ja4': re.compile('t13[di][0-9]{4}[0-9a-z]{2}_[0-9a-f]{12}_[0-9a-f]{12}')}
    evidence.told('the name, of TLS in PostgreSQL', 'tls', {**sealed, 'sni': 'db.lab.test', '/dest_port': 5432})
    evidence.told('TLS in PostgreSQL', 'tls', {**sealed, '/dest_port': 5432}, 2)

    def mariadb(what, account, password, statement, code=0, said=None, tls='--skip-ssl'):
        did(what, lab.run('client', ['mariadb', '--no-defaults', '-h', SERVER4, '-u', account, f'-p{password}', '-t',
                                     tls, '-e', statement, 'shop']), code, said)

    mariadb('a statement', 'bob', 'Bob-Pass1', "INSERT INTO goods VALUES ('salt', 2); SELECT name FROM goods",
            said='salt')
    mariadb('a wrong password', 'bob', 'wrong', 'SELECT 1', 1, 'Access denied')
    mariadb('nobody', 'mallory', 'x', 'SELECT 1', 1, 'Access denied')
    mariadb('a table that is not there', 'bob', 'Bob-Pass1', 'SELECT * FROM secrets', 1, "doesn't exist")
    for record in evidence.events('mysql'):
        print(record['mysql'])
    evidence.logins('mysql', {'account': 'bob', 'outcome': 'success'},
                    {'account': 'bob', 'outcome': 'failure', 'code': 'ER_ACCESS_DENIED_ERROR'},
                    {'account': 'mallory', 'outcome': 'failure', 'code': 'ER_ACCESS_DENIED_ERROR'},
                    {'account': 'bob', 'outcome': 'success'})
    mariadb('by TLS', 'bob', 'Bob-Pass1', 'SELECT 7', said='7', tls='--ssl')
    evidence.told('TLS in MariaDB', 'tls', {**sealed, '/dest_port': 3306})
    evidence.nothing_wrong()
