"""Connections to PostgreSQL, opened in one way and failing with one sentence."""

from __future__ import annotations

from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from seat_ledger.errors import Unavailable

CONNECT_TIMEOUT = 10


Role = Literal["writer", "projector", "reader"]

_BECOME = (
    "SELECT set_config('role', coalesce(("
    "SELECT rolname FROM pg_roles WHERE rolname = %(role)s "
    "AND pg_has_role(session_user, oid, 'MEMBER') "
    "AND has_schema_privilege(oid, to_regnamespace('ledger'), 'USAGE') "
    "AND (rolname <> 'seat_ledger_projector' "
    "OR has_database_privilege(oid, current_database(), 'CREATE'))"
    "), 'none'), false)"
)


def connect(
    conninfo: str, *, role: Role | None = None, **options: Any
) -> psycopg.Connection[Any]:
    """Open a connection, as one of the ledger's roles where that can be.

    Raises Unavailable, without any secret in its message.
    """
    try:
        options.setdefault("application_name", "seat-ledger")
        options.setdefault("connect_timeout", CONNECT_TIMEOUT)
        connection = psycopg.connect(conninfo, **options)
        if role is not None:
            become(connection, role)
    except (psycopg.Error, UnicodeError) as error:
        raise unavailable(conninfo, error) from None
    return connection


def become(connection: psycopg.Connection[Any], role: Role) -> None:
    """Take on a role for the session, with fewer rights than the login.

    Where the login is no member of it, or this database does not know it, the login
    keeps its own. Nothing that a transaction holds may depend on it.
    """
    connection.execute(_BECOME, {"role": f"seat_ledger_{role}"})


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
        found = conninfo_to_dict(conninfo or "").get("password")
    except psycopg.Error:
        return None
    return None if found is None else str(found)


def unavailable(conninfo: str, error: Exception) -> Unavailable:
    """The failure to reach a database, in words that hold no password."""
    told = str(error).strip().splitlines()
    reason = told[-1].strip() if told else type(error).__name__
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
    return Unavailable(
        f"The database at {where} cannot be reached: {reason.rstrip('.')}.",
        try_="check --database, or start the server (seat-ledger db start)",
    )


def is_lost(error: psycopg.Error) -> bool:
    """Whether an error means that the connection is gone, not that a step is wrong."""
    return isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
    )
