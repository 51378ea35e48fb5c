"""Entries of the journal: one, or page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.domain.events import EVENT_CLASSES
from seat_ledger.domain.values import shown
from seat_ledger.errors import NotFound
from seat_ledger.projections import journal
from seat_ledger.projections.journal.selection import EventSelection, select
from seat_ledger.projections.reader import AccountSetAside, Row

FILTERS = ("user", "seat", "type", "actor", "since", "until")
"""What the events of an account are selected by; the same as of ``event list``."""


def events(request: PageRequest) -> Page:
    """Events in the order of recording, of one account or of all."""
    has_account = "account" in request.params
    facts = request.account if has_account else None
    first = request.count("from_position")
    late = "late" in request.params
    identity = {"account": facts.key} if facts else {}
    identity |= {"late": "1"} if late else {}
    filters = {name: request.params[name] for name in FILTERS if name in request.params}
    identity |= filters
    if first:
        identity["from_position"] = str(first)
    if facts is None and request.visitor.accounts is not None:
        raise NotFound("account_not_found", "Name one of your accounts.")
    if facts is None:
        request.is_about_all()
    limit = PAGE + 1 if request.wants_page else None
    rows: Iterator[Row] = journal.listed(
        request.reader,
        request.knowledge,
        account=facts,
        selection=_selected(request, filters),
        from_position=first,
        limit=limit,
        late=late,
    )
    shown = list(rows) if request.wants_page else rows
    title = request.words("events_of", account=facts.key) if facts else None

    def fill() -> dict[str, Any]:
        page_rows = list(shown)
        onward = None
        if len(page_rows) > PAGE:
            following = {**identity, "from_position": page_rows[PAGE]["position"]}
            onward = request.url("events", **following)
        return {
            "rows": page_rows[:PAGE],
            "onward": onward,
            "late": late,
            "topics": sorted(EVENT_CLASSES),
        }

    return Page(
        "events",
        title or request.words("events"),
        request.answer(shown),
        fill,
        identity,
    )


def _selected(request: PageRequest, filters: dict[str, str]) -> EventSelection:
    """The events that the address selects. Raises InvalidInput, NotFound."""
    topic, actor = filters.get("type"), filters.get("actor", "")
    if topic is not None and topic not in EVENT_CLASSES:
        raise UnreadableRequest("event_type", topic=shown(topic))
    if request.hides_people and actor.startswith("system:") and actor != _IMPORT:
        raise UnreadableRequest("actor")
    ends = [filters.get(name) for name in ("since", "until")]
    since, before = (request.moment_of(text) if text else None for text in ends)
    return select(
        request.reader,
        request.knowledge,
        request.account if "account" in request.params else None,
        user=filters.get("user"),
        seat=filters.get("seat"),
        topics=[topic] if topic else (),
        actor=actor or None,
        since=since,
        before=before,
    )


_IMPORT = "system:import"


def event(request: PageRequest) -> Page:
    """One entry: both clocks, its data, what reversed it."""
    position = request.count("position")
    try:
        row = journal.show(
            request.reader, position, request.knowledge, request.account_nos
        )
    except AccountSetAside as error:
        if all(request.may_see(account.account_key) for account in error.aside):
            raise
        raise journal.no_such_entry(position, request.knowledge) from error
    request.options["account"] = row["account"]
    request.is_about([row["account"]])
    title = request.words("entry_titled", position=request.words.number(position))

    def fill() -> dict[str, Any]:
        reversal = row["reversed_by"]
        by = None
        if reversal:
            by = journal.show(
                request.reader, reversal, request.knowledge, request.account_nos
            )
        return {"row": row, "by": by}

    identity = {"position": str(position)}
    return Page("event", title, request.answer([row]), fill, identity)
