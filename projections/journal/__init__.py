"""The journal as people read it: what happened, who did it, what was known when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from projections import holdings
from projections.reader import AccountFacts, Knowledge, Reader, Row, utc
from seat_ledger.errors import NotFound

PAGE = 2000


def listed(  # noqa: PLR0913  each a filter of its own
    reader: Reader,
    known: Knowledge,
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
    first, left = from_position, limit
    while left is None or left > 0:
        page = reader.ask(
            "journal",
            "events",
            known=known.position,
            account_id=account.id if account else None,
            first=first,
            last=until_position,
            late=late,
            limit=PAGE if left is None else min(PAGE, left),
        )
        yield from _told(reader, page)
        if len(page) < PAGE:
            return
        first = page[-1]["position"] + 1
        left = None if left is None else left - len(page)


def show(reader: Reader, position: int, known: Knowledge) -> Row:
    """One event. Raises NotFound (``entry_not_found``)."""
    rows = list(listed(reader, known, from_position=position, until_position=position))
    if not rows:
        raise NotFound(
            "entry_not_found",
            f"There is no event at position {position}, as known at {known.position}.",
            try_="look with 'seat-ledger event list'",
        )
    return rows[0]


def replay(
    reader: Reader, account: AccountFacts, until: Knowledge, order: str
) -> Iterator[Row]:
    """An account's events, each with the totals as of its effective time, as known
    after it.
    """
    if order == "effective":
        page = reader.ask(
            "journal", "by_effect", known=until.position, account_id=account.id
        )
        rows: Iterator[Row] = iter(_told(reader, page))
    else:
        rows = listed(reader, until, account=account)
    for row in rows:
        known = Knowledge(row["position"], row["recorded_at"], is_head=False)
        totals = holdings.totals(reader, account, row["effective_at"], known)
        yield {**row, "totals": totals}


def _told(reader: Reader, page: list[Row]) -> list[Row]:
    people = reader.people(row["user_id"] for row in page if row["user_id"])
    actors = reader.actors(row["actor"] for row in page)
    accounts = _account_keys(reader, page)
    return [
        {
            "position": row["position"],
            "recorded_at": utc(row["recorded_at"]),
            "effective_at": utc(row["effective_at"]),
            "event": row["topic"],
            "account": accounts.get(row["account_id"]),
            "user": people[row["user_id"]]["user"] if row["user_id"] else None,
            "seat": f"{row['seat_type']}#{row['number']}" if row["number"] else None,
            "actor": actors[row["actor"]],
            "reason": row["reason"],
            "reversed_by": row["reversed_by"],
            "data": _data(row, people),
        }
        for row in page
    ]


def _data(row: Row, people: dict[UUID, Row]) -> dict[str, Any]:
    """The event's own fields, with the person's where it is UserAdded."""
    data: dict[str, Any] = row["data"]
    if row["topic"] == "UserAdded":
        person = people[row["user_id"]]
        return {"email": person["email"], "name": person["name"], **data}
    return data


def _account_keys(reader: Reader, page: list[Row]) -> dict[UUID, str]:
    wanted = list({row["account_id"] for row in page})
    rows = reader.ask("accounts", "keys", account_ids=wanted) if wanted else []
    return {row["account_id"]: row["account_key"] for row in rows}
