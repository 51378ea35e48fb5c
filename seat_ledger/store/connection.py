"""Connections to PostgreSQL, opened in one way and failing with one sentence."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from seat_ledger.errors import Unavailable

CONNECT_TIMEOUT = 10


def connect(conninfo: str, **options: Any) -> psycopg.Connection[Any]:
    """Open a connection. Raises Unavailable, without any secret in its message."""
    try:
        options.setdefault("application_name", "seat-ledger")
        options.setdefault("connect_timeout", CONNECT_TIMEOUT)
        return psycopg.connect(conninfo, **options)
    except (psycopg.Error, UnicodeError) as error:
        raise unavailable(conninfo, error) from None


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
