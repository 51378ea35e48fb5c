"""Billing periods: the figures in every mode, opened down to the parts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.pages.pricing import priced, typed, typed_prices
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output.windows import is_open
from seat_ledger.domain.counting_rules import COUNTING_RULES, every_rule
from seat_ledger.domain.values import parse_seat_type, shown
from seat_ledger.projections import billing
from seat_ledger.projections.billing import explain, invoices
from seat_ledger.projections.billing.invoices import Issued
from seat_ledger.projections.billing.totals import by_rule
from seat_ledger.projections.reader import Row


def periods(request: PageRequest) -> Page:
    """The billing periods that have begun, from the one calendar."""
    facts = request.account
    identity = {"account": facts.key}
    result = billing.periods(facts, request.knowledge, request.now)
    newest = result.rows[::-1]
    skip = request.start(len(newest))

    def fill() -> dict[str, Any]:
        onward = request.paged("periods", skip, len(newest), account=facts.key)
        return {"rows": newest[skip : skip + PAGE], **onward}

    extra = {"renewal_due": True} if result.renewal_due else {}
    title = request.words("periods_of", account=facts.key)
    return Page(
        "periods", title, request.answer(result.rows, extra=extra), fill, identity
    )


def period(request: PageRequest) -> Page:
    """What counts in a period, by every rule; priced as it was invoiced."""
    facts, label = request.account, request["period"]
    named = billing.labelled(facts, label)
    invoice = invoice_of(request, named.label.isoformat())
    how = priced(request, invoice, every_rule())
    query = billing.CountsQuery(named.label.isoformat(), how=how)
    result = billing.counts(
        request.reader, facts, request.knowledge, request.now, query
    )
    own = facts.policy_at(named.starts)
    answer = request.answer(result.rows, extra={"by_rule": by_rule(result.rows)})
    identity = {"account": facts.key, "period": named.label.isoformat()}
    identity |= typed(request)

    def fill() -> dict[str, Any]:
        by_type: dict[str, list[Row]] = {}
        for row in result.rows:
            by_type.setdefault(row["seat_type"], []).append(row)
        return {
            "account": facts.key,
            "period": named,
            "by_type": by_type,
            "own": own,
            "typed": typed(request),
            "currency": how.currency.code,
            "invoice": invoice,
            "is_priced": any(row["unit_price"] for row in result.rows),
            "prices": _prices(request, by_type),
            "upto": request.knowledge.moment(request.now),
            "has_open": any(is_open(row, *_FIGURES) for row in result.rows),
        }

    title = request.words(
        "period_of", day=request.words.day(named.label), account=facts.key
    )
    return Page("period", title, answer, fill, identity)


def periods_of(
    request: PageRequest, spans: Iterable[tuple[datetime, datetime | None, str]]
) -> list[Row]:
    """The last periods that some spans of time lie in, the newest first.

    A span is of a seat type; `types` are those whose spans lie in the period.
    """
    every = list(spans)
    result: list[Row] = []
    moment = request.knowledge.moment(request.now)
    for period in reversed(list(billing.existing(request.account, moment))):
        types = {
            seat_type
            for starts, ends, seat_type in every
            if starts < period.ends and (ends is None or ends > period.starts)
        }
        if types:
            result.append({"label": period.label, "types": sorted(types)})
        if len(result) == MOST_PERIODS:
            break
    return result


MOST_PERIODS = 12
"""How many periods a seat and a user lead to: a year of months."""
_FIGURES = ("quantity", "assigned_peak", "idle_seat_days")


def _prices(request: PageRequest, by_type: dict[str, list[Row]]) -> list[Row]:
    """By type: what its figures are priced with, and where that is from (R91)."""
    own = typed_prices(request)
    return [
        {**rows[0], "price_source": "typed"} if own.is_fixed(seat_type) else rows[0]
        for seat_type, rows in by_type.items()
        if rows[0]["unit_price"]
    ]


def invoice_of(request: PageRequest, label: str) -> Issued | None:
    """The invoice of a period, as known."""
    issued = invoices.issued(
        request.reader, request.account, request.knowledge.position
    )
    own = [invoice for invoice in issued if str(invoice.label) == label]
    return own[-1] if own else None


def explain_page(request: PageRequest) -> Page:
    """One figure opened: each part with the entries that open and close it."""
    facts = request.account
    named = billing.labelled(facts, request["period"])
    label = named.label.isoformat()
    seat_type = str(parse_seat_type(request["seat_type"]))
    rule = _rule(request)
    invoice = invoice_of(request, label)
    how = priced(request, invoice, None)
    price = how.prices.get(seat_type, how.single)
    until = request.knowledge.moment(request.now)
    query = explain.FigureQuery(named, seat_type, rule, price, how.currency)
    explanation = explain.explain(request.about_now, query)
    identity = {"account": facts.key, "period": label, "seat_type": seat_type}
    if rule:
        identity |= {"mode": rule[0], "granularity": rule[1] or ""}
    identity |= typed(request)
    skip = request.start(len(explanation.rows))

    def fill() -> dict[str, Any]:
        rows = explanation.rows[skip : skip + PAGE]
        onward = request.paged("explain", skip, len(explanation.rows), **identity)
        return {
            "account": facts.key,
            "period": named,
            "label": label,
            "upto": until,
            "seat_type": seat_type,
            "typed": typed(request),
            "explanation": explanation,
            "rows": rows,
            **onward,
        }

    extra = {
        "figure": explanation.figure,
        "highest": explanation.highest,
        "windows": explanation.windows,
    }
    title = request.words("explain_of", seat_type=seat_type, account=facts.key)
    return Page(
        "explain", title, request.answer(explanation.rows, extra=extra), fill, identity
    )


def _rule(request: PageRequest) -> tuple[str, str | None] | None:
    """The rule of the address; None leaves it to the account's policy."""
    mode = request.params.get("mode")
    if mode is None:
        return None
    granularity = request.params.get("granularity")
    rule = COUNTING_RULES.get(mode)
    if rule and granularity and not rule.has_granularity:
        raise UnreadableRequest(
            "granularity", mode=mode, try_="remove granularity from the address"
        )
    if rule is None or granularity not in rule.granularities:
        raise UnreadableRequest(
            "rule", mode=shown(mode), granularity=shown(granularity)
        )
    return mode, granularity
