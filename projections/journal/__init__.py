"""The journal as people read it: what happened, who did it, what was known when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from seat_ledger.errors import NotFound
from seat_ledger.projections import holdings
from seat_ledger.projections.journal.selection import EVERY_EVENT, EventSelection
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    AccountSetAside,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)

PAGE = 2000
_BESIDE = range(-8, 9)
"""How far from a selected event those of the same command are looked for."""


def listed(  # noqa: PLR0913  each a filter of its own
    reader: ConnectedReader,
    known_at: Knowledge,
    *,
    account: AccountFacts | None = None,
    selection: EventSelection = EVERY_EVENT,
    from_position: int | None = None,
    until_position: int | None = None,
    limit: int | None = None,
    late: bool = False,
    backwards: bool = False,
) -> Iterator[Row]:
    """Events in the order of recording, a page at a time; at most `limit`.

    `late` keeps those that became effective before something recorded earlier in
    the same account. `backwards`: the last one first.
    """
    if until_position is None:
        until_position = known_at.position
    last = until_position if selection.last is None else selection.last
    params = {"account_no": account.no if account else None, **selection.filters}
    if selection.positions is not None:
        params["positions"] = selection.positions
    pages = _EventPages(
        reader,
        known_at,
        params,
        first=max(from_position or 0, selection.first),
        last=min(last, until_position),
    )
    if late:
        events = pages.late(None if backwards else limit)
        every = reversed([*events]) if backwards else events
    else:
        every = pages.backwards() if backwards else pages.forwards(limit)
    for page in _pages(islice(every, limit)):
        yield from _readable(reader, page, known_at)


def _pages(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while page := list(islice(rows, PAGE)):
        yield page


class _EventPages(NamedTuple):
    """Bare events that were selected, between two positions."""

    reader: ConnectedReader
    known_at: Knowledge
    params: dict[str, Any]
    first: int
    last: int

    def forwards(self, limit: int | None) -> Iterator[Row]:
        """In the order of recording."""
        if limit is None and self.params["account_no"] is not None:
            yield from self._by_ranges()
            return
        first, size = self.first, PAGE if limit is None else min(PAGE, limit)
        while page := self._page(first, self.last, size):
            yield from page
            if len(page) < size:
                return
            first = page[-1]["position"] + 1

    def _by_ranges(self) -> Iterator[Row]:
        """All of an account, by ranges of positions that grow where little is in, and
        are as long as a page where much is.
        """
        first, reach = self.first, PAGE
        while first <= self.last:
            until = min(self.last, first + reach - 1)
            page = self._page(first, until, PAGE)
            yield from page
            if len(page) == PAGE:
                until = page[-1]["position"]
                reach = until - first + 1
            elif len(page) <= PAGE // 4:
                reach *= 4
            first = until + 1

    def backwards(self) -> Iterator[Row]:
        """The last one first, by ranges of positions that grow where little is in."""
        last, size = self.last, PAGE
        while last >= self.first:
            first = max(self.first, last - size + 1)
            page = self._page(first, last, None)
            yield from reversed(page)
            last, size = first - 1, size if len(page) > PAGE // 4 else 4 * size

    def late(self, limit: int | None) -> Iterator[Row]:
        """Those that became effective before something recorded earlier."""
        params = {"first": self.first, "last": self.last, "limit": limit}
        named = {"positions": None, **self.params}
        return self.reader.stream("journal", "late", self.known_at, **params, **named)

    def _page(self, first: int, last: int, limit: int | None) -> list[Row]:
        of_account = self.params["account_no"] is not None
        name = "events_of_account" if of_account else "events"
        if "positions" in self.params:
            name = "events_named"
        params = {"first": first, "last": last, "limit": limit}
        return self.reader.ask("journal", name, self.known_at, **params, **self.params)


def show(
    reader: ConnectedReader,
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
    reader: ConnectedReader,
    positions: Iterable[int],
    known_at: Knowledge,
    account_nos: list[int] | None = None,
) -> dict[int, Row]:
    """Some events by position, of some accounts or of all."""
    selected = sorted(set(positions))
    only = {"positions": selected, "account_nos": account_nos}
    page = reader.ask("journal", "entries", known_at, **only) if selected else []
    return {row["position"]: row for row in _readable(reader, page, known_at)}


def with_neighbours(
    reader: ConnectedReader, rows: Iterable[Mapping[str, Any]], known_at: Knowledge
) -> list[Row]:
    """Selected events of one account with those beside them, in order.

    What one command recorded stands together, so that a seat's next holder is seen too.
    """
    chosen = {row["position"]: dict(row) for row in rows}
    beside = {position + step for position in chosen for step in _BESIDE}
    others = entries(reader, beside - chosen.keys(), known_at)
    accounts = {row["account"] for row in chosen.values()}
    near = {at: row for at, row in others.items() if row["account"] in accounts}
    return [row for _, row in sorted({**near, **chosen}.items())]


def replay(
    reader: ConnectedReader, account: AccountFacts, through: Knowledge, order: str
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


def _readable(
    reader: ConnectedReader, page: list[Row], known_at: Knowledge
) -> list[Row]:
    reversed_by = _reversed_by(reader, page, known_at)
    requests = _requests(reader, page)
    people = reader.people((row["user_no"] for row in page if row["user_no"]), known_at)
    renamed = _renamed(reader, page)
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
            "data": _data(row, requests, renamed),
            "effective_after": utc(row["effective_after"]),
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
    reader: ConnectedReader, page: list[Row], known_at: Knowledge
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


def _requests(reader: ConnectedReader, page: list[Row]) -> dict[tuple[int, int], int]:
    """The position of each request that is named by its version."""
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


def _renamed(reader: ConnectedReader, page: list[Row]) -> dict[int, Row]:
    """What users were called from some entries on, that added or renamed them (R95)."""
    naming = [
        row["position"] for row in page if row["topic"] in {"UserAdded", "UserRenamed"}
    ]
    rows = reader.ask("users", "namings", positions=naming) if naming else []
    return {
        row["position"]: {name: row[name] or None for name in ("user", "email", "name")}
        for row in rows
    }


def _data(
    row: Row,
    requests: dict[tuple[int, int], int],
    renamed: dict[int, Row],
) -> dict[str, Any]:
    """The event's own fields, with the person's where it is UserAdded; entries are
    named by position.
    """
    data = {name: row[name] for name in _FIELDS if row[name] is not None}
    if row["request"] is not None:
        data["request"] = requests.get((row["account_no"], row["request"]))
    named = renamed.get(row["position"], {})
    if row["topic"] == "UserRenamed":
        texts = {name: text for name, text in named.items() if text is not None}
        return {**texts, **data}
    if row["topic"] == "UserAdded":
        person = named
        return {"email": person["email"], "name": person["name"], **data}
    return {**(row["details"] or {}), **data}
