"""What was issued for a period comes to what the period comes to (R43 to R45, R61).

Late facts, reversals and reversals of them fall between invoices at random, and some
invoices are voided (R94); the oracle says what each invoiced period comes to as known
at the last one, and a period whose invoice is voided comes to nothing.
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

from seat_ledger.application import CommandService
from seat_ledger.projections.billing import invoices
from seat_ledger.projections.billing.invoice_computation import Drafting, reproduced
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.reader import ConnectedReader
from tests.oracle.counting import money
from tests.oracle.dates import Period
from tests.property.zoned import PRO, STARTER, History, text

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "12"))
LISTS = ({PRO: "30.00", STARTER: "7.77"}, {PRO: "29.00", STARTER: "8.13"})
RULES = [("contracted", "day"), ("contracted", "second"), ("start_plus_rises", "day")]
RULES += [(mode, None) for mode in ("peak", "time_weighted", "day_touch", "distinct")]


class Billed:
    """A history with invoices in between, of periods that have ended, in any order."""

    def __init__(self, conninfo: str, ledger: CommandService, random: Random) -> None:
        self.conninfo, self.ledger, self.random = conninfo, ledger, random
        self.history = History(ledger, random, settled=True)
        self.account = self.history.account
        mode, granularity = random.choice(RULES)
        policy = {"op": "set_billing_policy", "mode": mode, "granularity": granularity}
        at = text(self.history.at(0))
        if (mode, granularity) != ("contracted", "day"):
            self.history.run({**policy, "effective_at": at})
        self.invoiced: dict[str, tuple[Period, dict[str, str]]] = {}
        self.voided: set[str] = set()
        for _ in range(7):
            self.history.now += timedelta(days=11)
            self.history.go_on(5)
            self.issue()
            if random.random() < 0.4:
                self.void()
        self.history.now += timedelta(days=70)
        while not self.issue():
            self.history.now += timedelta(days=35)

    def billed(self) -> list[Period]:
        """The periods that have an invoice that is not voided."""
        return [
            period
            for number, (period, _) in self.invoiced.items()
            if number not in self.voided
        ]

    def void(self) -> None:
        """Void one of the invoices that are not, often the last."""
        left = [number for number in self.invoiced if number not in self.voided]
        if left:
            number = self.random.choice([*left, left[-1]])
            self.ledger.void_invoice(
                self.account,
                invoice=number,
                reason="wrong",
                effective_at=text(self.history.now),
            )
            self.voided.add(number)

    def issue(self) -> bool:
        """Invoice one of the periods that have ended, once what is due is renewed."""
        now = self.history.now
        self.history.run({"op": "renew", "effective_at": text(now)})
        view = self.history.oracle.view(self.account)
        ended = [item for item in view.periods(now) if item.ends <= now]
        billed = self.billed()
        left = [item for item in ended if item not in billed]
        if not left:
            return False
        period = self.random.choice(left)
        number = f"{self.account}/{period.label}/{len(self.invoiced)}"
        prices = self.random.choice(LISTS)
        with Drafting(partial(ConnectedReader, self.conninfo)) as compute:
            self.ledger.issue_invoice(
                self.account,
                compute_invoice=compute,
                invoice=number,
                period=period.label.isoformat(),
                unit_prices=prices,
                currency="EUR",
                effective_at=text(now),
            )
        self.invoiced[number] = period, prices
        return True

    def check(self) -> int:
        with ConnectedReader(self.conninfo) as reader:
            account = reader.account(self.account, reader.knowledge())
            result = invoices.issued(reader, account, reader.head)
            self.balance(result)
            self.evidence(result)
            for item in result:
                assert reproduced(reader, item) == item
        return sum(line.kind == "correction" for item in result for line in item.lines)

    def balance(self, result: list[Issued]) -> None:
        """Invoice and deltas of a period add up to what it comes to now."""
        issued: Counter[tuple[str, str]] = Counter()
        for item in result:
            for line in item.lines:
                key = line.period.isoformat(), line.seat_type
                issued[key] += Fraction(line.amount or 0)
        view = self.history.oracle.view(self.account, result[-1].cut_off)
        billed = self.billed()
        for item in result:
            period, prices = self.invoiced[item.invoice]
            for seat_type in prices:
                exact = view.quantity(seat_type, period, item.mode, item.granularity)
                total = issued[period.label.isoformat(), seat_type]
                expected = Fraction(0)
                if item.voided is None:
                    price = self.price(result, item, seat_type)
                    expected = Fraction(money(exact, price))
                elif period in billed:
                    continue  # the invoice that came for it says what it comes to
                assert total == expected, self.message(item)

    def price(self, result: list[Issued], issued: Issued, seat_type: str) -> str:
        """That of the first line of a period and type, at the invoice of the period."""
        prices = [
            line.unit_price
            for other in result[result.index(issued) :]
            if other.voided is None
            for line in other.lines
            if (line.period, line.seat_type) == (issued.period.label, seat_type)
            and line.kind != "void"
            and (other is not issued or line.kind == "period")
        ]
        return prices[0] or "" if prices else "0"

    def evidence(self, result: list[Issued]) -> None:
        """Each correction names entries of the account recorded since the invoice."""
        since = 0
        for item in result:
            named = [line.entries for line in item.lines if line.kind != "period"]
            for entries in [*named, *(left["entries"] for left in item.corrections)]:
                assert entries, self.message(item)
                late = self.voided or all(since < entry for entry in entries)
                assert late, self.message(item)
                assert all(entry <= item.cut_off for entry in entries)
            since = item.cut_off

    def message(self, issued: Issued) -> str:
        return self.history.message(
            f"{issued.invoice}: {issued.mode} {issued.granularity}"
        )


def test_invoices_and_their_corrections_balance(database: str) -> None:
    corrections, voids = [], []

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
        billed = Billed(database, ledger, random)
        corrections.append(billed.check())
        voids.append(len(billed.voided))

    with CommandService(database) as ledger:
        compare()
    assert any(corrections)
    assert any(voids)
