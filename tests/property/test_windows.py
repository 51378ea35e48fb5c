"""Least and most of a figure hold what is true (R89), in every counting mode.

Each history is recorded twice in one store: as it was, and as nightly lists saw it.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from seat_ledger.application import CommandService
from seat_ledger.domain.counting_rules import every_rule
from seat_ledger.domain.values import iso
from seat_ledger.projections.billing import CountsQuery, Priced, counts
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from seat_ledger.projections.snapshots import ledger_side
from seat_ledger.sources.reconciliation import AccountList, ListedSeat, Reconciliation
from tests.support.acme import TERMS
from tests.support.nightly import BUSINESS, START, TrueHistory


def record_truth(ledger: CommandService, account: str, history: TrueHistory) -> None:
    for at, op, user in history.log():
        fields: dict[str, Any] = {"user": user, "seat_type": BUSINESS}
        if op == "assign_seat":
            fields["add_if_needed"] = {"email": f"{user}@x.example", "name": user}
        ledger.execute(
            {"op": op, "account": account, "effective_at": iso(at), **fields}
        )


def record_nights(
    database: str, ledger: CommandService, account: str, history: TrueHistory
) -> None:
    for night in range(history.nights):
        at = history.night(night)
        holders = history.holders(at)
        seats = [
            ListedSeat(n, user, BUSINESS, f"{user}@x.example", user)
            for n, user in enumerate(holders, start=1)
        ]
        listed = AccountList(account, at, [BUSINESS], seats)
        with ConnectedReader(database) as reader:
            known_at = reader.knowledge()
            facts = reader.account(account, known_at)
            side = ledger_side(AccountQuestion(reader, facts, known_at, at), listed)
        result = Reconciliation(listed, side, lambda _: True)
        observation = {
            "op": "observe_snapshot", "source": "test", "covers": [BUSINESS],
            "digest": "0" * 64, "rows": len(seats), "holders": len(seats),
            "totals": {BUSINESS: len(seats)}, "effective_at": iso(at),
        }  # fmt: skip
        commands = [*result.operations(), observation]
        ledger.execute({"op": "batch", "account": account, "commands": commands})


def figures(reader: ConnectedReader, account: str) -> dict[Any, Any]:
    known_at = reader.knowledge()
    facts = reader.account(account, known_at)
    query = CountsQuery(label="2025-03-05", how=Priced(rules=every_rule()))
    rows = counts(reader, facts, known_at, reader.database_now(), query).rows
    return {(row["mode"], row["granularity"]): row for row in rows}


@pytest.mark.parametrize(
    "histories", [6, pytest.param(2000, marks=pytest.mark.long)], ids=str
)
def test_r89_least_and_most_hold_the_true_figure_in_every_mode(
    database: str, ledger: CommandService, histories: int
) -> None:
    rng = random.Random(89)
    ledger.execute({"op": "add_seat_type", "seat_type": BUSINESS})
    open_figures = 0
    for n in range(histories):
        history = TrueHistory.drawn(rng, nights=6, users=4)
        for account in (f"true{n}", f"seen{n}"):
            ledger.open_account(account, **TERMS)
            ledger.buy_seats(
                account, seat_type=BUSINESS, quantity=8, effective_at=iso(START)
            )
        record_truth(ledger, f"true{n}", history)
        record_nights(database, ledger, f"seen{n}", history)
        with ConnectedReader(database) as reader:
            true, seen = (figures(reader, f"{kind}{n}") for kind in ("true", "seen"))
        assert true.keys() == seen.keys()
        for rule, row in seen.items():
            least, most = (
                Fraction(row[name]) for name in ("quantity_least", "quantity_most")
            )
            exact = Fraction(true[rule]["quantity"])
            place = Fraction(1, 10**12)  # quantities are shown to twelve places
            assert least - place <= exact <= most + place, (n, rule, history)
            open_figures += least < most
        for row in true.values():
            assert row["quantity_least"] == row["quantity"] == row["quantity_most"]
    assert open_figures > histories
