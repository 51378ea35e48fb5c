"""Accounts: their contract, their seats, and how many there were over time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output import charts
from seat_ledger.projections import accounts, holdings
from seat_ledger.projections.reader import Row

MOST_STEPS = 2000
"""An account with more is drawn at moments spread evenly over its life."""
MOMENTS = 220


def accounts_page(asked: PageRequest) -> Page:
    """Every account that one may see, by key, a page at a time."""
    after = asked.params.get("after", "")
    asked.is_about_all()
    title = asked.words("accounts")
    identity = {"after": after} if after else {}
    if not asked.wants_page:
        return Page("accounts", title, asked.answer(_every(asked, after)))
    rows, following = _some(asked, after)

    def fill() -> dict[str, Any]:
        onward = asked.url("accounts", after=following) if following else None
        return {"rows": rows, "onward": onward}

    return Page("accounts", title, asked.answer(rows), fill, identity)


def _some(asked: PageRequest, after: str) -> tuple[list[Row], str | None]:
    """A page of accounts, and the key that the rest follows."""
    only = asked.visitor.accounts
    given = (asked.reader, asked.as_of, asked.known)
    return accounts.page(*given, only=only, after=after, limit=PAGE)


def _every(asked: PageRequest, after: str) -> Iterator[Row]:
    """All accounts from a key on, a page at a time."""
    following: str | None = after
    while following is not None:
        rows, following = _some(asked, following)
        yield from rows


def account(asked: PageRequest) -> Page:
    """Contract, totals, a chart of them, and the seats as of the moment."""
    facts = asked.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, asked.answer([]), dict, identity)
    given = (asked.reader, facts, asked.as_of, asked.known)
    shown = accounts.show(*given)

    def fill() -> dict[str, Any]:
        rows = holdings.under_contract(*given, limit=PAGE)
        chart, left_out = _chart(asked)
        return {
            "shown": shown,
            "rows": rows,
            "purchased": sum(total["purchased"] for total in shown["totals"]),
            "pending": sum(total["pending_reduction"] for total in shown["totals"]),
            "chart": chart,
            "left_out": left_out,
            "renewal_due": shown["renewal_due"],
        }

    return Page("account", facts.key, asked.answer([shown]), fill, identity)


class _Steps(NamedTuple):
    """Purchased and assigned over time, over all types; and at how many moments of it.

    `moments` is None where every step is there.
    """

    points: list[tuple[datetime, int, int]]
    moments: int | None


def _steps(asked: PageRequest, now: datetime) -> _Steps:
    """Every step of an account, or what is true at moments spread over its life."""
    reader, facts, known = asked.reader, asked.account, asked.known
    if not accounts.is_restless(reader, facts, MOST_STEPS):
        return _Steps(_summed(accounts.steps(reader, facts, known)), None)
    starts, ends = charts.reach([facts.opened_at, asked.as_of], now)
    part = (ends - starts) / MOMENTS
    instants = [starts + part * n for n in range(1, MOMENTS + 1)]
    return _Steps(_summed(accounts.steps_at(reader, facts, known, instants)), MOMENTS)


def _chart(asked: PageRequest) -> tuple[str, str]:
    """Purchased against assigned, over all types; and what the picture leaves out."""
    facts, words = asked.account, asked.words
    now = asked.known.moment(asked.now)
    steps, moments = _steps(asked, now)
    if not steps:
        return "", ""
    instants = [at for at, _, _ in steps]
    starts, ends = charts.reach([*instants, asked.as_of], now)
    last = steps[-1]
    left_out = words("chart_thinned", count=words.number(moments)) if moments else ""
    told = words(
        "chart_account_told",
        start=words.spelled(instants[0], facts.zones),
        purchased=words.number(last[1]),
        assigned=words.number(last[2]),
        most=words.number(max(purchased for _, purchased, _ in steps)),
    )
    frame = charts.Frame(
        starts,
        ends,
        words("chart_account", account=facts.key),
        f"{told}. {left_out}".strip(),
        charts.ticks_of(starts, ends, facts.zones, words.month),
        asked.as_of,
        words.spelled(asked.as_of, facts.zones),
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
        purchased = sum(one for one, _ in current.values())
        summed[row["at"]] = (purchased, sum(two for _, two in current.values()))
    return [(at, purchased, held) for at, (purchased, held) in summed.items()]


def seats(asked: PageRequest) -> Page:
    """Every seat under contract at the moment, with its holder."""
    facts = asked.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, asked.answer([]), dict, identity)
    given = (asked.reader, facts, asked.as_of, asked.known)
    totals = holdings.totals(*given)
    total = sum(row["purchased"] for row in totals)
    skip = asked.start(total)
    first, most = (skip, PAGE) if asked.wants_page else (0, None)
    rows = holdings.under_contract(*given, skip=first, limit=most)
    answer = asked.answer(rows, extra={"totals": totals})
    title = asked.words("seats_of", account=facts.key)

    def fill() -> dict[str, Any]:
        onward = asked.paged("seats", skip, total, account=facts.key)
        return {"rows": rows, "totals": totals, **onward}

    return Page("seats", title, answer, fill, identity)
