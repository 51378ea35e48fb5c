"""What is stored, read without any of the product's code, and what is wrong with it.

The rows of the write side are taken as they are: streams that do not go on, commands
and events that do not belong together, and each account's entries by the rules of the
oracle. Nothing is wrong where the list is empty.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from typing import Any, NamedTuple

import psycopg

from tests.oracle.books import Book
from tests.oracle.entries import Entry, Names, Person
from tests.oracle.validity import violations

DATES = {"term_start", "anchor", "period", "first_date"}
OPENS = {"AccountOpened", "UserAdded"}
OF_THE_CATALOGUE = {"SeatTypeAdded", "SeatTypeWithdrawn"}
"""Events of the ledger's own stream, which nothing opens (R80)."""
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
            result = [*_rules(events), *_commands(connection, events)]
            result += _beside(connection, events)
    return result


def _streams(events: list[Stored]) -> Iterator[str]:
    versions: Counter[str] = Counter()
    for event in events:
        versions[event.stream] += 1
        if event.version != versions[event.stream]:
            yield f"{event.position}: version {event.version} of {event.stream}"
        is_opened = event.topic not in OF_THE_CATALOGUE
        if is_opened and (event.version == 1) != (event.topic in OPENS):
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


def _rules(events: list[Stored]) -> Iterator[str]:
    """What the oracle finds wrong with the entries of each account."""
    for book in books(events):
        for violation in violations(book.timeline(), book.contract()):
            yield f"{violation.rule}: {', '.join(map(str, violation.entries))}"


def books(events: list[Stored]) -> list[Book]:
    """The oracle's entries of each account, as they are stored.

    What people are called is encrypted, so each is called by an id.
    """
    people: dict[str, Person] = {}
    recorded: dict[str, Book] = {}
    versions: dict[tuple[str, int], Entry] = {}
    for event in events:
        if event.topic in OF_THE_CATALOGUE:
            continue
        if event.topic == "UserAdded":
            names = Names(event.stream, event.stream, event.stream)
            people[event.stream] = Person(names, event.facts.get("kind") or "person")
        fields = dict(event.facts)
        if event.stream in people or "user" in fields:
            fields["user"] = people[fields.get("user", event.stream)]
        for name, stored_as in (("entry", "entry_version"), ("request", "request")):
            if fields.get(name) is not None:
                fields[name] = versions[event.stream, fields[stored_as]]
        for name in DATES & fields.keys():
            fields[name] = fields[name] and date.fromisoformat(fields[name])
        entry = Entry(event.position, event.topic, event.at, fields)
        versions[event.stream, event.version] = entry
        account = event.facts.get("account") or event.stream
        recorded.setdefault(account, Book(account)).entries.append(entry)
    return list(recorded.values())


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
    topics = {"AccountOpened", *OF_THE_CATALOGUE}
    if heads != {event.stream for event in events if event.topic in topics}:
        yield "ledger.account_head does not list the accounts"
    row = connection.execute(
        "SELECT count(*) FROM ledger.account_head WHERE changes < 1 "
        "OR cardinality(marks) <> least(changes, 8)"
    ).fetchone()
    if row != (0,):
        yield "ledger.account_head has other marks than appends"
