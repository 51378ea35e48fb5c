"""What was issued for a period comes to what the period comes to (R43 to R45, R61).

Late facts, reversals and reversals of them fall between invoices at random; the
oracle says what each invoiced period comes to as known at the last one.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from functools import partial
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seat_ledger.application import SeatLedger
from seat_ledger.projections.billing import invoices
from seat_ledger.projections.billing.invoice_computation import Drafting, reproduced
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.reader import Reader
from tests.oracle.counting import money
from tests.oracle.dates import Period
from tests.property.zoned import PRO, STARTER, History, text

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "12"))
PRICES = {PRO: "30.00", STARTER: "7.77"}
RULES = [("contracted", "day"), ("contracted", "second"), ("start_plus_rises", "day")]
RULES += [(mode, None) for mode in ("peak", "time_weighted", "day_touch", "distinct")]


class Billed:
    """A history with invoices in between, of periods that have ended, in any order."""

    def __init__(self, conninfo: str, ledger: SeatLedger, random: Random) -> None:
        self.conninfo, self.ledger, self.random = conninfo, ledger, random
        self.history = History(ledger, random, settled=True)
        self.account = self.history.account
        mode, granularity = random.choice(RULES)
        policy = {"op": "set_billing_policy", "mode": mode, "granularity": granularity}
        at = text(self.history.at(0))
        if (mode, granularity) != ("contracted", "day"):
            self.history.run({**policy, "effective_at": at})
        self.invoiced: list[Period] = []
        for _ in range(5):
            self.history.now += timedelta(days=11)
            self.history.go_on(5)
            self.issue()
        self.history.now += timedelta(days=70)
        self.issue()

    def issue(self) -> None:
        """Invoice one of the periods that have ended, once what is due is renewed."""
        now = self.history.now
        self.history.run({"op": "renew", "effective_at": text(now)})
        view = self.history.oracle.view(self.account)
        ended = [one for one in view.periods(now) if one.ends <= now]
        left = [one for one in ended if one not in self.invoiced]
        if left:
            period = self.random.choice(left)
            with Drafting(partial(Reader, self.conninfo)) as compute:
                self.ledger.issue_invoice(
                    self.account,
                    compute_invoice=compute,
                    invoice=f"{self.account}/{period.label}",
                    period=period.label.isoformat(),
                    unit_prices=PRICES,
                    currency="EUR",
                    effective_at=text(now),
                )
            self.invoiced.append(period)

    def check(self) -> int:
        with Reader(self.conninfo) as reader:
            account = reader.account(self.account, reader.knowledge())
            found = invoices.issued(reader, account, reader.head)
            self.balance(found)
            self.evidence(found)
            for one in found:
                assert reproduced(reader, one) == one
        return sum(line.kind == "correction" for one in found for line in one.lines)

    def balance(self, found: list[Issued]) -> None:
        """Invoice and deltas of a period add up to what it comes to now."""
        issued: Counter[tuple[str, str]] = Counter()
        for one in found:
            for line in one.lines:
                key = line.period.isoformat(), line.seat_type
                issued[key] += Fraction(line.amount or 0)
        view = self.history.oracle.view(self.account, found[-1].cut_off)
        for one, period in zip(found, self.invoiced, strict=True):
            for seat_type, price in PRICES.items():
                exact = view.quantity(seat_type, period, one.mode, one.granularity)
                total = issued[period.label.isoformat(), seat_type]
                assert total == Fraction(money(exact, price)), self.told(one)

    def evidence(self, found: list[Issued]) -> None:
        """Each correction names entries of the account recorded since the invoice."""
        since = 0
        for one in found:
            named = [line.entries for line in one.lines if line.kind == "correction"]
            for entries in [*named, *(left["entries"] for left in one.corrections)]:
                assert entries, self.told(one)
                assert all(since < entry <= one.cut_off for entry in entries)
            since = one.cut_off

    def told(self, one: Issued) -> str:
        return self.history.told(f"{one.invoice}: {one.mode} {one.granularity}")


def test_invoices_and_their_corrections_balance(database: str) -> None:
    corrections = []

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
        corrections.append(Billed(database, ledger, random).check())

    with SeatLedger(database) as ledger:
        compare()
    assert any(corrections)
