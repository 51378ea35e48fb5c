"""Whatever role, database and environment would make of a session: the same answers.

Every setting that a client can inherit is made from the server's own list of them, and
every variable of the environment from the client library's, each at an odd value. The
short form has all that are pinned at once, and every variable; the long form has each
setting by itself, of the role and of the database.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo

from seat_ledger.store import tools
from seat_ledger.store.connection import connect
from seat_ledger.store.embedded import EmbeddedServer
from seat_ledger.store.marks import EMBEDDED
from seat_ledger.store.session import LIMITS, NO_PASSFILE, PINNED
from tests.in_process import Program
from tests.program import ANN, BUY, GIVE, OPEN
from tests.support.places import is_newest
from tests.support.waiting import drop_login

pytestmark = pytest.mark.both_versions

QUESTIONS = (
    ("account", "show", "acme", "--as-of", "2025-06-01"),
    ("seat", "list", "-a", "acme", "--as-of", "2025-06-01", "--format", "csv"),
    ("user", "list", "-a", "acme", "--as-of", "2025-06-01", "--format", "json"),
    ("billing", "counts", "-a", "acme", "--format", "json"),
    ("event", "list", "-a", "acme", "--format", "csv"),
)
PLANTED = """
CREATE SCHEMA evil;
CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT '1999-01-01Z'::timestamptz $$;
CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE sql
    AS $$ SELECT 'none' $$;
CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql
    AS $$ SELECT 'planted' $$;
CREATE FUNCTION evil.count(bigint) RETURNS bigint LANGUAGE sql
    AS $$ SELECT 7::bigint $$;
CREATE FUNCTION evil.never(text, text) RETURNS boolean LANGUAGE sql
    AS $$ SELECT false $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
CREATE OPERATOR evil.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
CREATE DOMAIN evil.text AS integer;
CREATE DOMAIN evil.bigint AS boolean;
CREATE TABLE evil.pg_roles (rolname name, oid oid);
CREATE TABLE evil.pg_class (oid oid);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
"""
WORDS = {
    "DateStyle": "German, DMY",
    "TimeZone": "Asia/Kathmandu",
    "timezone_abbreviations": "India",
    "search_path": "evil, pg_catalog, public",
    "client_encoding": "SQL_ASCII",
    "lc_monetary": "C.UTF-8",
    "lc_numeric": "C.UTF-8",
    "lc_time": "C.UTF-8",
    "lc_messages": "C.UTF-8",
    "restrict_nonsystem_relation_kind": "view",
    "createrole_self_grant": "set",
    "role": "an_odd_role",
    "default_tablespace": "pg_default",
    "temp_tablespaces": "pg_default",
    "default_text_search_config": "pg_catalog.german",
    "application_name": "an odd one",
    "log_min_messages": "debug5",
}
"""Odd values of settings that are words."""

VARIABLES = {
    "PGOPTIONS": "-c search_path=evil,pg_catalog -c datestyle=German "
    "-c role=an_odd_role -c client_encoding=LATIN1 -c array_nulls=off "
    "-c default_transaction_isolation=serializable -c extra_float_digits=-15 "
    "-c transform_null_equals=on",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGDATESTYLE": "SQL, DMY",
    "PGTZ": "Asia/Kathmandu",
    "PGGEQO": "off",
    "PGHOST": "/nonexistent",
    "PGHOSTADDR": "127.0.0.9",
    "PGPORT": "9",
    "PGSSLMODE": "disable",
    "PGCONNECT_TIMEOUT": "2",
    "PGTARGETSESSIONATTRS": "standby",
    "PGGSSENCMODE": "disable",
    "PGCHANNELBINDING": "disable",
    "PGSSLCERTMODE": "disable",
    "PGMINPROTOCOLVERSION": "latest",
    "PGMAXPROTOCOLVERSION": "3.0",
    "PGLOADBALANCEHOSTS": "random",
    "PGSSLMINPROTOCOLVERSION": "TLSv1.3",
    "PGSSLMAXPROTOCOLVERSION": "TLSv1.3",
}
"""Odd values of variables that would be refused, or mean nothing, at any other."""


class Setting(NamedTuple):
    name: str
    value: str


@pytest.fixture
def odd(server: str, database: str, tmp_path: Path) -> Iterator[Odd]:
    login = f"odd_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            "DO $$ BEGIN CREATE ROLE an_odd_role; "
            "EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        connection.execute(f"CREATE ROLE {login} LOGIN".encode())
        connection.execute(
            f"GRANT seat_ledger_writer, seat_ledger_projector, seat_ledger_reader, "
            f"an_odd_role TO {login}".encode()
        )
    with psycopg.connect(database) as connection:
        connection.execute(PLANTED.encode())
    program = Program(make_conninfo(database, user=login), tmp_path)
    plain = Program(database, tmp_path)
    plain.record(OPEN, BUY, ANN | {"name": "Zoë Łuk“\\x\\"}, GIVE)
    odd = Odd(program, plain, login, database)
    yield odd
    odd.alter("database", None)
    with (
        psycopg.connect(server, autocommit=True) as connection,
        psycopg.connect(database, autocommit=True) as inside,
    ):
        inside.execute(f"DROP OWNED BY {login}".encode())
        drop_login(connection, login)


class Odd(NamedTuple):
    """A login with odd settings, and one without: what they are answered."""

    program: Program
    plain: Program
    login: str
    database: str

    def agrees(
        self,
        variables: Mapping[str, str] = MappingProxyType({}),
        *,
        may_refuse: bool = True,
    ) -> str | None:
        """Write and ask with odd settings; None, or how it differs from without.

        The variables are the odd program's alone: what it is compared with, and what
        sets things right again, has none of them.
        """
        wrong = self.writes(variables, may_refuse=may_refuse)
        return wrong or self.answers(
            self.plain_answer, variables, may_refuse=may_refuse
        )

    def writes(
        self, variables: Mapping[str, str], *, may_refuse: bool = False
    ) -> str | None:
        """Add a user with odd settings; None, or what came of it."""
        key = f"u{uuid.uuid4().hex[:8]}"
        line = ANN | {"user": key, "email": f"{key}@é.example", "name": f"Ünï {key}\\"}
        try:
            with environment(variables):
                self.program.record(line)
        except AssertionError as error:
            self.alter("database", None)
            if not (may_refuse and _is_refusal(str(error))):
                return f"write {error}"
            return None
        self.alter("database", None)
        if key not in self.plain.run(*QUESTIONS[2]).out:
            return f"{key} is not there"
        return None

    def plain_answer(self, words: Sequence[str]) -> str:
        plain = self.plain.run(*words)
        assert plain.status == 0, plain.err
        return plain.out

    def answers(
        self,
        expected: Callable[[Sequence[str]], str],
        variables: Mapping[str, str],
        *,
        may_refuse: bool = False,
    ) -> str | None:
        """Ask with odd settings; None, or an answer that is not what is expected."""
        with environment(variables):
            answers = [self.program.run(*words) for words in QUESTIONS]
        self.alter("database", None)
        for words, odd in zip(QUESTIONS, answers, strict=True):
            if odd.status == 0 and odd.out != expected(words):
                return f"{words}: {odd.out!r} and not {expected(words)!r}"
            if odd.status != 0 and not (may_refuse and _is_refusal(odd.err)):
                return f"{words}: {odd.err}"
        return None

    def settings(self) -> list[Setting]:
        with psycopg.connect(self.database) as connection:
            rows = connection.execute(
                "SELECT name, vartype, setting, enumvals, min_val, max_val "
                "FROM pg_settings WHERE context IN "
                "('user', 'superuser', 'backend', 'superuser-backend')"
            ).fetchall()
        result = [Setting("role", WORDS["role"])]
        for row in rows:
            result += [Setting(row[0], value) for value in _odd_values(*row)]
        return result

    def alter(self, of: str, setting: Setting | None) -> bool:
        """Set or take back a setting of the role or of the database."""
        kind, name = ("ROLE", self.login) if of == "role" else ("DATABASE", None)
        admin = make_conninfo(  # elsewhere: the database may let nobody in for now
            self.database,
            dbname="postgres",
            options="-c role=none -c default_transaction_read_only=off",
        )
        database = str(conninfo_to_dict(self.database)["dbname"])
        with psycopg.connect(admin, autocommit=True) as connection:
            who = sql.Identifier(name or database)
            head = sql.SQL(f"ALTER {kind} {{}} ").format(who)
            if setting is None:
                connection.execute(head + sql.SQL("RESET ALL"))
                return True
            change = sql.SQL("SET {} TO {}").format(
                sql.Identifier(setting.name), _value(setting)
            )
            try:
                connection.execute(head + change)
            except psycopg.Error:
                return False
        return True


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The environment with some variables more."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def _value(setting: Setting) -> sql.Composable:
    if setting.name in {"search_path", "DateStyle", "temp_tablespaces"}:
        parts = setting.value.split(", ")
        return sql.SQL(", ").join(map(sql.Literal, parts))
    return sql.Literal(setting.value)


def _odd_values(
    name: str, kind: str, setting: str, words: list[str] | None, *ends: str | None
) -> list[str]:
    if name in WORDS:
        return [WORDS[name]]
    if kind == "bool":
        return ["off" if setting == "on" else "on"]
    if kind == "enum":
        return [word for word in words or [] if word != setting]
    if kind in {"integer", "real"}:
        return [value for value in ends if value and value != setting]
    return ["odd"]


def _is_refusal(message: str) -> bool:
    """Whether it is told in a sentence what the server or its settings would not do."""
    return ('"code"' in message or "Error: " in message) and "bug" not in message


PINNED_AT_ODD = tuple(
    name for name in {**PINNED, **LIMITS} if name != "session_replication_role"
)


def test_all_that_is_pinned_at_odd_values_changes_no_answer(odd: Odd) -> None:
    own = [setting for setting in odd.settings() if setting.name in PINNED_AT_ODD]
    with psycopg.connect(odd.database) as connection:
        of_superusers = {
            name
            for (name,) in connection.execute(
                "SELECT name FROM pg_settings WHERE context LIKE 'superuser%'"
            )
        }
    done = {
        setting.name
        for setting in own
        if setting.name not in of_superusers and odd.alter("role", setting)
    }
    odd.alter("role", Setting("client_encoding", "SQL_ASCII"))
    assert len(done) > 40
    assert odd.agrees(may_refuse=False) is None


@pytest.mark.parametrize(
    "setting",
    [
        Setting("session_replication_role", "replica"),
        Setting("zero_damaged_pages", "on"),
        Setting("ignore_checksum_failure", "on"),
    ],
)
def test_a_setting_that_the_login_may_not_set_right_is_refused(
    odd: Odd, setting: Setting
) -> None:
    assert odd.alter("role", setting)
    done = odd.program.run("account", "list")
    assert done.status == 1
    assert setting.name in done.err
    assert "RESET" in done.err
    assert odd.alter("role", None)
    assert odd.agrees(may_refuse=False) is None


def variables() -> list[str]:
    named = [
        default.envvar.decode() for default in Conninfo.get_defaults() if default.envvar
    ]
    return sorted({*named, *VARIABLES})


REACHING = (
    *("OPTIONS", "ENCODING", "STYLE", "TZ", "GEQO", "APPNAME", "USER", "DATABASE"),
    "PROTOCOLVERSION",
)


def test_no_variable_of_the_environment_changes_an_answer(odd: Odd) -> None:
    """The client's library reads them all; a few it hands on to the server."""
    named = variables()
    if not is_newest(odd.database):
        named = [name for name in named if name.endswith(REACHING)]
    assert len(named) > 7
    odd_at = [{name: VARIABLES.get(name, "odd")} for name in named]
    for setting in odd_at:
        assert odd.writes(setting, may_refuse=True) is None, setting
    plain = {words: odd.plain_answer(words) for words in QUESTIONS}
    for setting in odd_at:
        wrong = odd.answers(plain.__getitem__, setting, may_refuse=True)
        assert wrong is None, setting


def test_no_variable_reaches_the_embedded_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str
) -> None:
    assert EMBEDDED in EmbeddedServer(tmp_path).url()
    name = f"v_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE ledger_template".encode())
    try:
        address = make_conninfo(server, dbname=name, fallback_application_name=EMBEDDED)
        program = Program(address, tmp_path)
        program.record(OPEN, BUY, ANN, GIVE)
        expected = [program.run(*words).out for words in QUESTIONS]
        for variable in variables():
            monkeypatch.setenv(variable, VARIABLES.get(variable, "odd"))
        assert [program.run(*words).out for words in QUESTIONS] == expected
        assert os.environ["PGHOSTADDR"] == VARIABLES["PGHOSTADDR"]
    finally:
        for variable in variables():
            monkeypatch.delenv(variable, raising=False)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def foreign_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A password file for everything, and a service, of another server."""
    for file in (tmp_path / ".pgpass", tmp_path / "named"):
        file.write_text("*:*:*:*:anothers-password\n")
        file.chmod(0o600)
    services = tmp_path / "services"
    services.write_text("[other]\nhost=/nowhere\ndbname=other\nuser=other\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    return str(tmp_path / "named")


def test_no_password_file_reaches_the_embedded_server(
    database: str, foreign_files: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor its tools: what asks for a password there is not the embedded server."""
    embedded = make_conninfo(database, fallback_application_name=EMBEDDED)
    for variables in ({}, {"PGPASSFILE": foreign_files}, {"PGPASSWORD": "x"}):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with connect(embedded) as connection:
            assert not connection.info.password
        assert "PGPASSWORD" not in tools._address(embedded)
        assert tools._address(embedded)["PGPASSFILE"] == NO_PASSFILE
    with connect(database) as connection:
        assert connection.info.password == "x"  # which a server of one's own may get


@pytest.mark.usefixtures("foreign_files")
@pytest.mark.parametrize("how", ["in the address", "in the environment"])
def test_tools_find_the_database_that_commands_find(
    database: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """What an address names goes before a service, in variables as well."""
    if how == "in the environment":
        monkeypatch.setenv("PGSERVICE", "other")
        named = database
    else:
        named = f"service=other {database}"
    statement = "SELECT current_database() || ' ' || session_user"
    with connect(named) as connection:
        (expected,) = connection.execute(statement.encode()).fetchone() or ("",)
        host = connection.info.host
    address = tools._address(named)
    assert "PGSERVICE" not in address
    options = {option.keyword: option.envvar for option in Conninfo.get_defaults()}
    same = {
        name: address[options[name.encode()].decode()]
        for name in ("host", "user", "dbname")
    }
    assert f"{same['dbname']} {same['user']}" == expected
    assert same["host"] == host


def test_what_a_tool_writes_is_for_its_user_alone(
    database: str, tmp_path: Path
) -> None:
    dump = tmp_path / "all.sql"
    assert tools.run(database, "pg_dump", ("-f", str(dump))) == 0
    assert dump.stat().st_mode & 0o077 == 0


@pytest.mark.long
@pytest.mark.parametrize("of", ["role", "database"])
def test_no_setting_changes_an_answer(odd: Odd, of: str) -> None:
    different, tried = [], 0
    for setting in odd.settings():
        if not odd.alter(of, setting):
            continue
        tried += 1
        message = odd.agrees()
        odd.alter(of, None)
        if message is not None:
            different.append((setting, message))
    print(f"{tried} settings of the {of}")
    assert tried > 150
    assert different == []


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf_8_is_refused_and_left_as_it_is(
    server: str, tmp_path: Path, encoding: str
) -> None:
    name = f"e_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'".encode()
        )
    address = make_conninfo(server, dbname=name)
    try:
        program = Program(address, tmp_path)
        for words in (("db", "migrate"), ("account", "list"), ("db", "status")):
            done = program.run(*words)
            assert done.status == 12
            assert encoding in done.err
        with psycopg.connect(address) as connection:
            row: Any = connection.execute(
                "SELECT count(*) FROM pg_namespace WHERE nspname = 'ledger'"
            ).fetchone()
            assert row == (0,)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
