"""The stored events checked by rules of its own: none of the product's code is used.

It reads the rows of the write side as they are and returns what is wrong with them in
words: streams that do not go on, holdings that overlap or belong to nobody, commands
and events that do not belong together. Nothing is wrong where the list is empty.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import psycopg

FOREVER = datetime.max.replace(tzinfo=UTC)
DUE = {"ContractRenewed", "SeatRetired"}
"""What may be recorded with a command and be no part of it: renewals (R37)."""


class Stored(NamedTuple):
    position: int
    stream: str
    version: int
    topic: str
    recorded_at: datetime
    facts: dict[str, Any]

    @property
    def at(self) -> datetime:
        return datetime.fromisoformat(self.facts["effective_at"])


class Span(NamedTuple):
    starts: datetime
    ends: datetime


def damage(conninfo: str) -> list[str]:
    """Everything that is wrong with what is stored."""
    with psycopg.connect(conninfo) as connection:
        events = [
            Stored(position, str(stream), version, topic, at, json.loads(bytes(state)))
            for position, stream, version, topic, at, state in connection.execute(
                "SELECT notification_id, originator_id, originator_version, topic, "
                "recorded_at, state FROM ledger.stored_events ORDER BY notification_id"
            )
        ]
        result = [*_streams(events), *_references(events)]
        if not result:  # what follows needs streams that are whole
            result = [*_holdings(events), *_commands(connection, events)]
            result += _beside(connection, events)
    return result


def _streams(events: list[Stored]) -> Iterator[str]:
    versions: Counter[str] = Counter()
    for event in events:
        versions[event.stream] += 1
        if event.version != versions[event.stream]:
            yield f"{event.position}: version {event.version} of {event.stream}"
        if (event.version == 1) != (event.topic in {"AccountOpened", "UserAdded"}):
            yield f"{event.position}: {event.topic} at version {event.version}"
    for before, event in pairwise(events):
        if event.recorded_at < before.recorded_at:
            yield f"{event.position}: recorded before {before.position}"


def _references(events: list[Stored]) -> Iterator[str]:
    accounts = {item.stream for item in events if item.topic == "AccountOpened"}
    users = {
        item.stream: item.facts["account"]
        for item in events
        if item.topic == "UserAdded"
    }
    for event in events:
        user = event.facts.get("user")
        actor = event.facts["actor"].removeprefix("user:")
        if user is not None and users.get(user) != event.stream:
            yield f"{event.position}: {event.topic} of a user who was never added"
        if event.stream in users and users[event.stream] not in accounts:
            yield f"{event.position}: a user of an account that was never opened"
        if event.facts["actor"].startswith("user:") and actor not in users:
            yield f"{event.position}: by a user who was never added"
    numbers: Counter[tuple[str, str]] = Counter()
    for event in events:
        if event.topic == "SeatPurchased":
            of = event.stream, event.facts["seat_type"]
            numbers[of] += 1
            if event.facts["number"] != numbers[of]:
                yield f"{event.position}: seat {event.facts['number']} of {of}"


def _holding(events: list[Stored]) -> list[Stored]:
    """The entries that hold: no reversal, or the last of them says so."""
    holds = {
        (event.stream, event.facts["root_version"]): event.facts["holds"]
        for event in events
        if event.topic == "EntryReversed"
    }
    return [
        event
        for event in events
        if event.topic != "EntryReversed"
        and holds.get((event.stream, event.version), True)
    ]


def _spans(opened: list[datetime], closed: list[datetime]) -> list[Span] | None:
    """The k-th end belongs to the k-th beginning; None where an end ends nothing."""
    begin, end = sorted(opened), sorted(closed)
    if len(end) > len(begin):
        return None
    spans = [
        Span(at, end[n] if n < len(end) else FOREVER) for n, at in enumerate(begin)
    ]
    return spans if all(span.starts <= span.ends for span in spans) else None


def _holdings(events: list[Stored]) -> Iterator[str]:
    opened: dict[tuple[str, ...], list[datetime]] = defaultdict(list)
    closed: dict[tuple[str, ...], list[datetime]] = defaultdict(list)
    for item in _holding(events):
        facts = item.facts
        seat = (item.stream, str(facts.get("seat_type")), str(facts.get("number")))
        for topic, book, key in (
            ("SeatPurchased", opened, ("life", *seat)),
            ("SeatRetired", closed, ("life", *seat)),
            ("SeatAssigned", opened, ("held", *seat, str(facts.get("user")))),
            ("SeatUnassigned", closed, ("held", *seat, str(facts.get("user")))),
            ("UserAdded", opened, ("member", item.stream)),
            ("UserRemoved", closed, ("member", item.stream)),
            (
                "HubAccessGranted",
                opened,
                ("access", item.stream, str(facts.get("hub"))),
            ),
            (
                "HubAccessRevoked",
                closed,
                ("access", item.stream, str(facts.get("hub"))),
            ),
        ):
            if item.topic == topic:
                book[key].append(item.at)
    spans: dict[tuple[str, ...], list[Span]] = {}
    for key in {*opened, *closed}:
        paired = _spans(opened[key], closed[key])
        if paired is None:
            yield f"{key}: ended more often than begun, or before"
            return
        spans[key] = paired
    yield from _overlaps(spans)


def _overlaps(spans: dict[tuple[str, ...], list[Span]]) -> Iterator[str]:
    of_seat: dict[tuple[str, ...], list[Span]] = defaultdict(list)
    of_user: dict[tuple[str, ...], list[Span]] = defaultdict(list)
    for key, held in spans.items():
        if key[0] == "access":
            yield from _outside(key, held, spans.get(("member", key[1]), []))
            of_user[key] += held
        if key[0] != "held":
            continue
        _, account, seat_type, number, user = key
        hub = seat_type.partition("/")[0]
        yield from _outside(
            key, held, spans.get(("life", account, seat_type, number), [])
        )
        yield from _outside(key, held, spans.get(("access", user, hub), []))
        of_seat[account, seat_type, number] += held
        of_user["held", user, hub] += held
    for where, held in (*of_seat.items(), *of_user.items()):
        lasting = sorted(item for item in held if item.starts < item.ends)
        for item, following in pairwise(lasting):
            if following.starts < item.ends:
                yield f"{where}: twice at {following.starts}"


def _outside(
    key: tuple[str, ...], inner: list[Span], outer: list[Span]
) -> Iterator[str]:
    for item in inner:
        if not any(a <= item.starts and item.ends <= b for a, b in outer):
            yield f"{key}: {item.starts} to {item.ends} lies outside"


def _commands(
    connection: psycopg.Connection[Any], events: list[Stored]
) -> Iterator[str]:
    """Each event belongs to one command of its account, or to a renewal before one."""
    by_position = {item.position: item for item in events}
    account_of = {
        item.stream: str(item.facts.get("account") or item.stream)
        for item in events
        if item.version == 1
    }
    of_command: Counter[int] = Counter()
    for account, key, positions in connection.execute(
        "SELECT account_id, command_key, positions FROM ledger.recorded_command"
    ):
        of_command.update(positions)
        for position in positions:
            event = by_position.get(position)
            if event is None:
                yield f"{key}: acknowledged at {position}, where nothing is"
            elif account_of[event.stream] != str(account):
                yield f"{key}: at {position} in another account"
        at = {
            by_position[item].recorded_at for item in positions if item in by_position
        }
        if len(at) > 1:
            yield f"{key}: recorded at several instants (R01)"
    for event in events:
        if of_command[event.position] > 1:
            yield f"{event.position}: recorded by two commands"
        if not of_command[event.position] and event.topic not in DUE:
            yield f"{event.position}: {event.topic} recorded by no command"


def _beside(connection: psycopg.Connection[Any], events: list[Stored]) -> Iterator[str]:
    """What is kept beside the events agrees with them."""
    added = {event.stream for event in events if event.topic == "UserAdded"}
    erased = {event.stream for event in events if event.topic == "UserErased"}
    invoices = {
        event.facts["invoice"]: event.position
        for event in events
        if event.topic == "InvoiceIssued"
    }

    def column(query: str) -> set[str]:
        return {str(row[0]) for row in connection.execute(query.encode())}

    if column("SELECT user_id FROM ledger.user_name") != added:
        yield "ledger.user_name does not list the users that were added"
    if column("SELECT user_id FROM ledger.person_key") != added - erased:
        yield "ledger.person_key does not hold the keys of those who are not erased"
    taken = connection.execute("SELECT invoice, position FROM ledger.invoice_number")
    if dict(taken.fetchall()) != invoices:
        yield "ledger.invoice_number does not list the invoices"
    heads = column("SELECT account_id FROM ledger.account_head")
    if heads != {event.stream for event in events if event.topic == "AccountOpened"}:
        yield "ledger.account_head does not list the accounts"
    row = connection.execute(
        "SELECT count(*) FROM ledger.account_head WHERE changes < 1 "
        "OR cardinality(marks) <> least(changes, 8)"
    ).fetchone()
    if row != (0,):
        yield "ledger.account_head has other marks than appends"
