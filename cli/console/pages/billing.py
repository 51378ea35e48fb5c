"""Billing periods: the figures in every mode, opened down to the parts."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.domain.money import Currency, parse_price
from seat_ledger.domain.values import COUNTING_MODES, parse_seat_type, shown
from seat_ledger.errors import InvalidInput
from seat_ledger.projections import billing
from seat_ledger.projections.billing import explain, invoices
from seat_ledger.projections.billing.figures import every_rule
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.reader import Row


def periods(asked: PageRequest) -> Page:
    """The billing periods that have begun, from the one calendar."""
    facts = asked.account
    identity = {"account": facts.key}
    found = billing.periods(facts, asked.known, asked.now)
    newest = found.rows[::-1]
    skip = asked.start(len(newest))

    def fill() -> dict[str, Any]:
        onward = asked.paged("periods", skip, len(newest), account=facts.key)
        return {"rows": newest[skip : skip + PAGE], **onward}

    extra = {"renewal_due": True} if found.renewal_due else {}
    title = asked.words("periods_of", account=facts.key)
    return Page("periods", title, asked.answer(found.rows, extra=extra), fill, identity)


def period(asked: PageRequest) -> Page:
    """What counts in a period, by every rule; priced as it was invoiced."""
    facts, label = asked.account, asked["period"]
    named = billing.labelled(facts, label)
    invoice = _invoice_of(asked, named.label.isoformat())
    how = billing.Priced(every_rule(None))
    if invoice is not None:
        prices = {kind: parse_price(said) for kind, said in invoice.unit_prices.items()}
        how = billing.Priced(every_rule(None), prices, invoice.currency)
    wanted = billing.CountsQuery(named.label.isoformat())
    found = billing.counts(asked.reader, facts, asked.known, asked.now, wanted, how)
    own = facts.policy_at(named.starts)
    answer = asked.answer(found.rows)
    identity = {"account": facts.key, "period": named.label.isoformat()}

    def fill() -> dict[str, Any]:
        by_type: dict[str, list[Row]] = {}
        for row in found.rows:
            by_type.setdefault(row["seat_type"], []).append(row)
        return {
            "account": facts.key,
            "period": named,
            "by_type": by_type,
            "own": own,
            "invoice": invoice,
            "upto": asked.known.moment(asked.now),
        }

    title = asked.words(
        "period_of", day=asked.words.day(named.label), account=facts.key
    )
    return Page("period", title, answer, fill, identity)


def _invoice_of(asked: PageRequest, label: str) -> Issued | None:
    """The invoice of a period, as known."""
    found = invoices.issued(asked.reader, asked.account, asked.known.position)
    own = [one for one in found if one.period.label.isoformat() == label]
    return own[-1] if own else None


def explain_page(asked: PageRequest) -> Page:
    """One figure opened: each part with the entries that open and close it."""
    facts = asked.account
    named = billing.labelled(facts, asked["period"])
    label = named.label.isoformat()
    seat_type = str(parse_seat_type(asked["seat_type"]))
    rule = _rule(asked)
    invoice = _invoice_of(asked, label)
    price, currency = None, Currency(None, 2)
    if invoice is not None and seat_type in invoice.unit_prices:
        price, currency = parse_price(invoice.unit_prices[seat_type]), invoice.currency
    upto = asked.known.moment(asked.now)
    wanted = explain.FigureQuery(named, seat_type, rule, price, currency)
    found = explain.explain(asked.reader, facts, asked.known, upto, wanted)
    identity = {"account": facts.key, "period": label, "seat_type": seat_type}
    if rule:
        identity |= {"mode": rule[0], "granularity": rule[1] or ""}
    skip = asked.start(len(found.rows))

    def fill() -> dict[str, Any]:
        rows = found.rows[skip : skip + PAGE]
        onward = asked.paged("explain", skip, len(found.rows), **identity)
        return {
            "account": facts.key,
            "period": named,
            "label": label,
            "upto": upto,
            "seat_type": seat_type,
            "found": found,
            "rows": rows,
            **onward,
        }

    extra = {"figure": found.figure, "highest": found.highest}
    title = asked.words("explain_of", seat_type=seat_type, account=facts.key)
    return Page("explain", title, asked.answer(found.rows, extra=extra), fill, identity)


def _rule(asked: PageRequest) -> tuple[str, str | None] | None:
    """The rule of the address; None leaves it to the account's policy."""
    mode = asked.params.get("mode")
    if mode is None:
        return None
    granularity = asked.params.get("granularity")
    if mode in COUNTING_MODES and granularity and COUNTING_MODES[mode] == (None,):
        raise InvalidInput(
            f"The mode {mode} has no granularity: leave it out.",
            try_="take granularity out of the address",
        )
    if mode not in COUNTING_MODES or granularity not in COUNTING_MODES[mode]:
        raise InvalidInput(
            f"There is no counting rule {shown(mode)} by {shown(granularity)}."
        )
    return mode, granularity
