"""The one calendar: billing bounds, local dates and local times.

Everything that turns dates of an account into instants is here (R04 to R11), in
Python, with the pinned ``tzdata`` package; SQL is handed the results as rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]  # it brings no types

from seat_ledger.domain.values import FOREVER, as_word, shown
from seat_ledger.domain.wording import enumerated
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound

TZDATA_VERSION: str = tzdata.__version__
"""The version of the zone data: an input of every bound."""

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_WIDEST = timedelta(hours=36)
_IN_EVERY_MONTH = 28
_LABEL = re.compile(r"\d{4}-\d{2}(-\d{2})?", re.ASCII)


@cache
def zone_names() -> frozenset[str]:
    """Every zone of the pinned zone data."""
    listed = resources.files("tzdata").joinpath("zones").read_text("utf-8")
    return frozenset(listed.split())


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises NotFound (``unknown_time_zone``)."""
    if name not in zone_names():
        raise NotFound(
            "unknown_time_zone",
            f"There is no time zone {shown(name)}.",
            try_="write an IANA name such as Europe/Amsterdam",
        )
    *folders, last = name.split("/")
    package = ".".join(["tzdata", "zoneinfo", *folders])
    with resources.files(package).joinpath(last).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def local_time(instant: datetime, zone_name: str) -> datetime:
    """The naive wall-clock time at an instant."""
    return instant.astimezone(zone(zone_name)).replace(tzinfo=None)


def local_date(instant: datetime, zone_name: str) -> date:
    """The local date at an instant."""
    return instant.astimezone(zone(zone_name)).date()


def instants_of(wall: datetime, zone_name: str) -> list[datetime]:
    """Every instant at which clocks show `wall`: none, one or two, in order."""
    place = zone(zone_name)
    instants = {
        candidate
        for fold in (0, 1)
        for candidate in [wall.replace(tzinfo=place, fold=fold).astimezone(UTC)]
        if candidate.astimezone(place).replace(tzinfo=None) == wall
    }
    return sorted(instants)


@lru_cache(maxsize=65536)
def first_instant(day: date, zone_name: str) -> datetime:
    """The first instant of a local date (R05).

    The first existing instant where midnight is skipped, the first midnight where
    it comes twice, the first instant of the next date where the date is skipped.
    """
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001  wall clock
    local = midnight.replace(tzinfo=zone(zone_name))
    offset = local.utcoffset()
    if offset is not None and local.replace(fold=1).utcoffset() == offset:
        return midnight.replace(tzinfo=UTC) - offset  # neither skipped nor twice
    instants = instants_of(midnight, zone_name)
    return instants[0] if instants else _end_of_gap(midnight, zone_name)


def _end_of_gap(wall: datetime, zone_name: str) -> datetime:
    """The transition that skips `wall`: the first instant that shows a later time."""
    place = zone(zone_name)
    before = wall.replace(tzinfo=UTC) - _WIDEST
    after = wall.replace(tzinfo=UTC) + _WIDEST
    while after - before > _MICROSECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(place).replace(tzinfo=None) >= wall:
            after = middle
        else:
            before = middle
    return after


def local_dates(
    first: date, until: date, zone_name: str
) -> list[tuple[date, datetime]]:
    """The local dates that exist in ``[first, until)``, with their first instants."""
    days = (first + timedelta(days=n) for n in range((until - first).days))
    starts = [(day, first_instant(day, zone_name)) for day in days]
    return [
        (day, start) for day, start in starts if local_date(start, zone_name) == day
    ]


def add_months(anchor: date, months: int) -> date:
    """The anchor's day, `months` later, or that month's last day (R06, R07)."""
    month = anchor.year * 12 + anchor.month - 1 + months
    year, month = divmod(month, 12)
    if not date.min.year < year < date.max.year:
        raise InvalidInput(
            f"The year {year} is outside the calendar.",
            try_="name a date between the years 2 and 9998",
        )
    if anchor.day <= _IN_EVERY_MONTH:
        return date(year, month + 1, anchor.day)
    following = date(year + month // 11, (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return date(year, month + 1, min(anchor.day, last))


class ZoneChange(NamedTuple):
    """From `effective_at` on the account's clocks are those of `zone`."""

    effective_at: datetime
    zone: str


@dataclass(frozen=True)
class ZoneHistory:
    """The account's zones: the first, and each change by effective time."""

    first: str
    changes: tuple[ZoneChange, ...] = ()

    def at(self, instant: datetime) -> str:
        """The zone in force at an instant."""
        current = self.first
        for change in self.changes:
            if change.effective_at <= instant:
                current = change.zone
        return current

    @property
    def current(self) -> str:
        """The zone of the last change."""
        return self.changes[-1].zone if self.changes else self.first

    def pieces(self) -> Iterator[tuple[datetime | None, datetime | None, str]]:
        """Each zone with the half-open time in which it is in force."""
        starts: list[datetime | None] = [None, *(c.effective_at for c in self.changes)]
        ends = [*starts[1:], None]
        names = [self.first, *(c.zone for c in self.changes)]
        yield from zip(starts, ends, names, strict=True)

    def bound(self, day: date) -> Bound:
        """The first instant of a date that bounds something, and its zone (R09)."""
        name = self.first
        instant = first_instant(day, name)
        for change in self.changes:
            moved = first_instant(day, change.zone)
            if instant > change.effective_at and moved > change.effective_at:
                instant, name = moved, change.zone
        return Bound(day, instant, name)

    def changed(self, effective_at: datetime, zone_name: str) -> ZoneHistory:
        """The same history with one more change at its end."""
        return ZoneHistory(
            self.first, (*self.changes, ZoneChange(effective_at, zone_name))
        )


class Bound(NamedTuple):
    """A period's or term's bound: a local date, its first instant, and the zone."""

    day: date
    instant: datetime
    zone: str


@dataclass(frozen=True)
class DateRun:
    """Local dates in a row that begin 24 hours apart: the first, and how many."""

    day: date
    starts: datetime
    count: int


@dataclass(frozen=True)
class BillingPeriod:
    """One period ``[starts, ends)``; `label` is its first local date.

    `days` are the local dates of the zone of the first bound with their first
    instants; the last of them ends with the period (R09). They are those of `runs`
    where these are given, as an invoice keeps them, else of today's zone data.
    """

    index: int
    label: date
    starts: datetime
    ends: datetime
    zone: str
    until: date
    runs: tuple[DateRun, ...] | None = None

    @property
    def days(self) -> list[tuple[date, datetime]]:
        """Local dates of the period with their first instants, in order."""
        if self.runs is not None:
            return [
                (run.day + n * _DAY, run.starts + n * _DAY)
                for run in self.runs
                for n in range(run.count)
            ]
        dates = local_dates(self.label, self.until, self.zone)
        return [(day, start) for day, start in dates if start < self.ends]

    def in_runs(self) -> tuple[DateRun, ...]:
        """Its local dates as an invoice keeps them (R61)."""
        runs: list[DateRun] = []
        for day, starts in self.days:
            if runs:
                first, at, count = astuple(runs[-1])
                if (day - first, starts - at) == (count * _DAY,) * 2:
                    runs[-1] = DateRun(first, at, count + 1)
                    continue
            runs.append(DateRun(day, starts, 1))
        return tuple(runs)

    @property
    def seconds(self) -> float | int:
        """The elapsed seconds between the bounds (R10)."""
        elapsed = self.ends - self.starts
        whole = elapsed.days * 86400 + elapsed.seconds
        return whole + elapsed.microseconds / 1e6 if elapsed.microseconds else whole


class ContractChange(NamedTuple):
    """Other lengths, or another anchor, from a renewal on (R96); None: as before."""

    renewal: int
    term_months: int | None = None
    billing_cycle_months: int | None = None
    anchor: date | None = None


class ContractTerms(NamedTuple):
    """How periods and terms are counted from a renewal on, until the next change.

    `start` is the renewal's bound, `first_period` the number of the period that begins
    there. Months are counted from `anchor`, beginning with `offset` of them.
    """

    renewal: int
    first_period: int
    start: Bound
    anchor: date
    offset: int
    term_months: int
    billing_cycle_months: int

    def months_of_period(self, k: int) -> int:
        """How many months after the anchor period k begins, one after the first."""
        cycle = self.billing_cycle_months
        first = _first_beyond(self.anchor, self.offset, cycle, 0, self.start.day)
        return self.offset + (first + k - self.first_period - 1) * cycle

    def months_of_renewal(self, n: int) -> int:
        """How many months after the anchor renewal n lies, one after the first."""
        term = self.term_months
        first = _first_beyond(self.anchor, self.offset, term, 1, self.start.day)
        return self.offset + (first + n - self.renewal - 1) * term


@lru_cache(maxsize=4096)
def _first_beyond(
    anchor: date, offset: int, months: int, least: int, start: date
) -> int:
    """How many times so many months lead beyond a start; `least` at least."""
    count = least
    while add_months(anchor, offset + count * months) <= start:
        count += 1
    return count


@dataclass(frozen=True)
class BillingCalendar:
    """The bounds of an account's periods and terms, computed from the anchor.

    The contract may change at renewals (R96), and end at an instant (R97): the period
    in progress then ends there.
    """

    term_start: date
    term_months: int
    billing_cycle_months: int
    zones: ZoneHistory
    changes: tuple[ContractChange, ...] = ()
    closed_at: datetime | None = None
    _bounds: dict[tuple[date, int], Bound] = field(
        default_factory=dict, compare=False, repr=False
    )
    _terms: list[ContractTerms] = field(default_factory=list, compare=False, repr=False)

    @property
    def terms(self) -> list[ContractTerms]:
        """From each change on how periods and terms are counted; first the opening."""
        if not self._terms:
            start = self._bound(self.term_start, 0)
            lengths = self.term_months, self.billing_cycle_months
            terms = [ContractTerms(0, 0, start, self.term_start, 0, *lengths)]
            for change in merged(self.changes):
                terms.append(self._changed(terms[-1], change))
            self._terms.extend(terms)
        return self._terms

    def _changed(self, before: ContractTerms, change: ContractChange) -> ContractTerms:
        months = before.months_of_renewal(change.renewal)
        start = self._bound(before.anchor, months)
        period = before.first_period + 1
        while (
            self._bound(before.anchor, before.months_of_period(period)).day < start.day
        ):
            period += 1
        return ContractTerms(
            change.renewal,
            period,
            start,
            change.anchor or before.anchor,
            0 if change.anchor else months,
            change.term_months or before.term_months,
            change.billing_cycle_months or before.billing_cycle_months,
        )

    def terms_from(self, renewal: int) -> ContractTerms:
        """How periods and terms are counted from a renewal on."""
        return next(t for t in reversed(self.terms) if t.renewal <= renewal)

    def terms_at(self, instant: datetime) -> ContractTerms:
        """How periods and terms are counted at an instant."""
        begun = [terms for terms in self.terms if terms.start.instant <= instant]
        return (begun or self.terms)[-1 if begun else 0]

    def _bound(self, anchor: date, months: int) -> Bound:
        """The bound that lies so many months after an anchor (R06, R09)."""
        cached = self._bounds.get((anchor, months))
        if cached is not None:
            return cached
        bound = self.zones.bound(add_months(anchor, months))
        self._bounds[anchor, months] = bound
        return bound

    def bound(self, k: int) -> Bound:
        """Where period k begins: anchor + k cycles, until the contract changes."""
        if not self.changes:
            return self._bound(self.term_start, k * self.billing_cycle_months)
        terms = self._terms_of(k)
        if k == terms.first_period:
            return terms.start
        return self._bound(terms.anchor, terms.months_of_period(k))

    def _terms_of(self, k: int) -> ContractTerms:
        return next(t for t in reversed(self.terms) if t.first_period <= k)

    def _label(self, k: int) -> date:
        """On what date period k begins; without the instant, which costs more."""
        terms = self._terms_of(k)
        if k == terms.first_period:
            return terms.start.day
        return add_months(terms.anchor, terms.months_of_period(k))

    def renewal(self, n: int) -> Bound:
        """Where term n + 1 begins: anchor + n terms; ``renewal(0)`` is the anchor.

        It lies at no instant where the account is closed before (R97).
        """
        if not self.changes:
            bound = self._bound(self.term_start, n * self.term_months)
        else:
            terms = self.terms_from(n)
            bound = terms.start
            if n > terms.renewal:
                bound = self._bound(terms.anchor, terms.months_of_renewal(n))
        if self.closed_at is not None and bound.instant > self.closed_at:
            return Bound(date.max, FOREVER, bound.zone)
        return bound

    def period(self, k: int) -> BillingPeriod:
        """Period k, counted from 0."""
        return self._between(k, self.bound(k), self.bound(k + 1))

    def _between(self, k: int, start: Bound, end: Bound) -> BillingPeriod:
        period = BillingPeriod(
            k, start.day, start.instant, end.instant, start.zone, end.day
        )
        if self.closed_at is None or end.instant <= self.closed_at:
            return period
        day = local_date(self.closed_at, start.zone)
        is_partly_over = first_instant(day, start.zone) < self.closed_at
        until = day + _DAY if is_partly_over else day
        return replace(period, ends=self.closed_at, until=until)

    def _exists(self, period: BillingPeriod) -> bool:
        return self.closed_at is None or period.starts < self.closed_at

    def period_named(self, label: str) -> BillingPeriod | None:
        """The period of a label, or None: its first local date, or that date's month.

        Raises InvalidInput for what is no label.
        """
        day = date_of(label)
        for terms in reversed(self.terms):
            if len(label) == 10 and terms.start.day > day:
                continue
            if terms.start.day.replace(day=1) > day:
                continue
            for k in self._near(terms, day):
                first = self._label(k)
                if day == (first if len(label) == 10 else first.replace(day=1)):
                    period = self.period(k)
                    return period if self._exists(period) else None
            if terms.start.day <= day:
                return None
        return None

    def period_of(self, account: str, label: str) -> BillingPeriod:
        """The same; raises NotFound (``unknown_period``) where there is none."""
        period = self.period_named(label)
        if period is None:
            raise NotFound(
                "unknown_period",
                f"{account} has no billing period {label}.",
                try_=f"seat-ledger billing periods --account {as_word(account)}",
            )
        return period

    def _near(self, terms: ContractTerms, day: date) -> range:
        """The periods that may begin in the month of a date, by their lengths."""
        months = (day.year - terms.start.day.year) * 12
        months += day.month - terms.start.day.month
        k = terms.first_period + max(0, months // terms.billing_cycle_months)
        return range(max(terms.first_period, k - 1), k + 3)

    def period_at(self, instant: datetime) -> BillingPeriod:
        """The period that an instant lies in; the first where it lies before it."""
        terms = self.terms_at(instant)
        k = self._near(terms, instant.date())[-1]
        while k and self.bound(k).instant > instant:
            k -= 1
        while self.bound(k + 1).instant <= instant:
            k += 1
        return self.period(k)

    def end_of(self, label: date, *, after: datetime) -> datetime:
        """Where the period of a label ends, as long as that is after an instant.

        FOREVER where there is no such period.
        """
        period = self.period_named(label.isoformat())
        return FOREVER if period is None else max(period.ends, after)

    def periods_before(self, instant: datetime) -> Iterator[BillingPeriod]:
        """Every period that begins before an instant, in order."""
        if self.closed_at is not None:
            instant = min(instant, self.closed_at)
        k, start = 0, self.bound(0)
        while start.instant < instant:
            end = self.bound(k + 1)
            yield self._between(k, start, end)
            k, start = k + 1, end

    def renewal_after(self, instant: datetime) -> int:
        """The number of the first renewal strictly after an instant (R17)."""
        n = 1
        if not self.changes:
            n = max(1, self._month_of(instant) // self.term_months - 1)
        while n > 1 and self.renewal(n - 1).instant > instant:
            n -= 1
        while self.renewal(n).instant <= instant:
            n += 1
        return n

    def _month_of(self, instant: datetime) -> int:
        """A month count near the instant, late by at most one."""
        months = (instant.year - self.term_start.year) * 12
        return max(0, months + instant.month - self.term_start.month + 1)


def merged(changes: Iterable[ContractChange]) -> list[ContractChange]:
    """One change a renewal, in order; of several the last that names a field counts."""
    by_renewal: dict[int, ContractChange] = {}
    for change in changes:
        before = by_renewal.get(change.renewal, change)
        by_renewal[change.renewal] = ContractChange(
            change.renewal,
            change.term_months or before.term_months,
            change.billing_cycle_months or before.billing_cycle_months,
            change.anchor or before.anchor,
        )
    return [by_renewal[renewal] for renewal in sorted(by_renewal)]


PERIOD_LABEL = "write its first local date, such as 2025-03-05"


def date_of(label: str) -> date:
    """The date of a period's label, or the first of its month. Raises InvalidInput."""
    if not _LABEL.fullmatch(label):
        raise InvalidInput(f"{shown(label)} is not a period label.", try_=PERIOD_LABEL)
    try:
        return date.fromisoformat(label if len(label) == 10 else f"{label}-01")
    except ValueError as error:
        raise InvalidInput(
            f"{shown(label)} is not a calendar date.", try_=PERIOD_LABEL
        ) from error


def resolve(wall: datetime, zones: ZoneHistory) -> datetime:
    """The one instant at which the account's clocks show `wall` (R11).

    Raises CommandRefused: ``nonexistent_time`` or ``ambiguous_time``.
    """
    instants = sorted(
        instant
        for starts, ends, name in zones.pieces()
        for instant in instants_of(wall, name)
        if (starts is None or starts <= instant) and (ends is None or instant < ends)
    )
    if not instants:
        raise CommandRefused(
            "nonexistent_time",
            f"The local time {wall} does not exist in {_where(wall, zones)}: the "
            "clocks skipped it.",
            try_="write the instant with its offset",
        )
    if len(instants) > 1:
        offsets = " or ".join(instant.isoformat() for instant in instants)
        raise CommandRefused(
            "ambiguous_time",
            f"The local time {wall} occurs twice in {_where(wall, zones)}: {offsets}.",
            try_="write the instant with its offset",
        )
    return instants[0]


def _where(wall: datetime, zones: ZoneHistory) -> str:
    """The zones whose clocks a local time may be read from, in words."""
    near = wall.replace(tzinfo=UTC)
    names = [
        name
        for starts, ends, name in zones.pieces()
        if (starts is None or starts <= near + _WIDEST)
        and (ends is None or near - _WIDEST < ends)
    ]
    return enumerated(dict.fromkeys(names))


def resolve_date(day: date, zones: ZoneHistory) -> datetime:
    """The first instant of a local date of the account, in the zone in force there."""
    for starts, ends, name in zones.pieces():
        instant = first_instant(day, name)
        if ends is None or instant < ends:
            return instant if starts is None else max(instant, starts)
    raise AssertionError("the last zone has no end")
