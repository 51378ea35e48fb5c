"""Accounts: their contract, their seats, and how many there were over time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from seat_ledger.cli.console import sorting
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output import charts
from seat_ledger.domain.values import fold
from seat_ledger.projections import accounts, holdings
from seat_ledger.projections.reader import Row

SEAT_COLUMNS = {
    "seat": None,
    "holder": lambda row: (
        row["holder"] and fold(row["holder"]["name"] or row["holder"]["user"])
    ),
    "held_from": lambda row: row["holder"] and row["holder"]["held_from"],
    "bought": sorting.value("purchased_at"),
    "retires": sorting.value("retires_at"),
}
COLUMNS = {
    "account": None,
    "name": sorting.text("name"),
    "purchased": sorting.value("purchased"),
    "assigned": sorting.value("assigned"),
    "available": sorting.value("available"),
    "next_renewal": sorting.value("next_renewal"),
}
MOST_STEPS = 2000
"""An account with more is drawn at moments spread evenly over its life."""
MOMENTS = 220


def accounts_page(request: PageRequest) -> Page:
    """Every account that one may see, by key or as asked, a page at a time."""
    order = sorting.Sorting(request, "accounts", {}, COLUMNS)
    if order.column:
        return _sorted_accounts(request, order)
    after = request.params.get("after", "")
    request.is_about_all()
    title = request.words("accounts")
    identity = {"after": after} if after else {}
    if not request.wants_page:
        return Page("accounts", title, request.answer(_every(request, after)))
    rows, following = _page_of(request, after)

    def fill() -> dict[str, Any]:
        onward = request.url("accounts", after=following) if following else None
        return {"rows": rows, "onward": onward, "order": order}

    return Page("accounts", title, request.answer(rows), fill, identity)


def _sorted_accounts(request: PageRequest, order: sorting.Sorting) -> Page:
    """The accounts by a column, for which all of them are read."""
    request.is_about_all()
    moment = (request.reader, request.as_of, request.knowledge)
    rows = order.applied(accounts.listed(*moment, request.account_nos))
    skip = request.start(len(rows))

    def fill() -> dict[str, Any]:
        pages = request.paged("accounts", skip, len(rows), **order.identity)
        return {"rows": rows[skip : skip + PAGE], "order": order, **pages}

    title = request.words("accounts")
    return Page("accounts", title, request.answer(rows), fill, order.identity)


def _page_of(request: PageRequest, after: str) -> tuple[list[Row], str | None]:
    """A page of accounts, and the key that the rest follows."""
    only = request.visitor.accounts
    moment = (request.reader, request.as_of, request.knowledge)
    return accounts.page(*moment, only=only, after=after, limit=PAGE)


def _every(request: PageRequest, after: str) -> Iterator[Row]:
    """All accounts from a key on, a page at a time."""
    following: str | None = after
    while following is not None:
        rows, following = _page_of(request, following)
        yield from rows


def account(request: PageRequest) -> Page:
    """Contract, totals, a chart of them, and the seats as of the moment."""
    facts = request.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, request.answer([]), dict, identity)
    shown = accounts.show(request.about)

    def fill() -> dict[str, Any]:
        rows = holdings.under_contract(request.about, limit=PAGE)
        chart, left_out = _chart(request)
        return {
            "shown": shown,
            "rows": rows,
            "purchased": sum(total["purchased"] for total in shown["totals"]),
            "pending": sum(total["pending_reduction"] for total in shown["totals"]),
            "chart": chart,
            "left_out": left_out,
            "renewal_due": shown["renewal_due"],
            "most_pending": PAGE,
        }

    return Page("account", facts.key, request.answer([shown]), fill, identity)


class _Steps(NamedTuple):
    """Purchased and assigned over time, over all types; and at how many moments of it.

    `moments` is None where every step is there.
    """

    points: list[tuple[datetime, int, int]]
    moments: int | None


def _steps(request: PageRequest, now: datetime) -> _Steps:
    """Every step of an account, or what is true at moments spread over its life."""
    facts, about = request.account, request.about
    if not accounts.is_restless(request.reader, facts, MOST_STEPS):
        return _Steps(_summed(accounts.steps(about)), None)
    starts, ends = charts.reach([facts.opened_at, request.as_of], now)
    part = (ends - starts) / MOMENTS
    instants = [starts + part * n for n in range(1, MOMENTS + 1)]
    return _Steps(_summed(accounts.steps_at(about, instants)), MOMENTS)


def _chart(request: PageRequest) -> tuple[str, str]:
    """Purchased against assigned, over all types; and what the picture leaves out."""
    facts, words = request.account, request.words
    now = request.knowledge.moment(request.now)
    steps, moments = _steps(request, now)
    if not steps:
        return "", ""
    instants = [at for at, _, _ in steps]
    starts, ends = charts.reach([*instants, request.as_of], now)
    last = steps[-1]
    left_out = words("chart_thinned", count=words.number(moments)) if moments else ""
    description = words(
        "chart_account_caption",
        start=words.spelled(instants[0], facts.zones),
        purchased=words.number(last[1]),
        assigned=words.number(last[2]),
        most=words.number(max(purchased for _, purchased, _ in steps)),
    )
    frame = charts.Frame(
        starts,
        ends,
        words("chart_account", account=facts.key),
        f"{description}. {left_out}".strip(),
        charts.ticks_of(starts, ends, facts.zones, words.month),
        request.as_of,
        words.spelled(request.as_of, facts.zones),
    )
    series = [
        charts.Series(words("purchased"), [(at, bought) for at, bought, _ in steps]),
        charts.Series(words("assigned"), [(at, held) for at, _, held in steps]),
    ]
    return charts.step_chart(series, frame), left_out


def _summed(rows: list[Row]) -> list[tuple[datetime, int, int]]:
    """The steps of all types as one step function."""
    current: dict[str, tuple[int, int]] = {}
    summed: dict[datetime, tuple[int, int]] = {}
    for row in sorted(rows, key=lambda row: row["at"]):
        current[row["seat_type"]] = (row["purchased"], row["assigned"])
        purchased = sum(bought for bought, _ in current.values())
        summed[row["at"]] = (purchased, sum(held_ for _, held_ in current.values()))
    return [(at, purchased, held) for at, (purchased, held) in summed.items()]


def seats(request: PageRequest) -> Page:
    """Every seat under contract at the moment, with its holder.

    By a column they are all read, else those of the page alone.
    """
    facts = request.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, request.answer([]), dict, identity)
    totals = holdings.totals(request.about)
    total = sum(row["purchased"] for row in totals)
    skip = request.start(total)
    order = sorting.Sorting(request, "seats", identity, SEAT_COLUMNS)
    if request.wants_page and not order.column:
        rows = holdings.under_contract(request.about, skip=skip, limit=PAGE)
    else:
        rows = order.applied(holdings.under_contract(request.about))
    answer = request.answer(rows, extra={"totals": totals})
    title = request.words("seats_of", account=facts.key)

    def fill() -> dict[str, Any]:
        onward = request.paged("seats", skip, total, **order.identity)
        shown = rows[skip : skip + PAGE] if order.column else rows
        return {"rows": shown, "totals": totals, "order": order, **onward}

    return Page("seats", title, answer, fill, order.identity)
