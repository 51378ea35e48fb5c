"""The report of an account: what was billable in some periods, opened into parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.output.windows import is_open
from seat_ledger.cli.reports.content import (
    Content,
    PlottedTable,
    ReportColumn,
    ReportLine,
    Table,
    cells_of,
    sums_of,
)
from seat_ledger.cli.reports.in_short import AccountInShort, quantities
from seat_ledger.cli.reports.of_audit import known_text, rule_named, rules_text
from seat_ledger.cli.reports.pictures import pictured
from seat_ledger.domain.calendar import TZDATA_VERSION, BillingPeriod
from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import iso
from seat_ledger.projections import billing
from seat_ledger.projections.billing import explain
from seat_ledger.projections.billing.bounds import with_windows
from seat_ledger.projections.billing.price_book import UnitPrice
from seat_ledger.projections.billing.totals import added, summed
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
    ReportColumn("opened by", "entry"),
    ReportColumn("closed by", "entry"),
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

    def __init__(
        self, question: AccountQuestion, query: billing.CountsQuery, words: Words
    ) -> None:
        self.question, self.query, self.words = question, query, words
        self.rows = billing.counts(*question, query).rows
        reader, account, known_at, _ = question
        derived = with_windows(reader, [account.no], known_at)
        self.part_columns = DERIVED_PARTS if derived else PARTS

    def lines(self) -> Iterator[ReportLine]:
        """A line for each figure."""
        for row in self.rows:
            yield ReportLine(_cells(row, self.words), "", row)

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


def of_account(
    question: AccountQuestion, query: billing.CountsQuery, words: Words
) -> Content:
    """What the report of an account says, in a language."""
    account, knowledge = question.account, question.known_at
    figures = _Account(question, query, words)
    rows = figures.rows
    starts = min((row["from"] for row in rows), default=account.opened_at)
    ends = max((row["until"] for row in rows), default=None)
    pictures = [pictured(question, starts, ends, words)] if ends else []
    shown = {title for title, name in _OPEN.items() if _is_open(rows, name)}
    alike = "rule" if len({rule_named(row, words) for row in rows}) == 1 else ""
    notes = (*_NOTES, "report_open_note") if shown else _NOTES
    return Content(
        words=words,
        title=words("report_of_account", name=account.name, account=account.key),
        sentence=_sentence(account, rows, words),
        in_short=AccountInShort(question, query, rows, words).lines(),
        facts=_facts(question, rows, (starts, ends), words),
        summary=_totals(rows, words),
        columns=[
            column._replace(
                on_page=column.title in shown
                or (column.on_page and column.title != alike)
            )
            for column in COLUMNS
        ],
        lines=figures.lines,
        sums=list(_below(rows, words)),
        parts=figures.part_columns,
        opened=figures.opened,
        pictured=pictures,
        known_at=(knowledge.position, knowledge.recorded_at),
        zones_of=lambda _: account.zones,
        named_by=("period", "seat type", "rule"),
        notes=[words(note) for note in notes],
        part="report_parts",
        plotted=list(_plotted(rows, words)),
    )


def repeated_at(knowledge: Knowledge, until: datetime) -> str:
    """The state of knowledge as the command is given it that repeats a report."""
    return iso(until) if until != knowledge.recorded_at else str(knowledge.position)


def _is_open(rows: list[Row], name: str) -> bool:
    """Whether windows leave a figure of some row open, by a name of its ends."""
    figure = name.removesuffix("_least").removesuffix("_most")
    return any(is_open(row, figure) for row in rows)


_NOTES = ("report_parts_note", "report_complete_note", "report_window_note")


def _cells(row: Row, words: Words) -> Sequence[Any]:
    complete = "report_forecast"
    if not row["forecast"]:
        complete = "yes" if row["complete"] else "no"
    shown = {"rule": rule_named(row, words), "complete": words(complete)}
    return cells_of(COLUMNS, {**row, **shown})


def _below(rows: list[Row], words: Words) -> Iterator[Sequence[Any]]:
    """The sums below the figures; those by several rules do not add up."""
    if len({(row["mode"], row["granularity"]) for row in rows}) != 1:
        return
    begun = [row for row in rows if not row["forecast"]]
    for total in added(begun, "amount", "amount_least", "amount_most"):
        name = f"{words('report_total')} {total['currency'] or ''}".rstrip()
        yield sums_of(COLUMNS, {**total, "seat_type": name})


def _sentence(account: AccountFacts, rows: list[Row], words: Words) -> str:
    key = account.key
    if not rows:
        return words("report_nothing", account=key)
    rules = len({(row["mode"], row["granularity"]) for row in rows})
    if rules > 1:
        figures = words.number(len(rows))
        return words("report_rules", account=key, rules=rules, figures=figures)
    begun = [row for row in rows if not row["forecast"]]
    if not begun:
        return words("report_all_forecast", account=key)
    last = begun[-1]["from"]
    now = [row for row in begun if row["from"] == last]
    amount = _amount(begun, words)
    return words.counted(
        "report_billed",
        len({row["from"] for row in begun}),
        account=key,
        quantities=quantities(words, now),
        total=words("report_altogether", amount=amount) if amount else "",
    )


def _amount(rows: list[Row], words: Words) -> str:
    """What the figures come to, and what of them has no price (R93)."""
    together = summed(rows)
    amounts = [words.money(sum_.amount, sum_.currency) for sum_ in together.totals]
    text = words.listed(amounts)
    free = dict.fromkeys(row["seat_type"] for row in together.not_priced)
    if not (text and free):
        return text
    return words("report_without", amount=text, types=", ".join(free))


def _facts(
    question: AccountQuestion,
    rows: list[Row],
    within: tuple[datetime, datetime | None],
    words: Words,
) -> list[tuple[str, str]]:
    _, account, knowledge, now = question
    rules = dict.fromkeys((row["mode"], row["granularity"]) for row in rows)
    zones = dict.fromkeys(account.zones.at(row["from"]) for row in rows)
    span = words("none")
    if within[1] is not None:
        starts, ends = (words.spelled(at, account.zones) for at in within if at)
        span = words("report_span", starts=starts, ends=ends)
    return [
        (words("report_fact_rule"), rules_text(rules, words)),
        (words("report_fact_zone"), ", ".join(zones) or account.zones.current),
        (words("report_fact_effective"), span),
        (words("report_fact_known"), known_text(knowledge, words, now)),
        (words("report_fact_tzdata"), TZDATA_VERSION),
    ]


def _totals(rows: list[Row], words: Words) -> list[Table]:
    """What each type comes to over the periods, and all of them."""
    columns = (
        ReportColumn("seat type"),
        ReportColumn("periods", "number"),
        ReportColumn("idle seat days", "number"),
        ReportColumn("amount", "money"),
        ReportColumn("currency"),
    )
    rules = {(row["mode"], row["granularity"]) for row in rows}
    if len(rules) > 1:
        return []
    cells: list[tuple[Any, ...]] = []
    rows = [row for row in rows if not row["forecast"]]
    for seat_type in sorted({row["seat_type"] for row in rows}):
        mine = [row for row in rows if row["seat_type"] == seat_type]
        cells += _sums(seat_type, mine)
    if len({row["seat_type"] for row in rows}) > 1:
        cells += _sums(words("report_total"), rows)
    return [Table(words("report_by_type"), columns, cells)]


def _sums(name: str, rows: list[Row]) -> Iterator[tuple[Any, ...]]:
    """The sums of some figures, a row for each currency."""
    periods = len({row["from"] for row in rows})
    idle = sum(row["idle_seat_days"] for row in rows)
    totals = summed(rows).totals
    amounts: list[tuple[Any, Any]] = [
        (total.amount, total.currency) for total in totals
    ] or [(None, None)]
    for amount, currency in amounts:
        yield name, periods, idle, amount, currency


def _plotted(rows: list[Row], words: Words) -> Iterator[PlottedTable]:
    """Seats per period by type, and money per period by currency."""
    begun = [row for row in rows if not row["forecast"]]
    if len({(row["mode"], row["granularity"]) for row in begun}) != 1:
        return
    seats: dict[datetime, dict[str, Any]] = {}
    money: dict[datetime, dict[str, Any]] = {}
    labels: dict[datetime, str] = {}
    for row in begun:
        starts = row["from"]
        labels[starts] = words.date(row["period"] or str(starts.date()))
        seats.setdefault(starts, {})[row["seat_type"]] = row["quantity"]
    for starts in labels:
        of_period = [row for row in begun if row["from"] == starts]
        totals = summed(of_period).totals
        if totals:
            money[starts] = {
                total.currency or words.column("amount"): total.amount
                for total in totals
            }
    for title, values, kind in (
        ("chart_seats", seats, "number"),
        ("chart_money", money, "money"),
    ):
        names = sorted({name for cells in values.values() for name in cells})
        columns = [ReportColumn("period")]
        columns += [ReportColumn(name, kind, is_data=True) for name in names]
        cells = [
            (labels[starts], *(of.get(name) for name in names))
            for starts, of in values.items()
        ]
        yield PlottedTable(Table(words(title), columns, cells), "stacked")
