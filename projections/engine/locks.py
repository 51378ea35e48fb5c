"""The advisory locks of the ledger's database, and what holding each one means."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from seat_ledger.errors import Locked

Connection = psycopg.Connection[Any]

APPEND_LOCK = 7365617431
"""Every append holds it; the store names it too, and a test compares."""

CATCH_UP_LOCK = 7365617432
"""Whoever moves a checkpoint, or switches generations, holds it to the commit."""

INSTALL_LOCK = 7365617433
"""Whoever makes the first generation holds it."""

REBUILD_LOCK = 7365617434
"""One rebuild at a time holds it, for its whole session."""

FOLLOW_LOCK = 7365617435
"""Of several followers the one at work holds it, for its whole session."""


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Hold the one place for a rebuild, and say who does. Raises Locked."""
    row = connection.execute(
        "SELECT pg_try_advisory_lock(%s)", [REBUILD_LOCK]
    ).fetchone()
    if not (row and row[0]):
        raise _taken(connection)
    who = f"{_login()}@{socket.gethostname()}, process {os.getpid()}"
    connection.execute(
        "INSERT INTO projection.rebuild (backend, who) VALUES (pg_backend_pid(), %s) "
        "ON CONFLICT (single) DO UPDATE SET backend = excluded.backend, "
        "who = excluded.who, began_at = excluded.began_at",
        [who],
    )
    try:
        yield
    finally:
        if not connection.closed:
            with suppress(psycopg.Error):  # the lock shows who rebuilds as well
                connection.execute("DELETE FROM projection.rebuild")
            with suppress(psycopg.Error):
                connection.execute("SELECT pg_advisory_unlock(%s)", [REBUILD_LOCK])


def _taken(connection: Connection) -> Locked:
    row = connection.execute("SELECT who, began_at FROM projection.rebuild").fetchone()
    who, since = row or ("somebody", None)
    began = f" since {since:%Y-%m-%d %H:%M:%S %Z}" if since else ""
    return Locked(
        f"A rebuild is running{began}: {who}. Nothing was started.",
        try_="wait for it, or see 'seat-ledger projection status'",
    )


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.geteuid()}"
