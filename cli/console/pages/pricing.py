"""The price field of a page: prices of the address, before all others (R90)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.request import PageRequest
from seat_ledger.cli.options.counting import prices_of
from seat_ledger.domain.money import Currency, parse_price
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing import Priced
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.billing.prices import Rule

FIELDS = ("unit_price", "currency")


def typed(request: PageRequest) -> dict[str, str]:
    """What stands in the field: a part of the address of every such page."""
    return {name: request.params[name] for name in FIELDS if name in request.params}


def typed_prices(request: PageRequest) -> Priced:
    """The prices of the field; those of the book apply beside them (InvalidInput).

    Of several currencies that the book has, the first where none is named.
    """
    return _in_one_currency(request, _typed_prices(request))


def _in_one_currency(request: PageRequest, how: Priced) -> Priced:
    if how.currency.code or not request.currencies:
        return how
    return replace(how, currency=Currency.named(request.currencies[0]))


def _typed_prices(request: PageRequest) -> Priced:
    texts = request.params.get("unit_price", "").replace(",", " ").split()
    try:
        prices = prices_of(texts)
    except (click.UsageError, InvalidInput) as error:
        raise UnreadableRequest("price", text=shown(" ".join(texts))) from error
    single = prices.pop(None, None)
    currency = Currency.named(request.params.get("currency"))
    return Priced(single=single, prices=prices, currency=currency)


def priced_by(invoice: Issued | None, rules: Sequence[Rule] | None) -> Priced:
    """How a period is counted; and priced, as the invoice of it was."""
    if invoice is None:
        return Priced(rules)
    prices = {kind: parse_price(text) for kind, text in invoice.unit_prices.items()}
    return Priced(rules, prices, invoice.currency)


def priced(
    request: PageRequest, invoice: Issued | None, rules: Sequence[Rule] | None
) -> Priced:
    """The same, but for the types that the field has a price of.

    In another currency than that of the invoice its prices say nothing.
    """
    how, own = priced_by(invoice, rules), _typed_prices(request)
    if own.currency.code not in {None, how.currency.code}:
        how = replace(how, prices={}, currency=own.currency)
    prices = own.prices if own.single is not None else {**how.prices, **own.prices}
    return _in_one_currency(request, replace(how, prices=prices, single=own.single))
