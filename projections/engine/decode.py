"""The event log, decoded: the one step that reads stored states.

What cannot be read is named with its position (R74): an unknown type or version, and a
version that does not follow its stream's last, at once; anything else by halving the
range in which it fails. Accounts that are set aside are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from seat_ledger.errors import IntegrityFailure
from seat_ledger.projections.engine.registry import PROJECTIONS, Projection, RowSource
from seat_ledger.projections.engine.seat_types import CATALOGUE
from seat_ledger.projections.engine.set_aside import EVERYTHING, StoredOrigin, origin_of
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.engine.user_directory import (
    DirectoryEntry,
    Unreadable,
    entries,
    fill_directory,
)

_Connection = psycopg.Connection[Any]

STEPS = tuple(row for row in PROJECTIONS if row.source is RowSource.STORE)
_UNREADABLE = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
)


BEGUN_BEFORE = "its stream has already begun"
Scope = Mapping[str, Any]
"""What of a range is decoded: see :mod:`seat_ledger.projections.engine.set_aside`."""


class UnreadableEvent(IntegrityFailure):
    """An event of the store cannot be read (R74)."""

    code = "unreadable_event"
    exit_code = 1

    @property
    def position(self) -> int:
        """The event's position."""
        return int(self.details["position"])

    @property
    def reason(self) -> str:
        """Why it cannot be read."""
        return str(self.details["reason"])


def decode(
    connection: _Connection,
    after: int,
    until: int,
    steps: Iterable[Projection] = STEPS,
    scope: Scope = EVERYTHING,
) -> dict[str, int]:
    """Decode the events of ``(after, upto]``; return the rows made by each step.

    The connection's search path is the generation's, and a transaction is open.
    Raises UnreadableEvent, leaving nothing of the range.
    """
    rows = {}
    params = {**scope, **CATALOGUE, "after": after, "until_position": until}
    for step in steps:
        statement = step.filling(step.decoded)
        with naming_unreadable(connection, statement, params, step.name):
            rows[step.name] = connection.execute(statement, params).rowcount
    return rows


@contextmanager
def naming_unreadable(
    connection: _Connection, statement: bytes, params: dict[str, Any], table: str
) -> Iterator[None]:
    """Where what is done of a range fails, say at which event.

    `statement` is what fails, and is tried on parts of the range in `params`.
    Raises UnreadableEvent.
    """
    try:
        with connection.transaction():
            yield
    except _UNREADABLE as error:
        depends = isinstance(error, psycopg.errors.UniqueViolation)
        position = _locate(connection, statement, params, whole=depends)
        first = params["after"] if depends else position - 1
        own = {**params, "after": first, "until_position": position}
        cause = _failure(connection, statement, own) or error
        alone = {**params, "after": position - 1, "until_position": position}
        check_readable(connection, alone, table, versions=False)
        raise unreadable(connection, position, _reason(cause), table) from error


def open_persons(
    connection: _Connection,
    after: int,
    until: int,
    account_no: int | None = None,
    scope: Scope = EVERYTHING,
) -> int:
    """Fill the directory with who was added or renamed in ``(after, until]``; how many.

    Of one account, where it is named. The persons themselves are decoded already.
    Raises UnreadableEvent.
    """
    with _naming_persons(connection):
        return fill_directory(connection, after, until, account_no, scope)


def persons(
    connection: _Connection, after: int, until: int, scope: Scope
) -> list[DirectoryEntry]:
    """Who was added or renamed in ``(after, until]``, opened.

    Raises UnreadableEvent.
    """
    with _naming_persons(connection):
        return entries(connection, after, until, until - after, scope=scope)


@contextmanager
def _naming_persons(connection: _Connection) -> Iterator[None]:
    try:
        yield
    except Unreadable as error:
        reason, table = str(error), "user_directory"
        raise unreadable(connection, error.position, reason, table) from error


def check_readable(
    connection: _Connection,
    params: Mapping[str, Any],
    projection: str = "journal",
    *,
    versions: bool = True,
) -> None:
    """Raise UnreadableEvent at the first event of an unknown type or version.

    With `versions` also at the first with a version that does not follow.
    """
    rows = connection.execute(queries("journal", "decode.sql")["unreadable"], params)
    for position, is_known, version, last_version in rows:
        if not is_known:
            reason = "this program does not know its type or version"
        elif versions:
            reason = (
                f"its version in the stream is {version}, which does not follow "
                f"{last_version}, the version before it"
            )
        else:
            continue
        raise unreadable(connection, position, reason, projection)


def _locate(
    connection: _Connection, statement: bytes, params: dict[str, Any], *, whole: bool
) -> int:
    """The first position at which a step of the decoding fails.

    Where it depends on what stands before, the `whole` range is tried from its start.
    """
    after, until = params["after"], params["until_position"]
    while until - after > 1:
        middle = (after + until) // 2
        begins = params["after"] if whole else after
        part = {**params, "after": begins, "until_position": middle}
        if _failure(connection, statement, part) is not None:
            until = middle
        else:
            after = middle
    return int(until)


def _failure(
    connection: _Connection, statement: bytes, params: dict[str, Any]
) -> psycopg.Error | None:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement, params)
    except _UNREADABLE as error:
        return error
    return None


def unreadable(
    connection: _Connection, position: int, reason: str, projection: str
) -> UnreadableEvent:
    """What to say of an event that cannot be read."""
    origin = origin_of(connection, position)
    return not_readable(position, reason, origin, projection=projection)


def not_readable(
    position: int, reason: str, origin: StoredOrigin, *, projection: str
) -> UnreadableEvent:
    """The same of an event whose origin is known."""
    account = origin.account_key
    stream = f"stream {origin.stream}, version {origin.version}"
    of = f"account {account}" if account else f"{stream}, of no account"
    return UnreadableEvent(
        f"The event at position {position} ({origin.topic}, {of}) cannot be read: "
        f"{reason}."
        + (
            ""
            if account
            else " The projections stopped before it; nothing was skipped."
        ),
        try_="use the program version that wrote it, or restore the event from a "
        "backup",
        position=position,
        topic=origin.topic,
        account=account,
        reason=reason,
        projection=projection,
    )


def _reason(error: psycopg.Error) -> str:
    message = error.diag.message_primary or str(error)
    if isinstance(error, psycopg.errors.CheckViolation):
        if error.diag.constraint_name == "journal_is_in_time":
            return "its effective time is outside the calendar"
        return "something that its type requires is missing"
    if isinstance(error, psycopg.errors.UniqueViolation):
        return BEGUN_BEFORE
    if isinstance(error, psycopg.errors.NotNullViolation):
        return f"its {error.diag.column_name} is missing or unknown"
    return message
