"""The event log, decoded: the one step that reads stored states.

What cannot be read stops here and is named with its position (R74): an unknown type
or version at once, anything else by halving the range in which it fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from projections.persons import (
    Entry,
    Unreadable,
    entries,
    fill_directory,
)
from projections.queries import queries
from seat_ledger.errors import IntegrityFailure

_Connection = psycopg.Connection[Any]

STEPS = (
    ("accounts", "account"),
    ("users", "person"),
    ("journal", "journal"),
)
_UNREADABLE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)


class UnreadableEvent(IntegrityFailure):
    """An event of the store cannot be read; the projections stop before it (R74)."""

    code = "unreadable_event"
    exit_code = 1

    @property
    def position(self) -> int:
        """The event's position."""
        return int(self.details["position"])


def decode(
    connection: _Connection, after: int, upto: int, steps: Any = STEPS
) -> dict[str, int]:
    """Decode the events of ``(after, upto]``; return the rows made by each step.

    The connection's search path is the generation's, and a transaction is open.
    Raises UnreadableEvent, leaving nothing of the range.
    """
    made = {}
    for room, table in steps:
        given = {"after": after, "upto": upto}
        statement = queries(room, "decode.sql")[table]
        with naming_unreadable(connection, statement, after, upto, table):
            made[table] = connection.execute(statement, given).rowcount
    return made


@contextmanager
def naming_unreadable(
    connection: _Connection, statement: bytes, after: int, upto: int, table: str
) -> Iterator[None]:
    """Where what is done of ``(after, upto]`` fails, say at which event.

    `statement` is what fails, and is tried on parts of the range. Raises
    UnreadableEvent.
    """
    try:
        with connection.transaction():
            yield
    except _UNREADABLE as error:
        position = _locate(connection, statement, after, upto)
        check_known(connection, position - 1, position, table)
        raise unreadable(connection, position, _reason(error), table) from error


def open_persons(connection: _Connection, after: int, upto: int) -> int:
    """Fill the directory with who was added in ``(after, upto]``; how many.

    The persons themselves are decoded already. Raises UnreadableEvent.
    """
    try:
        return fill_directory(connection, after, upto)
    except Unreadable as error:
        told = (error.position, str(error), "user_directory")
        raise unreadable(connection, *told) from error


def persons(connection: _Connection, after: int, upto: int) -> list[Entry]:
    """Who was added in ``(after, upto]``, opened. Raises UnreadableEvent."""
    try:
        return entries(connection, after, upto, upto - after)
    except Unreadable as error:
        told = (error.position, str(error), "user_directory")
        raise unreadable(connection, *told) from error


def check_known(
    connection: _Connection, after: int, upto: int, projection: str = "journal"
) -> None:
    """Raise UnreadableEvent at the first event of an unknown type or version."""
    row = connection.execute(
        queries("journal", "decode.sql")["unreadable"], {"after": after, "upto": upto}
    ).fetchone()
    if row is not None:
        reason = "this program does not know its type or version"
        raise unreadable(connection, row[0], reason, projection)


def _locate(connection: _Connection, statement: bytes, after: int, upto: int) -> int:
    """The first position at which a step of the decoding fails."""
    while upto - after > 1:
        middle = (after + upto) // 2
        if _fails(connection, statement, after, middle):
            upto = middle
        else:
            after = middle
    return upto


def _fails(connection: _Connection, statement: bytes, after: int, upto: int) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement, {"after": after, "upto": upto})
    except _UNREADABLE:
        return True
    return False


def unreadable(
    connection: _Connection, position: int, reason: str, projection: str
) -> UnreadableEvent:
    """What to say of an event that cannot be read."""
    row = connection.execute(
        queries("journal", "decode.sql")["stored"], {"position": position}
    ).fetchone()
    topic, stream, version, account = row or ("?", "?", "?", None)
    return not_readable(
        position,
        topic,
        reason,
        account=account,
        stream=f"stream {stream}, version {version}",
        projection=projection,
    )


def not_readable(  # noqa: PLR0913  what there is to say of an event
    position: int,
    topic: str,
    reason: str,
    *,
    account: str | None,
    stream: str,
    projection: str,
) -> UnreadableEvent:
    """The same of an event that is known; `stream` stands for a nameless account."""
    of = f"account {account}" if account else stream
    return UnreadableEvent(
        f"The event at position {position} ({topic}, {of}) cannot be read: {reason}. "
        "The projections stop before it; nothing is skipped.",
        try_="use the program version that wrote it, or restore the event from a "
        "backup",
        position=position,
        topic=topic,
        account=account,
        reason=reason,
        projection=projection,
    )


def _reason(error: psycopg.Error) -> str:
    told = error.diag.message_primary or str(error)
    if isinstance(error, psycopg.errors.CheckViolation):
        if error.diag.constraint_name == "journal_is_in_time":
            return "its effective time lies beyond the calendar"
        return "something that its type needs is missing"
    if isinstance(error, psycopg.errors.NotNullViolation):
        return f"its {error.diag.column_name} is missing or unknown"
    return told
