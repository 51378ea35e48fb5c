"""Following: catch up as events arrive, until somebody stops it.

A notification only wakes it; a poll backs the notification, so that nothing sleeps
until the next event. A lost connection is made anew. Of several followers one works,
and another takes over when it ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from seat_ledger.errors import Unavailable
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.catch_up import catch_up, may_not_write, may_write
from seat_ledger.projections.engine.decode import UnreadableEvent
from seat_ledger.projections.engine.locks import FOLLOW_LOCK
from seat_ledger.projections.engine.status import aside
from seat_ledger.store.connection import connect

CHANNEL = "stored_events"
LONGEST_PAUSE = 30.0

IDLE_AFTER = 2.0
"""How long it is idle after a turn at most, in lengths of that: while much is recorded,
more is caught up at once, and whoever records has the machine for most of the time.
"""

FEW = 4
"""How many events may arrive in the time of one turn before it is idle after that."""

Notify = Callable[..., None]


def may_follow(conninfo: str) -> bool:
    """Whether this database lets us move the projections on. Raises Unavailable."""
    with connect(conninfo, role="projector", autocommit=True) as connection:
        return may_write(connection)


def follow(
    conninfo: str,
    stopping: threading.Event,
    *,
    poll: float = 1.0,
    notify: Notify = lambda _event, **_facts: None,
) -> None:
    """Keep the projections at the store's head until it is stopped.

    `notify` gets a word and its facts: ``following``, ``standing_by``, ``caught_up``,
    ``disconnected``, ``stuck``, ``set_aside``, ``stopped``. Raises SchemaMismatch,
    NotAllowed.
    """
    pause = 0.1
    while not stopping.is_set():
        try:
            with connect(conninfo, role="projector", autocommit=True) as connection:
                pause = 0.1
                _follow_on(connection, poll, notify, stopping)
        except (Unavailable, psycopg.OperationalError) as error:
            notify("disconnected", reason=str(error).strip(), retry_in=round(pause, 1))
            stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
    notify("stopped")


def _follow_on(
    connection: psycopg.Connection[Any],
    poll: float,
    notify: Notify,
    stopping: threading.Event,
) -> None:
    generations.served(connection)
    if not may_write(connection):  # nor take the place of who may
        raise may_not_write(connection)
    if not _take_place(connection, poll, notify, stopping):
        return
    connection.execute(f"LISTEN {CHANNEL}".encode())
    notify("following")
    stuck: int | None = None
    noted: set[int] = set()
    began = time.monotonic()
    while not stopping.is_set():
        before_that, began, events = began, time.monotonic(), 0
        try:
            before, after = _advance(connection)
            stuck = None
            if after > before:
                events = after - before
                ms = round((time.monotonic() - began) * 1000, 1)
                notify("caught_up", events=events, position=after, ms=ms)
        except UnreadableEvent as error:
            if stuck != error.position:
                notify("stuck", position=error.position, reason=error.message)
            stuck = error.position
        noted = _notify_set_aside(connection, noted, notify)
        took = time.monotonic() - began
        stopping.wait(min(idle_after(events, took, began - before_that), poll))
        _wait(connection, poll, stopping)


def idle_after(events: int, took: float, since: float) -> float:
    """Seconds to be idle after a turn of `took` seconds that found some events.

    They arrived in the `since` seconds from the begin of the turn before it. None where
    few arrive in the time of a turn; the more, the longer.
    """
    arriving = events * took / since if since else 0.0
    return took * min(IDLE_AFTER, max(0.0, arriving / FEW - 1))


def _notify_set_aside(
    connection: psycopg.Connection[Any], noted: set[int], notify: Notify
) -> set[int]:
    """Say once of each account that it is set aside; return where they are."""
    accounts = aside(connection)
    for account in accounts:
        if account.position not in noted:
            facts = {"account": account.account_key, "position": account.position}
            notify("set_aside", **facts, reason=account.sentence())
    return {account.position for account in accounts}


def _take_place(
    connection: psycopg.Connection[Any],
    poll: float,
    notify: Notify,
    stopping: threading.Event,
) -> bool:
    """Wait until no other follower is at work."""
    is_announced = False
    while not stopping.is_set():
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s)", [FOLLOW_LOCK]
        ).fetchone()
        if row and row[0]:
            return True
        if not is_announced:
            notify("standing_by", reason="another follower is running")
            is_announced = True
        stopping.wait(poll)
    return False


def _advance(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    before = generations.served(connection).checkpoint
    return before, catch_up(connection, patient=True).checkpoint


def _wait(
    connection: psycopg.Connection[Any], poll: float, stopping: threading.Event
) -> None:
    """Wait for a notification, or for the poll's time; look for a stop meanwhile."""
    deadline = time.monotonic() + poll
    while not stopping.is_set():
        left = deadline - time.monotonic()
        if left <= 0:
            return
        for _ in connection.notifies(timeout=min(left, 0.5), stop_after=1):
            return
