"""Each invoice says what the rules say, line for line (R43 to R45, R61, R94, R100).

Late facts, reversals and reversals of them fall between invoices at random, of periods
in any order and of corrections alone, in two currencies, some of them without a price;
some are voided. The oracle decides what each is to say, and which are refused.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import timedelta
from fractions import Fraction
from functools import partial
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused
from seat_ledger.projections.billing import invoices
from seat_ledger.projections.billing.invoice_computation import Drafting, reproduced
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.reader import ConnectedReader
from tests.oracle.invoicing import Line, Register, Request
from tests.property.zoned import PRO, STARTER, History, text

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "9"))
LISTS = [{PRO: "30.00", STARTER: "7.77"}, {PRO: "29.00", STARTER: "8.13"}]
RULES = [("contracted", "day"), ("contracted", "second"), ("start_plus_rises", "day")]
RULES += [(mode, None) for mode in ("peak", "time_weighted", "day_touch", "distinct")]


class Billed:
    """A history with invoices in between, of periods that have ended, in any order."""

    def __init__(self, conninfo: str, ledger: CommandService, random: Random) -> None:
        self.conninfo, self.ledger, self.random = conninfo, ledger, random
        self.history = History(ledger, random, settled=True)
        self.account = self.history.account
        self.register = Register()
        self.refused: Counter[str] = Counter()
        self.attempts = 0
        # In one currency mostly, so that not every other invoice is refused for it.
        self.currencies = random.choice([["EUR"], ["KWD"], ["EUR", "EUR", "JPY"]])
        self.lists = [*LISTS, *random.choice([[], [], [{PRO: "31.00"}]])]
        self.voiding = random.choice([0, 0.1, 0.4])
        mode, granularity = random.choice(RULES)
        policy = {"op": "set_billing_policy", "mode": mode, "granularity": granularity}
        at = text(self.history.at(0))
        if (mode, granularity) != ("contracted", "day"):
            self.history.run({**policy, "effective_at": at})
        for _ in range(8):
            self.history.now += timedelta(days=11)
            self.history.go_on(5)
            self.issue()
            if random.random() < self.voiding:
                self.void()
        self.history.now += timedelta(days=70)
        for _ in range(3):
            self.issue()

    def void(self) -> None:
        """Void an invoice, often the last; seldom again."""
        issued = self.register.invoices
        if issued:
            number = self.random.choice([*issued, issued[-1]]).number
            expected = self.register.void(number)
            self.run(
                self.ledger.void_invoice,
                expected,
                invoice=number,
                reason="wrong",
            )

    def issue(self) -> None:
        """Invoice one of the periods that have ended, or corrections alone."""
        now = self.history.now
        self.history.run({"op": "renew", "effective_at": text(now)})
        view = self.history.oracle.view(self.account)
        ended = [item for item in view.periods(now) if item.ends <= now]
        billed = [item for item in ended if self.register.billing(item.label)]
        left = [item for item in ended if item not in billed]
        chosen = self.random.choice([*left, *left, *billed, None])
        self.attempts += 1
        request = Request(
            f"{self.account}/{self.attempts}",
            self.random.choice(self.lists),
            self.random.choice(self.currencies),
            chosen,
        )
        expected = self.register.issue(request, view)
        what: dict[str, Any] = {"corrections_only": True}
        if chosen:
            what = {"period": chosen.label.isoformat()}
        with Drafting(partial(ConnectedReader, self.conninfo)) as compute:
            self.run(
                self.ledger.issue_invoice,
                expected,
                compute_invoice=compute,
                invoice=request.number,
                unit_prices=request.prices,
                currency=request.currency,
                **what,
            )

    def run(self, operation: Any, expected: set[str], **fields: Any) -> None:
        """Accepted where the oracle names no code, else refused with one of them."""
        self.history.script.append(
            {name: fields[name] for name in fields if name != "compute_invoice"}
        )
        at, code = text(self.history.now), None
        try:
            operation(self.account, effective_at=at, **fields)
        except CommandRefused as refused:
            code = refused.code
        assert code in (expected or {None}), self.message(f"{code}, not {expected}")
        self.refused[code or ""] += 1

    def check(self) -> Counter[str]:
        """Compare every invoice; return how many lines there are of each kind."""
        with ConnectedReader(self.conninfo) as reader:
            account = reader.account(self.account, reader.knowledge())
            result = invoices.issued(reader, account, reader.head)
            expected = self.register.invoices
            for item, wanted in zip(result, expected, strict=True):
                lines = [line_of(item, n) for n in range(len(item.lines))]
                assert item.invoice == wanted.number
                assert bool(item.voided) == wanted.voided
                assert Counter(lines) == Counter(wanted.lines), self.message(
                    f"{item.invoice}: {sorted(lines)} != {sorted(wanted.lines)}"
                )
                assert reproduced(reader, item) == item
            self.evidence(result)
        return Counter(line.kind for item in result for line in item.lines)

    def evidence(self, result: list[Issued]) -> None:
        """Each correction names entries of the account recorded since the invoice; what
        changes no amount is listed (R44, R45).
        """
        since, voids = 0, any(item.voided for item in result)
        several = len(self.currencies) > 1
        for item in result:
            assert {left["amount"] for left in item.corrections} <= {
                item.currency.amount(Fraction(0), Fraction(1))
            }
            named = [line.entries for line in item.lines if line.kind != "period"]
            for entries in [*named, *(left["entries"] for left in item.corrections)]:
                assert entries, self.message(item.invoice)
                late = voids or several or all(since < entry for entry in entries)
                assert late, self.message(item.invoice)
                assert all(entry <= item.cut_off for entry in entries)
            since = item.cut_off

    def message(self, what: str) -> str:
        return self.history.message(what)


def line_of(invoice: Issued, n: int) -> Line:
    line = invoice.lines[n]
    of = line.kind, line.period, line.seat_type, line.quantity
    price = None if line.unit_price is None else Fraction(line.unit_price)
    return Line(*of, price, Fraction(line.amount or 0), line.voids)


def test_each_invoice_says_what_the_oracle_says(database: str) -> None:
    kinds: Counter[str] = Counter()
    refused: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=os.environ.get("SEAT_LEDGER_EXAMPLES") is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a shrunk history takes too long; its script is told
    )
    @given(st.randoms(use_true_random=False))
    def compare(random: Random) -> None:
        billed = Billed(database, ledger, random)
        kinds.update(billed.check())
        refused.update(billed.refused)

    with CommandService(database) as ledger:
        compare()
    print(dict(kinds), dict(refused))
    assert kinds.keys() == {"period", "correction", "void"}
    assert {"", "period_already_invoiced", "nothing_to_correct"} <= refused.keys()
