"""The journal as people read it: what happened, who did it, what was known when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from seat_ledger.errors import NotFound
from seat_ledger.projections import holdings
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    AccountSetAside,
    Knowledge,
    Reader,
    Row,
    utc,
)

PAGE = 2000


def listed(  # noqa: PLR0913  each a filter of its own
    reader: Reader,
    known_at: Knowledge,
    *,
    account: AccountFacts | None = None,
    from_position: int | None = None,
    until_position: int | None = None,
    limit: int | None = None,
    late: bool = False,
) -> Iterator[Row]:
    """Events in the order of recording, a page at a time.

    `late` keeps those that became effective before something recorded earlier in
    the same account.
    """
    params = {
        "last": until_position if until_position is not None else known_at.position,
        "account_no": account.no if account else None,
    }
    if late:
        rows = reader.stream(
            "journal", "late", known_at, first=from_position or 0, limit=limit, **params
        )
        for page in _pages(rows):
            yield from _readable(reader, page, known_at)
        return
    name = "events_of_account" if account else "events"
    first, left = from_position or 0, limit
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = reader.ask("journal", name, known_at, first=first, limit=size, **params)
        yield from _readable(reader, page, known_at)
        if len(page) < PAGE:
            return
        first = page[-1]["position"] + 1
        left = None if left is None else left - len(page)


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while page := list(islice(rows, PAGE)):
        yield page


def show(
    reader: Reader,
    position: int,
    known_at: Knowledge,
    account_nos: list[int] | None = None,
) -> Row:
    """One event, of some accounts or of all.

    Raises NotFound (``entry_not_found``), of one elsewhere without reading it (R76);
    AccountSetAside where it cannot be read.
    """
    rows = entries(reader, [position], known_at, account_nos)
    if not rows:
        aside = [
            set_aside
            for set_aside in reader.aside_at(known_at)
            if set_aside.position == position
        ]
        raise AccountSetAside(*aside) if aside else no_such_entry(position, known_at)
    return rows[position]


def no_such_entry(position: int, known_at: Knowledge) -> NotFound:
    """What is said of an entry that is not there, or may not be seen."""
    return NotFound(
        "entry_not_found",
        f"There is no event at position {position}, as known at {known_at.position}.",
        try_="see 'seat-ledger event list'",
    )


def entries(
    reader: Reader,
    positions: Iterable[int],
    known_at: Knowledge,
    account_nos: list[int] | None = None,
) -> dict[int, Row]:
    """Some events by position, of some accounts or of all."""
    selected = sorted(set(positions))
    only = {"positions": selected, "account_nos": account_nos}
    page = reader.ask("journal", "entries", known_at, **only) if selected else []
    return {row["position"]: row for row in _readable(reader, page, known_at)}


def replay(
    reader: Reader, account: AccountFacts, through: Knowledge, order: str
) -> Iterator[Row]:
    """An account's events, each with the totals as of its effective time, as known
    after it.
    """
    if order == "effective":
        page = AccountQuestion(reader, account, through).ask("journal", "by_effect")
        rows: Iterator[Row] = iter(_readable(reader, page, through))
    else:
        rows = listed(reader, through, account=account)
    for row in rows:
        known_at = Knowledge(row["position"], row["recorded_at"], is_head=False)
        question = AccountQuestion(reader, account, known_at, row["effective_at"])
        totals = holdings.totals(question)
        yield {**row, "totals": totals}


def _readable(reader: Reader, page: list[Row], known_at: Knowledge) -> list[Row]:
    reversed_by = _reversed_by(reader, page, known_at)
    requests = _requests(reader, page)
    people = reader.people(row["user_no"] for row in page if row["user_no"])
    actors = reader.actors(row["actor"] for row in page)
    accounts = reader.account_keys(row["account_no"] for row in page)
    return [
        {
            "position": row["position"],
            "recorded_at": utc(row["recorded_at"]),
            "effective_at": utc(row["effective_at"]),
            "event": row["topic"],
            "account": accounts.get(row["account_no"]),
            "user": people[row["user_no"]]["user"] if row["user_no"] else None,
            "seat": f"{row['seat_type']}#{row['number']}" if row["number"] else None,
            "actor": actors[row["actor"]],
            "reason": row["reason"],
            "reversed_by": reversed_by.get(row["position"]),
            "data": _data(row, people, requests),
        }
        for row in page
    ]


_FIELDS = (
    "seat_type",
    "number",
    "quantity",
    "renewal",
    "entry",
    "root",
    "holds",
    "super_admin",
    "account_access",
    "hub",
    "idempotency_key",
    "correlation_id",
)


def _reversed_by(
    reader: Reader, page: list[Row], known_at: Knowledge
) -> dict[int, int]:
    """By which entry each is reversed: the last that names it and holds (R41, R47)."""
    naming: dict[int, list[int]] = {}
    named = [row["position"] for row in page]
    while named:
        reversals = reader.ask("journal", "reversals", known_at, entries=named)
        for row in reversals:
            naming.setdefault(row["entry"], []).append(row["position"])
        named = [row["position"] for row in reversals]
    reversed_by: dict[int, int] = {}
    for entry in sorted(naming, reverse=True):  # a reversal lies after what it names
        holding = [by for by in naming[entry] if by not in reversed_by]
        if holding:
            reversed_by[entry] = max(holding)
    return reversed_by


def _requests(reader: Reader, page: list[Row]) -> dict[tuple[int, int], int]:
    """The position of each reduction that a cancellation names by its version."""
    named = [row for row in page if row["request"] is not None]
    if not named:
        return {}
    rows = reader.ask(
        "journal",
        "requests",
        accounts=list({row["account_no"] for row in named}),
        versions=[row["request"] for row in named],
    )
    return {(row["account_no"], row["version"]): row["position"] for row in rows}


def _data(
    row: Row, people: dict[int, Row], requests: dict[tuple[int, int], int]
) -> dict[str, Any]:
    """The event's own fields, with the person's where it is UserAdded; entries are
    named by position.
    """
    data = {name: row[name] for name in _FIELDS if row[name] is not None}
    if row["request"] is not None:
        data["request"] = requests[row["account_no"], row["request"]]
    if row["topic"] == "UserAdded":
        person = people[row["user_no"]]
        return {"email": person["email"], "name": person["name"], **data}
    return {**(row["details"] or {}), **data}
