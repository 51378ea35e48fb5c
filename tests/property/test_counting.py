"""Every counting rule in SQL against the oracle's own sweeps (R50 to R55, R63).

Histories lie in zones where midnights are skipped or come twice, dates are skipped,
and offsets are no whole hours; instants lie at, just before and just after bounds.
"""

from __future__ import annotations

import itertools
import os
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from projections import billing
from projections.billing import Priced, Wanted, idle
from projections.billing.explain import Asked, explain
from projections.billing.figures import every_rule
from projections.reader import AccountFacts, Knowledge, Reader
from seat_ledger.application import SeatLedger
from seat_ledger.errors import CommandRefused
from tests.oracle.answers import View
from tests.oracle.dates import Period, first_instant
from tests.oracle.entries import Entry
from tests.oracle.oracle import Oracle

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "20"))
COMMANDS = 26
ZONES = {
    "Africa/Cairo": "2025-04-10",  # 25 April has no midnight
    "America/Havana": "2025-10-05",  # 2 November has two
    "America/Los_Angeles": "2025-10-20",
    "America/St_Johns": "2006-10-05",  # 29 October: back over midnight
    "Asia/Beirut": "2025-03-15",  # 30 March has no midnight
    "Asia/Kathmandu": "2025-03-05",
    "Asia/Kolkata": "2025-01-31",
    "Australia/Lord_Howe": "2025-03-20",  # half an hour back
    "Europe/Amsterdam": "2025-03-05",
    "Pacific/Apia": "2011-12-05",  # 30 December does not exist
    "UTC": "2024-02-29",
}
PRO, STARTER = "sales/professional", "sales/starter"
USERS = ("ann", "bob", "cas", "dee")
US = timedelta(microseconds=1)
numbers = itertools.count(1)


class History:
    """One account in the store, told to the oracle too; it writes its own commands."""

    def __init__(self, ledger: SeatLedger, random: Random) -> None:
        self.ledger, self.random, self.oracle = ledger, random, Oracle()
        self.account = f"c{next(numbers)}"
        self.zone = random.choice(list(ZONES))
        self.start = date.fromisoformat(ZONES[self.zone])
        self.script: list[dict[str, Any]] = []
        self.now = self.at(0)
        self.run(
            {
                "op": "open_account",
                "name": "C",
                "time_zone": self.zone,
                "term_start": self.start.isoformat(),
                "term_months": random.choice([2, 5, 12]),
                "billing_cycle_months": random.choice([1, 1, 2]),
            }
        )
        self.run(self.buy(3, 0))
        for user in USERS:
            self.run(
                {
                    "op": "add_user",
                    "user": user,
                    "email": f"{user}@x.example",
                    "name": user,
                    "effective_at": text(self.at(0)),
                }
            )
        for _ in range(COMMANDS):
            self.now += timedelta(hours=random.choice([0, 0, 1, 30, 90]))
            self.run(self.command())

    def at(self, days: int) -> datetime:
        return first_instant(self.start + timedelta(days=days), self.zone)

    def buy(self, quantity: int, days: int) -> dict[str, Any]:
        wanted = {"seat_type": PRO, "quantity": quantity}
        return {"op": "buy_seats", **wanted, "effective_at": text(self.at(days))}

    def when(self) -> str:
        """Now, or a local midnight soon after, or not quite."""
        random = self.random
        days = (self.now - self.at(0)) // timedelta(days=1) + random.choice([0, 1, 2])
        midnight = max(self.now, self.at(days))
        near = midnight + random.choice([timedelta(), US, timedelta(hours=7)])
        instant = random.choice([self.now, near, near])
        self.now = instant
        if random.random() < 0.2:  # late
            instant = self.at(random.randrange(1, 40))
            instant += random.choice([-US, timedelta(), timedelta(minutes=90)])
        return text(instant)

    def command(self) -> dict[str, Any]:
        random = self.random
        user, seat_type = random.choice(USERS), random.choice([PRO, PRO, PRO, STARTER])
        held = {"user": user, "seat_type": seat_type, "effective_at": self.when()}
        kind = random.choice(
            ["assign"] * 5 + ["unassign"] * 5 + ["batch", "buy", "reduce", "renew"]
            + ["policy", "zone", "reverse", "reverse"]
        )  # fmt: skip
        if kind in {"assign", "unassign"}:
            more = {"buy_if_needed": True} if kind == "assign" else {}
            return {"op": f"{kind}_seat", **held, **more}
        at = {"effective_at": held["effective_at"]}
        some = {"seat_type": seat_type, "quantity": random.randint(1, 2), **at}
        if kind == "batch":
            lines = [
                {"op": "unassign_seat", "user": user, "seat_type": seat_type},
                {
                    "op": "assign_seat",
                    "user": random.choice([user, *USERS]),
                    "seat_type": random.choice([PRO, STARTER]),
                    "buy_if_needed": True,
                },
            ]
            return {"op": "batch", "commands": lines, **at}
        if kind == "reverse":
            entries = self.oracle.books[self.account].entries
            entry = random.choice(entries[-8:]).position
            return {"op": "reverse", "entry": entry, "reason": "wrong"}
        return {
            "buy": {"op": "buy_seats", **some},
            "reduce": {"op": "reduce_seats", **some},
            "renew": {"op": "renew", **at},
            "policy": {"op": "set_billing_policy", "mode": random.choice(MODES), **at},
            "zone": {"op": "set_time_zone", "time_zone": "Asia/Kolkata", **at},
        }[kind]

    def run(self, command: dict[str, Any]) -> None:
        """Give the command to both; what the oracle refuses the product does too."""
        command = {"account": self.account, **command}
        self.script.append(command)
        expected = self.oracle.execute(command)
        result, refused = self.attempt(command)
        assert expected.accepted == (refused is None), self.told(f"{refused}")
        if result is None:
            return
        recorded = [*result.due, *result.events]
        assert len(recorded) == len(expected.entries), self.told("other entries")
        theirs = sorted(recorded, key=_signature)
        ours = sorted(expected.entries, key=_model_signature)
        positions = {id(e): r.position for e, r in zip(ours, theirs, strict=True)}
        self.oracle.recorded([positions[id(entry)] for entry in expected.entries])

    def attempt(self, command: dict[str, Any]) -> tuple[Any, CommandRefused | None]:
        try:
            return self.ledger.execute(command), None
        except CommandRefused as refused:
            return None, refused

    def told(self, what: str) -> str:
        return "\n".join([what, self.zone, *map(str, self.script)])


MODES = ("peak", "day_touch", "contracted", "time_weighted")


def _signature(recorded: Any) -> tuple[Any, ...]:
    event = recorded.event
    seat = getattr(event, "seat_type", ""), getattr(event, "number", 0)
    person = recorded.user if seat[1] == 0 or hasattr(event, "user") else ""
    return recorded.topic, event.effective_at, *seat, person or ""


def _model_signature(entry: Entry) -> tuple[Any, ...]:
    fields = entry.fields
    seat = fields.get("seat_type", ""), fields.get("number", 0)
    person = fields["user"].key if "user" in fields else ""
    return entry.topic, entry.at, *seat, person


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Comparison:
    """The answers of the product and of the oracle, about one state of knowledge."""

    def __init__(self, history: History, reader: Reader, known: Knowledge) -> None:
        self.history, self.reader, self.known = history, reader, known
        self.view: View = history.oracle.view(history.account, known.position)
        self.account: AccountFacts = reader.account(history.account, known)
        self.now = reader.database_now()

    def same(self) -> None:
        upto = billing.moment(self.known, self.now)
        for period in self.view.periods(upto)[:4]:
            self.same_counts(Wanted(period.label.isoformat()), period)
            self.laws(period)
        self.same_window()

    def same_window(self) -> None:
        random, start = self.history.random, self.history.start
        first = start + timedelta(days=random.randrange(40))
        until = first + timedelta(days=random.choice([1, 2, 17]))
        if self.history.zone == "Pacific/Apia" and until == date(2011, 12, 31):
            until += timedelta(days=1)  # a window of a date that is not
        period = self.view.window(first.isoformat(), until.isoformat())
        self.same_counts(Wanted(window=(first, until)), period)

    def rows(self, wanted: Wanted, rules: Any) -> list[dict[str, Any]]:
        return billing.counts(
            self.reader, self.account, self.known, self.now, wanted, Priced(rules)
        ).rows

    def same_counts(self, wanted: Wanted, period: Period) -> None:
        product = [
            {
                **{name: row[name] for name in ("seat_type", "mode", "granularity")},
                "quantity": Fraction(row["quantity_exact"]),
                **{name: row[name] for name in BESIDE},
            }
            for row in self.rows(wanted, every_rule())
        ]
        model = self.view.all_counts(period)
        assert by_rule(product) == by_rule(model), self.told(period)
        mode, granularity = self.view.policy(period)
        by_policy = {(r["mode"], r["granularity"]) for r in self.rows(wanted, None)}
        assert by_policy <= {(mode, granularity)}, self.told(period)
        if wanted.window is None:
            self.parts(wanted, period, model)

    def parts(self, wanted: Wanted, period: Period, model: list[Any]) -> None:
        """Explaining adds up: it refuses where it does not."""
        assert wanted.label is not None
        found = billing.labelled(self.account, wanted.label)
        upto = billing.moment(self.known, self.now)
        for row in model:
            rule = row["mode"], row["granularity"]
            asked = Asked(found, row["seat_type"], rule, Fraction("33.333"))
            told = explain(self.reader, self.account, self.known, upto, asked)
            parts = [Fraction(part["quantity_exact"]) for part in told.rows]
            assert sum(parts, Fraction(0)) == row["quantity"], self.told(period)
            assert told.figure is not None
            amounts = sum(Fraction(part["amount"]) for part in told.rows)
            assert amounts == Fraction(told.figure["amount"])
        stretches = idle.idle_within(self.reader, self.account, found, self.known)
        for seat_type in {row["seat_type"] for row in model}:
            days = [r["idle_days"] for r in stretches if r["seat_type"] == seat_type]
            (expected,) = {
                r["idle_seat_days"] for r in model if r["seat_type"] == seat_type
            }
            assert sum(days) == expected, self.told(period)

    def laws(self, period: Period) -> None:
        """R52, of the product's own figures."""
        rows = self.rows(Wanted(period.label.isoformat()), every_rule())
        for seat_type in {row["seat_type"] for row in rows}:
            of = {
                (row["mode"], row["granularity"]): Fraction(row["quantity_exact"])
                for row in rows
                if row["seat_type"] == seat_type
            }
            (opening,) = {
                r["assigned_opening"] for r in rows if r["seat_type"] == seat_type
            }
            peak, day_peak = of["peak", None], of["day_peak", None]
            assert of["snapshot_end", None] <= peak
            assert day_peak <= peak
            assert day_peak <= of["day_touch", None]
            assert of["time_weighted", None] <= peak
            for granularity in ("day", "second"):
                assert opening <= of["start_plus_rises", granularity] <= peak

    def told(self, period: Period) -> str:
        return self.history.told(f"{period.label} as known at {self.known.position}")


BESIDE = ("opening", "purchased", "retired", "closing", "assigned_opening")
BESIDE += ("assigned_peak", "assigned_closing", "idle_seat_days")


def by_rule(rows: list[dict[str, Any]]) -> list[Any]:
    """Rows in one order, whatever the order of their keys."""
    return sorted(sorted((name, str(row[name])) for name in row) for row in rows)


def test_every_rule_counts_as_the_oracle_does(database: str) -> None:
    accepted = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=os.environ.get("SEAT_LEDGER_EXAMPLES") is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a shrunk history takes too long; its script is told
    )
    @given(st.randoms(use_true_random=False))
    def compare(random: Random) -> None:
        history = History(ledger, random)
        entries = history.oracle.books[history.account].entries
        accepted.append(len(entries) / len(history.script))
        with Reader(database) as reader:
            known = [reader.head, random.choice(entries).position]
            for position in known:
                Comparison(history, reader, reader.knowledge(position)).same()

    with SeatLedger(database) as ledger:
        compare()
    assert sum(accepted) / len(accepted) > 0.5
