"""Connections to PostgreSQL, opened in one way and failing with one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import tuple_row

from seat_ledger.errors import (
    Conflict,
    DatabaseRefused,
    IntegrityFailure,
    LedgerError,
    NotAllowed,
    OutcomeUnknown,
    SchemaMismatch,
    Unavailable,
)
from seat_ledger.store.holders import holder
from seat_ledger.store.session import LedgerConnection

Role = Literal["owner", "writer", "projector", "reader", "account_reader"]

_BECOME = (
    "SELECT pg_catalog.set_config('role', taken.role, false), "
    "pg_catalog.set_config('row_security', CASE "
    "WHEN %(sees_all)s AND taken.role OPERATOR(pg_catalog.<>) 'none' "
    "THEN 'off' ELSE 'on' END, false) "
    "FROM (SELECT CASE WHEN pg_catalog.pg_has_role(session_user, role.oid, %(may)s) "
    "AND pg_catalog.has_schema_privilege("
    "role.oid, pg_catalog.to_regnamespace('ledger'), 'USAGE') "
    "AND (%(is_projector)s IS FALSE OR pg_catalog.has_database_privilege("
    "role.oid, pg_catalog.current_database(), 'CREATE')) "
    "THEN %(role)s::pg_catalog.text ELSE 'none' END AS role "
    "FROM (SELECT pg_catalog.to_regrole(%(role)s)::pg_catalog.oid AS oid) AS role "
    "OFFSET 0) AS taken"
)
"""Where a policy would hide rows, whoever reads all accounts is told, not misled."""
SETTABLE_ROLES = 160000
"""From this version on a member may be one that cannot take the role on."""


def connect(
    conninfo: str, *, role: Role | None = None, **options: Any
) -> psycopg.Connection[Any]:
    """Open a connection, as one of the ledger's roles where that can be.

    Its session is the ledger's own (:mod:`seat_ledger.store.session`). Raises
    Unavailable, without any secret in its message; SchemaMismatch for a server or a
    database that cannot hold a ledger.
    """
    autocommit = options.pop("autocommit", False)
    try:
        connection = LedgerConnection.connect(conninfo, autocommit=True, **options)
        if role is not None:
            become(connection, role)
        connection.autocommit = autocommit
    except (psycopg.Error, UnicodeError) as error:
        raise unavailable(conninfo, error) from None
    return connection


def become(connection: psycopg.Connection[Any], role: Role) -> bool:
    """Take on a role for the session, with fewer rights than the login.

    Where the login is no member of it, or this database does not know it, the login
    keeps its own, and False is returned. Nothing that a transaction holds may depend
    on it.
    """
    may = "SET" if connection.info.server_version >= SETTABLE_ROLES else "MEMBER"
    params = {
        "role": f"seat_ledger_{role}",
        "may": may,
        "is_projector": role == "projector",
        "sees_all": role != "reader",
    }
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_BECOME, params).fetchone()
    return row is not None and row[0] != "none"


def sees_store(connection: psycopg.Connection[Any]) -> bool:
    """Whether the session may see how far the store is; the schema has to be there."""
    row = connection.execute(
        "SELECT has_column_privilege("
        "to_regclass('ledger.stored_events'), 'notification_id', 'SELECT')"
    ).fetchone()
    return row is None or row[0] is not False


def is_trusted(connection: psycopg.Connection[Any]) -> bool:
    """Whether the server let the login in without asking for anything.

    From version 16 on the server says how; before, all that is known is whether it
    asked for a password.
    """
    if connection.info.server_version >= 160000:
        row = connection.execute("SELECT system_user").fetchone()
        return row is None or row[0] is None
    return not connection.pgconn.used_password


def password_of(conninfo: str | None) -> str | None:
    """The password in a connection string, if there is one."""
    try:
        password = conninfo_to_dict(conninfo or "").get("password")
    except psycopg.Error:
        return None
    return None if password is None else str(password)


_OURS = ("2", "07", "09", "0B", "0L", "0P", "34", "38", "39", "3B", "42", "44")
"""SQLSTATE classes of a statement or a value that is wrong: a fault of the program."""
_ELSEWHERE = (
    *("25006", "25P03", "25P04", "22021", "22P05", "26000", "28", "2BP01"),
    *("42602", "2200H"),
)
"""What begins like those, and is the server's, the login's or another session's."""
_LACKING = ("3F000", "42703", "42704", "42883", "42P01", "42P10")
"""Something that the program needs is not there, or not any more."""
_DAMAGED = ("XX001", "XX002")
_UNREACHED = ("08", "57P", "28", "3D")
"""The connection was not made, or is gone."""


_READ_ONLY, _LOCKED = "25006", "55P03"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from, each once."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE behind an error, if a server said one."""
    for cause in _causes(error):
        if isinstance(cause, psycopg.Error) and cause.sqlstate:
            return cause.sqlstate
    return None


def constraint_of(error: BaseException) -> str | None:
    """The name of the constraint or index behind an error, if a server said one."""
    for cause in _causes(error):
        if isinstance(cause, psycopg.Error) and cause.diag.constraint_name:
            return cause.diag.constraint_name
    return None


def _primary(error: BaseException) -> str | None:
    """What the server said first, without the lines that say where."""
    for cause in _causes(error):
        if isinstance(cause, psycopg.Error) and cause.diag.message_primary:
            return cause.diag.message_primary
    return None


def _is_ours(state: str) -> bool:
    """Whether an SQLSTATE says that the program asked for something wrong."""
    return state.startswith(_OURS) and not state.startswith(_ELSEWHERE)


def is_refusal(error: BaseException) -> bool:
    """Whether the server is there, but could not or would not do it."""
    state = sqlstate_of(error) or ""
    return bool(state) and not (_is_ours(state) or state.startswith(_UNREACHED))


def unavailable(conninfo: str, error: Exception) -> Unavailable:
    """The failure to reach a database, in words that hold no password."""
    lines = (_primary(error) or str(error)).strip().splitlines()
    reason = lines[-1].strip() if lines else type(error).__name__
    try:
        named = conninfo_to_dict(conninfo)
    except (psycopg.Error, UnicodeError):
        return Unavailable(
            "The database's address cannot be read.",
            try_="write postgresql://user@host:port/database",
        )
    password = named.pop("password", None)
    if password:
        reason = reason.replace(str(password), "…")
    host, port = named.get("host") or "the local server", named.get("port")
    where = f"{host}{f':{port}' if port else ''}/{named.get('dbname') or ''}"
    if sqlstate_of(error) == _READ_ONLY:
        return DatabaseRefused(
            f"The database at {where} can only be read: it is a standby server, or "
            "set to read only.",
            try_="name the primary server; if the database was set to read only, see "
            "why: SHOW default_transaction_read_only",
        )
    if sqlstate_of(error) == _LOCKED and (lock_holder := holder(conninfo)):
        return DatabaseRefused(
            f"The database at {where} rejected the operation: what it needs is locked "
            f"by {lock_holder}.",
            try_="repeat the command once that program is done; if it is stuck, end "
            f"it: SELECT pg_terminate_backend({lock_holder.pid})",
        )
    if is_refusal(error):
        return DatabaseRefused(
            f"The database at {where} rejected the operation: {reason.rstrip('.')}.",
            try_="repeat the command once the cause is gone; see the server's log",
        )
    return Unavailable(
        f"The database at {where} cannot be reached: {reason.rstrip('.')}.",
        try_="check --database, or start the server (seat-ledger db start)",
    )


def is_lost(error: psycopg.Error) -> bool:
    """Whether an error means that the connection is gone, not that a step is wrong."""
    return isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    )


@contextmanager
def committing(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction in which all that is left at the end is to commit.

    Raises OutcomeUnknown where the connection is lost then: the server may have
    committed, or may yet. Lost before, nothing is written.
    """
    is_done = False
    try:
        with connection.transaction():
            yield
            is_done = True
    except psycopg.Error as error:
        if is_done and is_lost(error):
            raise OutcomeUnknown from error
        raise


def hides_rows(error: psycopg.Error) -> bool:
    """Whether a policy would hide rows from who must see all."""
    return "row-level security" in (error.diag.message_primary or "")


def not_allowed(error: psycopg.Error) -> NotAllowed:
    """The failure of a login to do what it has no right to."""
    reason = (error.diag.message_primary or "permission denied").rstrip(".")
    if hides_rows(error):
        return NotAllowed(
            f"Somebody made a policy that hides rows of a table: {reason}.",
            try_="see who made it and what for; then ALTER TABLE … DISABLE ROW LEVEL "
            "SECURITY",
        )
    return NotAllowed(
        f"This login may not do that in the database: {reason}.",
        try_="have the login granted the role that it needs; see 'seat-ledger help "
        "roles' and 'seat-ledger doctor'",
    )


def explained(conninfo: str, error: BaseException) -> LedgerError | None:
    """What an error says of the server; None where the fault is the program's.

    Every error of the database is a sentence, those that this program has never heard
    of too: only what says that a statement or a value is wrong remains a bug.
    """
    for cause in _causes(error):
        if isinstance(cause, psycopg.Error):
            explanation = _explained(conninfo, cause)
            if explanation is not None:
                return explanation
    return None


@contextmanager
def in_words(conninfo: Callable[[], str]) -> Iterator[None]:
    """Raise what the server says as :func:`explained` puts it; a bug stays one.

    The address is asked for then: what is done inside may be the first to know it.
    """
    try:
        yield
    except psycopg.Error as error:
        explanation = explained(conninfo(), error)
        if explanation is None:
            raise
        raise explanation from error


def _explained(conninfo: str, error: psycopg.Error) -> LedgerError | None:
    state = error.sqlstate or ""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return not_allowed(error)
    if state.startswith("40"):  # a deadlock, or two that cannot both be
        return Conflict(
            "The database cancelled this in favour of another transaction: "
            f"{_reason_of(error)}.",
            try_="repeat it",
        )
    if state in _LACKING:
        return SchemaMismatch(
            "The database is missing something that this program needs: "
            f"{_reason_of(error)}.",
            try_="see what 'seat-ledger doctor' reports about the schema, then "
            "'seat-ledger db migrate'",
        )
    if state in _DAMAGED:
        return IntegrityFailure(
            f"The database reports damage: {_reason_of(error)}.",
            try_="see the server's log, and copy its data folder before any repair",
        )
    if _is_without_connection(error) or is_refusal(error):
        return unavailable(conninfo, error)
    return None


def _is_without_connection(error: psycopg.Error) -> bool:
    """Whether there is no connection, as the server or the driver says it."""
    if isinstance(error, psycopg.InterfaceError) and error.sqlstate is None:
        return True  # closed, or lost between two statements
    state = error.sqlstate
    return is_lost(error) or (state is not None and state.startswith(_UNREACHED))


def _reason_of(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error)).strip().rstrip(".")
