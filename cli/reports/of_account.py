"""The report of an account: what was billable in some periods, opened into parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from seat_ledger.cli.output import times
from seat_ledger.cli.output.windows import OPEN_FIGURES, is_open
from seat_ledger.cli.reports.content import (
    Content,
    ReportColumn,
    ReportLine,
    Table,
    cells_of,
)
from seat_ledger.cli.reports.of_audit import rules_text
from seat_ledger.cli.reports.pictures import pictured
from seat_ledger.domain.calendar import TZDATA_VERSION, BillingPeriod
from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import iso
from seat_ledger.projections import billing
from seat_ledger.projections.billing import explain
from seat_ledger.projections.billing.bounds import with_windows
from seat_ledger.projections.billing.price_book import UnitPrice
from seat_ledger.projections.billing.totals import summed
from seat_ledger.projections.reader import AccountFacts, AccountQuestion, Knowledge

Row = dict[str, Any]
COLUMNS = (
    ReportColumn("period", "date"),
    ReportColumn("seat type"),
    ReportColumn("days", "number"),
    ReportColumn("opening", "number"),
    ReportColumn("bought", "number", field="purchased"),
    ReportColumn("retired", "number"),
    ReportColumn("closing", "number"),
    ReportColumn("quantity", "number"),
    ReportColumn("peak held", "number", field="assigned_peak"),
    ReportColumn("idle seat days", "number"),
    ReportColumn("unit price", "money"),
    ReportColumn("amount", "money"),
    ReportColumn("rule"),
    ReportColumn("complete"),
    ReportColumn("from", "instant", on_page=False),
    ReportColumn("until", "instant", on_page=False),
    ReportColumn("quantity exactly", on_page=False, field="quantity_exact"),
    *(
        ReportColumn(f"{title} {end}", kind, on_page=False, field=f"{name}_{end}")
        for title, name, kind in (
            ("quantity", "quantity", "number"),
            ("peak held", "assigned_peak", "number"),
            ("idle seat days", "idle_seat_days", "number"),
            ("amount", "amount", "money"),
        )
        for end in ("least", "most")
    ),
)
_OPEN = {column.title: column.field for column in COLUMNS[-8:]}
"""What windows leave open of a figure (R89): on a page where they do."""
PARTS = (
    ReportColumn("seat"),
    ReportColumn("user"),
    ReportColumn("from", "instant"),
    ReportColumn("until", "instant"),
    ReportColumn("quantity", "number"),
    ReportColumn("amount", "money"),
    ReportColumn("opened by", "number"),
    ReportColumn("closed by", "number"),
    ReportColumn("by", field="actor"),
    ReportColumn("reason"),
    ReportColumn("recorded", "instant", field="recorded_at"),
)
DERIVED_PARTS = (
    *PARTS,
    ReportColumn("begun after", "instant", field="held_after"),
    ReportColumn("ended after", "instant", field="until_after"),
)
"""The parts of an account of which lists tell something (R85)."""


class _Account:
    """An account with the figures that were asked for."""

    def __init__(self, question: AccountQuestion, query: billing.CountsQuery) -> None:
        self.question, self.query = question, query
        self.rows = billing.counts(*question, query).rows
        reader, account, known_at, _ = question
        derived = with_windows(reader, [account.no], known_at)
        self.part_columns = DERIVED_PARTS if derived else PARTS

    def lines(self) -> Iterator[ReportLine]:
        """A line for each figure."""
        for row in self.rows:
            yield ReportLine(_cells(row), "", row)

    def opened(self, lines: Sequence[ReportLine]) -> list[list[Sequence[Any]]]:
        """The parts of some figures."""
        return [self._parts(line.source) for line in lines]

    def _parts(self, row: Row) -> list[Sequence[Any]]:
        rule = (row["mode"], row["granularity"])
        period = self._period(row)
        price = None
        if row["unit_price"] and row["price_for"] != "periods":
            currency = Currency.named(row["currency"])
            price = UnitPrice(Fraction(row["unit_price"]), currency)
        figure = explain.opened(self.question, period, row["seat_type"], rule)
        parts = explain.part_rows(self.question.reader, figure, price)
        return [cells_of(self.part_columns, part) for part in parts]

    def _period(self, row: Row) -> BillingPeriod:
        account = self.question.account
        if self.query.window is not None:
            return billing.window(account, *self.query.window)
        return billing.labelled(account, row["period"])


def of_account(question: AccountQuestion, query: billing.CountsQuery) -> Content:
    """What the report of an account says."""
    _, account, knowledge, now = question
    figures = _Account(question, query)
    rows = figures.rows
    starts = min((row["from"] for row in rows), default=account.opened_at)
    ends = max((row["until"] for row in rows), default=None)
    pictures = [pictured(question, starts, ends)] if ends else []
    shown = {title for title, name in _OPEN.items() if _is_open(rows, name)}
    alike = "rule" if len({_rule(row) for row in rows}) == 1 else ""
    return Content(
        title=f"Billable seats of {account.name} ({account.key})",
        sentence=_sentence(account, rows),
        facts=_facts(account, knowledge, now, rows, (starts, ends)),
        summary=_totals(rows),
        columns=[
            column._replace(
                on_page=column.title in shown
                or (column.on_page and column.title != alike)
            )
            for column in COLUMNS
        ],
        lines=figures.lines,
        parts=figures.part_columns,
        opened=figures.opened,
        pictured=pictures,
        known_at=(knowledge.position, knowledge.recorded_at),
        named_by=("period", "seat type", "rule"),
        notes=(*_NOTES, OPEN_FIGURES) if shown else _NOTES,
        part=("part", "parts"),
    )


def repeated_at(knowledge: Knowledge, until: datetime) -> str:
    """The state of knowledge as the command is given it that repeats a report."""
    return iso(until) if until != knowledge.recorded_at else str(knowledge.position)


def _is_open(rows: list[Row], name: str) -> bool:
    """Whether windows leave a figure of some row open, by a name of its ends."""
    figure = name.removesuffix("_least").removesuffix("_most")
    return any(is_open(row, figure) for row in rows)


_NOTES = (
    "The parts of a line add up to its quantity exactly, and to its amount.",
    '"Complete: no" means that the period has not ended; it is counted as if nothing '
    "more happened. A forecast is for a period that has not begun, and is in no total.",
    "A window over several periods is priced period by period: each part by its share "
    "of its period, rounded, then added up; its parts show no amounts.",
)


def _cells(row: Row) -> Sequence[Any]:
    complete = "forecast" if row["forecast"] else "yes" if row["complete"] else "no"
    return cells_of(COLUMNS, {**row, "rule": _rule(row), "complete": complete})


def _rule(row: Row) -> str:
    by = f" by {row['granularity']}" if row["granularity"] else ""
    return f"{row['mode']}{by}"


def _sentence(account: AccountFacts, rows: list[Row]) -> str:
    if not rows:
        return f"Nothing of {account.key} is billable then."
    rules = len({(row["mode"], row["granularity"]) for row in rows})
    if rules > 1:
        return (
            f"What {account.key} would be billed by {rules} counting rules, side by "
            f"side: {len(rows)} figures from the same history."
        )
    begun = [row for row in rows if not row["forecast"]]
    if not begun:
        return (
            f"None of these periods of {account.key} has begun: every figure is a "
            "forecast."
        )
    rows = begun
    last = rows[-1]["from"]
    now = [row for row in rows if row["from"] == last]
    quantities = ", ".join(f"{row['quantity']} {row['seat_type']}" for row in now[:6])
    periods = len({row["from"] for row in rows})
    when = "in the one period" if periods == 1 else f"in the last of {periods} periods"
    amount = _amount(rows)
    total = f" Altogether {amount}." if amount else ""
    return f"{account.key} is billed for {quantities} {when}.{total}"


def _amount(rows: list[Row]) -> str:
    """What the figures come to, and what of them has no price (R93)."""
    together = summed(rows)
    if not together.is_priced:
        return ""
    text = " and ".join(map(str, together.totals))
    free = dict.fromkeys(row["seat_type"] for row in together.not_priced)
    return f"{text}, without {', '.join(free)}, which have no price" if free else text


def _facts(
    account: AccountFacts,
    knowledge: Knowledge,
    now: datetime,
    rows: list[Row],
    within: tuple[datetime, datetime | None],
) -> list[tuple[str, str]]:
    rules = dict.fromkeys((row["mode"], row["granularity"]) for row in rows)
    zones = dict.fromkeys(account.zones.at(row["from"]) for row in rows)
    span = "none"
    if within[1] is not None:
        from_, until = (times.spelled(at, account.zones) for at in within if at)
        span = f"from {from_} until {until}"
    recorded = (
        iso(knowledge.recorded_at) if knowledge.recorded_at else "nothing recorded"
    )
    if knowledge.recorded_at and now > knowledge.recorded_at:
        recorded += f"; nothing more by {iso(now)}"
    return [
        ("Rule", rules_text(rules)),
        ("Time zone", ", ".join(zones) or account.zones.current),
        ("Effective time", span),
        ("Known at", f"position {knowledge.position}, recorded {recorded}"),
        ("Time zone data", TZDATA_VERSION),
    ]


def _totals(rows: list[Row]) -> list[Table]:
    """What each type comes to over the periods."""
    columns = (
        ReportColumn("seat type"),
        ReportColumn("periods", "number"),
        ReportColumn("idle seat days", "number"),
        ReportColumn("amount", "money"),
    )
    rules = {(row["mode"], row["granularity"]) for row in rows}
    if len(rules) > 1:
        return []
    cells = []
    rows = [row for row in rows if not row["forecast"]]
    for seat_type in sorted({row["seat_type"] for row in rows}):
        mine = [row for row in rows if row["seat_type"] == seat_type]
        idle = sum(row["idle_seat_days"] for row in mine)
        totals = summed(mine).totals
        amount = totals[0].amount if len(totals) == 1 else None
        cells.append((seat_type, len(mine), idle, amount))
    return [Table("By seat type", columns, cells)]
