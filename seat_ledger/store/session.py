"""What a session is like, whatever role, database and environment would make of it.

Every setting on which a result depends is set once, when a connection is opened: an
answer is the same whoever asks, from wherever. What a login may not set right, and a
server that cannot give a session of its own, are refused there.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import POLLIN, poll
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from seat_ledger.errors import DatabaseRefused, SchemaMismatch, Unavailable
from seat_ledger.store.marks import EMBEDDED

OLDEST_SERVER = 150000

LONGEST_WAIT = "30s"
"""How long a statement waits for a lock before it is told who holds it."""

LONGEST_SILENCE = 10
"""Seconds in which a server, or a pooler before it, gives the first answer."""

_PLANNING = (
    *("bitmapscan", "gathermerge", "hashagg", "hashjoin", "incremental_sort"),
    *("indexonlyscan", "indexscan", "material", "memoize", "mergejoin", "nestloop"),
    *("parallel_append", "parallel_hash", "partition_pruning", "seqscan", "sort"),
    "tidscan",
)

PINNED: dict[str, str] = {
    "role": "none",
    # how values are written and read
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    # what a statement means
    "search_path": "pg_catalog, pg_temp",
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "row_security": "on",
    "check_function_bodies": "on",
    "restrict_nonsystem_relation_kind": "",
    "session_replication_role": "origin",
    "lo_compat_privileges": "off",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "createrole_self_grant": "",
    "default_table_access_method": "heap",
    "default_tablespace": "",
    "temp_tablespaces": "",
    # what a transaction is
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "synchronous_commit": "on",
    "exit_on_error": "off",
    # how it is planned
    **{f"enable_{name}": "on" for name in _PLANNING},
    "plan_cache_mode": "auto",
    "constraint_exclusion": "partition",
    "cursor_tuple_fraction": "0.1",
    "from_collapse_limit": "8",
    "join_collapse_limit": "8",
    "geqo": "on",
    "force_parallel_mode": "off",
    "debug_parallel_query": "off",
    "debug_discard_caches": "0",
}
"""Settings of every session; those that a server does not have are left out."""

LIMITS: dict[str, str] = {
    "statement_timeout": "0",
    "lock_timeout": LONGEST_WAIT,
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
    "tcp_user_timeout": "120s",
}
"""Limits of time. One that the address itself names holds instead."""

_PIN = """
SELECT pg_catalog.count(pg_catalog.set_config(pin.name, pin.value, false))
  FROM ROWS FROM (pg_catalog.unnest(%(names)s::pg_catalog.text[]),
                  pg_catalog.unnest(%(values)s::pg_catalog.text[])) AS pin(name, value)
 WHERE pg_catalog.current_setting(pin.name, true) OPERATOR(pg_catalog.<>) pin.value
   AND (pin.name OPERATOR(pg_catalog.<>) 'synchronous_commit'
        OR pg_catalog.current_setting(pin.name) OPERATOR(pg_catalog.=) 'off')
"""
"""Sets what is not so already: not every login may set every one of them.

A server that waits for its standbys at each commit goes on to do so.
"""
_PROCESS = "SELECT pg_catalog.pg_backend_pid()"
_LIBPQ = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 60,
    "keepalives_interval": 10,
    "keepalives_count": 6,
    "tcp_user_timeout": 120_000,
}
"""What the client's side does; all but the encoding may be said otherwise."""

NO_PASSFILE = "/dev/null/none"
"""No file, and none can be made there: without a name libpq reads ``~/.pgpass``."""

_ROUNDS = 6
_environment = threading.Lock()


class LedgerConnection(psycopg.Connection[Any]):
    """A connection whose session is the ledger's own. The one way to open one."""

    @classmethod
    def connect(
        cls, conninfo: str = "", *, autocommit: bool = False, **options: Any
    ) -> LedgerConnection:
        """Open a connection, and set its session right.

        Raises psycopg's errors, and DatabaseRefused or SchemaMismatch for a server
        that cannot give the session that is needed.
        """
        named = conninfo_to_dict(conninfo)
        for name, value in _LIBPQ.items():
            if name not in named:
                options.setdefault(name, value)
        options |= where_options(named)
        options.setdefault("application_name", "seat-ledger")
        options["client_encoding"] = "UTF8"
        with own_environment(named):
            connection = super().connect(conninfo, autocommit=True, **options)
        try:
            begin(connection, str(named.get("options") or ""))
            connection.autocommit = autocommit
        except BaseException:
            connection.close()
            raise
        return connection


def where_options(named: dict[str, Any]) -> dict[str, str]:
    """What keeps variables and files of PostgreSQL's clients from leading elsewhere.

    No password of another server's is sent to the embedded one.
    """
    options = {}
    if named.get("host") and not named.get("hostaddr"):
        options["hostaddr"] = ""  # PGHOSTADDR would
    if is_embedded(named):
        options["passfile"] = NO_PASSFILE
    return options


def is_embedded(named: dict[str, Any]) -> bool:
    """Whether an address, by its parts, is that of the embedded server."""
    return named.get("fallback_application_name") == EMBEDDED


@contextmanager
def own_environment(named: dict[str, Any]) -> Iterator[None]:
    """Keep the variables of PostgreSQL's clients from the embedded server."""
    if not is_embedded(named):
        yield
        return
    with _environment:
        hidden = {name: os.environ[name] for name in os.environ if name[:2] == "PG"}
        for name in hidden:
            del os.environ[name]
        try:
            yield
        finally:
            os.environ.update(hidden)


def begin(connection: psycopg.Connection[Any], options: str = "") -> None:
    """Set a session right. `said` are the options that the address itself names."""
    _check_server(connection)
    limits = {name: value for name, value in LIMITS.items() if name not in options}
    pins = {**PINNED, **limits}
    if _first_answer(connection) != connection.info.backend_pid:
        _check_own(connection)  # before anything of it is changed
    with connection.cursor(row_factory=tuple_row) as cursor:
        try:
            cursor.execute(_PIN, {"names": [*pins], "values": [*pins.values()]})
        except psycopg.errors.InsufficientPrivilege as error:
            raise DatabaseRefused(
                "The sessions of this login start with a setting that results depend "
                f"on and that it may not change: {error.diag.message_primary}.",
                try_="remove it where it was set: ALTER ROLE … RESET …, or ALTER "
                "DATABASE … RESET …",
            ) from error


def _check_server(connection: psycopg.Connection[Any]) -> None:
    """Raise SchemaMismatch for an old server, or a database that is not UTF-8."""
    version = connection.info.server_version
    if version < OLDEST_SERVER:
        raise SchemaMismatch(
            f"The server is PostgreSQL {version // 10000}; 15 or newer is needed.",
            try_="name another database",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SchemaMismatch(
            f"The database {connection.info.dbname} is in {encoding}; the ledger "
            "needs UTF-8, in which every name can be written. Nothing was done.",
            try_="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0, and name that "
            "database",
        )


def _first_answer(connection: psycopg.Connection[Any]) -> int:
    """The process that serves the session. A pooler that has none to lend is not waited
    for longer than :data:`LONGEST_SILENCE`: raises Unavailable.
    """
    pgconn, ends = connection.pgconn, time.monotonic() + LONGEST_SILENCE
    pgconn.send_query(_PROCESS.encode())
    value = None
    while True:
        _await_result(connection, ends)
        result = pgconn.get_result()
        if result is None:
            break
        value = result.get_value(0, 0) if result.ntuples else None
    if value is None:
        raise psycopg.OperationalError(pgconn.error_message.decode(errors="replace"))
    return int(value)


def _await_result(connection: psycopg.Connection[Any], ends: float) -> None:
    """Wait until a result can be taken at once: taking it holds every thread up."""
    pgconn, waiting = connection.pgconn, poll()
    waiting.register(pgconn.socket, POLLIN)
    while pgconn.is_busy():
        if not waiting.poll(1000 * max(0, ends - time.monotonic())):
            raise Unavailable(
                f"The server at {connection.info.host} took the connection and did not "
                f"answer for {LONGEST_SILENCE} s. A connection pooler that has no "
                "session left to lend does so: a command needs up to two at once.",
                try_="give the pool more sessions, or name the server's own address",
            )
        pgconn.consume_input()


_own_sessions: dict[tuple[str, int, str], float] = {}
"""Where, and when, each client was seen to have a session of its own."""

_BELIEVED = 60
"""Seconds for which that is believed: to look takes a second session of the pool."""


def _check_own(connection: psycopg.Connection[Any]) -> None:
    """Raise DatabaseRefused where a pooler lends server processes by transactions.

    Behind a pooler the process that answers is not the one that greeted. One that lends
    it for a whole session is as good as none; else two clients meet in one process.
    """
    info = connection.info
    where = (info.host, info.port, info.dbname)
    if time.monotonic() - _own_sessions.get(where, -_BELIEVED) < _BELIEVED:
        return
    with psycopg.connect(
        info.dsn, password=info.password, autocommit=True, connect_timeout=10
    ) as other:
        _first_answer(other)
        pair = [
            session.cursor(row_factory=tuple_row) for session in (connection, other)
        ]
        seen = [
            cursor.execute(_PROCESS, prepare=False).fetchone()
            for _ in range(_ROUNDS)
            for cursor in pair
        ]
    if len({*seen[::2]}) > 1 or len({*seen[1::2]}) > 1 or seen[0] == seen[1]:
        raise DatabaseRefused(
            "Between this program and the server is a connection pooler in "
            "transaction mode. Roles, locks and settings would leak to its other "
            "clients. Nothing was done.",
            try_="name the server's own address, or a pool in session mode",
        )
    _own_sessions[where] = time.monotonic()
