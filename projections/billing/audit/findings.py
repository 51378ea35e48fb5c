"""What stands behind a finding: the seats of the figure, their people and their dates.

A line is explained by the seats that count in part of its period, and by those that
ended shortly before it or began shortly after it: what a vendor bills too long, or too
early. What was recorded after the invoice stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from heapq import nlargest
from itertools import islice
from typing import NamedTuple

from seat_ledger.domain.calendar import (
    BillingPeriod,
    ZoneHistory,
    date_of,
    local_date,
)
from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.money import exactly
from seat_ledger.domain.values import FOREVER
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound
from seat_ledger.projections import billing
from seat_ledger.projections.billing import explain
from seat_ledger.projections.billing.audit.contracts import own_dates
from seat_ledger.projections.billing.audit.line_store import (
    FigureName,
    OwedLines,
    Spool,
)
from seat_ledger.projections.billing.audit.lines import BilledDates
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    holdings,
    lives,
)
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
)

_NEARBY = timedelta(days=62)
_OPEN = ("ledger_quantity_least", "ledger_quantity_most", "within_windows")
MOST_EXPLAINED = 200
"""As many findings have their seats beside them: those of most money."""
MOST_PERIODS = 4
"""As many periods of the account are named each, in which a line's dates lie."""
MOST_LISTED = 50_000
"""As many findings are listed in words and summed; the rows of the answer have all."""


class SeatFact(NamedTuple):
    """A seat that bears on a finding, and when: `when` is before, within or after the
    period; or whole, where it counts for all of it. What lists alone saw happened after
    `first_after` or `until_after` (R85).
    """

    seat: str
    user: str | None
    when: str
    first: str
    until: str | None
    dates: int | None
    quantity: Fraction
    opened_by: int
    closed_by: int | None
    first_after: str | None = None
    until_after: str | None = None


class AuditFinding(NamedTuple):
    """A row that is no match, the period that it bills, and what explains it.

    `why_unknown` says that the ledger has no such account, period or type, or that the
    dates of the line (`period`) are none of its periods, but lie in so many
    (`own_count`): `own_periods` are all, or the first and the last. `owed_elsewhere`
    are other lines that bill its figure in full; `later` are the entries recorded after
    the invoice, where they are looked up. `zones` are those of the account, UTC's of
    one that the ledger has not. One of less money than :data:`MOST_EXPLAINED` others is
    not explained by its seats.
    """

    row: Row
    period: BillingPeriod | None
    seats: Sequence[SeatFact] = ()
    why_unknown: str = ""
    later: Sequence[Row] = ()
    zones: ZoneHistory = ZoneHistory("UTC")
    is_explained: bool = True
    own_periods: Sequence[BillingPeriod] = ()
    own_count: int = 0
    owed_elsewhere: OwedLines | None = None

    @property
    def later_positions(self) -> list[int]:
        """What was recorded after the invoice was issued, and touches the figure."""
        if self.row["cause"] != "corrected_later":
            return []
        issued = self.row["issued_position"]
        return [position for position in self.row["events"] if position > issued]

    @property
    def owed_by(self) -> str | None:
        """Who owes the difference: the vendor, the customer, or nobody."""
        difference = self.row["difference"]
        if difference is None or Fraction(difference) == 0:
            return None
        return "customer" if difference.startswith("-") else "vendor"

    @property
    def owed(self) -> Fraction | None:
        """How much is owed; None where the finding is not priced."""
        difference = self.row["difference"]
        return None if difference is None else abs(Fraction(difference))

    def fields(self) -> Row:
        """What a document has of it."""
        names = ("line", "invoice", "account", "period", "seat_type", "verdict")
        return {
            **{name: self.row[name] for name in (*names, "cause", "currency", *_OPEN)},
            "owed_by": self.owed_by,
            "owed_amount": (self.row["difference"] or "").lstrip("-") or None,
            "seats": [
                {**seat._asdict(), "quantity": exactly(seat.quantity)}
                for seat in self.seats
            ],
            "recorded_later": self.later_positions,
        }


def explained(
    reader: ConnectedReader, spool: Spool, known_at: Knowledge
) -> Iterator[AuditFinding]:
    """The findings of an audit, each with what explains it."""
    accounts: dict[str, AccountFacts] = {}
    most_money = _of_most_money(spool)
    owed = cache(spool.owed_lines)
    for n, row in enumerate(islice(spool.answers(findings=True), MOST_LISTED)):
        is_explained = n in most_money
        finding = _explain(reader, known_at, row, accounts, with_seats=is_explained)
        if is_explained:
            finding = finding._replace(owed_elsewhere=_owed_elsewhere(finding, owed))
        yield finding._replace(is_explained=is_explained)


def _owed_elsewhere(
    finding: AuditFinding, owed: Callable[[str, str], dict[FigureName, OwedLines]]
) -> OwedLines | None:
    """The other lines that bill a finding's figure in full, where that is so."""
    row = finding.row
    counted = sum((seat.quantity for seat in finding.seats), Fraction(0))
    if row["ledger_quantity"] != "0" or counted <= 0 or finding.why_unknown:
        return None
    figure = row["period"], row["mode"], row["granularity"]
    return owed(row["account"], row["seat_type"]).get(figure)


def _of_most_money(spool: Spool) -> set[int]:
    """Which findings differ by most money, by their places; earlier ones first."""
    rows = islice(spool.answers(findings=True), MOST_LISTED)
    amounts = (
        (abs(Fraction(row["difference"] or 0)), -n) for n, row in enumerate(rows)
    )
    return {-place for _, place in nlargest(MOST_EXPLAINED, amounts)}


def _explain(
    reader: ConnectedReader,
    known_at: Knowledge,
    row: Row,
    accounts: dict[str, AccountFacts],
    *,
    with_seats: bool,
) -> AuditFinding:
    key = row["account"]
    try:
        if key not in accounts:
            accounts[key] = reader.account(key, known_at)
    except NotFound:
        return AuditFinding(row, None, (), "account")
    account = accounts[key]
    dates = BilledDates.written(row["period"])
    own = _own_periods(account, dates)
    finding = AuditFinding(row, None, zones=account.zones)
    finding = finding._replace(own_periods=own[0], own_count=own[1])
    try:
        if dates.span is None:
            period = billing.labelled(account, row["period"])
        else:
            period = own_dates(account, dates.span)
            finding = finding._replace(why_unknown="bounds")
    except (NotFound, CommandRefused, InvalidInput):
        return finding._replace(why_unknown="period")
    finding = finding._replace(period=period)
    if row["seat_type"] not in reader.types.numbers:
        return finding._replace(why_unknown="seat type")
    question = AccountQuestion(reader, account, known_at)
    seats = _seats(question, period, row) if with_seats else ()
    return finding._replace(seats=seats)


def _own_periods(
    account: AccountFacts, dates: BilledDates
) -> tuple[list[BillingPeriod], int]:
    """The account's periods in which a line's dates lie, and how many they are.

    Of more than a few they are the first and the last.
    """
    calendar = account.calendar
    first = date_of(dates.label)
    last = first if dates.span is None else dates.span[1] - timedelta(days=1)
    try:
        starts, ends = (account.zones.bound(day).instant for day in (first, last))
        if ends < calendar.bound(0).instant:
            return [], 0
        begin, end = (calendar.period_at(instant).index for instant in (starts, ends))
        count = end + 1 - begin
        places = range(begin, end + 1) if count <= MOST_PERIODS else (begin, end)
        return [calendar.period(place) for place in places], count
    except InvalidInput:  # a date at the end of the calendar
        return [], 0


def _seats(
    question: AccountQuestion, period: BillingPeriod, row: Row
) -> list[SeatFact]:
    rule = row["mode"], row["granularity"]
    parts = explain.opened(question, period, row["seat_type"], rule)
    find = lives if is_of_contract(rule[0]) else holdings
    nearby = find(
        question,
        CountedSpan([row["seat_type"]], period.starts - _NEARBY, period.ends + _NEARBY),
    )
    outside = [
        item
        for item in nearby
        if item.starts < item.ends
        and (
            period.starts - _NEARBY <= item.ends <= period.starts
            or period.ends <= item.starts
        )
    ]
    people = question.reader.people(
        interval.user_no
        for interval in (*outside, *(part.interval for part in parts))
        if interval.user_no is not None
    )
    facts = [
        _fact(
            question,
            part.interval,
            people,
            "within" if _is_partial(part.interval, period) else "whole",
            part.quantity,
            part.dates,
        )
        for part in parts
    ]
    facts += [
        _fact(
            question,
            interval,
            people,
            "before" if interval.ends <= period.starts else "after",
            Fraction(0),
            0,
        )
        for interval in outside
    ]
    return _with_windows(question, facts)


def _with_windows(
    question: AccountQuestion, facts: Sequence[SeatFact]
) -> list[SeatFact]:
    """The facts with the other ends of the windows in which they happened (R85)."""
    windows = question.reader.windows(
        entry for fact in facts for entry in (fact.opened_by, fact.closed_by)
    )
    return [
        fact._replace(
            first_after=_day(question, windows.get(fact.opened_by)),
            until_after=_day(question, windows.get(fact.closed_by)),
        )
        for fact in facts
    ]


def _day(question: AccountQuestion, at: datetime | None) -> str | None:
    """The local date of an instant."""
    if at is None or at == FOREVER:
        return None
    return local_date(at, question.account.zones.at(at)).isoformat()


def _is_partial(interval: CountedInterval, period: BillingPeriod) -> bool:
    return interval.starts > period.starts or interval.ends < period.ends


def _fact(  # noqa: PLR0913, PLR0917  what one fact consists of
    question: AccountQuestion,
    interval: CountedInterval,
    people: dict[int, Row],
    when: str,
    quantity: Fraction,
    dates: int | None,
) -> SeatFact:
    user = None if interval.user_no is None else people[interval.user_no]["user"]
    first = _day(question, interval.starts)
    assert first is not None
    return SeatFact(
        interval.seat,
        user,
        when,
        first,
        _day(question, interval.ends),
        dates,
        quantity,
        interval.opened,
        interval.closed,
    )
