"""The product and the oracle agree, command by command and answer by answer."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from seat_ledger.application import SeatLedger
from seat_ledger.domain.values import FOREVER, SeatRef, SeatType
from seat_ledger.errors import CommandRefused, NotFound
from seat_ledger.projections import billing, holdings, users
from seat_ledger.projections.billing.figures import as_known, quantity, stored
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    Knowledge,
    Reader,
)
from seat_ledger.store.settings import Settings
from tests.oracle.model import Oracle, Outcome
from tests.property.histories import KEYS, TYPES, Author, opening
from tests.support.places import is_newest

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "40"))
COMMANDS = 30
numbers = itertools.count(1)


class Comparison:
    """One account in the store beside one oracle."""

    def __init__(self, ledger: SeatLedger, random: Random) -> None:
        self.ledger, self.random = ledger, random
        self.oracle = Oracle()
        self.account = f"a{next(numbers)}"
        self.author = Author(random, self.account, self.oracle)
        self.users: dict[str, int] = {}
        self.script: list[dict[str, Any]] = []
        self.accepted = 0
        self.questions = 0

    def step(self, command: dict[str, Any]) -> None:
        self.script.append(command)
        now = self.ledger.accounts.recorder.heads_of([])[1]
        people = dict(self.oracle.people)
        expected = self.oracle.execute(command, now)
        if self.random.random() < 0.3:
            # The next command loads from the store.
            self.ledger.accounts.workspaces.clear()
        result, refused = self.attempt(command)
        if result is None:
            self.oracle.people = people
            assert not expected.accepted, self.told(f"refused: {refused}")
            # A batch may break several rules at once, and either may be named.
            alike = command["op"] == "batch" or refused.code in expected.codes
            assert alike, self.told(f"{refused.code} not in {expected.codes}")
            return
        assert expected.accepted, self.told(f"accepted, not {expected.codes}")
        if expected.repeated:
            assert result.repeated, self.told("not repeated")
            return
        self.accepted += 1
        events = [*result.due, *result.events]
        self.same_events(events, expected)
        self.oracle.record(command, expected, [e.position for e in events])
        for event in events:
            if event.topic == "UserErased":
                self.forget(event.event.originator_id)

    def forget(self, user_id: Any) -> None:
        """From now on an erased person has no other name, as known at any time."""
        label = f"erased-{user_id.hex[:12]}"
        user = self.oracle.people[self.users[str(user_id)]]
        user |= {"key": label, "email": label, "name": label}

    def attempt(self, command: dict[str, Any]) -> tuple[Any, Any]:
        try:
            return self.ledger.execute(command), None
        except CommandRefused as refused:
            return None, refused

    def same_events(self, events: list[Any], expected: Outcome) -> None:
        for event in events:
            if event.topic == "UserAdded":
                self.users[str(event.event.originator_id)] = len(self.users) + 1
        product = sorted(self.signature(e) for e in events)
        model = sorted(self.model_signature(e) for e in expected.entries)
        assert product == model, self.told(f"{product} != {model}")
        by_kind = {self.signature(e): e for e in events}
        order = [by_kind[self.model_signature(e)] for e in expected.entries]
        expected.entries = [
            model_entry
            for _, model_entry in sorted(
                zip(order, expected.entries, strict=True), key=lambda p: p[0].position
            )
        ]

    def signature(self, recorded: Any) -> tuple[Any, ...]:
        event = recorded.event
        user = getattr(event, "user", None)
        if user is None and getattr(event, "account", None):
            user = str(event.originator_id)
        seat = None
        if getattr(event, "number", None):
            seat = f"{event.seat_type}#{event.number}"
        return (
            recorded.topic,
            self.dated(recorded.topic, event.effective_at.astimezone(UTC)),
            self.users.get(user, 0) if user else 0,
            seat or "",
            getattr(event, "renewal", 0) or 0,
            getattr(event, "entry", 0) or 0,
            getattr(event, "hub", ""),
        )

    def model_signature(self, entry: Any) -> tuple[Any, ...]:
        facts = dict(entry.facts)
        seat = f"{entry.seat[0]}#{entry.seat[1]}" if entry.seat else ""
        renewal = facts.get("renewal", 0)
        if entry.topic == "SeatRetired":
            renewal = self.retired_at(entry)
        user = entry.user or 0
        if entry.topic == "EntryReversed" and entry.seat is None and not entry.user:
            user = 0
        if entry.topic == "EntryReversed" and not self.in_user_stream(facts["entry"]):
            user = 0
        return (
            entry.topic,
            self.dated(entry.topic, entry.at),
            user,
            seat,
            renewal,
            facts.get("entry", 0),
            facts.get("hub", ""),
        )

    def dated(self, topic: str, at: datetime) -> datetime | None:
        """An erasure has the store's own time, which nobody can foresee."""
        return None if topic == "UserErased" else at

    def retired_at(self, entry: Any) -> int:
        if dict(entry.facts).get("closing"):
            return 0
        number = 1
        while self.oracle.renewal_at(number) < entry.at:
            number += 1
        return number

    def in_user_stream(self, position: int) -> bool:
        entry = next(e for e in self.oracle.entries if e.position == position)
        if entry.topic == "EntryReversed":
            return self.in_user_stream(entry["entry"])
        return entry.topic in {
            "UserAdded",
            "UserRemoved",
            "PermissionsChanged",
            "HubAccessGranted",
            "HubAccessRevoked",
        }

    def told(self, what: str) -> str:
        script = "\n".join(map(str, self.script))
        return f"{what}\n{script}"

    # -- answers --

    def same_answers(self, reader: Reader, rounds: int) -> None:
        positions = [e.position for e in self.oracle.entries]
        instants = sorted({e.at for e in self.oracle.entries})
        asked = [*self.random.choices(positions, k=rounds), reader.head]
        for position in asked:
            known = reader.knowledge(position)
            at = self.random.choice(instants)
            at += self.random.choice([timedelta(), timedelta(microseconds=-1)])
            account = reader.account(self.account, known)
            self.same_seats(reader, account, at, known)
            self.same_users(reader, account, at, known)
            self.same_billing(reader, account, known)

    def same_seats(
        self, reader: Reader, account: AccountFacts, at: datetime, known: Knowledge
    ) -> None:
        state = self.oracle.state(known.position)
        question = AccountQuestion(reader, account, known, at)
        rows = holdings.under_contract(question)
        product = {
            row["seat"]: row["holder"]["user"] if row["holder"] else None
            for row in rows
        }
        holders = {h.subject: h for h in state.held_at(at)}
        model = {}
        for seat, (starts, ends) in state.lives.items():
            if starts <= at < ends:
                held = holders.get(seat)
                name = self.oracle.people[held.user]["key"] if held else None
                model[f"{seat[0]}#{seat[1]}"] = name
        assert product == model, self.told(f"seats at {at} as known {known}")
        self.questions += 1 + 2 * len(rows)
        for row in rows:
            seat_type, number = row["seat"].split("#")
            ref = SeatRef(SeatType(seat_type), int(number))
            who = holdings.who(question, ref)
            assert who["holder"] == row["holder"]
            history = holdings.history(question._replace(as_of=FOREVER), ref)
            mine = [h for h in state.holdings if h.subject == (seat_type, int(number))]
            assert sorted(
                (
                    h["held_from"],
                    h["held_until"] or FAR_KEY,
                    h["assigned_by"]["position"],
                )
                for h in history
            ) == sorted((h.starts, _end(h.ends), h.opened) for h in mine)
        self.same_totals(reader, account, at, known, state)

    def same_totals(
        self,
        reader: Reader,
        account: AccountFacts,
        at: datetime,
        known: Knowledge,
        state: Any,
    ) -> None:
        for row in holdings.totals(AccountQuestion(reader, account, known, at)):
            self.questions += 1
            seat_type = row["seat_type"]
            held = [h for h in state.held_at(at) if h.subject[0] == seat_type]
            pending = sum(
                e["quantity"]
                for e in state.entries
                if e.topic == "SeatReductionRequested"
                and e["seat_type"] == seat_type
                and e.at <= at
                and not self.ended(state, e, at, known.position)
            )
            assert row["purchased"] == len(state.under_contract(at, seat_type))
            assert row["assigned"] == len(held)
            assert row["pending_reduction"] == pending, self.told(f"pending at {at}")

    def ended(self, state: Any, request: Any, at: datetime, known: int) -> bool:
        cancelled = any(
            e.topic == "SeatReductionCancelled"
            and e["request"] == request.position
            and e.at <= at
            for e in state.entries
        )
        return cancelled or any(
            e["renewal"] == request["renewal"] and e.at <= at
            for e in self.oracle.renewals(known)
        )

    def same_users(
        self, reader: Reader, account: AccountFacts, at: datetime, known: Knowledge
    ) -> None:
        state = self.oracle.state(known.position)
        question = AccountQuestion(reader, account, known, at)
        listed = {r["user"] for r in users.listed(question)}
        model = {
            self.oracle.people[user]["key"]
            for user, (starts, ends) in state.members.items()
            if starts <= at < ends
        }
        assert listed == model
        self.questions += 1
        for key in KEYS:
            if not self.oracle.known_names(key):
                with pytest.raises(NotFound):
                    users.access(question, key, SeatType(TYPES[0]))
                continue
            for seat_type in TYPES[:2]:
                self.questions += 1
                row = users.access(question, key, SeatType(seat_type))
                ids = self.oracle.present(key, at, state)
                holds = any(
                    h.user in ids and h.subject[0] == seat_type
                    for h in state.held_at(at)
                )
                assert row["allowed"] == holds, self.told(f"{key} at {at}, {known}")

    def same_billing(
        self, reader: Reader, account: AccountFacts, known: Knowledge
    ) -> None:
        now = reader.database_now()
        periods = self.oracle.periods(known.position, known.moment(now))[:4]
        product = billing.periods(account, known, now).rows[:4]
        assert [
            (r["period"], r["from"], r["until"], r["time_zone"]) for r in product
        ] == [(p[0].isoformat(), p[1], p[2], p[3]) for p in periods], self.told(
            "periods"
        )
        state = self.oracle.state(known.position)
        wanted = [billing.labelled(account, p[0].isoformat()) for p in periods[:3]]
        rows = as_known(reader, [row_of(account, period) for period in wanted], known)
        if known.position == reader.head and wanted:
            same = stored(
                reader,
                [account.no],
                from_label=wanted[0].label,
                until_label=wanted[-1].until,
                moment=now,
            )
            assert [figures(row) for row in same] == [figures(row) for row in rows]
        self.questions += len(rows)
        for row in rows:
            period = periods[wanted.index(labels(wanted)[row["label"]])]
            seat_type = str(row["seat_type"])
            for mode, granularity in RULES:
                exact = quantity(row, mode, granularity)
                expected = self.oracle.contracted(state, seat_type, period, granularity)
                assert exact == expected, self.told(f"{row} {expected}")
            model = self.oracle.figures(state, seat_type, period)
            row |= {"idle_seat_days": row["idle_days"], "purchased": row["bought"]}
            assert model == {name: row[name] for name in model}, self.told(f"{row}")


RULES = [("contracted", "day"), ("contracted", "second")]
COUNTED = ["opening", "bought", "retired", "closing", "assigned_opening"]
COUNTED += ["assigned_peak", "assigned_closing", "idle_days", "contracted_days"]
COUNTED += ["contracted_time", "rises_days", "rises_time", "held_time", "peak_days"]
COUNTED += ["touched_days", "holders"]


def figures(row: dict[str, Any]) -> list[Any]:
    return [row["label"], str(row["seat_type"]), *(row[name] for name in COUNTED)]


def labels(periods: list[Any]) -> dict[Any, Any]:
    return {period.label: period for period in periods}


FAR_KEY = datetime(9999, 1, 1, tzinfo=UTC)


def _end(instant: datetime) -> datetime:
    return min(instant, FAR_KEY)


class Machine(RuleBasedStateMachine):
    """Hypothesis drives the commands, and shrinks what fails to a few of them."""

    database = ""
    ledger: SeatLedger
    reader: Reader | None = None  # of one history, so that its statements are prepared
    accepted = 0
    tried = 0
    questions = 0

    @initialize(random=st.randoms(use_true_random=False))
    def open(self, random: Random) -> None:
        self.one = Comparison(self.ledger, random)
        self.one.step(opening(random, self.one.account))

    @rule(random=st.randoms(use_true_random=False), commands=st.integers(1, 3))
    def command(self, random: Random, commands: int) -> None:
        self.one.random = self.one.author.random = random
        for _ in range(commands):
            self.one.step(self.one.author.command())

    @rule(random=st.randoms(use_true_random=False))
    def ask(self, random: Random) -> None:
        self.one.random = random
        if self.reader is None:
            self.reader = Reader(self.database)
        else:
            self.reader.catch_up()
        self.one.same_answers(self.reader, 2)

    def teardown(self) -> None:
        if self.reader is not None:
            self.reader.connection.close()
        if hasattr(self, "one"):
            type(self).accepted += self.one.accepted
            type(self).tried += len(self.one.script)
            type(self).questions += self.one.questions


@pytest.mark.both_versions
def test_product_and_oracle_agree(database: str) -> None:
    """On the older server a quarter of the histories: they use every statement."""
    examples = EXAMPLES if is_newest(database) else max(1, EXAMPLES // 4)
    often = Settings(snapshot_every=5)
    with SeatLedger(database, often) as ledger:
        machine = type("Machine", (Machine,), {"database": database, "ledger": ledger})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=COMMANDS,
                deadline=None,
                database=None,
                derandomize=os.environ.get("SEAT_LEDGER_EXAMPLES") is None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"{machine.tried} commands, {machine.questions} questions, no difference")
    assert machine.accepted > 0.2 * machine.tried  # long histories refuse more
