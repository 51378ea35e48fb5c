"""One account in the store beside the oracle, command by command, answer by answer."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.counting_rules import every_rule
from seat_ledger.domain.values import FOREVER, SeatRef, SeatType
from seat_ledger.errors import CommandRefused, NotFound
from seat_ledger.projections import billing, holdings, users
from seat_ledger.projections.billing.figures import as_known, quantity, stored
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
)
from tests.oracle.answers import View, written
from tests.oracle.books import Book
from tests.oracle.counting import Counted
from tests.oracle.deciding import Outcome, parsed
from tests.oracle.entries import Entry, Person
from tests.oracle.oracle import Oracle
from tests.oracle.validity import violations
from tests.property.histories import KEYS, TYPES, Author

numbers = itertools.count(1)
COUNTED = ["opening", "bought", "retired", "closing", "assigned_opening"]
COUNTED += ["assigned_peak", "assigned_closing", "idle_days", "contracted_days"]
COUNTED += ["contracted_time", "rises_days", "rises_time", "held_time", "peak_days"]
COUNTED += ["touched_days", "holders"]
OF_USERS = {
    "UserAdded",
    "UserRemoved",
    "UserRenamed",
    "UserErased",
    "PermissionsChanged",
    "HubAccessGranted",
    "HubAccessRevoked",
}
"""What stands in the stream of a user, as does its reversal."""


class Comparison:
    """A history that is told to both; whatever differs fails, with the whole script."""

    def __init__(self, ledger: CommandService, random: Random) -> None:
        self.ledger, self.random = ledger, random
        self.oracle = Oracle()
        self.account = f"a{next(numbers)}"
        self.author = Author(random, self.account, self.oracle)
        self.people: dict[str, Person] = {}
        self.script: list[dict[str, Any]] = []
        self.accepted = 0
        self.questions = 0

    @property
    def book(self) -> Book:
        return self.oracle.books[self.account]

    # -- commands --

    def step(self, command: dict[str, Any]) -> None:
        self.script.append(command)
        now = self.ledger.accounts.recorder.heads_of([])[1].now()
        expected = self.oracle.execute(command, now)
        if self.random.random() < 0.3:
            # The next command loads from the store.
            self.ledger.accounts.workspaces.clear()
        result, refused = self.attempt(command)
        if result is None:
            assert not expected.accepted, self.message(f"refused: {refused}")
            # A batch may break several rules at once, and either may be named.
            alike = command["op"] == "batch" or refused.code in expected.codes
            assert alike, self.message(f"{refused.code} not in {expected.codes}")
            return
        assert expected.accepted, self.message(f"accepted, not {expected.codes}")
        if expected.repeated:
            assert result.repeated, self.message("not repeated")
            return
        self.accepted += 1
        self.record([*result.due, *result.events], expected)

    def attempt(self, command: dict[str, Any]) -> tuple[Any, Any]:
        try:
            return self.ledger.execute(command), None
        except CommandRefused as refused:
            return None, refused

    def record(self, events: list[Any], expected: Outcome) -> None:
        """The oracle takes over the positions; the entries must be the same."""
        added = [e.event.originator_id for e in events if e.topic == "UserAdded"]
        persons = [e["user"] for e in expected.entries if e.topic == "UserAdded"]
        self.people |= zip(map(str, added), persons, strict=False)
        product = sorted((self.signature(e), e.position) for e in events)
        signed = [(self.model_signature(e), n) for n, e in enumerate(expected.entries)]
        model = sorted(signed)
        assert [sign for sign, _ in product] == [sign for sign, _ in model], (
            self.message(f"{product} != {model}")
        )
        positions = dict(
            zip((n for _, n in model), (p for _, p in product), strict=True)
        )
        self.oracle.recorded([positions[n] for n in range(len(model))])
        for event in events:
            if event.topic == "UserErased":
                user_id = event.event.originator_id
                self.people[str(user_id)].erase(f"erased-{user_id.hex[:12]}")

    def signature(self, recorded: Any) -> tuple[Any, ...]:
        event = recorded.event
        user = getattr(event, "user", None)
        if user is None and getattr(event, "account", None):
            user = str(event.originator_id)
        seat = f"{event.seat_type}#{event.number}" if hasattr(event, "number") else ""
        return (
            recorded.topic,
            dated(recorded.topic, event.effective_at.astimezone(UTC)),
            id(self.people[user]) if user else 0,
            seat,
            getattr(event, "renewal", 0) or 0,
            getattr(event, "entry", 0) or 0,
            getattr(event, "hub", ""),
        )

    def model_signature(self, entry: Entry) -> tuple[Any, ...]:
        fields, root = entry.fields, entry.root
        of_user = entry is root or root.topic in OF_USERS
        person = root.fields.get("user") if of_user else None
        return (
            entry.topic,
            dated(entry.topic, entry.at),
            id(person) if person else 0,
            written(entry.seat) if "number" in fields else "",
            fields.get("renewal") or 0,
            fields["entry"].position if entry is not root else 0,
            fields.get("hub", ""),
        )

    def message(self, difference: str) -> str:
        """What differs, and all the commands so far."""
        return "\n".join([difference, *map(str, self.script)])

    # -- answers --

    def same_answers(self, reader: ConnectedReader, rounds: int) -> None:
        positions = [e.position for e in self.book.entries if self.is_valid(e.position)]
        instants = sorted({e.at for e in self.book.entries})
        chosen = [*self.random.choices(positions, k=rounds), reader.head]
        for position in chosen:
            known_at = reader.knowledge(position)
            at = self.random.choice(instants)
            at += self.random.choice([timedelta(), timedelta(microseconds=-1)])
            account = reader.account(self.account, known_at)
            question = AccountQuestion(reader, account, known_at, at)
            self.same_seats(question)
            self.same_users(question)
            self.same_billing(reader, account, known_at)

    def is_valid(self, position: int) -> bool:
        """Whether what was recorded up to a position is possible (R46): in the middle
        of what one command recorded it need not be, and no rule says what is true then.
        """
        book = self.book
        return not violations(book.timeline(position), book.contract(position))

    def view(self, known_at: Knowledge) -> View:
        return self.oracle.view(self.account, known_at.position)

    def same_seats(self, question: AccountQuestion) -> None:
        at, view = question.as_of, self.view(question.known_at)
        product = [same_row(row) for row in holdings.under_contract(question)]
        model = view.seat_list(at)
        about = f"at {at} as known {question.known_at}"
        assert in_order(product) == in_order(model), self.message(f"seats {about}")
        self.questions += 1 + 2 * len(product)
        for row in product:
            seat = parsed(row["seat"])
            ref = SeatRef(SeatType(seat[0]), seat[1])
            who = holdings.who(question, ref)
            assert same_holder(who["holder"]) == row["holder"]
            history = holdings.history(question._replace(as_of=FOREVER), ref)
            theirs = [same_holding(holding) for holding in history]
            ours = view.seat_history(seat)
            ours = [{name: row[name] for name in HISTORY} for row in ours]
            assert in_order(theirs) == in_order(ours), self.message(f"{ref} {about}")
        totals = [
            {name: row[name] for name in TOTALS} for row in holdings.totals(question)
        ]
        self.questions += len(totals)
        assert in_order(totals) == in_order(view.totals(at)), self.message(about)

    def same_users(self, question: AccountQuestion) -> None:
        at, view = question.as_of, self.view(question.known_at)
        about = self.message(f"users at {at} as known {question.known_at}")
        model = view.users(at)
        product = [{name: row[name] for name in USER} for row in users.listed(question)]
        for row in product:
            row |= {name: sorted(row[name]) for name in ("hubs", "seats")}
            row["email"] = row["email"] or ""  # a service may have none (R99)
        assert in_order(product) == in_order(model), about
        self.questions += 1
        for key in KEYS:
            if not self.book.knows(key):
                with pytest.raises(NotFound):
                    users.access(question, key, SeatType(TYPES[0]))
                continue
            for seat_type in TYPES[:2]:
                self.questions += 1
                row = users.access(question, key, SeatType(seat_type))
                ours = view.user_access(key, seat_type, at)
                assert row["allowed"] == ours["allowed"], about
                assert row["because"]["code"] == ours["code"], about
                assert row["because"]["seat"] == ours["seat"], about

    def same_billing(
        self, reader: ConnectedReader, account: AccountFacts, known_at: Knowledge
    ) -> None:
        now, view = reader.database_now(), self.view(known_at)
        periods = view.periods(known_at.moment(now))[:4]
        product = billing.periods(account, known_at, now).rows[:4]
        assert [
            (row["period"], row["from"], row["until"], row["time_zone"])
            for row in product
        ] == [
            (period.label.isoformat(), period.starts, period.ends, period.zone)
            for period in periods
        ], self.message("periods")
        labelled = {p.label: p for p in periods[:3]}
        chosen = [billing.labelled(account, f"{label}") for label in labelled]
        rows = as_known(reader, [row_of(account, p) for p in chosen], known_at)
        if known_at.position == reader.head and chosen:
            labels = (chosen[0].label, chosen[-1].until)
            same = stored(reader, account.no, labels, now)
            assert [figures(row) for row in same] == [figures(row) for row in rows]
        self.questions += len(rows)
        timeline = view.timeline
        for row in rows:
            period, seat_type = labelled[row["label"]], str(row["seat_type"])
            counted = Counted.of(timeline, seat_type, period)
            for rule in every_rule():
                exact, expected = quantity(row, *rule), counted.quantity(*rule)
                assert exact == expected, self.message(f"{rule} {row} {expected}")
            row |= {"idle_seat_days": row["idle_days"], "purchased": row["bought"]}
            model = counted.figures()
            assert model == {name: row[name] for name in model}, self.message(f"{row}")


HOLDER = ("user", "email", "name", "held_from", "held_until")
TOTALS = ("seat_type", "purchased", "assigned", "available", "pending_reduction")
HISTORY = ("seat", "held_from", "held_until", "assigned_by", "unassigned_by")
USER = ("user", "email", "name", "hubs", "seats", "super_admin", "account_access")


def in_order(rows: list[dict[str, Any]]) -> list[str]:
    """Rows in one order, whatever the order of their keys."""
    return sorted(f"{sorted(row.items())}" for row in rows)


def same_row(row: dict[str, Any]) -> dict[str, Any]:
    """A seat as the oracle says it."""
    return {
        **{name: row[name] for name in ("seat", "seat_type", "purchased_at")},
        "retires_at": row["retires_at"],
        "holder": same_holder(row["holder"]),
    }


def same_holder(holder: dict[str, Any] | None) -> dict[str, Any] | None:
    if holder is None:
        return None
    row = {name: holder[name] for name in HOLDER}
    return {**row, "email": row["email"] or "", **acts(holder)}


def same_holding(row: dict[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in HISTORY}, **acts(row)}


def acts(row: dict[str, Any]) -> dict[str, Any]:
    ends = row["unassigned_by"]
    return {
        "assigned_by": row["assigned_by"]["position"],
        "unassigned_by": ends and ends["position"],
    }


def figures(row: dict[str, Any]) -> list[Any]:
    return [row["label"], str(row["seat_type"]), *(row[name] for name in COUNTED)]


def dated(topic: str, at: datetime) -> datetime | None:
    """An erasure has the store's own time, which nobody can foresee."""
    return None if topic == "UserErased" else at
