"""Computing an invoice: what its period comes to, and what became of earlier ones.

A correction is what an invoiced period comes to now, less what was issued for it
(R43); it is computed for every type of which something was recorded since the last
invoice that shows inside the period, whether it changes an amount or not (R44, R45).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple, Self

import psycopg

from seat_ledger.domain.calendar import TZDATA_VERSION, BillingPeriod
from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.invoice_draft import (
    NO_PERIOD,
    Figure,
    InvoiceDraft,
    InvoiceRequest,
)
from seat_ledger.domain.money import exactly, places_of, rounded
from seat_ledger.domain.values import FOREVER, iso
from seat_ledger.projections.billing.credits import (
    corrections_of_voided,
    credits_due,
    due_again,
    in_currency,
    valid,
)
from seat_ledger.projections.billing.figures import as_known, quantity
from seat_ledger.projections.billing.intervals import (
    CountedInterval,
    CountedSpan,
    Reversal,
    changes,
    holdings,
    lives,
    reach,
    recorded_between,
)
from seat_ledger.projections.billing.invoices import (
    Balance,
    BilledPeriod,
    Issued,
    balances,
    billed,
    figures_at,
    issued,
)
from seat_ledger.projections.engine.catch_up import Superseded, alone_at_work
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import (
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
)
from seat_ledger.store.tried_events import TriedEvent, cannot_stand, for_the_moment


class CountedPeriod(NamedTuple):
    """A period in the bounds that it is invoiced with, and how it is counted."""

    period: BillingPeriod
    mode: str
    granularity: str | None


class Basis(NamedTuple):
    """On what an invoice is computed: its period, or None for corrections alone."""

    counted: CountedPeriod | None
    tzdata: str


def draft(reader: ConnectedReader, request: InvoiceRequest) -> InvoiceDraft:
    """The invoice that is asked for, with all that is known at the reader's head."""
    known_at = reader.knowledge()
    account = reader.account(request.account, known_at)
    counted = None
    if request.period is not None:
        period = account.calendar.period_of(account.key, request.period.isoformat())
        counted = CountedPeriod(period, *account.policy_at(period.starts))
    before = issued(reader, account, known_at.position)
    question = AccountQuestion(reader, account, known_at)
    return computed(question, request, Basis(counted, TZDATA_VERSION), before)


def reproduced(reader: ConnectedReader, invoice: Issued) -> Issued:
    """An issued invoice, computed anew from what was known at its cut-off (R61).

    By the policy that it names, in the bounds and local dates that it keeps: zone data
    of today has no part in it. Of an invoice that keeps no dates the bounds are
    computed anew, unless they came from other zone data than the program has now.
    """
    known_at = reader.knowledge(invoice.cut_off)
    account = reader.account(invoice.account, known_at)
    currency = invoice.currency.code
    assert currency is not None
    request = InvoiceRequest(
        invoice.account, invoice.invoice, invoice.label, invoice.unit_prices, currency
    )
    counted, period = None, None
    for _, period, mode, granularity in billed([invoice]):
        if period.runs is None and invoice.tzdata == TZDATA_VERSION:
            label = period.label.isoformat()
            period = account.calendar.period_named(label) or period  # noqa: PLW2901
        counted = CountedPeriod(period, mode, granularity)
    basis = Basis(counted, invoice.tzdata)
    before = issued(reader, account, invoice.position - 1)
    question = AccountQuestion(reader, account, known_at)
    anew = computed(question, request, basis, before)
    return invoice._replace(
        period=period,
        digest=anew.digest,
        lines=tuple(figure._replace(nth=0) for figure in anew.lines()),
        corrections=tuple(
            {
                "period": left_out.period.isoformat(),
                "seat_type": left_out.seat_type,
                "quantity": exactly(left_out.quantity),
                "amount": rounded(Fraction(0), invoice.currency.places),
                "entries": list(left_out.entries),
            }
            for left_out in anew.corrections()
        ),
    )


def differences(invoice: Issued, other: Issued) -> list[str]:
    """In what an invoice and its recomputation differ, in words."""
    return [
        name.replace("_", " ")
        for name, was, now in zip(Issued._fields, invoice, other, strict=True)
        if was != now
    ]


def computed(
    question: AccountQuestion,
    request: InvoiceRequest,
    basis: Basis,
    before: Sequence[Issued],
) -> InvoiceDraft:
    """The figures of a period, and of what became of the periods invoiced before."""
    reader, account, known_at, _ = question
    figures: list[Figure] = []
    bounds = NO_PERIOD
    if basis.counted is not None:
        period, mode, granularity = basis.counted
        bounds = (period.label, period.starts, period.ends, mode, granularity)
        rows = as_known(reader, [row_of(account, period)], known_at)
        figures = [
            _of_period(request, period, row, quantity(row, mode, granularity))
            for row in rows
        ]
    figures += corrections(question, request, before)
    return InvoiceDraft(
        *bounds,
        known_at.position,
        basis.tzdata,
        _digest(question, request, basis, before),
        tuple(figures),
    )


def _of_period(
    request: InvoiceRequest, period: BillingPeriod, row: Row, exact: Fraction
) -> Figure:
    seat_type = str(row["seat_type"])
    price = request.unit_prices.get(seat_type)
    amount = None
    if price is not None:
        amount = rounded(exact * Fraction(price), places_of(request.currency))
    return Figure("period", period.label, seat_type, exact, price, amount)


def corrections(
    question: AccountQuestion, request: InvoiceRequest, before: Sequence[Issued]
) -> list[Figure]:
    """What was recorded since the last invoice does to the periods invoiced so far.

    And what voided invoices leave: their lines taken back, and corrections with them.
    Corrections alone are those of what was invoiced in their currency (R100).
    """
    figures = [*credits_due(before), *corrections_of_voided(before)]
    only = request.currency if request.period is None else None
    if only:
        figures = in_currency(figures, before, only)
    balance = balances(valid(before))
    for late in touched(question, before, only):
        now = figures_at(question, late.of)
        for seat_type in late.entries:
            so_far = balance.get((late.of.period.label, seat_type))
            exact = now.get(seat_type, Fraction(0))
            figures.append(_correction(request, late, seat_type, exact, so_far))
    return figures


def _correction(
    request: InvoiceRequest,
    late: Late,
    seat_type: str,
    now: Fraction,
    so_far: Balance | None,
) -> Figure:
    """Amount now less the amounts issued, at the price of the issued line (R43)."""
    price = so_far.unit_price if so_far else request.unit_prices.get(seat_type)
    more = now - (so_far.quantity if so_far else 0)
    amount = None
    currency = late.of.invoice.currency
    if price is not None:
        total = Fraction(currency.amount(now, Fraction(price)))
        left = total - (so_far.amount if so_far else 0)
        amount = rounded(left, currency.places)
    changed = late.entries[seat_type]
    counted = changed.counted(late.of.mode)
    # What changes no amount is listed with all that was said late (R44, R45).
    entries = counted if amount is not None and Fraction(amount) else changed.entries
    return Figure(
        "correction",
        late.of.period.label,
        seat_type,
        more,
        price,
        amount,
        tuple(sorted(entries or changed.entries)),
    )


class Changed(NamedTuple):
    """The late entries that show inside a period: of contracts, and of holdings."""

    of_lives: set[int]
    of_holdings: set[int]

    @property
    def entries(self) -> set[int]:
        """All of them."""
        return self.of_lives | self.of_holdings

    def counted(self, mode: str) -> set[int]:
        """Those that a counting mode looks at (R13)."""
        return self.of_lives if is_of_contract(mode) else self.of_holdings


class Late(NamedTuple):
    """An invoiced period of which something was recorded late, by seat type."""

    of: BilledPeriod
    entries: dict[str, Changed]


def touched(
    question: AccountQuestion, before: Sequence[Issued], only: str | None = None
) -> Iterator[Late]:
    """The periods invoiced so far that something recorded since then shows in; of those
    invoiced in one currency, where it is given.

    The last valid invoice saw all that was known at its cut-off, of every earlier one
    too: one of corrections alone, what was invoiced in its currency (R100).
    """
    in_force = valid(before)
    for code in dict.fromkeys(invoice.currency.code for invoice in in_force):
        seen = [i for i in in_force if i.period or i.currency.code == code]
        of_currency = [b for b in billed(seen) if b.invoice.currency.code == code]
        if of_currency and only in {None, code}:
            since = question.reader.knowledge(seen[-1].cut_off)
            yield from _touched(question, before, of_currency, since)


def _touched(
    question: AccountQuestion,
    before: Sequence[Issued],
    in_force: Sequence[BilledPeriod],
    since: Knowledge,
) -> Iterator[Late]:
    """Those of some invoices, of which all was seen up to a position; but for what an
    invoice that was voided since then corrected (R94).
    """
    again = due_again(before, in_force, since.position)
    for late in _late(question, in_force, since):
        for seat_type, entries in again.pop(late.of.invoice.position, {}).items():
            changed = late.entries.setdefault(seat_type, Changed(set(), set()))
            changed.of_lives.update(entries)
            changed.of_holdings.update(entries)
        yield late
    for of in in_force:
        by_type = again.get(of.invoice.position, {})
        if by_type:
            yield Late(
                of,
                {name: Changed(at, set(at)) for name, at in by_type.items()},
            )


def _late(
    question: AccountQuestion, invoices: Sequence[BilledPeriod], since: Knowledge
) -> Iterator[Late]:
    """The periods that something recorded since then shows in."""
    earliest = reach(question, since)
    if earliest is None:
        return
    reached = sorted(
        (invoice for invoice in invoices if invoice.period.ends > earliest),
        key=lambda invoice: invoice.period.starts,
    )
    if not reached:
        return
    ends = max(invoice.period.ends for invoice in reached)
    starts = min(earliest, reached[0].period.starts)
    span = CountedSpan(question.reader.types.all, starts, ends)
    before = question._replace(known_at=since)
    was = [_by_type(find(before, span)) for find in (lives, holdings)]
    now = [_by_type(find(question, span)) for find in (lives, holdings)]
    reversals = recorded_between(question, since).reversals
    for invoice in reached:
        changed = _changed(was, now, reversals, invoice.period, since.position)
        if changed:
            yield Late(invoice, changed)


_ByType = dict[str, list[CountedInterval]]


def _by_type(intervals: Sequence[CountedInterval]) -> _ByType:
    of_type: _ByType = {}
    for interval in intervals:
        of_type.setdefault(interval.seat_type, []).append(interval)
    return of_type


def _changed(
    was: list[_ByType],
    now: list[_ByType],
    between: Sequence[Reversal],
    period: BillingPeriod,
    since: int,
) -> dict[str, Changed]:
    """By type: what shows inside a period, of lives and of holdings."""
    by_type = {}
    within = period.starts, period.ends
    for seat_type in sorted({name for side in (*was, *now) for name in side}):
        of_lives, of_holdings = (
            changes(
                before.get(seat_type, ()), after.get(seat_type, ()), between, within,
                since,
            )
            for before, after in zip(was, now, strict=True)
        )  # fmt: skip
        changed = Changed(of_lives, of_holdings)
        if changed.entries:
            by_type[seat_type] = changed
    return by_type


def _digest(
    question: AccountQuestion,
    request: InvoiceRequest,
    basis: Basis,
    before: Sequence[Issued],
) -> str:
    """SHA-256 of what the invoice is computed from (R60).

    The request, the bounds, dates and rule, the cut-off, the intervals that lie in
    the period with their entries, and the digests of the invoices issued before.
    """
    inputs = {
        **request._asdict(),
        "unit_prices": dict(sorted(request.unit_prices.items())),
        **(_counted(question, basis.counted) if basis.counted else {}),
        "tzdata": basis.tzdata,
        "cut_off": question.known_at.position,
        "issued": [[item.invoice, item.digest] for item in before],
    }
    voids = [[past.invoice, past.voided.position] for past in before if past.voided]
    if voids:  # else the digest is that of earlier programs
        inputs["voided"] = voids
    text = json.dumps(inputs, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _counted(question: AccountQuestion, counted: CountedPeriod) -> dict[str, Any]:
    """What the figures of a period come from."""
    period, mode, granularity = counted
    span = CountedSpan(question.reader.types.all, period.starts, period.ends)
    return {
        "from": period.starts,
        "until": period.ends,
        "time_zone": period.zone,
        "dates": [start for _, start in period.days],
        "mode": mode,
        "granularity": granularity,
        "lives": [list(item) for item in lives(question, span)],
        "holdings": [list(item) for item in holdings(question, span)],
    }


def _plain(value: object) -> str:
    if value == FOREVER:
        return "present"
    return iso(value) if isinstance(value, datetime) else str(value)


class Drafting:
    """Computes the invoices that the write side asks for, one after the other.

    Its reader is opened when it is first needed, caught up to the head each time, and
    holds no snapshot in between.
    """

    def __init__(self, open_reader: Callable[[], ConnectedReader]) -> None:
        self.open_reader = open_reader
        self.reader: ConnectedReader | None = None

    def __call__(self, request: InvoiceRequest) -> InvoiceDraft:
        """The figures at the store's head."""
        reader = self._caught_up()
        invoice = draft(reader, request)
        reader.connection.execute("COMMIT")
        return invoice

    def after(
        self, request: InvoiceRequest, events: Sequence[TriedEvent]
    ) -> InvoiceDraft | None:
        """The figures if these events were recorded as well; nothing of them stays.

        None where the session may not record, or somebody else did meanwhile (R101).
        """
        reader = self._caught_up()
        connection = reader.connection
        connection.execute("COMMIT")
        try:
            with (
                alone_at_work(connection),
                for_the_moment(connection, events),
                reader.beyond(events[-1].position),
            ):
                return draft(reader, request)
        except Superseded:
            return None
        except psycopg.Error as error:
            if cannot_stand(error):
                return None
            raise

    def _caught_up(self) -> ConnectedReader:
        """The reader, at the head."""
        if self.reader is None:
            self.reader = self.open_reader()
        else:
            self.reader.catch_up()
        return self.reader

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the reader."""
        if self.reader is not None:
            self.reader.connection.close()
