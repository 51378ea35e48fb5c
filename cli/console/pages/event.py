"""Entries of the journal: one, or page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.errors import NotFound
from seat_ledger.projections import journal
from seat_ledger.projections.reader import AccountSetAside, Row


def events(asked: PageRequest) -> Page:
    """Events in the order of recording, of one account or of all."""
    has_account = "account" in asked.params
    facts = asked.account if has_account else None
    first = asked.count("from_position")
    late = "late" in asked.params
    identity = {"account": facts.key} if facts else {}
    identity |= {"late": "1"} if late else {}
    if first:
        identity["from_position"] = str(first)
    if facts is None and asked.visitor.accounts is not None:
        raise NotFound("account_not_found", "Name one of your accounts.")
    if facts is None:
        asked.is_about_all()
    limit = PAGE + 1 if asked.wants_page else None
    rows: Iterator[Row] = journal.listed(
        asked.reader,
        asked.known,
        account=facts,
        from_position=first,
        limit=limit,
        late=late,
    )
    kept = list(rows) if asked.wants_page else rows
    title = asked.words("events_of", account=facts.key) if facts else None

    def fill() -> dict[str, Any]:
        found = list(kept)
        onward = None
        if len(found) > PAGE:
            following = {**identity, "from_position": found[PAGE]["position"]}
            onward = asked.url("events", **following)
        return {"rows": found[:PAGE], "onward": onward, "late": late}

    return Page(
        "events", title or asked.words("events"), asked.answer(kept), fill, identity
    )


def event(asked: PageRequest) -> Page:
    """One entry: both clocks, its data, what reversed it."""
    position = asked.count("position")
    try:
        row = journal.show(asked.reader, position, asked.known, asked.account_nos)
    except AccountSetAside as error:
        if all(asked.may_see(one.account_key) for one in error.aside):
            raise
        raise journal.no_such_entry(position, asked.known) from error
    asked.given["account"] = row["account"]
    asked.is_about([row["account"]])
    title = asked.words("entry_titled", position=asked.words.number(position))

    def fill() -> dict[str, Any]:
        reversal = row["reversed_by"]
        by = None
        if reversal:
            by = journal.show(asked.reader, reversal, asked.known, asked.account_nos)
        return {"row": row, "by": by}

    identity = {"position": str(position)}
    return Page("event", title, asked.answer([row]), fill, identity)
