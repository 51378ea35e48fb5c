"""Figures as known now and as known at issue, for many lines in a few questions.

A figure that no later entry touches is the same in both; only the others are counted
again, each as known at a position of its own, by the one query that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import Any, NamedTuple

from seat_ledger.projections.billing.audit.contracts import Contract
from seat_ledger.projections.billing.figures import as_known
from seat_ledger.projections.engine.figures_query import counting
from seat_ledger.projections.periods import PeriodRow, columns, row_of
from seat_ledger.projections.reader import Knowledge, Reader, Row

ByType = dict[str, Row]
CONTRACT, HELD = "contract", "held"


def family(mode: str) -> str:
    """Which entries can touch a figure: those of the contract, or of what was held."""
    return CONTRACT if mode == "contracted" else HELD


class FigureRequest(NamedTuple):
    """A figure that is wanted as known at a position of its own."""

    contract: Contract
    period: PeriodRow
    known: int


def figures_now(
    reader: Reader, wanted: Sequence[tuple[Contract, PeriodRow]], known: Knowledge
) -> dict[tuple[int, int], ByType]:
    """The figures of some periods by account and period, then by seat type."""
    of = {(row.account_no, row.period_no): row for _, row in wanted}
    if known.position == reader.head:
        counted = reader.ask(
            "billing/audit",
            "kept",
            account_nos=[number for number, _ in of],
            period_nos=[number for _, number in of],
        )
    else:
        counted = as_known(reader, _without_gaps(wanted, known), known)
    found: dict[tuple[int, int], ByType] = {}
    for row in counted:
        place = (row["account_no"], row["period_no"])
        if place in of:
            period = of[place]
            whole = {"days": period.days, "starts": period.starts, "ends": period.ends}
            found.setdefault(place, {})[row["seat_type"]] = {**row, **whole}
    return found


def _without_gaps(
    wanted: Sequence[tuple[Contract, PeriodRow]], known: Knowledge
) -> list[PeriodRow]:
    """The periods with those between them: the counting needs a row of them."""
    rows: list[PeriodRow] = []
    for contract, some in _by_contract(wanted):
        numbers = [period.period_no for period in some]
        facts = contract.facts(known.position)
        rows += [
            row_of(facts, facts.calendar.period(k))
            for k in range(min(numbers), max(numbers) + 1)
        ]
    return rows


def _by_contract(
    wanted: Sequence[tuple[Contract, PeriodRow]],
) -> Iterable[tuple[Contract, list[PeriodRow]]]:
    ordered = sorted(wanted, key=lambda pair: pair[0].no)
    for _, pairs in groupby(ordered, key=lambda pair: pair[0].no):
        some = list(pairs)
        yield some[0][0], [period for _, period in some]


def figures_then(reader: Reader, asked: Sequence[FigureRequest]) -> list[ByType]:
    """Each figure as known at its own position, by seat type."""
    if not asked:
        return []
    numbered = [one.period._replace(account_no=n) for n, one in enumerate(asked)]
    given = columns(numbered)
    arrays: dict[str, Any] = {
        "account_nos": given["account_no"],
        "period_nos": given["period_no"],
        "starts": given["starts"],
        "ends": given["ends"],
        "day_starts": given["day_starts"],
        "pairs": given["account_no"],
        "pair_accounts": [one.contract.no for one in asked],
        "pair_knowns": [one.known for one in asked],
    }
    found: list[ByType] = [{} for _ in asked]
    for row in reader.run(counting("given", "paired"), arrays):
        period = asked[row["account_no"]].period
        whole = {"days": period.days, "starts": period.starts, "ends": period.ends}
        found[row["account_no"]][row["seat_type"]] = {**row, **whole}
    return found


class TouchedFigures:
    """By account, period and type: the last entry that can touch its figures."""

    def __init__(
        self,
        reader: Reader,
        wanted: Sequence[tuple[Contract, PeriodRow]],
        after: int,
        upto: int,
    ) -> None:
        self.order: dict[tuple[int, int], int] = {}
        self.sizes: dict[int, int] = {}
        account_nos, ends = [], []
        for contract, periods in _by_contract(wanted):
            rows = sorted(periods, key=lambda row: row.ends)
            for place, row in enumerate(rows):
                self.order[contract.no, row.period_no] = place
            self.sizes[contract.no] = len(rows)
            account_nos.append(contract.no)
            ends.append(
                "{" + ",".join(f'"{row.ends.isoformat()}"' for row in rows) + "}"
            )
        self.lasts: dict[tuple[int, str, str], list[int]] = {}
        found = reader.ask(
            "billing/audit",
            "touched",
            account_nos=account_nos,
            ends=ends,
            after=after,
            upto=upto,
        )
        for told in found:
            self._add(told)
        for key, lasts in self.lasts.items():
            self.lasts[key] = list(accumulate(lasts, max))

    def _add(self, row: Row) -> None:
        size = self.sizes[row["account_no"]]
        if row["bucket"] >= size:
            return
        for kind in (CONTRACT, HELD):
            key = (row["account_no"], row["seat_type"], kind)
            lasts = self.lasts.setdefault(key, [0] * size)
            lasts[row["bucket"]] = max(lasts[row["bucket"]], row[kind] or 0)

    def last(self, period: PeriodRow, seat_type: str, kind: str) -> int:
        """The last entry recorded that can touch a figure; 0 for none."""
        lasts = self.lasts.get((period.account_no, seat_type, kind))
        if lasts is None:
            return 0
        return lasts[self.order[period.account_no, period.period_no]]
