"""What the ledger knows of an account at the time of a dated list (R84, R86)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from seat_ledger.domain.values import fold
from seat_ledger.projections.reader import AccountQuestion, Row, utc
from seat_ledger.sources.reconciliation import (
    AccountList,
    HeldSeat,
    LedgerSide,
    Member,
)


def ledger_side(question: AccountQuestion, listed: AccountList) -> LedgerSide:
    """What is known of the types that a list covers, and of whom it names otherwise.

    Row by row: who is listed as the ledger has them leaves nothing but a holding.
    """
    called = _Called(question)
    by_user = {seat.user: seat for seat in listed.seats}
    missing = {(seat.user, seat.seat_type) for seat in listed.seats}
    numbers: dict[str, int] = {}
    renamed: set[str] = set()
    held: list[HeldSeat] = []
    for row in _holders(question, listed.covers):
        user, email, _ = called.at_the_moment(row)
        seat = by_user.get(user)
        user = user if seat is None else seat.user
        held.append(HeldSeat(user, row["seat_type"], utc(row["held_from"])))
        missing.discard((user, row["seat_type"]))
        numbers[user] = row["user_no"]
        if seat is not None and seat.email != email:
            renamed.add(user)
    arriving = {user for user, _ in missing}
    holding = [numbers[user] for user in (arriving | renamed) & numbers.keys()]
    del missing, numbers
    members, ended = _of_members(question, listed, called, arriving | renamed, holding)
    new = arriving - members.keys()
    addresses = {fold(by_user[user].email or "") for user in new}
    del by_user
    totals = question.reader.ask(
        "counts",
        "totals",
        question.known_at,
        account_nos=[question.account.no],
        as_of=question.as_of,
    )
    return LedgerSide(
        question.account.opened_at,
        held,
        members,
        {row["seat_type"]: row["purchased"] for row in totals},
        _observed(question),
        ended,
        _free(question, listed),
        _released(question, addresses),
    )


def _of_members(
    question: AccountQuestion,
    listed: AccountList,
    called: _Called,
    users: Collection[str],
    holding: list[int],
) -> tuple[dict[str, Member], dict[tuple[str, str], datetime]]:
    """Some users as members, by key, and when their holdings ended last, by type."""
    if not users:
        return {}, {}
    reader, as_of = question.reader, question.as_of
    keys: dict[int, str] = {}
    bare: dict[str, Member] = {}
    for row in question.stream(
        "snapshots",
        "members",
        seat_types=listed.covers,
        as_of=as_of,
        user_nos=holding,
    ):
        user, email, name = called.at_the_moment(row)
        if user in users:
            keys[row["user_no"]] = user
            bare[user] = Member(utc(row["added_at"]), {}, email, name)
    hubs: dict[str, dict[str, datetime]] = {}
    nos = list(keys)
    for row in reader.ask("users", "access", question.known_at, user_nos=nos):
        ends = utc(row["revoked_at"])
        if row["granted_at"] <= as_of and (ends is None or ends > as_of):
            own = hubs.setdefault(keys[row["user_no"]], {})
            own[row["hub"]] = utc(row["granted_at"])
    ended = {
        (keys[row["user_no"]], row["seat_type"]): utc(row["ended_at"])
        for row in question.ask("snapshots", "ended", user_nos=nos, as_of=as_of)
    }
    members = {
        user: member._replace(hubs=hubs.get(user, {})) for user, member in bare.items()
    }
    return members, ended


class _Called:
    """What the users of an account are called at the moment of a question (R95)."""

    def __init__(self, question: AccountQuestion) -> None:
        self._renamed: dict[int, list[Row]] = {}
        for row in question.ask("snapshots", "renamed", as_of=question.as_of):
            self._renamed.setdefault(row["user_no"], []).append(row)

    def at_the_moment(self, row: Row) -> tuple[str, str | None, str | None]:
        """Key, e-mail and name of whom a row is about; it has those of the adding."""
        user, email, name = row["user_key"], row["email"], row["name"]
        for later in self._renamed.get(row["user_no"], ()):
            user = later["user_key"] or user
            email = later["email"] if later["email"] is not None else email
            name = later["name"] or name
        return user, email or None, name


def side_of_users(
    question: AccountQuestion, seat_types: Sequence[str], user_nos: Mapping[int, str]
) -> LedgerSide:
    """What some users, each under a key, are called and hold of some types."""
    as_of, known_at = question.as_of, question.known_at
    nos = list(user_nos)
    held = _holders(question, seat_types, user_nos=nos)
    people = question.reader.people(nos, known_at, as_of)
    stays = question.reader.ask("users", "memberships", known_at, user_nos=nos)
    members = {
        user_nos[row["user_no"]]: Member(
            utc(row["added_at"]),
            {},
            people[row["user_no"]]["email"],
            people[row["user_no"]]["name"],
        )
        for row in stays
    }
    seats = [
        HeldSeat(user_nos[row["user_no"]], row["seat_type"], utc(row["held_from"]))
        for row in held
    ]
    return LedgerSide(question.account.opened_at, seats, members)


def _holders(
    question: AccountQuestion,
    seat_types: Sequence[str],
    user_nos: Sequence[int] | None = None,
) -> Iterator[Row]:
    return question.stream(
        "snapshots",
        "holders",
        seat_types=seat_types,
        as_of=question.as_of,
        user_nos=user_nos,
    )


def _free(question: AccountQuestion, listed: AccountList) -> dict[str, list[datetime]]:
    """By type, from when on the seats are free that nobody holds then or later."""
    free: dict[str, list[datetime]] = {}
    rows = question.stream(
        "snapshots", "free", seat_types=listed.covers, as_of=question.as_of
    )
    for row in rows:
        free.setdefault(row["seat_type"], []).append(utc(row["free_from"]))
    return free


def _released(
    question: AccountQuestion, addresses: Collection[str]
) -> dict[str, datetime]:
    """When addresses were given up last, by whoever had them before (R35)."""
    if not addresses:
        return {}
    of = {"addresses": list(addresses), "as_of": question.as_of}
    user_nos = [row["user_no"] for row in question.ask("snapshots", "bearers", **of)]
    if not user_nos:
        return {}
    rows = question.ask("snapshots", "released", user_nos=user_nos, **of)
    return {row["folded_email"]: utc(row["released_at"]) for row in rows}


def _observed(question: AccountQuestion) -> dict[str, datetime]:
    """When each seat type was last listed before the instant."""
    latest: dict[str, datetime] = {}
    for row in question.ask("snapshots", "observed", as_of=question.as_of):
        at = utc(row["effective_at"])
        if at < question.as_of:
            latest.update(dict.fromkeys(row["details"]["covers"], at))
    return latest


def position_of(question: AccountQuestion, source: str, digest: str) -> int | None:
    """Where a list of the instant was observed already; None: nowhere (R86)."""
    for row in question.ask("snapshots", "observed", as_of=question.as_of):
        stored = row["details"]
        if utc(row["effective_at"]) == question.as_of and (
            stored["source"],
            stored["digest"],
        ) == (source, digest):
            position: int = row["position"]
            return position
    return None


def last_taken(question: AccountQuestion, source: str) -> datetime | None:
    """When the newest recorded list of a source was true; None: there is none."""
    rows = question.ask("snapshots", "observed", as_of=question.as_of)
    own = [row for row in rows if row["details"]["source"] == source]
    return utc(own[-1]["effective_at"]) if own else None
