"""Which events of the journal are meant: of whom, of which seat, by whom, when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seat_ledger.domain.values import as_word, parse_seat, parse_seat_type
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.reader import AccountFacts, ConnectedReader, Knowledge

_TICK = timedelta(microseconds=1)
_SYSTEM = re.compile("system:.*", re.DOTALL)


@dataclass(frozen=True)
class EventSelection:
    """What events have in common; None where anything will do.

    `positions` are those of a user or seat, `since` and `before` bound their effective
    time, `first` and `last` their positions.
    """

    positions: Sequence[int] | None = None
    type_nos: Sequence[int] | None = None
    topics: Sequence[str] | None = None
    actors: Sequence[str] | None = None
    since: datetime | None = None
    before: datetime | None = None
    first: int = 0
    last: int | None = None

    @property
    def filters(self) -> dict[str, Any]:
        """The parameters of the part ``page``."""
        names = ("type_nos", "topics", "actors", "since", "before")
        return {name: getattr(self, name) for name in names}


EVERY_EVENT = EventSelection()


def select(  # noqa: PLR0913  each a filter of its own
    reader: ConnectedReader,
    known_at: Knowledge,
    account: AccountFacts | None,
    *,
    user: str | None = None,
    seat: str | None = None,
    topics: Sequence[str] = (),
    actor: str | None = None,
    since: datetime | None = None,
    before: datetime | None = None,
    by_recording: bool = False,
) -> EventSelection:
    """Resolve names: a user's or a seat's entries, and who an actor is.

    `since` and `before` are effective times, or `by_recording` the recorded ones.
    Raises InvalidInput for a name that needs an account, NotFound.
    """
    if account is None and (user or (seat and "#" in seat)):
        raise InvalidInput(
            f"A {'user' if user else 'seat'} belongs to an account, and none is named.",
            try_="add --account KEY"
            + (f"; the accounts that have this user: {_find(user)}" if user else ""),
        )
    fields: dict[str, Any] = {"topics": list(topics) or None}
    positions = []
    if user and account:
        nos = [row["user_no"] for row in reader.users_called(account, user, known_at)]
        positions.append(_positions(reader, "of_users", user_nos=nos))
    if seat and "#" in seat and account:
        ref = parse_seat(seat)
        named = {"seat_type": str(ref.seat_type), "number": ref.number}
        positions.append(_positions(reader, "of_seat", account_no=account.no, **named))
    elif seat:
        fields["type_nos"] = [reader.types.number(str(parse_seat_type(seat)))]
    if positions:
        fields["positions"] = sorted(set.intersection(*positions))
    if actor:
        fields["actors"] = _actors(reader, known_at, account, actor)
    if not by_recording:
        return EventSelection(**fields, since=since, before=before)
    first = 0 if since is None else _recorded_before(reader, since) + 1
    last = None if before is None else _recorded_before(reader, before)
    return EventSelection(**fields, first=first, last=last)


def _find(user: str) -> str:
    """The command that names the accounts which have a user."""
    return f"seat-ledger user find {as_word(user.removeprefix('user:'))}"


def _positions(reader: ConnectedReader, name: str, **params: Any) -> set[int]:
    return {row["position"] for row in reader.ask("journal", name, **params)}


def _recorded_before(reader: ConnectedReader, instant: datetime) -> int:
    """The last position that was recorded before an instant."""
    rows = reader.ask("journal", "last_at", instant=instant - _TICK)
    return rows[0]["position"] or 0 if rows else 0


def _actors(
    reader: ConnectedReader,
    known_at: Knowledge,
    account: AccountFacts | None,
    actor: str,
) -> list[str]:
    """How an actor is stored: a user of the account by id, all others as they are."""
    if _SYSTEM.fullmatch(actor):
        return [actor]
    if account is None:
        raise InvalidInput(
            "A user belongs to an account, and none is named.",
            try_="add --account KEY (the accounts that have this user: "
            f"{_find(actor)}), or name an actor such as system:import",
        )
    people = reader.users_called(account, actor.removeprefix("user:"), known_at)
    rows = reader.ask("users", "ids", user_nos=[row["user_no"] for row in people])
    return [f"user:{row['user_id']}" for row in rows]
