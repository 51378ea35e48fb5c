"""Users of an account: who they are, what they may do, and what they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from seat_ledger.domain.values import SeatType, fold
from seat_ledger.projections import holdings
from seat_ledger.projections.reader import (
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)
from seat_ledger.store.wrapping import Secret

_AT_ONCE = 200


def listed(question: AccountQuestion) -> list[Row]:
    """Every user present at a moment, with permissions, hubs and seats."""
    as_of = question.as_of
    members = [
        row
        for row in question.ask("users", "members")
        if _spans(row["added_at"], row["removed_at"], as_of)
    ]
    return _described(question, members)


def page(
    question: AccountQuestion, *, after: int = 0, limit: int = 50
) -> tuple[list[Row], int | None]:
    """Users as :func:`listed`, after the entry that added one of them.

    And the entry after which the rest follows; None where there is no more.
    """
    reader, _, known_at, as_of = question
    present: list[Row] = []
    while len(present) <= limit:
        joined = question.ask(
            "users", "joined", as_of=as_of, after=after, limit=_AT_ONCE
        )
        if not joined:
            break
        after = joined[-1]["user_no"]
        ids = [row["user_no"] for row in joined]
        members = reader.ask("users", "memberships", known_at, user_nos=ids)
        present += [row for row in members if _open(row["removed_at"], as_of)]
    shown = present[:limit]
    following = shown[-1]["user_no"] if len(present) > limit else None
    return _described(question, shown), following


def ever_called(question: AccountQuestion, reference: str) -> list[Row]:
    """Every user ever called so, in order, with the id that nobody else has."""
    reader, account, known_at, _ = question
    rows = reader.users_called(account, reference, known_at)
    ids = [row["user_no"] for row in rows]
    people = reader.people(ids, known_at, question.as_of)
    names = _ids(reader, ids)
    return [
        {
            "id": names[row["user_no"]],
            **people[row["user_no"]],
            "added_at": utc(row["added_at"]),
            "removed_at": utc(row["removed_at"]),
        }
        for row in rows
    ]


def _ids(reader: ConnectedReader, user_nos: list[int]) -> dict[int, str]:
    rows = reader.ask("users", "ids", user_nos=user_nos)
    return {row["user_no"]: str(row["user_id"]) for row in rows}


def find(
    reader: ConnectedReader,
    text: str,
    as_of: datetime,
    known_at: Knowledge,
    account_nos: list[int] | None = None,
) -> list[Row]:
    """Users of some accounts or of all by a part of key, e-mail or name, with what each
    holds.
    """
    within: dict[str, Any] = {"account_nos": account_nos, "after": 0, "limit": None}
    matches = reader.ask("users", "containing", folded=Secret(fold(text)), **within)
    account_nos = sorted({row["account_no"] for row in matches})
    keys = reader.account_keys(account_nos)
    rows = []
    for number in account_nos:
        account = reader.account(keys[number], known_at)
        ids = [*{row["user_no"] for row in matches if row["account_no"] == number}]
        members = reader.ask("users", "memberships", known_at, user_nos=ids)
        begun = [row for row in members if row["added_at"] <= as_of]
        question = AccountQuestion(reader, account, known_at, as_of)
        rows += _described(question, begun)
    return rows


def called(question: AccountQuestion, user: str) -> list[Row]:
    """Every user so called that had been added by then, in order (R35).

    Raises NotFound (``user_not_found``).
    """
    reader, account, known_at, as_of = question
    members = reader.users_called(account, user, known_at)
    return _described(question, [row for row in members if row["added_at"] <= as_of])


def access(question: AccountQuestion, user: str, seat_type: SeatType) -> Row:
    """Whether a user could use a type's paid features at a moment, and why (S4)."""
    question.reader.types.check(seat_type)
    because = _because(question, user, seat_type)
    return {
        "account": question.account.key,
        "user": user,
        "seat_type": str(seat_type),
        "allowed": because["code"] == "holds_seat",
        "because": because,
        "windows": [
            window
            for window in _windows(question, user)
            if window["seat"].startswith(f"{seat_type}#")
        ],
    }


def _windows(question: AccountQuestion, user: str) -> list[Row]:
    """The windows of a user in which the moment lies (R85)."""
    windows = holdings.windows_at(question)
    return [window for window in windows if user in {window["user"], window["email"]}]


def _because(question: AccountQuestion, user: str, seat_type: SeatType) -> Row:
    reader, account, known_at, as_of = question
    person = reader.user_at(account, user, as_of, known_at)
    if person is None:
        return _reason("not_a_user")
    if not _open(person["removed_at"], as_of):
        return _reason("not_a_user", position=person["removed"])
    ids = [person["user_no"]]
    held = [
        row
        for row in holdings.of_users(question, ids)
        if row["seat_type"] == seat_type and not row["reversed"]
    ]
    for row in held:
        if _spans(row["held_from"], row["held_until"], as_of):
            seat = f"{row['seat_type']}#{row['number']}"
            return _reason("holds_seat", seat, row["assigned_position"])
    entered = [
        row
        for row in reader.ask("users", "access", known_at, user_nos=ids)
        if row["hub"] == seat_type.hub and row["granted_at"] <= as_of
    ]
    if not any(_open(row["revoked_at"], as_of) for row in entered):
        return _reason(
            "no_hub_access", position=entered[-1]["revoked"] if entered else None
        )
    ended = [row for row in held if not _open(row["held_until"], as_of)]
    return _reason(
        "no_seat", position=ended[-1]["unassigned_position"] if ended else None
    )


def _reason(code: str, seat: str | None = None, position: int | None = None) -> Row:
    return {"code": code, "seat": seat, "position": position}


def _described(question: AccountQuestion, members: list[Row]) -> list[Row]:
    ids = [row["user_no"] for row in members]
    if not ids:
        return []
    people = question.reader.people(ids, question.known_at, question.as_of)
    names = _ids(question.reader, ids)
    permissions, hubs = _permissions(question, ids), _hubs(question, ids)
    seats, windows = _seats(question, ids), holdings.windows_at(question)
    return [
        {
            "account": question.account.key,
            **people[row["user_no"]],
            "id": names[row["user_no"]],
            "added_at": utc(row["added_at"]),
            "removed_at": utc(row["removed_at"]),
            **permissions[row["user_no"]],
            "hubs": hubs.get(row["user_no"], []),
            "seats": seats.get(row["user_no"], []),
            "windows": [
                window
                for window in windows
                if window["user"] == people[row["user_no"]]["user"]
            ],
        }
        for row in members
    ]


def _permissions(question: AccountQuestion, ids: list[int]) -> dict[int, Row]:
    reader, _, known_at, as_of = question
    permissions = {
        number: {"super_admin": False, "account_access": False} for number in ids
    }
    for row in reader.ask("users", "permissions", known_at, user_nos=ids):
        if row["effective_at"] <= as_of:
            current = permissions[row["user_no"]]
            current |= {name: row[name] for name in current if row[name] is not None}
    return permissions


def _hubs(question: AccountQuestion, ids: list[int]) -> dict[int, list[str]]:
    reader, _, known_at, as_of = question
    hubs: dict[int, list[str]] = {}
    for row in reader.ask("users", "access", known_at, user_nos=ids):
        if _spans(row["granted_at"], row["revoked_at"], as_of):
            hubs.setdefault(row["user_no"], []).append(row["hub"])
    return hubs


def _seats(question: AccountQuestion, ids: list[int]) -> dict[int, list[str]]:
    seats: dict[int, list[str]] = {}
    for row in holdings.of_users(question, ids):
        if not row["reversed"] and _spans(
            row["held_from"], row["held_until"], question.as_of
        ):
            seat = f"{row['seat_type']}#{row['number']}"
            seats.setdefault(row["user_no"], []).append(seat)
    return seats


def _open(ends: datetime | None, as_of: datetime) -> bool:
    return ends is None or ends > as_of


def _spans(starts: datetime, ends: datetime | None, as_of: datetime) -> bool:
    return starts <= as_of and _open(ends, as_of)
