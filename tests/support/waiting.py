"""Waiting for a state, whatever the machine has to do meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import psycopg

T = TypeVar("T")

AT_MOST = 300.0
"""Seconds that any test waits for anything: more than a busy machine ever needs."""


def wait_until(state: Callable[[], T], *, every: float = 0.01) -> T:
    """Wait until it is so, and return what it is; fail when it never is."""
    deadline = time.monotonic() + AT_MOST
    while not (current := state()):
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(every)
    return current


def wait_for_end(threads: Iterable[threading.Thread]) -> None:
    """Wait for threads; fail when one does not end."""
    for thread in threads:
        thread.join(AT_MOST)
        assert not thread.is_alive()


def terminate_holder(connection: psycopg.Connection, lock: int) -> None:
    """End the server process that holds an advisory lock, whatever it is doing.

    Returns once it has ended. The connection's transactions end by themselves.
    """
    row = connection.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_locks "
        "WHERE granted AND locktype = 'advisory' AND objsubid = 1 "
        "AND classid = (%s::bigint >> 32)::int "
        "AND objid = (%s::bigint & 4294967295)::oid AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())",
        [round(AT_MOST * 1000), lock, lock],
    ).fetchall()
    assert row == [(True,)]
