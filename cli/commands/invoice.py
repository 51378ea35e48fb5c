"""Invoices: issued from what is known, shown as recorded, computed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.commands.invoice_audit import audit
from seat_ledger.cli.commands.invoice_convert import convert
from seat_ledger.cli.options import completing
from seat_ledger.cli.options.counting import option_typed_prices
from seat_ledger.cli.options.invoice_seal import sealing
from seat_ledger.cli.options.session import (
    Question,
    current_session,
    option_account,
    option_one_account,
    reading,
    reading_of_accounts,
)
from seat_ledger.cli.options.writing import (
    options_of_writing,
    record,
    recorded_answer,
    writing,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.render import (
    Answer,
    cells,
    document,
    to_json,
)
from seat_ledger.cli.output.windows import between
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted, enumerated

if TYPE_CHECKING:
    from seat_ledger.commands.service import Result
    from seat_ledger.projections.billing.invoices import Issued


@click.group(
    epilog="Example: seat-ledger invoice issue INV-7 -a acme --period 2025-06 "
    "--unit-price sales/professional=90.00 --currency EUR"
)
def group() -> None:
    """Issue, show, reproduce and audit invoices."""


group.add_command(audit)
group.add_command(convert)


@group.command()
@click.argument("invoice", metavar="NUMBER")
@option_account
@click.option(
    "--period", metavar="LABEL", help="The first local date of the billing period."
)
@click.option(
    "--corrections-only",
    is_flag=True,
    help="Issue only corrections and credits, without a period.",
)
@option_typed_prices
@click.option(
    "--currency",
    metavar="CODE",
    shell_complete=completing.currencies,
    help="The currency: an ISO 4217 code such as EUR; by default that of the recorded "
    "prices, for corrections alone that of what they correct.",
)
@options_of_writing
def issue(  # noqa: PLR0913  an option each
    invoice: str,
    account: str,
    period: str | None,
    prices: tuple[str, ...],
    currency: str | None,
    *,
    corrections_only: bool,
    dry_run: bool,
    **shared: Any,
) -> None:
    """Invoice a period that has ended, with corrections to earlier invoices.

    What has no --unit-price costs what the price book says.

    With --corrections-only nothing but these: for an account that is closed, or whose
    next invoice is far off or in another currency.
    """
    from seat_ledger.projections.billing.invoice_computation import Drafting  # noqa: PLC0415

    if (period is None) != corrections_only:
        raise click.UsageError("Give either --period or --corrections-only.")
    session = current_session()
    command = {
        "op": "issue_invoice",
        "account": account,
        "invoice": invoice,
        "period": period,
        "corrections_only": corrections_only or None,
        "unit_prices": _prices(prices),
        "currency": currency,
        **shared,
    }
    with Drafting(session.reader) as drafting:
        compute = drafting if dry_run else sealing(session, drafting)
        record(command, dry_run, compute, _issued)


def _prices(texts: tuple[str, ...]) -> dict[str, str]:
    prices = {}
    for text in texts:
        seat_type, sign, price = text.partition("=")
        if not sign:
            raise click.UsageError("Write a price as HUB/TIER=90.00.")
        if seat_type in prices:
            raise click.UsageError(f"Two prices for {seat_type}.")
        prices[seat_type] = price
    return prices


def _issued(
    command: dict[str, Any], result: Result, dry_run: bool, zones: ZoneHistory
) -> Answer:
    """What was recorded, with the invoice's lines in the table."""
    answer = recorded_answer(command, result, dry_run, zones)
    invoice = answer.rows[-1]["data"]  # type: ignore[index]
    lines, left_out = invoice["lines"], invoice["corrections"]
    verb = "would come" if dry_run else "comes"
    answer.sentence = (
        f"{invoice['invoice']} of {command['account']} "
        f"{_subject(invoice.get('period'))} {verb} to "
        f"{_total(invoice)} {invoice['currency']}, "
        f"as known at position {invoice['cut_off']}."
    )
    answer.notes = [*_left_out(left_out)]
    if dry_run:
        answer.notes = [*answer.notes, "Nothing was written."]
    else:
        answer.next_command = f"seat-ledger invoice show {as_word(invoice['invoice'])}"
    answer.in_table, answer.columns = lines, _COLUMNS
    answer.sums = [_sum(_total(invoice), invoice["currency"])]
    return answer


def _subject(period: str | None) -> str:
    """What an invoice is for, in words; without a period, corrections alone (R100)."""
    return f"for the period {period}" if period else "for corrections alone"


def _total(invoice: dict[str, Any]) -> str:
    from fractions import Fraction  # noqa: PLC0415

    from seat_ledger.domain.money import places_of, rounded  # noqa: PLC0415

    total = sum((Fraction(line["amount"]) for line in invoice["lines"]), Fraction(0))
    return rounded(total, places_of(invoice["currency"]))


def _quantity(row: Any) -> str:
    from fractions import Fraction  # noqa: PLC0415

    from seat_ledger.domain.money import plain  # noqa: PLC0415

    return plain(Fraction(row["quantity"])) if row["quantity"] else ""


_OPEN = (
    "Between: what the quantity may have been in truth, as far as it was known at the "
    "issue. Lists saw who held a seat at their times alone."
)
_PRICE = 4
_BETWEEN = [
    ("between", lambda row: between("quantity")(row) if "quantity_least" in row else "")
]
_COLUMNS = [
    ("what", lambda row: " ".join(filter(None, (row["kind"], row.get("voids"))))),
    *cells("period", "type=seat_type"),
    ("quantity", _quantity),
    *cells("price=unit_price", "amount", "entries"),
]


def _void_recorded(
    command: dict[str, Any], result: Result, dry_run: bool, zones: ZoneHistory
) -> Answer:
    """What was recorded, and what follows from it."""
    answer = recorded_answer(command, result, dry_run, zones)
    if not dry_run and not result.repeated:
        answer.notes = [
            *answer.notes,
            f"The next invoice of {command['account']} credits {command['invoice']} "
            "whole; what it billed can be issued again under a new number.",
        ]
        answer.next_command = (
            f"seat-ledger invoice list --account {as_word(command['account'])}"
        )
    return answer


@group.command()
@click.argument("invoice", metavar="NUMBER")
@option_account
@writing("void_invoice", _void_recorded)
def void(**_: Any) -> None:
    """Void an issued invoice: the next one credits it in full; needs --reason.

    The invoice itself never changes. Its period may be issued again under a new
    number, and the first invoice that is issued now carries the credit.
    """


def _voided(invoice: Issued) -> list[str]:
    """That it is voided, in words: the document itself never changes (R61, R94)."""
    void = invoice.voided
    if void is None:
        return []
    return [
        f"Voided at position {void.position} by {void.actor}: {_ended(void.reason)} "
        "The first invoice issued after that credits it whole."
    ]


def _ended(reason: str) -> str:
    return reason if reason.endswith((".", "!", "?")) else f"{reason}."


def _checkpoint(invoice: Issued) -> list[str]:
    """In which checkpoint its knowledge is sealed, in words."""
    if invoice.tree_size is None:
        return []
    return [
        f"Sealed in the checkpoint of {counted(invoice.tree_size, 'event')}, root "
        f"{invoice.tree_root}."
    ]


def _left_out(corrections: list[dict[str, Any]]) -> list[str]:
    """The late facts that changed no amount, in words (R44, R45)."""
    return [
        f"No line for {correction['seat_type']} in the period {correction['period']}: "
        "what was recorded late does not change the amount (entries "
        f"{', '.join(map(str, correction['entries']))})."
        for correction in corrections
    ]


@group.command()
@click.argument("invoice", metavar="NUMBER")
@option_one_account
@reading_of_accounts
def show(question: Question, invoice: str, **_: Any) -> Answer:
    """An invoice as it was recorded."""
    from seat_ledger.projections.billing import invoices  # noqa: PLC0415

    issued = invoices.find(
        question.reader, invoice, question.knowledge, question.account_nos
    )
    question.is_about_only(issued.account)
    if issued.voided is not None:
        question.remark(f"{issued.invoice}: {_voided(issued)[0]}")
    return _shown(question, issued)


def _shown(question: Question, invoice: Issued) -> Answer:
    """The document of an invoice: the same whenever it is asked for (R61)."""
    from seat_ledger.projections.billing import invoices  # noqa: PLC0415

    open_ = invoices.open_lines(question.reader, invoice)
    rows, fields = invoices.document(invoice, open_)
    cut_off = question.reader.knowledge(invoice.cut_off)
    return Answer(
        rows,
        [*_COLUMNS[:_PRICE], *_BETWEEN, *_COLUMNS[_PRICE:]] if open_ else _COLUMNS,
        sentence=f"{invoice.invoice} of {invoice.account} "
        f"{_subject(fields['period'])} comes to {invoice.total} "
        f"{invoice.currency.code}.",
        notes=[
            *_voided(invoice),
            *_left_out(fields["corrections"]),
            *([_OPEN] if open_ else []),
            *_rule(invoice),
            f"As known at position {invoice.cut_off}; recorded at position "
            f"{invoice.position} by {invoice.actor}. Digest {invoice.digest}.",
            *_checkpoint(invoice),
        ],
        next_command=f"seat-ledger invoice reproduce {as_word(invoice.invoice)}",
        known_at=(cut_off.position, cut_off.recorded_at),
        extra=fields,
        sums=[_sum(invoice.total, invoice.currency.code)],
    )


def _sum(amount: str, currency: str | None) -> dict[str, Any]:
    """What the lines of an invoice come to, as the row below them."""
    return {"amount": amount, "currency": currency}


def _rule(invoice: Issued) -> list[str]:
    """How its period was counted, and its bounds, in words."""
    if invoice.period is None:
        return []
    rule = " by ".join(filter(None, (invoice.mode, invoice.granularity)))
    zone = ZoneHistory(invoice.period.zone)
    starts, ends = (
        times.local(at, zone) for at in (invoice.period.starts, invoice.period.ends)
    )
    return [f"Rule: {rule}; from {starts} until {ends} {invoice.period.zone}."]


@group.command()
@click.argument("invoice", metavar="NUMBER")
@option_one_account
@reading_of_accounts
def reproduce(question: Question, invoice: str, **_: Any) -> Answer:
    """Compute an invoice again from what was known then; exit 3 if it differs.

    With --format json the document is that of 'invoice show', byte for byte, if both
    agree.
    """
    from seat_ledger.projections.billing import invoice_computation, invoices  # noqa: PLC0415

    issued = invoices.find(
        question.reader, invoice, question.knowledge, question.account_nos
    )
    question.is_about_only(issued.account)
    again = invoice_computation.reproduced(question.reader, issued)
    shown, anew = _shown(question, issued), _shown(question, again)
    recorded, computed = (to_json(document(answer)) for answer in (shown, anew))
    if recorded == computed:
        anew.sentence = (
            f"{issued.invoice} is reproduced, {issued.total} {issued.currency.code}: "
            f"the same {counted(len(recorded.encode()), 'byte')}, from what was known "
            f"at position {issued.cut_off}."
        )
        anew.next_command = f"seat-ledger invoice show {as_word(issued.invoice)}"
        return anew
    differs = invoice_computation.differences(issued, again)
    anew.sentence = (
        f"{issued.invoice} differs from what the same knowledge gives now: "
        f"{', '.join(differs)}. The lines below are the computed ones."
    )
    anew.next_command = "seat-ledger projection verify --full"
    question.remark(anew.sentence)
    anew.exit_code = 3
    return anew


@group.command("list")
@option_one_account
@reading
def list_(question: Question, account: str | None, **_: Any) -> Answer:
    """Invoices in the order of recording, with the number of their corrections."""
    from seat_ledger.projections.billing import invoices  # noqa: PLC0415
    from seat_ledger.projections.billing.totals import added  # noqa: PLC0415

    reader, knowledge = question.reader, question.knowledge
    if account:
        issued = invoices.issued(reader, question.account, knowledge.position)
    else:
        issued = invoices.issued_everywhere(reader, knowledge)
    names = ["invoice", "account", "period", "voided", "mode", "granularity", "lines"]
    names += ["corrections", "amount", "currency", "cut_off", "position"]
    columns = cells(*names)
    rows = invoices.listed(issued)
    totals = added(rows, "amount")  # what is voided is credited by another of them
    count = counted(len(issued), "invoice")
    if any(row["voided"] for row in rows):
        count += f", {sum(1 for row in rows if row['voided'])} of them voided"
    if totals:
        sums = enumerated(f"{t['amount']} {t['currency']}" for t in totals)
        count += f", {sums} in all"
    next_ = f"seat-ledger invoice show {as_word(issued[-1].invoice)}" if issued else ""
    return question.answer(
        rows,
        columns,
        sentence=f"{count}." if issued else "No invoice has been issued.",
        extra={"totals": totals},
        next_command=next_,
    )
