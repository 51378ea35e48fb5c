"""Least and most of a figure hold what is true (R89), in every counting mode.

Each history is recorded three times in one store: as it was, as nightly lists saw it,
and by a log of which lines were lost. Many are recorded together. The lists of every
second one say since when each holder has the seat, as some vendors' do.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.counting_rules import every_rule
from seat_ledger.domain.values import iso
from seat_ledger.importing.files import import_file
from seat_ledger.projections.billing import CountsQuery, Priced, counts
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from seat_ledger.projections.snapshots import ledger_side
from seat_ledger.sources.reconciliation import (
    AccountList,
    Change,
    ListedSeat,
    Reconciliation,
)
from tests.support.acme import TERMS
from tests.support.nightly import BUSINESS, START, TrueHistory

NIGHTS = 6
AT_ONCE = 100
"""So many histories are recorded and asked about together."""

Line = dict[str, Any]


class Drawn(NamedTuple):
    """A history, the lines that its log lost, and how many seats were bought before."""

    number: int
    history: TrueHistory
    lost: set[int]
    bought: int

    @property
    def is_dated(self) -> bool:
        """Whether its lists say since when each holder has the seat."""
        return self.number % 2 == 1

    @classmethod
    def from_(cls, rng: random.Random, number: int) -> Drawn:
        """Half of them run across a period's bound, with seats bought when needed."""
        starts = rng.choice((START, START + timedelta(days=31 - rng.randrange(1, 6))))
        history = TrueHistory.drawn(rng, nights=NIGHTS, users=4, starts=starts)
        last = {user: n for n, (_, _, user) in enumerate(history.log())}
        lost = {n for n in last.values() if rng.random() < 0.3}
        return cls(number, history, lost, rng.choice((0, 8)))

    def bought_by(self, at: datetime) -> int:
        """The seats under contract: as many as were ever held at once."""
        moments = [h.starts for h in self.history.holdings if h.starts <= at]
        held = (len(self.history.holders(moment)) for moment in moments)
        return max([self.bought, *held])

    def opening(self, kind: str) -> Iterator[Line]:
        account = f"{kind}{self.number}"
        yield {"op": "open_account", "account": account, **TERMS}
        if self.bought:
            yield {
                "op": "buy_seats", "account": account, "seat_type": BUSINESS,
                "quantity": self.bought, "effective_at": iso(START),
            }  # fmt: skip

    def log(self, kind: str, lost: Iterable[int] = ()) -> Iterator[Line]:
        for n, (at, op, user) in enumerate(self.history.log()):
            fields: Line = {"user": user, "seat_type": BUSINESS}
            if op == "assign_seat":
                fields["add_if_needed"] = {"email": f"{user}@x.example", "name": user}
                fields["buy_if_needed"] = True
            if n not in lost:
                account = f"{kind}{self.number}"
                at_ = iso(at)
                yield {"op": op, "account": account, "effective_at": at_, **fields}

    def compared(
        self, reader: ConnectedReader, kind: str, at: datetime
    ) -> Reconciliation:
        """A list held against what the ledger has of it."""
        account = f"{kind}{self.number}"
        since = self.history.since(at)
        seats = [
            ListedSeat(n, user, BUSINESS, f"{user}@x.example", user,
                       since[user] if self.is_dated else None)
            for n, user in enumerate(self.history.holders(at), start=1)
        ]  # fmt: skip
        total = {BUSINESS: self.bought_by(at)}
        listed = AccountList(account, at, [BUSINESS], seats, total)
        known_at = reader.knowledge()
        facts = reader.account(account, known_at)
        side = ledger_side(AccountQuestion(reader, facts, known_at, at), listed)
        return Reconciliation(listed, side, lambda _: True)

    def observed(self, reader: ConnectedReader, kind: str, at: datetime) -> Line:
        """The list as one batch of commands."""
        holders = len(self.history.holders(at))
        observation = {
            "op": "observe_snapshot", "source": "test", "covers": [BUSINESS],
            "digest": "0" * 64, "rows": holders, "holders": holders,
            "totals": {BUSINESS: holders}, "effective_at": iso(at),
        }  # fmt: skip
        changes = self.compared(reader, kind, at).operations()
        account = f"{kind}{self.number}"
        commands = [*changes, observation]
        return {"op": "batch", "account": account, "commands": commands}


def record(ledger: CommandService, lines: Iterable[Line]) -> None:
    written = [json.dumps(line).encode() for line in lines]
    for outcome in import_file(ledger, written):
        assert outcome.outcome == "recorded", outcome


def observe(
    database: str, ledger: CommandService, drawn: Iterable[Drawn], kind: str, night: int
) -> None:
    with ConnectedReader(database) as reader:
        lists = [
            each.observed(reader, kind, each.history.night(night)) for each in drawn
        ]
    record(ledger, lists)


def figures(reader: ConnectedReader, account: str) -> dict[Any, Any]:
    """Every figure of an account, by period and rule."""
    known_at = reader.knowledge()
    facts = reader.account(account, known_at)
    query = CountsQuery(how=Priced(rules=every_rule()))
    rows = counts(reader, facts, known_at, reader.database_now(), query).rows
    return {(row["period"], row["mode"], row["granularity"]): row for row in rows}


def held_by(reader: ConnectedReader, drawn: Drawn) -> int:
    """How many figures windows leave open, if all hold what is true."""
    true, seen = (figures(reader, f"{kind}{drawn.number}") for kind in ("true", "seen"))
    place = Fraction(1, 10**12)  # quantities are shown to twelve places
    open_figures = 0
    assert true.keys() <= seen.keys(), drawn
    for rule, row in seen.items():
        least, most = (
            Fraction(row[name]) for name in ("quantity_least", "quantity_most")
        )
        exact = Fraction(true[rule]["quantity"] if rule in true else 0)
        assert least - place <= exact <= most + place, (drawn, rule)
        assert least <= Fraction(row["quantity"]) <= most, (drawn, rule)
        open_figures += least < most
    for row in true.values():
        assert row["quantity_least"] == row["quantity"] == row["quantity_most"]
    return open_figures


def of_persons(compared: Reconciliation) -> list[Change]:
    """The changes without purchases: after a lost line others need a seat more."""
    return [change for change in compared.changes if change.user is not None]


def check_log(database: str, ledger: CommandService, histories: list[Drawn]) -> None:
    """After a whole log lists find nothing, else exactly what was lost (R88)."""
    word = {"assign_seat": "assigned", "unassign_seat": "unassigned"}
    with ConnectedReader(database) as reader:
        for drawn in histories:
            for night in (drawn.number % NIGHTS, NIGHTS):
                at = drawn.history.night(night)
                assert drawn.compared(reader, "true", at).changes == [], drawn
            at = drawn.history.night(NIGHTS)
            changes = of_persons(drawn.compared(reader, "lost", at))
            result = {(change.user, change.change) for change in changes}
            log = list(drawn.history.log())
            assert result == {(log[n][2], word[log[n][1]]) for n in drawn.lost}, drawn
    observe(database, ledger, histories, "lost", NIGHTS)
    with ConnectedReader(database) as reader:
        for drawn in histories:
            at = drawn.history.night(NIGHTS)
            assert not of_persons(drawn.compared(reader, "lost", at)), drawn


@pytest.mark.parametrize(
    "number", [40, pytest.param(2000, marks=pytest.mark.long)], ids=str
)
def test_r89_least_and_most_hold_the_true_figure_in_every_mode(
    database: str, ledger: CommandService, number: int
) -> None:
    """And beside a log lists find what its lost lines leave, and nothing else (R88)."""
    rng = random.Random(89)
    ledger.execute({"op": "add_seat_type", "seat_type": BUSINESS})
    open_figures = lost_lines = 0
    for first in range(0, number, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, number))
        histories = [Drawn.from_(rng, n) for n in numbers]
        lines: list[Line] = []
        for drawn in histories:
            for kind in ("true", "seen", "lost"):
                lines += drawn.opening(kind)
            lines += drawn.log("true")
            lines += drawn.log("lost", drawn.lost)
            lost_lines += len(drawn.lost)
        record(ledger, lines)
        for night in range(NIGHTS):
            observe(database, ledger, histories, "seen", night)
        check_log(database, ledger, histories)
        with ConnectedReader(database) as reader:
            open_figures += sum(held_by(reader, drawn) for drawn in histories)
    assert open_figures > number
    assert lost_lines > number // 2
