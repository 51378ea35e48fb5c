"""Figures as known now and as known at issue, for many lines in a few questions.

A figure that no later entry touches is the same in both; only the others are counted
again, each as known at a position of its own, by the one query that counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import accumulate, groupby
from typing import NamedTuple

from seat_ledger.domain.counting_rules import TIME, is_of_contract, measure
from seat_ledger.projections.billing.audit.contracts import Contract
from seat_ledger.projections.billing.bounds import (
    Bounds,
    FigureKey,
    bounds,
    with_windows,
)
from seat_ledger.projections.billing.figures import as_known, microseconds, quantity
from seat_ledger.projections.periods import PeriodRow, row_of
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row

ByType = dict[str, Row]
Rule = tuple[str, str | None]
CONTRACT, HELD = "contract", "held"


def family(mode: str) -> str:
    """Which entries can touch a figure: those of the contract, or of what was held."""
    return CONTRACT if is_of_contract(mode) else HELD


class FigureRequest(NamedTuple):
    """A figure that is wanted as known at a position of its own."""

    contract: Contract
    period: PeriodRow
    known_at: int


def figures_now(
    reader: ConnectedReader,
    selected: Sequence[tuple[Contract, PeriodRow]],
    known_at: Knowledge,
) -> dict[tuple[int, int], ByType]:
    """The figures of some periods by account and period, then by seat type.

    Those that keep other bounds than the tables' are counted in their own.
    """
    retained = [pair for pair in selected if pair[0].retains(pair[1])]
    selected = [pair for pair in selected if not pair[0].retains(pair[1])]
    of = {(row.account_no, row.period_no): row for _, row in selected}
    if reader.has_tables and known_at.position == reader.head:
        counted = reader.ask(
            "billing/audit",
            "stored",
            account_nos=[number for number, _ in of],
            period_nos=[number for _, number in of],
        )
    else:
        counted = as_known(reader, _without_gaps(selected, known_at), known_at)
    requests = [FigureRequest(*pair, known_at.position) for pair in retained]
    by_period: dict[tuple[int, int], ByType] = {
        (request.contract.no, request.period.period_no): by_type
        for request, by_type in zip(
            requests, figures_then(reader, requests), strict=True
        )
    }
    for row in counted:
        place = (row["account_no"], row["period_no"])
        if place in of:
            period = of[place]
            whole = {"days": period.days, "starts": period.starts, "ends": period.ends}
            by_period.setdefault(place, {})[row["seat_type"]] = {**row, **whole}
    return by_period


def figure_bounds(
    reader: ConnectedReader,
    selected: Sequence[tuple[Contract, PeriodRow]],
    known_at: Knowledge,
) -> dict[FigureKey, Bounds]:
    """What windows leave open of the figures of some periods (R89)."""
    numbers = {contract.no for contract, _ in selected}
    derived = with_windows(reader, numbers, known_at)
    open_ = [pair for pair in selected if pair[0].no in derived]
    periods = [pair for pair in open_ if not pair[1].is_window]
    between = bounds(reader, _without_gaps(periods, known_at), known_at)
    for _, row in open_:
        if row.is_window:
            between |= bounds(reader, [row], known_at)
    return between


def _without_gaps(
    selected: Sequence[tuple[Contract, PeriodRow]], known_at: Knowledge
) -> list[PeriodRow]:
    """The periods with those between them: the counting needs a row of them."""
    rows: list[PeriodRow] = []
    for contract, periods in _by_contract(selected):
        numbers = [period.period_no for period in periods]
        facts = contract.facts(known_at.position)
        rows += [
            row_of(facts, facts.calendar.period(k))
            for k in range(min(numbers), max(numbers) + 1)
        ]
    return rows


def _by_contract(
    selected: Sequence[tuple[Contract, PeriodRow]],
) -> Iterable[tuple[Contract, list[PeriodRow]]]:
    ordered = sorted(selected, key=lambda pair: pair[0].no)
    for _, pairs in groupby(ordered, key=lambda pair: pair[0].no):
        group = list(pairs)
        yield group[0][0], [period for _, period in group]


def figures_then(
    reader: ConnectedReader, requests: Sequence[FigureRequest]
) -> list[ByType]:
    """Each figure as known at its own position, by seat type."""
    if not requests:
        return []
    selected = [(request.period, request.known_at) for request in requests]
    by_request: list[ByType] = [{} for _ in requests]
    for row in reader.count_each(selected):
        period = requests[row["account_no"]].period
        whole = {"days": period.days, "starts": period.starts, "ends": period.ends}
        by_request[row["account_no"]][row["seat_type"]] = {**row, **whole}
    return by_request


def quantity_within(period: PeriodRow, figures: Iterable[Row], rule: Rule) -> Fraction:
    """What a rule makes of the figures of some parts of a period, each by its part."""
    return sum(
        (quantity(row, *rule) * part_of(period, row, rule) for row in figures),
        Fraction(0),
    )


def part_of(period: PeriodRow, figure: Row, rule: Rule) -> Fraction:
    """How much of a period a figure is of: by its length, or by its local dates."""
    whole: Row = period._asdict()
    if (figure["starts"], figure["ends"]) == (period.starts, period.ends):
        return Fraction(1)
    if measure(*rule).over == TIME:
        return Fraction(microseconds(figure), microseconds(whole))
    return Fraction(int(figure["days"]), period.days)


class TouchedFigures:
    """By account, period and type: the last entry that can touch its figures."""

    def __init__(
        self,
        reader: ConnectedReader,
        selected: Sequence[tuple[Contract, PeriodRow]],
        after: int,
        until: int,
    ) -> None:
        self.order: dict[tuple[int, int], int] = {}
        self.sizes: dict[int, int] = {}
        account_nos, ends = [], []
        for contract, periods in _by_contract(selected):
            rows = sorted(periods, key=lambda row: row.ends)
            for place, row in enumerate(rows):
                self.order[contract.no, row.period_no] = place
            self.sizes[contract.no] = len(rows)
            account_nos.append(contract.no)
            ends.append(
                "{" + ",".join(f'"{row.ends.isoformat()}"' for row in rows) + "}"
            )
        self.lasts: dict[tuple[int, str, str], list[int]] = {}
        entries = reader.ask(
            "billing/audit",
            "touched",
            account_nos=account_nos,
            ends=ends,
            after=after,
            until_position=until,
        )
        for entry in entries:
            self._add(entry)
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
