"""Every counting rule in SQL against the oracle's own sweeps (R50 to R55, R63).

Histories lie in zones where midnights are skipped or come twice, dates are skipped,
and offsets are no whole hours; instants lie at, just before and just after bounds.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.counting_rules import every_rule
from seat_ledger.projections import billing
from seat_ledger.projections.billing import CountsQuery, Priced, idle
from seat_ledger.projections.billing.explain import FigureQuery, explain
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
)
from tests.oracle.answers import View
from tests.oracle.dates import Period
from tests.property.zoned import History
from tests.support import portable

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "14"))


class Comparison:
    """The answers of the product and of the oracle, about one state of knowledge."""

    def __init__(
        self, history: History, reader: ConnectedReader, knowledge: Knowledge
    ) -> None:
        self.history, self.reader, self.known_at = history, reader, knowledge
        self.view: View = history.oracle.view(history.account, knowledge.position)
        self.account: AccountFacts = reader.account(history.account, knowledge)
        self.now = reader.database_now()
        self.question = AccountQuestion(reader, self.account, knowledge, self.now)

    def same(self) -> None:
        until = self.known_at.moment(self.now)
        for period in self.view.periods(until)[:4]:
            self.same_counts(CountsQuery(period.label.isoformat()), period)
            self.laws(period)
        self.same_window()
        self.same_texts()

    def same_texts(self) -> None:
        """Both texts of the figures, in periods and in a window beyond all of them."""
        periods = list(billing.existing(self.account, self.now))
        first = self.history.start - timedelta(days=self.history.random.randrange(900))
        long = billing.window(self.account, first, first + timedelta(days=4_400))
        for selected in (periods, [long]):
            served, other = portable.both(
                self.reader, self.account, selected, self.known_at
            )
            assert served == other, self.history.message(f"at {self.known_at.position}")

    def same_window(self) -> None:
        random, start = self.history.random, self.history.start
        first = start + timedelta(days=random.randrange(40))
        until = first + timedelta(days=random.choice([1, 2, 17]))
        if self.history.zone == "Pacific/Apia" and until == date(2011, 12, 31):
            until += timedelta(days=1)  # a window of a date that is not
        period = self.view.window(first.isoformat(), until.isoformat())
        self.same_counts(CountsQuery(window=(first, until)), period)

    def rows(self, expected: CountsQuery, rules: Any) -> list[dict[str, Any]]:
        return billing.counts(*self.question, replace(expected, how=Priced(rules))).rows

    def same_counts(self, expected: CountsQuery, period: Period) -> None:
        product = [
            {
                **{name: row[name] for name in ("seat_type", "mode", "granularity")},
                "quantity": Fraction(row["quantity_exact"]),
                **{name: row[name] for name in BESIDE},
            }
            for row in self.rows(expected, every_rule())
        ]
        model = self.view.all_counts(period)
        assert by_rule(product) == by_rule(model), self.message(period)
        mode, granularity = self.view.policy(period)
        by_policy = {(r["mode"], r["granularity"]) for r in self.rows(expected, None)}
        assert by_policy <= {(mode, granularity)}, self.message(period)
        if expected.window is None:
            self.parts(expected, period, model)

    def parts(self, selected: CountsQuery, period: Period, model: list[Any]) -> None:
        """Explaining adds up: it refuses where it does not."""
        assert selected.label is not None
        result = billing.labelled(self.account, selected.label)
        for row in model:
            rule = row["mode"], row["granularity"]
            query = FigureQuery(result, row["seat_type"], rule, Fraction("33.333"))
            report = explain(self.question, query)
            parts = [Fraction(part["quantity_exact"]) for part in report.rows]
            assert sum(parts, Fraction(0)) == row["quantity"], self.message(period)
            assert report.figure is not None
            amounts = sum(Fraction(part["amount"]) for part in report.rows)
            assert amounts == Fraction(report.figure["amount"])
        stretches = idle.idle_within(self.question, result)
        for seat_type in {row["seat_type"] for row in model}:
            days = [r["idle_days"] for r in stretches if r["seat_type"] == seat_type]
            (expected,) = {
                r["idle_seat_days"] for r in model if r["seat_type"] == seat_type
            }
            assert sum(days) == expected, self.message(period)

    def laws(self, period: Period) -> None:
        """R52, of the product's own figures."""
        rows = self.rows(CountsQuery(period.label.isoformat()), every_rule())
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

    def message(self, period: Period) -> str:
        return self.history.message(
            f"{period.label} as known at {self.known_at.position}"
        )


BESIDE = ("opening", "purchased", "retired", "closing", "assigned_opening")
BESIDE += ("assigned_peak", "assigned_closing", "idle_seat_days")


def by_rule(rows: list[dict[str, Any]]) -> list[Any]:
    """Rows in one order, whatever the order of their keys."""
    return sorted(sorted((name, str(row[name])) for name in row) for row in rows)


def test_every_rule_counts_as_the_oracle_does(database: str) -> None:
    accepted = []

    @settings(
        max_examples=EXAMPLES,
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
        with ConnectedReader(database) as reader:
            known_at = [reader.head, random.choice(entries).position]
            for position in known_at:
                Comparison(history, reader, reader.knowledge(position)).same()

    with CommandService(database) as ledger:
        compare()
    assert sum(accepted) / len(accepted) > 0.5
