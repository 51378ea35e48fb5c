"""Who held which seat when, who gave it and who took it: what support asks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from seat_ledger.domain.values import FOREVER, SeatRef, as_word
from seat_ledger.errors import NotFound
from seat_ledger.projections.reader import (
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Names,
    Row,
    utc,
)
from seat_ledger.projections.reader.windows import named_windows

_FEW = 100


def who(question: AccountQuestion, seat: SeatRef) -> Row:
    """Who held the seat at a moment. Raises NotFound (``seat_not_found``)."""
    _check_bought(question, seat)
    lives = question.ask("holdings", "life", **_named(seat))
    held = _held(question, [(str(seat.seat_type), seat.number)])
    holders = with_names(question, held)
    return {
        "account": question.account.key,
        "seat": str(seat),
        "purchased": any(_under_contract(life, question.as_of) for life in lives),
        "holder": _holder(holders[0]) if holders else None,
        "windows": of_seat_in(windows_at(question, with_purchases=True), str(seat)),
    }


def windows_at(question: AccountQuestion, *, with_purchases: bool = False) -> list[Row]:
    """What happened before a moment or after it: the moment lies in the window (R85).

    Within a window nobody saw what was so. The rows have `change` and both ends as
    those of a dated list have, with the seat, and who it is about.
    """
    topics = ["SeatAssigned", "SeatUnassigned"] + ["SeatPurchased"] * with_purchases
    rows = question.ask("holdings", "windows_at", as_of=question.as_of, topics=topics)
    return named_windows(question, rows)


def of_seat_in(windows: Iterable[Row], seat: str) -> list[Row]:
    """Those of some windows that are about a seat."""
    return [window for window in windows if window["seat"] == seat]


def held_by(question: AccountQuestion, user: str) -> list[Row]:
    """The seats that a user held at a moment, in the shape of :func:`who`."""
    reader, account, known_at, as_of = question
    person = reader.user_at(account, user, as_of, known_at)
    if person is None:
        return []
    live = [row for row in of_users(question, [person["user_no"]]) if _live(row, as_of)]
    windows = windows_at(question)
    return [
        {**_who(question, row), "windows": of_seat_in(windows, row["seat"])}
        for row in with_names(question, live)
    ]


def held_within(
    question: AccountQuestion,
    bare: Iterable[Row],
    since: datetime | None,
    before: datetime,
) -> list[Row]:
    """Holdings that share an instant with some time, in the shape of :func:`who`.

    `bare` are those of a seat or user.
    """
    shared = [
        row
        for row in bare
        if not row["reversed"]
        and row["held_from"] < before
        and (since is None or (row["held_until"] or FOREVER) > since)
    ]
    return [_who(question, row) for row in with_names(question, shared)]


def history(
    question: AccountQuestion, seat: SeatRef, *, with_reversed: bool = False
) -> list[Row]:
    """Every holding of a seat that had begun by the moment, in order."""
    return _history(question, of_seat(question, seat), with_reversed=with_reversed)


def user_history(
    question: AccountQuestion, user: str, *, with_reversed: bool = False
) -> list[Row]:
    """The same of every user ever called so (R35)."""
    return _history(question, of_user(question, user), with_reversed=with_reversed)


def _history(
    question: AccountQuestion, rows: list[Row], *, with_reversed: bool
) -> list[Row]:
    shown = [row for row in rows if with_reversed or not row["reversed"]]
    return described(question, begun(question.reader, shown, question.as_of))


def begun(reader: ConnectedReader, rows: Iterable[Row], as_of: datetime) -> list[Row]:
    """Bare holdings that had begun by a moment, or may have: a window contains it."""
    rows = list(rows)
    later = [row for row in rows if (row["held_from"] or row["held_until"]) > as_of]
    windows = reader.windows(row["assigned_position"] for row in later)
    after = {
        id(row)
        for row in later
        if windows.get(row["assigned_position"], FOREVER) >= as_of
    }
    return [row for row in rows if id(row) not in after]


def life(question: AccountQuestion, seat: SeatRef) -> Row | None:
    """From when to when a seat is under contract, and by which entries; None: never.

    `purchased_after` is the other end of the window in which it was bought (R85).
    """
    for row in question.ask("holdings", "life", **_named(seat)):
        bought = row["purchased_position"]
        return {
            "purchased_at": utc(row["purchased_at"]),
            "purchased_after": question.reader.windows([bought]).get(bought),
            "purchased_by": row["purchased_position"],
            "retires_at": utc(row["retires_at"]),
            "retired_by": row["retired_position"],
        }
    return None


def of_seat(question: AccountQuestion, seat: SeatRef) -> list[Row]:
    """Every holding of a seat in order, reversed ones too; bare, for `described`.

    Raises NotFound (``seat_not_found``).
    """
    _check_bought(question, seat)
    return _in_order(question.ask("holdings", "of_seat", **_named(seat)))


def of_user(question: AccountQuestion, user: str) -> list[Row]:
    """The same for every user ever called so (R35).

    Raises NotFound (``user_not_found``).
    """
    reader, account, known_at, _ = question
    people = reader.users_called(account, user, known_at)
    return _in_order(of_users(question, [person["user_no"] for person in people]))


def of_users(question: AccountQuestion, user_nos: Sequence[int]) -> list[Row]:
    """What some users held, with what was reversed; bare."""
    is_then = question.known_at.position != question.reader.head
    name = "of_few_users" if is_then and len(user_nos) <= _FEW else "of_users"
    return question.ask("holdings", name, user_nos=list(user_nos))


def under_contract(
    question: AccountQuestion, *, skip: int = 0, limit: int | None = None
) -> list[Row]:
    """Every seat under contract at a moment, with its holder; or `limit` of them."""
    as_of = question.as_of
    lives = question.ask(
        "holdings", "under_contract", as_of=as_of, skip=skip, limit=limit
    )
    if limit is None:
        held = question.ask("holdings", "of_account", as_of=as_of)
    else:
        held = _held(question, [(life["seat_type"], life["number"]) for life in lives])
    holders = {row["seat"]: _holder(row) for row in with_names(question, held)}
    windows = windows_at(question)
    seats = [f"{life['seat_type']}#{life['number']}" for life in lives]
    return [
        {
            "seat": seat,
            "seat_type": life["seat_type"],
            "holder": holders.get(seat),
            "purchased_at": utc(life["purchased_at"]),
            "retires_at": utc(life["retires_at"]),
            "windows": of_seat_in(windows, seat),
        }
        for seat, life in zip(seats, lives, strict=True)
    ]


def totals(question: AccountQuestion) -> list[Row]:
    """Purchased, assigned, available and pending, per type under contract.

    `assigned_least` and `assigned_most` say how many it may have been in truth (R89).
    """
    reader, account, known_at, as_of = question
    return totals_of(reader, [account.no], known_at, as_of)[account.no]


def totals_of(
    reader: ConnectedReader,
    account_nos: Collection[int],
    known_at: Knowledge,
    as_of: datetime,
) -> dict[int, list[Row]]:
    """The same of some accounts, by their numbers."""
    totals: dict[int, list[Row]] = {no: [] for no in account_nos}
    numbers = [*totals]
    for row in reader.ask(
        "counts", "totals", known_at, account_nos=numbers, as_of=as_of
    ):
        totals[row["account_no"]].append(
            {
                "seat_type": row["seat_type"],
                "purchased": row["purchased"],
                "assigned": row["assigned"],
                "available": row["purchased"] - row["assigned"],
                "pending_reduction": int(row["pending_reduction"]),
                "assigned_least": row["assigned"] - row["perhaps_freed"],
                "assigned_most": row["assigned"] + row["perhaps_filled"],
            }
        )
    return totals


def with_names(question: AccountQuestion, rows: list[Row]) -> list[Row]:
    """Holdings with names, acts and seats as people read them."""
    reader = question.reader
    names = reader.names((row["user_no"] for row in rows), question.known_at)
    due = _unassignments_due(question, rows)
    positions = [
        position
        for row in rows
        for position in (row["assigned_position"], row["unassigned_position"])
    ]
    acts, windows = reader.acts(positions), reader.windows(positions)
    return [
        {
            "account": question.account.key,
            "seat": f"{row['seat_type']}#{row['number']}",
            **names.at(row["user_no"], question.as_of),
            "held_from": utc(row["held_from"]),
            "held_until": utc(row["held_until"]),
            "held_after": windows.get(row["assigned_position"]),
            "until_after": windows.get(row["unassigned_position"]),
            "assigned_by": acts[row["assigned_position"]],
            "unassigned_by": acts[row["unassigned_position"]],
            "reversed": row["reversed"],
            "unassignment_due": due.get(row["assigned_position"]),
            "called_then": _called_then(question, row, names),
        }
        for row in rows
    ]


def _called_then(question: AccountQuestion, row: Row, names: Names) -> Row | None:
    """What the holder was called when the holding began, where that differs (R95)."""
    user_no, begins = row["user_no"], row["held_from"] or row["held_until"]
    now, then = names.at(user_no, question.as_of), names.at(user_no, begins)
    if now == then:
        return None
    return {name: then[name] for name in ("user", "email", "name")}


def to_be_unassigned(question: AccountQuestion) -> list[Row]:
    """Who is to leave which seat when: requests pending at a moment (R98)."""
    reader, account, _, as_of = question
    rows = _unassignments(question)
    people = reader.people((row["user_no"] for row in rows), question.known_at, as_of)
    acts = reader.acts(row["requested"] for row in rows)
    return [
        {
            "seat": f"{row['seat_type']}#{row['number']}",
            **people[row["user_no"]],
            "period": row["period"].isoformat(),
            "due": _bounded(account.due(row)),
            "requested_at": utc(row["requested_at"]),
            "requested_by": acts[row["requested"]],
        }
        for row in rows
    ]


def _unassignments(question: AccountQuestion) -> list[Row]:
    """Requests that are pending at a moment (R98): asked for where any ever was."""
    if not question.account.has_requests:
        return []
    return question.ask("holdings", "to_be_unassigned", as_of=question.as_of)


def _unassignments_due(
    question: AccountQuestion, rows: Iterable[Row]
) -> dict[int, datetime | None]:
    """When pending unassignments end some holdings, by the assignment of each (R98)."""
    live = {
        (row["seat_type"], row["number"], row["user_no"]): row
        for row in rows
        if not row["reversed"] and _open_at(row, question.as_of)
    }
    if not live:
        return {}
    account = question.account
    due: dict[int, datetime | None] = {}
    for request in _unassignments(question):
        held = live.get((request["seat_type"], request["number"], request["user_no"]))
        if held is not None and held["held_from"] <= request["requested_at"]:
            due[held["assigned_position"]] = _bounded(account.due(request))
    return due


def _open_at(row: Row, as_of: datetime) -> bool:
    """Whether a holding has not ended at a moment; with no moment, at all."""
    until = row["held_until"]
    return until is None or until > as_of


def _bounded(instant: datetime) -> datetime | None:
    """An instant; None for what is never reached."""
    return None if instant is FOREVER else instant


def _held(question: AccountQuestion, seats: Sequence[tuple[str, int]]) -> list[Row]:
    """What was held of some seats, by type and number, at a moment; bare."""
    return question.ask(
        "holdings",
        "of_seats",
        as_of=question.as_of,
        seat_types=[seat_type for seat_type, _ in seats],
        numbers=[number for _, number in seats],
    )


def _check_bought(question: AccountQuestion, seat: SeatRef) -> None:
    account = question.account
    rows = question.reader.ask(
        "holdings", "bought", account_no=account.no, **_named(seat)
    )
    if not rows[0]["bought"]:
        seat_type = str(seat.seat_type)
        most = question.reader.ask(
            "holdings", "most_bought", account_no=account.no, seat_type=seat_type
        )[0]["number"]
        raise NotFound(
            "seat_not_found",
            f"{account.key} never bought {seat}."
            + (f" Its {seat_type} end with #{most}." if most else ""),
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


def described(question: AccountQuestion, rows: list[Row]) -> list[Row]:
    """Bare holdings as rows of a history, in their order."""
    keys = ["seat", "user", "email", "name", "kind", "held_from", "held_until"]
    keys += ["held_after", "until_after", "assigned_by", "unassigned_by", "reversed"]
    keys += ["unassignment_due", "called_then"]
    return [{key: row[key] for key in keys} for row in with_names(question, rows)]


def _who(question: AccountQuestion, row: Row) -> Row:
    """A holding as an answer to who held its seat."""
    return {
        "account": question.account.key,
        "seat": row["seat"],
        "purchased": True,
        "holder": _holder(row),
    }


def _holder(row: Row) -> Row:
    held = ("held_from", "held_until", "held_after", "until_after")
    keys = ("user", "email", "name", "kind", *held)
    acts = ("assigned_by", "unassigned_by")
    return {key: row[key] for key in (*keys, *acts, "unassignment_due", "called_then")}
