"""Who is who: the one table with personal data, filled by opening what is sealed.

The server cannot open what a person's key seals; so the key, e-mail and name of each
user are opened here, and copied into the table. A person whose key is gone, or whose
erasure is recorded, reads as ``erased-…``, whatever a restored backup may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from seat_ledger.domain.personal_data import (
    CannotDecrypt,
    Naming,
    Person,
    erased,
    naming_in,
    person_in,
)
from seat_ledger.domain.values import fold
from seat_ledger.domain.wording import counted
from seat_ledger.errors import IntegrityFailure
from seat_ledger.projections.engine.set_aside import EVERYTHING
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.store.statistics import is_seen_by_nobody, waiting_at_most

PERSONAL = ("user_key", "email", "folded_key", "folded_email", "folded_name", "name")
"""The columns of the directory that an erasure overwrites."""

MANY = 20_000
"""Persons that are opened before they are copied."""

_Connection = psycopg.Connection[Any]
_DECODE = queries("users", "decode.sql")
_PERSONAL = queries("users", "personal.sql")


class DirectoryEntry(NamedTuple):
    """One row of the directory: what a user was called from a position on."""

    position: int
    user_no: int
    user_id: UUID
    account_no: int
    user_key: str | None
    email: str | None
    folded_key: str | None
    folded_email: str | None
    folded_name: str | None
    name: str | None


class Unreadable(ValueError):
    """The event that adds or renames a user cannot be opened."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def entries(  # noqa: PLR0913, PLR0917  of which range, and what of it
    connection: _Connection,
    after: int,
    until: int,
    many: int = MANY,
    account_no: int | None = None,
    scope: Mapping[str, Any] = EVERYTHING,
) -> list[DirectoryEntry]:
    """The first `many` namings of users in ``(after, upto]``, opened.

    Raises Unreadable.
    """
    params = {
        **scope,
        "after": after,
        "until_position": until,
        "many": many,
        "account_no": account_no,
    }
    return [
        _entry(*row) for row in connection.execute(_DECODE["sealed"], params).fetchall()
    ]


def fill_directory(
    connection: _Connection,
    after: int,
    until: int,
    account_no: int | None = None,
    scope: Mapping[str, Any] = EVERYTHING,
) -> int:
    """Copy the namings of users in ``(after, upto]`` into the directory; how many.

    Those of one account, where it is named. The table `person` holds them already.
    Raises Unreadable.
    """
    copied = 0
    names = sql.SQL(", ").join(map(sql.Identifier, DirectoryEntry._fields))
    copying = sql.SQL("COPY user_directory ({}) FROM STDIN (FORMAT binary)").format(
        names
    )
    while batch := entries(
        connection, after, until, account_no=account_no, scope=scope
    ):
        with connection.cursor().copy(copying) as copy:
            copy.set_types(["int8", "int8", "uuid", "int8", *["text"] * len(PERSONAL)])
            for entry in batch:
                copy.write_row(entry)
        copied += len(batch)
        after = batch[-1].position
    return copied


def erase_recorded(connection: _Connection, after: int, until: int) -> bool:
    """Let those who are erased by now read so; whether any is in ``(after, until]``."""
    recorded = erases(connection, after, until)
    if recorded:
        forget_in(connection, sql.Identifier("user_directory"))
    return recorded


class KeyCounts(NamedTuple):
    """How the keys of persons stand beside the record.

    Of `locked` users the key is missing though nothing erased them; `opened` are
    erased, and have a key again (`again`: the first of them); `unnamed` are found by
    no key or e-mail.
    """

    users: int
    erased: int
    unnamed: int
    opened: int
    again: list[str] | None
    locked: int


def keys(connection: _Connection) -> KeyCounts:
    """Hold the keys against what is recorded of users."""
    row = connection.execute(_DECODE["keys"]).fetchone()
    assert row is not None
    return KeyCounts(*row)


def forget(connection: _Connection, *, patient: bool = False) -> bool:
    """Take everybody who is erased out of every generation's directory.

    A kept one is never caught up, nor is what a killed rebuild left. False where a
    table is in other hands, which `patient` waits for: one that is being made forgets
    them before it is served.
    """
    done = True
    nowait = sql.SQL("") if patient else sql.SQL(" NOWAIT")
    for directory in directories(connection):
        lock = sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE{}")
        try:
            with suppress(psycopg.errors.UndefinedTable), connection.transaction():
                connection.execute(lock.format(directory, nowait))
                forget_in(connection, directory)
        except psycopg.errors.LockNotAvailable:
            done = False
    return done


def forget_in(connection: _Connection, directory: sql.Identifier) -> None:
    """Take everybody who is erased by now out of one generation's directory.

    In the caller's transaction. What hides rows from this, or keeps them, ends it:
    raises psycopg.errors.InsufficientPrivilege for a policy, else IntegrityFailure.
    """
    connection.execute("SET LOCAL row_security = off")
    connection.execute(sql.SQL(_PERSONAL["forget"].decode()).format(directory))
    row = connection.execute(
        sql.SQL(_PERSONAL["remaining"].decode()).format(directory)
    ).fetchone()
    if row is not None and row[0]:
        table = ".".join(directory.as_string().split('"')[1::2])
        raise IntegrityFailure(
            f"Something attached to {table} keeps {counted(row[0], 'row')} of erased "
            "people as they were: a trigger, or a rule.",
            try_="see who made it and what for, and drop it; 'seat-ledger doctor' "
            "names triggers and rules",
        )


def directory_of(number: int) -> sql.Identifier:
    """The directory of a generation."""
    return sql.Identifier(f"projection_{number}", "user_directory")


def erases(connection: _Connection, after: int, until: int) -> bool:
    """Whether anybody is erased in ``(after, upto]``."""
    row = connection.execute(
        _PERSONAL["erases"], {"after": after, "until_position": until}
    ).fetchone()
    return row is not None and bool(row[0])


def directories(connection: _Connection) -> list[sql.Identifier]:
    """The directory of every generation."""
    rows = connection.execute(
        "SELECT number FROM projection.generation ORDER BY number"
    ).fetchall()
    return [directory_of(row[0]) for row in rows]


def rewrite(connection: _Connection) -> bool:
    """Leave no older version of a row in the directories' files.

    VACUUM frees a row's place without clearing it. False where somebody reads for
    longer than it may be waited for, or inside a transaction, where it cannot be done.
    """
    done = connection.info.transaction_status == TransactionStatus.IDLE
    if not done:
        return False
    done = is_seen_by_nobody(connection)
    with waiting_at_most(connection, "1s"):
        for directory in directories(connection):
            done &= _rewrite(connection, directory)
    return done


def _rewrite(connection: _Connection, directory: sql.Identifier) -> bool:
    for _ in range(_TRIES):
        with suppress(psycopg.errors.UndefinedTable):
            try:
                connection.execute(sql.SQL("VACUUM (FULL) {}").format(directory))
            except psycopg.errors.LockNotAvailable:
                continue
        return True
    return False


_TRIES = 5


def quiet(connection: _Connection, directory: sql.Identifier) -> None:
    """Keep ANALYZE from copying personal data into the statistics."""
    changes = [
        sql.SQL("ALTER COLUMN {} SET STATISTICS 0").format(sql.Identifier(name))
        for name in PERSONAL
    ]
    connection.execute(
        sql.SQL("ALTER TABLE {} {}").format(directory, sql.SQL(", ").join(changes))
    )


def _entry(  # noqa: PLR0913, PLR0917  the columns of a row
    position: int,
    user_no: int,
    user_id: UUID,
    account_no: int,
    version: int,
    state: bytes,
    key: bytes | None,
    is_erased: bool,
) -> DirectoryEntry:
    named: Person | Naming
    try:
        event = orjson.loads(state)
        if position == user_no:
            named = _person(user_id, event, key, is_erased)
        else:
            own_key = None if key is None or is_erased else bytes(key)
            named = naming_in(event, own_key, user_id=user_id, version=version)
    except CannotDecrypt as error:
        raise Unreadable(position, str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(position, "its key, e-mail or name is missing") from error
    return DirectoryEntry(
        position,
        user_no,
        user_id,
        account_no,
        named.user_key,
        named.email,
        _folded(named.user_key),
        _folded(named.email),
        _folded(named.name),
        named.name,
    )


def _folded(text: str | None) -> str | None:
    return None if text is None else fold(text)


def _person(
    user_id: UUID, event: dict[str, Any], key: bytes | None, is_erased: bool
) -> Person:
    """Who was added; version 1 of the event says it in plain."""
    if is_erased:
        return erased(user_id)
    if event["v"] == 1:
        return Person(*(_text(event[name]) for name in Person._fields))
    own_key = None if key is None else bytes(key)
    return person_in(event, own_key, user_id=user_id)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
