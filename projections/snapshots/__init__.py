"""What the ledger knows of an account at the time of a dated list (R84, R86)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from seat_ledger.projections import holdings
from seat_ledger.projections.reader import AccountQuestion, Row, utc
from seat_ledger.sources.reconciliation import (
    AccountList,
    HeldSeat,
    LedgerSide,
    Member,
)


def ledger_side(question: AccountQuestion, listed: AccountList) -> LedgerSide:
    """What is known of the types that a list covers, and of whom it names."""
    as_of = question.as_of
    held = _called(
        question,
        _holders(question, listed.covers),
    )
    holders = {row["user_key"] for row in held}
    arriving = {seat.user for seat in listed.seats} - holders
    members = [
        row
        for row in _called(question, question.ask("snapshots", "members", as_of=as_of))
        if row["user_key"] in arriving or row["user_key"] in holders
    ]
    user_nos = [row["user_no"] for row in members if row["user_key"] in arriving]
    ended = _called(
        question, question.ask("snapshots", "ended", user_nos=user_nos, as_of=as_of)
    )
    return LedgerSide(
        question.account.opened_at,
        [
            HeldSeat(row["user_key"], row["seat_type"], utc(row["held_from"]))
            for row in held
        ],
        _members(question, members),
        {row["seat_type"]: row["purchased"] for row in holdings.totals(question)},
        _observed(question),
        {(row["user_key"], row["seat_type"]): utc(row["ended_at"]) for row in ended},
        _free(question, listed),
    )


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
) -> list[Row]:
    return question.ask(
        "snapshots",
        "holders",
        seat_types=seat_types,
        as_of=question.as_of,
        user_nos=user_nos,
    )


def _free(question: AccountQuestion, listed: AccountList) -> dict[str, list[datetime]]:
    """By type, from when on the seats are free that nobody holds then or later."""
    free: dict[str, list[datetime]] = {}
    rows = question.ask(
        "snapshots", "free", seat_types=listed.covers, as_of=question.as_of
    )
    for row in rows:
        free.setdefault(row["seat_type"], []).append(utc(row["free_from"]))
    return free


def _called(question: AccountQuestion, rows: list[Row]) -> list[Row]:
    """Rows with the keys by which their users are called at the moment (R95)."""
    numbers = (row["user_no"] for row in rows)
    people = question.reader.people(numbers, question.known_at, question.as_of)
    return [{**row, "user_key": people[row["user_no"]]["user"]} for row in rows]


def _members(question: AccountQuestion, rows: list[Row]) -> dict[str, Member]:
    """By key: since when they are users, and have access to which hubs."""
    reader, as_of = question.reader, question.as_of
    hubs: dict[int, dict[str, datetime]] = {}
    numbers = [row["user_no"] for row in rows]
    for row in reader.ask("users", "access", question.known_at, user_nos=numbers):
        ends = utc(row["revoked_at"])
        if row["granted_at"] <= as_of and (ends is None or ends > as_of):
            own = hubs.setdefault(row["user_no"], {})
            own[row["hub"]] = utc(row["granted_at"])
    people = reader.people(numbers, question.known_at, as_of)
    return {
        row["user_key"]: Member(
            utc(row["added_at"]),
            hubs.get(row["user_no"], {}),
            people[row["user_no"]]["email"],
            people[row["user_no"]]["name"],
        )
        for row in rows
    }


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
