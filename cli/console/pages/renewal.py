"""What comes up for renewal, and the seats that nobody holds until then."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from seat_ledger.cli.console import sorting
from seat_ledger.cli.console.pages.attention import amounts
from seat_ledger.cli.console.pages.pricing import typed, typed_prices
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.moments import parse_ahead
from seat_ledger.projections import accounts, holdings
from seat_ledger.projections.accounts import renewal_cost
from seat_ledger.projections.billing import idle
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.billing.totals import added
from seat_ledger.projections.reader import AccountFacts, AccountQuestion

WITHIN = {"30d": "within_30d", "90d": "within_90d", "1y": "within_1y"}
"""How far ahead one looks, and what that is called; without one any time."""


RENEWAL_COLUMNS = {
    "account": lambda account: account.key,
    "next_renewal": None,
}
IDLE_COLUMNS = {
    "seat": None,
    "from": sorting.value("from"),
    "idle_days": sorting.value("idle_days"),
    "amount": sorting.money("amount"),
    "amount_until_renewal": sorting.money("amount_until_renewal"),
    "last_user": sorting.text("last_user"),
}


def renewals(request: PageRequest) -> Page:
    """Contracts by the date of their next renewal, of the accounts that one may see."""
    within = request.params.get("within", "")
    today = local_date(request.as_of, request.clocks.at(request.as_of))
    last = parse_ahead(within, today) if within else None
    if not request.params.get("account"):
        request.is_about_all()
    identity = {"account": request.params.get("account", ""), "within": within}
    identity = {name: value for name, value in identity.items() if value}
    order = sorting.Sorting(request, "renewals", identity, RENEWAL_COLUMNS)
    renewing = order.applied(_renewing(request, last))
    skip = request.start(len(renewing))
    shown = renewing[skip : skip + PAGE] if request.wants_page else renewing
    rows = renewal_cost.renewals(_questions(request, shown), Priced())

    def fill() -> dict[str, Any]:
        onward = request.paged("renewals", skip, len(renewing), **order.identity)
        scope = {k: v for k, v in order.identity.items() if k != "within"}
        spans = [
            (span, request.words(name), request.url("renewals", within=span, **scope))
            for span, name in WITHIN.items()
        ]
        return {
            "rows": rows,
            "within": within,
            "spans": spans,
            "scope": scope,
            "order": order,
            "cost": any(row["amount"] for row in rows),
            **onward,
        }

    title = request.words("renewals")
    lines = [line for row in rows for line in row["renewal_lines"]]
    extra = {"totals": added(lines, "amount")}
    answer = request.answer(rows, extra=extra)
    return Page("renewals", title, answer, fill, order.identity)


def _renewing(request: PageRequest, last: date | None) -> list[AccountFacts]:
    """The accounts that renew, the next first; those of the present are kept so."""
    is_fixed = request.has_as_of or request.has_known_at
    if is_fixed or request.params.get("account") or request.attention is None:
        renewing = accounts.renewing(_questions(request, _every(request)), last)
        return [question.account for question in renewing]
    computed = request.attention.computed
    if "renewing" not in computed:
        computed["renewing"] = sorted(
            (state.renewal["instant"], state.account.key, state)
            for state in request.attention.accounts.values()
            if state.renewal["date"] is not None
        )
    return [
        state.account
        for _, key, state in computed["renewing"]
        if (last is None or state.renewal["date"] <= last) and request.may_see(key)
    ]


def _every(request: PageRequest) -> list[AccountFacts]:
    """The accounts that are asked about and may be seen, as they are at the moment."""
    reader, known_at = request.reader, request.knowledge
    if request.params.get("account"):
        return [request.account] if request.account.is_known else []
    if request.visitor.accounts is None:
        every = reader.accounts(known_at)
    else:
        keys = reader.account_keys(request.account_nos or ())
        every = [reader.account(key, known_at) for key in sorted(keys.values())]
    return [
        account
        for account in every
        if account.is_known and account.opened_at <= request.as_of
    ]


def _questions(
    request: PageRequest, every: Iterable[AccountFacts]
) -> list[AccountQuestion]:
    """The question about each of some accounts, at the moments of the address."""
    moment = (request.knowledge, request.as_of)
    return [AccountQuestion(request.reader, account, *moment) for account in every]


def idle_page(request: PageRequest) -> Page:
    """The seats that nobody holds at the moment, and what they cost."""
    facts = request.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, request.answer([]), dict, identity)
    identity |= typed(request)
    order = sorting.Sorting(request, "idle", identity, IDLE_COLUMNS)
    how = typed_prices(request)
    rows = order.applied(idle.idle_at(request.about, how))
    skip = request.start(len(rows))

    def fill() -> dict[str, Any]:
        onward = request.paged("idle", skip, len(rows), **order.identity)
        ahead = [row for row in rows if row["renewal"]]
        return {
            "rows": rows[skip : skip + PAGE],
            "order": order,
            "currency": how.currency.code,
            "cost": amounts(request, rows),
            "cost_ahead": amounts(request, rows, "amount_until_renewal"),
            "renewal": ahead[0]["renewal"] if ahead else None,
            "not_priced": sum(1 for row in rows if row["amount"] is None),
            **onward,
        }

    title = request.words("idle_of", account=facts.key)
    windows = holdings.windows_at(request.about)
    extra = {
        "windows": windows,
        "totals": added(rows, "amount", "amount_until_renewal"),
    }
    return Page("idle", title, request.answer(rows, extra=extra), fill, order.identity)
