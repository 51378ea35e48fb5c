"""Invoices as recorded: what each says, and what was issued for a period so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fractions import Fraction
from typing import NamedTuple

from seat_ledger.domain.calendar import BillingPeriod, DateRun
from seat_ledger.domain.invoice_draft import Figure
from seat_ledger.domain.money import Currency, exactly, plain
from seat_ledger.domain.nearest import did_you_mean, nearest
from seat_ledger.domain.values import fields_of, shown
from seat_ledger.errors import NotFound
from seat_ledger.projections.billing.bounds import (
    bounds_of,
    quantity_ends,
    with_windows,
)
from seat_ledger.projections.billing.figures import as_known, nothing, quantity
from seat_ledger.projections.periods import row_of
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)
from seat_ledger.store.wrapping import Secret

_AROUND = 100
"""So many numbers on either side of one that there is not are looked at."""


class Voided(NamedTuple):
    """That an invoice is to be credited whole (R94), and by which entry."""

    position: int
    effective_at: datetime
    recorded_at: datetime
    actor: str
    reason: str


class Issued(NamedTuple):
    """An invoice as it was recorded. `period` has the bounds it was issued with.

    One of corrections alone has neither period nor mode (R100).
    """

    invoice: str
    account: str
    account_no: int
    position: int
    recorded_at: datetime
    effective_at: datetime
    actor: str
    reason: str | None
    period: BillingPeriod | None
    mode: str | None
    granularity: str | None
    currency: Currency
    unit_prices: dict[str, str]
    cut_off: int
    tzdata: str
    digest: str
    lines: tuple[Figure, ...]
    corrections: tuple[Row, ...]
    tree_size: int | None = None
    tree_root: str | None = None
    voided: Voided | None = None

    @property
    def label(self) -> date | None:
        """The first local date of its period, where it has one."""
        return None if self.period is None else self.period.label

    @property
    def total(self) -> str:
        """What its lines come to."""
        total = sum(Fraction(line.amount or 0) for line in self.lines)
        return self.currency.amount(Fraction(total), Fraction(1))


class Balance(NamedTuple):
    """What was issued so far for a period and seat type, and at which price."""

    quantity: Fraction
    amount: Fraction
    unit_price: str


def issued(
    reader: ConnectedReader, account: AccountFacts, until_position: int
) -> list[Issued]:
    """The account's invoices up to a position, in the order of recording."""
    rows = reader.ask(
        "billing", "issued", account_no=account.no, until_position=until_position
    )
    return _read(reader, rows, {account.no: account})


def issued_everywhere(reader: ConnectedReader, known_at: Knowledge) -> list[Issued]:
    """The invoices of every account, as known, in the order of recording."""
    rows = reader.ask("billing", "issued_everywhere", until_position=known_at.position)
    accounts = (
        {invoice.no: invoice for invoice in reader.accounts(known_at)} if rows else {}
    )
    return _read(reader, rows, accounts)


def find(
    reader: ConnectedReader,
    invoice: str,
    known_at: Knowledge,
    account_nos: list[int] | None = None,
) -> Issued:
    """The invoice of a number, in some accounts or in all.

    Raises NotFound (``invoice_not_found``); of one elsewhere nothing is read (R76).
    """
    rows = reader.ask(
        "billing",
        "issued_as",
        invoice=Secret(invoice),
        until_position=known_at.position,
        account_nos=account_nos,
    )
    if not rows:
        around = reader.ask(
            "billing",
            "around",
            invoice=Secret(invoice),
            until_position=known_at.position,
            account_nos=account_nos,
            limit=_AROUND,
        )
        near = nearest(invoice, (row["invoice"] for row in around))
        raise NotFound(
            "invoice_not_found",
            f"There is no invoice {shown(invoice)}, as known at {known_at.position}.",
            try_=f"{did_you_mean(near)}see 'seat-ledger invoice list'",
        )
    account = reader.account(rows[0]["account_key"], known_at)
    return _read(reader, rows, {account.no: account})[0]


def _read(
    reader: ConnectedReader, rows: list[Row], accounts: dict[int, AccountFacts]
) -> list[Issued]:
    actors = reader.actors(
        actor for row in rows for actor in (row["actor"], row["voided_by"]) if actor
    )
    return [_issued(row, accounts[row["account_no"]], actors) for row in rows]


def _voided(row: Row, actors: dict[str, str]) -> Voided | None:
    if row["voided"] is None:
        return None
    return Voided(
        row["voided"],
        utc(row["voided_at"]),
        utc(row["void_recorded_at"]),
        actors[row["voided_by"]],
        row["void_reason"],
    )


def _issued(row: Row, account: AccountFacts, actors: dict[str, str]) -> Issued:
    details = row["details"]
    return Issued(
        invoice=details["invoice"],
        account=row["account_key"],
        account_no=row["account_no"],
        position=row["position"],
        recorded_at=utc(row["recorded_at"]),
        effective_at=utc(row["effective_at"]),
        actor=actors[row["actor"]],
        reason=row["reason"],
        period=_period(details, account),
        mode=details.get("mode"),
        granularity=details.get("granularity"),
        currency=Currency.named(details["currency"]),
        unit_prices=details["unit_prices"],
        cut_off=details["cut_off"],
        tzdata=details["tzdata"],
        digest=details["digest"],
        lines=tuple(_line(line) for line in details["lines"]),
        corrections=tuple(details["corrections"]),
        tree_size=details.get("tree_size"),
        tree_root=details.get("tree_root"),
        voided=_voided(row, actors),
    )


def _period(details: Row, account: AccountFacts) -> BillingPeriod | None:
    """The period of an invoice, in the bounds that it keeps, if it has one."""
    if "period" not in details:
        return None
    named = account.calendar.period_named(details["period"])
    assert named is not None
    return in_bounds_of_issue(named, details)


def in_bounds_of_issue(period: BillingPeriod, details: Row) -> BillingPeriod:
    """A period with the bounds and local dates that its invoice keeps of it."""
    return BillingPeriod(
        period.index,
        date.fromisoformat(details["period"]),
        utc(datetime.fromisoformat(details["from"])),
        utc(datetime.fromisoformat(details["until"])),
        details["time_zone"],
        period.until,
        _runs(details.get("dates")),
    )


def _runs(dates: list[Row] | None) -> tuple[DateRun, ...] | None:
    """The local dates that an invoice keeps; None of one from before they were."""
    if dates is None:
        return None
    return tuple(
        DateRun(
            date.fromisoformat(run["day"]),
            utc(datetime.fromisoformat(run["starts"])),
            run["count"],
        )
        for run in dates
    )


def _line(fields: Row) -> Figure:
    return Figure(
        fields["kind"],
        date.fromisoformat(fields["period"]),
        fields["seat_type"],
        Fraction(fields["quantity"]),
        fields["unit_price"],
        fields["amount"],
        tuple(fields.get("entries") or ()),
        fields.get("voids"),
    )


def balances(invoices: Iterable[Issued]) -> dict[tuple[date, str], Balance]:
    """What was issued for each period and type: its invoice and the deltas (R43).

    The price is that of the period's invoice, or else of the first line, which later
    corrections keep. What takes back a voided invoice is no part of it (R94).
    """
    totals: dict[tuple[date, str], Balance] = {}
    for invoice in invoices:
        for line in invoice.lines:
            if line.kind == "void":
                continue
            key = line.period, line.seat_type
            before = totals.get(key)
            totals[key] = Balance(
                line.quantity + (before.quantity if before else 0),
                Fraction(line.amount or 0) + (before.amount if before else 0),
                before.unit_price
                if before and line.kind != "period"
                else str(line.unit_price),
            )
    return totals


class BilledPeriod(NamedTuple):
    """An invoice of a period, with that period and the rule by which it was counted."""

    invoice: Issued
    period: BillingPeriod
    mode: str
    granularity: str | None

    @property
    def rule(self) -> tuple[str, str | None]:
        """How the period was counted."""
        return self.mode, self.granularity


def billed(invoices: Iterable[Issued]) -> list[BilledPeriod]:
    """The invoices of periods; those of corrections alone are left out (R100)."""
    return [
        BilledPeriod(invoice, invoice.period, invoice.mode, invoice.granularity)
        for invoice in invoices
        if invoice.period is not None and invoice.mode is not None
    ]


def figures_at(question: AccountQuestion, of: BilledPeriod) -> dict[str, Fraction]:
    """What an invoiced period comes to as known, by type, as it was invoiced (R43).

    The bounds and the rule are those of the invoice.
    """
    figures = _of_types(question, of.period)
    return {seat_type: quantity(row, *of.rule) for seat_type, row in figures.items()}


def _of_types(question: AccountQuestion, period: BillingPeriod) -> dict[str, Row]:
    """The figures of a period as known, by type."""
    reader, account, known_at, _ = question
    rows = as_known(reader, [row_of(account, period)], known_at)
    return {str(row["seat_type"]): row for row in rows}


def listed(invoices: Iterable[Issued]) -> list[Row]:
    """Invoices as rows, one each."""
    return [
        {
            **fields_of(invoice, "invoice", "account"),
            **_bounds(invoice),
            **fields_of(invoice, "mode", "granularity"),
            "lines": len(invoice.lines),
            "currency": invoice.currency.code,
            "amount": invoice.total,
            "voided": invoice.voided and invoice.voided.position,
            "corrections": len(invoice.corrections)
            + sum(line.kind == "correction" for line in invoice.lines),
            **fields_of(invoice, "cut_off", "position"),
            "issued_at": invoice.effective_at,
            **fields_of(invoice, "recorded_at", "actor", "reason"),
        }
        for invoice in invoices
    ]


def open_lines(reader: ConnectedReader, invoice: Issued) -> dict[int, Row]:
    """What windows left open of an invoice's lines when it was issued, by their places.

    It is what was known at the cut-off that counts, so that the answer never changes
    (R61). What takes back a voided invoice rests on nothing (R94).
    """
    known_at = reader.knowledge(invoice.cut_off)
    if not with_windows(reader, [invoice.account_no], known_at):
        return {}
    account = reader.account(invoice.account, known_at)
    question = AccountQuestion(reader, account, known_at)
    earlier = issued(reader, account, invoice.cut_off)
    in_force = [invoice, *(each for each in earlier if each.voided is None)]
    rules = {of.period.label: (of.period, of.rule) for of in billed(in_force[::-1])}
    selected = [
        (n, line)
        for n, line in enumerate(invoice.lines)
        if line.kind != "void" and line.period in rules
    ]
    counted = {}
    for label in {line.period for _, line in selected}:
        period, _ = rules[label]
        counted[label] = bounds_of(question, [period]), _of_types(question, period)
    lines: dict[int, Row] = {}
    for n, line in selected:
        (period, rule), (bounds, figures) = rules[line.period], counted[line.period]
        between = bounds.get((invoice.account_no, period.index, line.seat_type))
        if between is None:
            continue
        figure = figures.get(line.seat_type) or nothing(
            row_of(account, period), line.seat_type
        )
        delta = line.quantity - quantity(figure, *rule)
        least, most = quantity_ends(figure, between, rule)
        if least < most:
            lines[n] = {
                "quantity_least": plain(least + delta),
                "quantity_most": plain(most + delta),
            }
    return lines


def _bounds(invoice: Issued) -> Row:
    """Its period, as rows and documents say it."""
    period = invoice.period
    if period is None:
        return dict.fromkeys(("period", "from", "until"))
    label = period.label.isoformat()
    return {"period": label, "from": period.starts, "until": period.ends}


def document(
    invoice: Issued, open_: Mapping[int, Row] | None = None
) -> tuple[list[Row], Row]:
    """An invoice's lines as rows, and what else its document says (CLI 5).

    The same invoice gives the same document, whatever was recorded later (R61); who
    issued it stands in the journal, since an erasure changes how people are shown.
    `open_` are its lines that rest on windows, as of :func:`open_lines`.
    """
    price = invoice.currency.as_price
    rows = [
        {
            "kind": line.kind,
            "period": line.period.isoformat(),
            "seat_type": line.seat_type,
            "quantity": plain(line.quantity),
            "unit_price": line.unit_price and price(line.unit_price),
            "amount": line.amount,
            "quantity_exact": exactly(line.quantity),
            "entries": list(line.entries),
            **({"voids": line.voids} if line.voids else {}),
            **(open_ or {}).get(n, {}),
        }
        for n, line in enumerate(invoice.lines)
    ]
    return rows, {
        **fields_of(invoice, "invoice", "account"),
        **_bounds(invoice),
        "time_zone": invoice.period and invoice.period.zone,
        "days": invoice.period and len(invoice.period.days),
        "seconds": invoice.period and invoice.period.seconds,
        **fields_of(invoice, "mode", "granularity"),
        "currency": invoice.currency.code,
        "amount": invoice.total,
        "unit_prices": {
            seat_type: price(text)
            for seat_type, text in sorted(invoice.unit_prices.items())
        },
        "corrections": [_left_out(correction) for correction in invoice.corrections],
        **fields_of(invoice, "cut_off", "tzdata", "digest"),
        "checkpoint": None
        if invoice.tree_size is None
        else {"events": invoice.tree_size, "root": invoice.tree_root},
        "position": invoice.position,
        "issued_at": invoice.effective_at,
        "recorded_at": invoice.recorded_at,
    }


def _left_out(fields: Row) -> Row:
    exact = Fraction(fields["quantity"])
    return {
        "period": fields["period"],
        "seat_type": fields["seat_type"],
        "quantity": plain(exact),
        "amount": fields["amount"],
        "entries": list(fields["entries"]),
        "quantity_exact": exactly(exact),
    }
