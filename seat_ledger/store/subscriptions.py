"""Subscribers: their addresses and secrets, how far each is, and their dead letters."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from seat_ledger.domain.nearest import did_you_mean, nearest_of
from seat_ledger.domain.values import shown
from seat_ledger.errors import LedgerError, NotFound, OutcomeUnknown
from seat_ledger.store.connection import committing, connect

_COLUMNS = """
SELECT subscription_id, url, secret, allow_private, position, state, attempts,
       greatest(date_part('epoch', next_attempt_at - clock_timestamp()), 0)
           AS seconds_to_wait,
       last_error, delivered_at, created_at, created_by
  FROM ledger.subscription
"""
_LIST = f"{_COLUMNS} ORDER BY created_at, subscription_id"
_BY_ID = f"{_COLUMNS} WHERE subscription_id = %(subscription_id)s"
_BACKLOG = """
SELECT subscription_id,
       (SELECT count(*) FROM ledger.dead_letter AS dead
         WHERE dead.subscription_id = subscription.subscription_id),
       (SELECT count(*) FROM ledger.stored_events AS stored
         WHERE stored.notification_id > subscription.position)
  FROM ledger.subscription
"""
_ACTIVE = """
SELECT subscription_id
  FROM ledger.subscription
 WHERE state = 'active'
   AND (%(only)s::text[] IS NULL OR subscription_id = ANY (%(only)s))
"""
_ADD = """
INSERT INTO ledger.subscription (subscription_id, url, secret, allow_private, position)
SELECT %(subscription_id)s, %(url)s, %(secret)s, %(allow_private)s,
       coalesce(%(after)s::bigint,
                (SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events))
"""
_SET_STATE = """
UPDATE ledger.subscription
   SET state = %(state)s, attempts = 0, next_attempt_at = NULL
 WHERE subscription_id = %(subscription_id)s
"""
_GO_BACK = """
UPDATE ledger.subscription
   SET position = least(position, %(position)s), attempts = 0, next_attempt_at = NULL
 WHERE subscription_id = %(subscription_id)s
"""
_FIRST_DEAD = """
SELECT min(position) FROM ledger.dead_letter WHERE subscription_id = %(subscription_id)s
"""
_BURY = """
INSERT INTO ledger.dead_letter (subscription_id, position, attempts, error)
VALUES (%(subscription_id)s, %(position)s, %(attempts)s, %(error)s)
    ON CONFLICT (subscription_id, position)
    DO UPDATE SET attempts = excluded.attempts, error = excluded.error,
                  failed_at = clock_timestamp()
"""
_ADVANCE = """
WITH quick AS MATERIALIZED (
     SELECT pg_catalog.set_config('synchronous_commit', 'off', true)),
     risen AS (
     DELETE FROM ledger.dead_letter
      WHERE subscription_id = %(subscription_id)s AND position = %(position)s)
UPDATE ledger.subscription
   SET position = %(position)s, attempts = 0, next_attempt_at = NULL, last_error = NULL,
       delivered_at = clock_timestamp()
  FROM quick
 WHERE subscription_id = %(subscription_id)s AND position = %(before)s
"""
"""Does not wait until the disk has it: a server that crashes then delivers the last
events again, which it may (at least once).
"""
_SKIP = """
UPDATE ledger.subscription
   SET position = %(position)s, attempts = 0, next_attempt_at = NULL
 WHERE subscription_id = %(subscription_id)s AND position = %(before)s
"""
_FAIL = """
UPDATE ledger.subscription
   SET attempts = %(attempts)s, last_error = %(error)s,
       next_attempt_at = clock_timestamp() + %(pause)s * interval '1 second'
 WHERE subscription_id = %(subscription_id)s
"""
_DEAD = """
SELECT position, attempts, error, failed_at
  FROM ledger.dead_letter
 WHERE subscription_id = %(subscription_id)s
 ORDER BY position
"""
_LOCK = "SELECT pg_catalog.pg_try_advisory_lock(hashtextextended(%s, 20261130))"

Connection = psycopg.Connection[Any]


class Subscription(NamedTuple):
    """A subscriber, and how far it is."""

    subscription_id: str
    url: str
    secret: bytes
    allow_private: bool
    position: int
    state: str
    attempts: int
    seconds_to_wait: float | None
    last_error: str | None
    delivered_at: datetime | None
    created_at: datetime
    created_by: str


@contextmanager
def opened(conninfo: str) -> Iterator[Connection]:
    """A connection of who delivers: it reads the store, and keeps the checkpoints."""
    try:
        with connect(conninfo, role="projector", autocommit=True) as connection:
            yield connection
    except psycopg.errors.InsufficientPrivilege as error:
        raise LedgerError(
            "Only a member of seat_ledger_projector reads the events that are "
            "delivered, and keeps subscriptions.",
            try_="ask one of them to do it",
        ) from error


def add(
    connection: Connection, url: str, *, allow_private: bool, after: int | None
) -> tuple[str, bytes]:
    """Add a subscriber from a position on, or from now; return its id and secret.

    Raises OutcomeUnknown.
    """
    subscription_id, secret = secrets.token_hex(4), secrets.token_bytes(32)
    params = {
        "subscription_id": subscription_id,
        "url": url,
        "secret": secret,
        "allow_private": allow_private,
        "after": after,
    }
    try:
        with committing(connection):
            connection.execute(_ADD, params)
    except OutcomeUnknown as error:
        raise OutcomeUnknown(
            f"The connection was lost while the subscription {subscription_id} was "
            "being added: it may be there, and nobody knows its secret.",
            try_="add it again; where 'seat-ledger subscription list' shows "
            f"{subscription_id}, stop it: seat-ledger subscription pause "
            f"{subscription_id}",
        ) from error
    return subscription_id, secret


def listed(connection: Connection) -> list[Subscription]:
    """Every subscriber."""
    with connection.cursor(row_factory=class_row(Subscription)) as cursor:
        return cursor.execute(_LIST.encode()).fetchall()


def backlog(connection: Connection) -> dict[str, tuple[int, int]]:
    """By subscriber: how many dead letters it has, and how many events wait for it."""
    rows = connection.execute(_BACKLOG).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def find(connection: Connection, subscription_id: str) -> Subscription:
    """A subscriber. Raises NotFound."""
    with connection.cursor(row_factory=class_row(Subscription)) as cursor:
        row = cursor.execute(
            _BY_ID.encode(), {"subscription_id": subscription_id}
        ).fetchone()
    if row is None:
        called: dict[str, str] = {}
        for each in listed(connection):
            called |= dict.fromkeys(
                (each.subscription_id, each.url), each.subscription_id
            )
        near = nearest_of(subscription_id, called)
        raise NotFound(
            "subscription_not_found",
            f"There is no subscription {shown(subscription_id)}.",
            try_=f"{did_you_mean(near)}see 'seat-ledger subscription list'",
        )
    return row


def called(connection: Connection, name: str) -> list[str]:
    """The ids of the subscribers with an id or an address. Raises NotFound."""
    ids = [
        each.subscription_id
        for each in listed(connection)
        if name in {each.subscription_id, each.url}
    ]
    return ids or [find(connection, name).subscription_id]


def active(connection: Connection, only: list[str] | None = None) -> set[str]:
    """The subscribers that are delivered to, or those of `only` that are."""
    return {row[0] for row in connection.execute(_ACTIVE, {"only": only})}


def set_state(connection: Connection, subscription_id: str, state: str) -> None:
    """Deliver to a subscriber from now on, or not."""
    params = {"subscription_id": subscription_id, "state": state}
    connection.execute(_SET_STATE, params)


def go_back(connection: Connection, subscription_id: str, position: int) -> None:
    """Deliver again what comes after a position."""
    params = {"subscription_id": subscription_id, "position": position}
    connection.execute(_GO_BACK, params)


def first_dead(connection: Connection, subscription_id: str) -> int | None:
    """The first event that was passed over."""
    params = {"subscription_id": subscription_id}
    row = connection.execute(_FIRST_DEAD, params).fetchone()
    return None if row is None else row[0]


def dead_letters(connection: Connection, subscription_id: str) -> list[Any]:
    """What was passed over: position, attempts, error, and when."""
    return connection.execute(_DEAD, {"subscription_id": subscription_id}).fetchall()


def take(connection: Connection, subscription_id: str) -> bool:
    """Be the one who delivers to a subscriber, for the session."""
    row = connection.execute(_LOCK, [subscription_id]).fetchone()
    return row is not None and bool(row[0])


def advance(connection: Connection, subscription_id: str, before: int, to: int) -> bool:
    """Note a delivery; false where somebody set the position back meanwhile."""
    params = {"subscription_id": subscription_id, "before": before, "position": to}
    return connection.execute(_ADVANCE, params).rowcount == 1


def fail(
    connection: Connection,
    subscription_id: str,
    attempts: int,
    error: str,
    pause: float,
) -> None:
    """Note a failure, and when to try again."""
    params = {"subscription_id": subscription_id, "attempts": attempts}
    connection.execute(_FAIL, {**params, "error": error, "pause": pause})


def bury(
    connection: Connection, current: Subscription, position: int, error: str
) -> None:
    """Pass an event over, and keep its position as a dead letter."""
    params = {
        "subscription_id": current.subscription_id,
        "before": current.position,
        "position": position,
        "attempts": current.attempts + 1,
        "error": error,
    }
    with connection.transaction():
        connection.execute(_BURY, params)
        connection.execute(_SKIP, params)
