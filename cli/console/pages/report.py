"""Reports to pass on: those of ``report``, of what a page is about."""

from __future__ import annotations

from typing import NamedTuple

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.pages.billing import invoice_of
from seat_ledger.cli.console.pages.pricing import priced, priced_by, typed_prices
from seat_ledger.cli.console.request import PageRequest
from seat_ledger.cli.options.languages import language_option
from seat_ledger.cli.output.files import need
from seat_ledger.cli.reports.content import Content
from seat_ledger.cli.reports.of_account import of_account, repeated_at
from seat_ledger.cli.reports.written import provenance
from seat_ledger.projections import billing
from seat_ledger.projections.billing import invoices
from seat_ledger.projections.reader import AccountQuestion


class AccountReport(NamedTuple):
    """What a report says, and the rows that tell what made it."""

    content: Content
    provenance: list[tuple[str, str]]


def report_of(request: PageRequest, form: str) -> AccountReport:
    """The report of an invoice's period, of a period, or of the current term.

    Raises NotFound, InvalidInput, MissingExtra.
    """
    if form == "xlsx":
        need("xlsxwriter", "reports", "A report as .xlsx")
    about, query = _scope(request)
    until = billing.settled(about, query)
    content = of_account(about._replace(as_of=until), query, request.words)
    command = _command(about, query, repeated_at(about.known_at, until))
    command += [*language_option(request.words.language), "--output", f"report.{form}"]
    return AccountReport(content, provenance(content, command))


def _scope(request: PageRequest) -> tuple[AccountQuestion, billing.CountsQuery]:
    """Whom and which periods a report is about."""
    if "invoice" in request.params:
        return _invoiced(request)
    if "period" not in request.params:
        how = typed_prices(request)
        return request.about_now, billing.CountsQuery(term=True, how=how)
    named = billing.labelled(request.account, request["period"])
    label = named.label.isoformat()
    how = priced(request, invoice_of(request, label), None)
    return request.about_now, billing.CountsQuery(label, how=how)


def _invoiced(request: PageRequest) -> tuple[AccountQuestion, billing.CountsQuery]:
    """The period of an invoice, as it was known, counted and priced by it (R61)."""
    reader = request.reader
    issued = invoices.find(
        reader, request["invoice"], request.knowledge, request.account_nos
    )
    if issued.period is None or issued.mode is None:
        raise UnreadableRequest(
            "no_period",
            try_="ask for the report of the account or of a period",
        )
    known_at = reader.knowledge(issued.cut_off)
    account = reader.account(issued.account, known_at)
    rules = [(issued.mode, issued.granularity)]
    label, how = issued.period.label.isoformat(), priced_by(issued, rules)
    moment = known_at.moment(request.now)
    return AccountQuestion(reader, account, known_at, moment), billing.CountsQuery(
        label, how=how
    )


def _command(
    about: AccountQuestion, query: billing.CountsQuery, known_at: str
) -> list[str]:
    """The command that makes the same report, but for the name of its file."""
    words = ["seat-ledger", "report", "--account", about.account.key]
    words += ["--period", query.label] if query.label else ["--term"]
    for mode, granularity in query.how.rules or ():
        words += ["--mode", mode]
        words += ["--granularity", granularity] if granularity else []
    for seat_type, price in sorted(query.how.prices.items()):
        words += ["--unit-price", f"{seat_type}={query.how.currency.shown(price)}"]
    if query.how.single is not None:
        words += ["--unit-price", query.how.currency.shown(query.how.single)]
    if query.how.currency.code:
        words += ["--currency", query.how.currency.code]
    return [*words, "--known-at", known_at]
