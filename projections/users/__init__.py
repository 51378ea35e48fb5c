"""Users of an account: who they are, what they may do, and what they hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from seat_ledger.domain.values import SeatType, fold
from seat_ledger.projections import holdings
from seat_ledger.projections.reader import AccountFacts, Knowledge, Reader, Row, utc
from seat_ledger.store.wrapping import Secret

_AT_ONCE = 200


def listed(
    reader: Reader, account: AccountFacts, as_of: datetime, known_at: Knowledge
) -> list[Row]:
    """Every user present at a moment, with permissions, hubs and seats."""
    members = [
        row
        for row in reader.ask("users", "members", known_at, account_no=account.no)
        if row["added_at"] <= as_of and _open(row["removed_at"], as_of)
    ]
    return _described(reader, account, members, as_of, known_at)


def page(  # noqa: PLR0913  where to look, and how far
    reader: Reader,
    account: AccountFacts,
    as_of: datetime,
    known_at: Knowledge,
    *,
    after: int = 0,
    limit: int = 50,
) -> tuple[list[Row], int | None]:
    """Users as :func:`listed`, after the entry that added one of them.

    And the entry after which the rest follows; None where there is no more.
    """
    present: list[Row] = []
    params = {"account_no": account.no, "as_of": as_of, "limit": _AT_ONCE}
    while len(present) <= limit:
        joined = reader.ask("users", "joined", known_at, after=after, **params)
        if not joined:
            break
        after = joined[-1]["user_no"]
        ids = [row["user_no"] for row in joined]
        members = reader.ask("users", "memberships", known_at, user_nos=ids)
        present += [row for row in members if _open(row["removed_at"], as_of)]
    shown = present[:limit]
    following = shown[-1]["user_no"] if len(present) > limit else None
    return _described(reader, account, shown, as_of, known_at), following


def ever_called(
    reader: Reader, account: AccountFacts, reference: str, known_at: Knowledge
) -> list[Row]:
    """Every user ever called so, in order, with the id that nobody else has."""
    rows = reader.users_called(account, reference, known_at)
    ids = [row["user_no"] for row in rows]
    people = reader.people(ids)
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


def _ids(reader: Reader, user_nos: list[int]) -> dict[int, str]:
    rows = reader.ask("users", "ids", user_nos=user_nos)
    return {row["user_no"]: str(row["user_id"]) for row in rows}


def find(reader: Reader, text: str, as_of: datetime, known_at: Knowledge) -> list[Row]:
    """Users of all accounts by a part of key, e-mail or name, with what each holds."""
    matches = reader.ask("users", "find", folded=Secret(fold(text)))
    account_nos = list(dict.fromkeys(row["account_no"] for row in matches))
    keys = reader.account_keys(account_nos)
    rows = []
    for number in account_nos:
        account = reader.account(keys[number], known_at)
        ids = [row["user_no"] for row in matches if row["account_no"] == number]
        members = reader.ask("users", "memberships", known_at, user_nos=ids)
        begun = [row for row in members if row["added_at"] <= as_of]
        rows += _described(reader, account, begun, as_of, known_at)
    return rows


def called(
    reader: Reader,
    account: AccountFacts,
    user: str,
    as_of: datetime,
    known_at: Knowledge,
) -> list[Row]:
    """Every user so called that had been added by then, in order (R35).

    Raises NotFound (``user_not_found``).
    """
    members = reader.users_called(account, user, known_at)
    begun = [row for row in members if row["added_at"] <= as_of]
    return _described(reader, account, begun, as_of, known_at)


def access(  # noqa: PLR0913, PLR0917  who asks, and what
    reader: Reader,
    account: AccountFacts,
    user: str,
    seat_type: SeatType,
    as_of: datetime,
    known_at: Knowledge,
) -> Row:
    """Whether a user could use a type's paid features at a moment, and why (S4)."""
    reader.types.check(seat_type)
    because = _because(reader, account, user, seat_type, as_of, known_at)
    return {
        "account": account.key,
        "user": user,
        "seat_type": str(seat_type),
        "allowed": because["code"] == "holds_seat",
        "because": because,
    }


def _because(  # noqa: PLR0913, PLR0917  who asks, and what
    reader: Reader,
    account: AccountFacts,
    user: str,
    seat_type: SeatType,
    as_of: datetime,
    known_at: Knowledge,
) -> Row:
    person = reader.user_at(account, user, as_of, known_at)
    if person is None:
        return _reason("not_a_user")
    if not _open(person["removed_at"], as_of):
        return _reason("not_a_user", position=person["removed"])
    ids = [person["user_no"]]
    held = holdings.of_users(reader, account, ids, known_at)
    for row in held:
        if (
            not row["reversed"]
            and row["seat_type"] == seat_type
            and _spans(row["held_from"], row["held_until"], as_of)
        ):
            return _reason(
                "holds_seat",
                f"{row['seat_type']}#{row['number']}",
                row["assigned_position"],
            )
    entered = [
        row
        for row in reader.ask("users", "access", known_at, user_nos=ids)
        if row["hub"] == seat_type.hub and row["granted_at"] <= as_of
    ]
    if not any(_open(row["revoked_at"], as_of) for row in entered):
        return _reason(
            "no_hub_access", position=entered[-1]["revoked"] if entered else None
        )
    ended = [
        row
        for row in held
        if row["seat_type"] == seat_type
        and not row["reversed"]
        and not _open(row["held_until"], as_of)
    ]
    return _reason(
        "no_seat", position=ended[-1]["unassigned_position"] if ended else None
    )


def _reason(code: str, seat: str | None = None, position: int | None = None) -> Row:
    return {"code": code, "seat": seat, "position": position}


def _described(
    reader: Reader,
    account: AccountFacts,
    members: list[Row],
    as_of: datetime,
    known_at: Knowledge,
) -> list[Row]:
    ids = [row["user_no"] for row in members]
    if not ids:
        return []
    people, names = reader.people(ids), _ids(reader, ids)
    may = _permissions(reader, ids, as_of, known_at)
    hubs = _hubs(reader, ids, as_of, known_at)
    held = _held(reader, account, ids, as_of, known_at)
    return [
        {
            "account": account.key,
            **people[row["user_no"]],
            "id": names[row["user_no"]],
            "added_at": utc(row["added_at"]),
            "removed_at": utc(row["removed_at"]),
            "super_admin": may[row["user_no"]]["super_admin"],
            "account_access": may[row["user_no"]]["account_access"],
            "hubs": hubs.get(row["user_no"], []),
            "seats": held.get(row["user_no"], []),
        }
        for row in members
    ]


def _permissions(
    reader: Reader, ids: list[int], as_of: datetime, known_at: Knowledge
) -> dict[int, dict[str, bool]]:
    may = {id_: {"super_admin": False, "account_access": False} for id_ in ids}
    for row in reader.ask("users", "permissions", known_at, user_nos=ids):
        if row["effective_at"] <= as_of:
            for name in ("super_admin", "account_access"):
                if row[name] is not None:
                    may[row["user_no"]][name] = row[name]
    return may


def _hubs(
    reader: Reader, ids: list[int], as_of: datetime, known_at: Knowledge
) -> dict[int, list[str]]:
    hubs: dict[int, list[str]] = {}
    for row in reader.ask("users", "access", known_at, user_nos=ids):
        if _spans(row["granted_at"], row["revoked_at"], as_of):
            hubs.setdefault(row["user_no"], []).append(row["hub"])
    return hubs


def _held(
    reader: Reader,
    account: AccountFacts,
    ids: list[int],
    as_of: datetime,
    known_at: Knowledge,
) -> dict[int, list[Any]]:
    held: dict[int, list[Any]] = {}
    for row in holdings.of_users(reader, account, ids, known_at):
        if not row["reversed"] and _spans(row["held_from"], row["held_until"], as_of):
            seat = f"{row['seat_type']}#{row['number']}"
            held.setdefault(row["user_no"], []).append(seat)
    return held


def _open(ends: datetime | None, as_of: datetime) -> bool:
    return ends is None or ends > as_of


def _spans(starts: datetime, ends: datetime | None, as_of: datetime) -> bool:
    return starts <= as_of and _open(ends, as_of)
