"""Who held which seat when, who gave it and who took it: what support asks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from seat_ledger.domain.values import FOREVER, SeatRef, as_word
from seat_ledger.errors import NotFound
from seat_ledger.projections.reader import AccountFacts, Knowledge, Reader, Row, utc

_FEW = 100


def who(
    reader: Reader,
    account: AccountFacts,
    seat: SeatRef,
    as_of: datetime,
    known_at: Knowledge,
) -> Row:
    """Who held the seat at a moment. Raises NotFound (``seat_not_found``)."""
    _check_bought(reader, account, seat)
    named = {"account_no": account.no, **_named(seat)}
    lives = reader.ask("holdings", "life", known_at, **named)
    pair = (str(seat.seat_type), seat.number)
    holders = with_names(
        reader, account, _held(reader, account, as_of, known_at, [pair])
    )
    return {
        "account": account.key,
        "seat": str(seat),
        "purchased": any(_under_contract(life, as_of) for life in lives),
        "holder": _holder(holders[0]) if holders else None,
    }


def held_by(
    reader: Reader,
    account: AccountFacts,
    user: str,
    as_of: datetime,
    known_at: Knowledge,
) -> list[Row]:
    """The seats that a user held at a moment, in the shape of :func:`who`."""
    person = reader.user_at(account, user, as_of, known_at)
    if person is None:
        return []
    rows = of_users(reader, account, [person["user_no"]], known_at)
    live = [row for row in rows if _live(row, as_of)]
    return [
        {
            "account": account.key,
            "seat": row["seat"],
            "purchased": True,
            "holder": _holder(row),
        }
        for row in with_names(reader, account, live)
    ]


def history(  # noqa: PLR0913  who asks, and what
    reader: Reader,
    account: AccountFacts,
    seat: SeatRef,
    known_at: Knowledge,
    *,
    as_of: datetime | None = None,
    with_reversed: bool = False,
) -> list[Row]:
    """Every holding of a seat, in order; with `as_of`, those that had begun by then."""
    rows = of_seat(reader, account, seat, known_at)
    rows = [row for row in rows if with_reversed or not row["reversed"]]
    return described(reader, account, _begun(rows, as_of))


def life(
    reader: Reader, account: AccountFacts, seat: SeatRef, known_at: Knowledge
) -> Row | None:
    """From when to when a seat is under contract, and by which entries; None: never."""
    named = {"account_no": account.no, **_named(seat)}
    for row in reader.ask("holdings", "life", known_at, **named):
        return {
            "purchased_at": utc(row["purchased_at"]),
            "purchased_by": row["purchased_position"],
            "retires_at": utc(row["retires_at"]),
            "retired_by": row["retired_position"],
        }
    return None


def user_history(  # noqa: PLR0913  who asks, and what
    reader: Reader,
    account: AccountFacts,
    user: str,
    known_at: Knowledge,
    *,
    as_of: datetime | None = None,
    with_reversed: bool = False,
) -> list[Row]:
    """Every holding of every user ever called so, in order (R35)."""
    rows = of_user(reader, account, user, known_at)
    rows = [row for row in rows if with_reversed or not row["reversed"]]
    return described(reader, account, _begun(rows, as_of))


def of_seat(
    reader: Reader, account: AccountFacts, seat: SeatRef, known_at: Knowledge
) -> list[Row]:
    """Every holding of a seat in order, reversed ones too; bare, for `described`.

    Raises NotFound (``seat_not_found``).
    """
    _check_bought(reader, account, seat)
    named = {"account_no": account.no, **_named(seat)}
    return _in_order(reader.ask("holdings", "of_seat", known_at, **named))


def of_user(
    reader: Reader, account: AccountFacts, user: str, known_at: Knowledge
) -> list[Row]:
    """The same for every user ever called so (R35).

    Raises NotFound (``user_not_found``).
    """
    people = reader.users_called(account, user, known_at)
    ids = [person["user_no"] for person in people]
    return _in_order(of_users(reader, account, ids, known_at))


def of_users(
    reader: Reader, account: AccountFacts, user_nos: Sequence[int], known_at: Knowledge
) -> list[Row]:
    """What some users held, with what was reversed; bare."""
    params = {"account_no": account.no, "user_nos": list(user_nos)}
    few = known_at.position != reader.head and len(user_nos) <= _FEW
    return reader.ask(
        "holdings", "of_few_users" if few else "of_users", known_at, **params
    )


def under_contract(  # noqa: PLR0913  who asks, and what
    reader: Reader,
    account: AccountFacts,
    as_of: datetime,
    known_at: Knowledge,
    *,
    skip: int = 0,
    limit: int | None = None,
) -> list[Row]:
    """Every seat under contract at a moment, with its holder; or `limit` of them."""
    params = {"account_no": account.no, "as_of": as_of}
    lives = reader.ask(
        "holdings", "under_contract", known_at, skip=skip, limit=limit, **params
    )
    if limit is None:
        held = reader.ask("holdings", "of_account", known_at, **params)
    else:
        seats = [(life["seat_type"], life["number"]) for life in lives]
        held = _held(reader, account, as_of, known_at, seats)
    holders = {row["seat"]: row for row in with_names(reader, account, held)}
    rows = []
    for life in lives:
        seat = f"{life['seat_type']}#{life['number']}"
        holder = holders.get(seat)
        rows.append(
            {
                "seat": seat,
                "seat_type": life["seat_type"],
                "holder": _holder(holder) if holder else None,
                "purchased_at": utc(life["purchased_at"]),
                "retires_at": utc(life["retires_at"]),
            }
        )
    return rows


def totals(
    reader: Reader, account: AccountFacts, as_of: datetime, known_at: Knowledge
) -> list[Row]:
    """Purchased, assigned, available and pending, per type under contract."""
    rows = reader.ask("counts", "totals", known_at, account_no=account.no, as_of=as_of)
    return [
        {
            "seat_type": row["seat_type"],
            "purchased": row["purchased"],
            "assigned": row["assigned"],
            "available": row["purchased"] - row["assigned"],
            "pending_reduction": int(row["pending_reduction"]),
        }
        for row in rows
    ]


def with_names(reader: Reader, account: AccountFacts, rows: list[Row]) -> list[Row]:
    """Holdings with names, acts and seats as people read them."""
    people = reader.people(row["user_no"] for row in rows)
    acts = reader.acts(
        position
        for row in rows
        for position in (row["assigned_position"], row["unassigned_position"])
    )
    return [
        {
            "account": account.key,
            "seat": f"{row['seat_type']}#{row['number']}",
            **people[row["user_no"]],
            "held_from": utc(row["held_from"]),
            "held_until": utc(row["held_until"]),
            "assigned_by": acts[row["assigned_position"]],
            "unassigned_by": acts[row["unassigned_position"]],
            "reversed": row["reversed"],
        }
        for row in rows
    ]


def _held(
    reader: Reader,
    account: AccountFacts,
    as_of: datetime,
    known_at: Knowledge,
    seats: Sequence[tuple[str, int]],
) -> list[Row]:
    """What was held of some seats, by type and number, at a moment; bare."""
    return reader.ask(
        "holdings",
        "of_seats",
        known_at,
        account_no=account.no,
        as_of=as_of,
        seat_types=[seat_type for seat_type, _ in seats],
        numbers=[number for _, number in seats],
    )


def _check_bought(reader: Reader, account: AccountFacts, seat: SeatRef) -> None:
    rows = reader.ask("holdings", "bought", account_no=account.no, **_named(seat))
    if not rows[0]["bought"]:
        raise NotFound(
            "seat_not_found",
            f"{account.key} never bought {seat}.",
            try_=f"seat-ledger seat list --account {as_word(account.key)}",
        )


def _named(seat: SeatRef) -> dict[str, Any]:
    return {"seat_type": str(seat.seat_type), "number": seat.number}


def _live(row: Row, as_of: datetime) -> bool:
    if row["reversed"]:
        return False
    until = row["held_until"]
    return row["held_from"] <= as_of and (until is None or until > as_of)


def _under_contract(life: Row, as_of: datetime) -> bool:
    ends = life["retires_at"]
    return life["purchased_at"] <= as_of and (ends is None or ends > as_of)


def _begun(rows: list[Row], as_of: datetime | None) -> list[Row]:
    if as_of is None:
        return rows
    return [row for row in rows if (row["held_from"] or row["held_until"]) <= as_of]


def _in_order(rows: Iterable[Row]) -> list[Row]:
    def place(row: Row) -> tuple[datetime, bool, datetime, int]:
        begins = row["held_from"] or row["held_until"]
        ends = row["held_until"] or FOREVER
        return (
            begins,
            row["reversed"],
            ends,
            row["assigned_position"] or row["unassigned_position"],
        )

    return sorted(rows, key=place)


def described(reader: Reader, account: AccountFacts, rows: list[Row]) -> list[Row]:
    """Bare holdings as rows of a history, in the order given."""
    keys = ["seat", "user", "email", "name", "held_from", "held_until"]
    keys += ["assigned_by", "unassigned_by", "reversed"]
    return [
        {key: row[key] for key in keys} for row in with_names(reader, account, rows)
    ]


def _holder(row: Row) -> Row:
    keys = ("user", "email", "name", "held_from", "held_until")
    return {key: row[key] for key in (*keys, "assigned_by", "unassigned_by")}
