"""A user: who that is, which seats they held, given and taken by whom and why."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.history import History
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output import charts
from seat_ledger.projections import holdings, users


def users_page(asked: PageRequest) -> Page:
    """Every user present at the moment, in the order of adding, a page at a time."""
    facts = asked.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, asked.answer([]), dict, identity)
    title = asked.words("users_of", account=facts.key)
    given = (asked.reader, facts, asked.as_of, asked.known)
    if not asked.wants_page:
        return Page("users", title, asked.answer(users.listed(*given)), dict, identity)
    after = asked.count("after")
    rows, following = users.page(*given, after=after, limit=PAGE)

    def fill() -> dict[str, Any]:
        said = {**identity, "after": following}
        return {"rows": rows, "onward": asked.url("users", **said) if following else ""}

    return Page("users", title, asked.answer(rows), fill, identity)


def user(asked: PageRequest) -> Page:
    """The seats of everybody who was ever called so (R35)."""
    facts, reference = asked.account, asked["user"]
    identity = {"account": facts.key, "user": reference}
    as_of = asked.as_of if asked.has_as_of else None
    every = holdings.of_user(asked.reader, facts, reference, asked.known)
    found = History(asked, every, as_of)
    given = (asked.reader, facts, reference, asked.as_of, asked.known)

    def fill() -> dict[str, Any]:
        return {
            "called": users.called(*given),
            "rows": found.rows,
            "held": sum(1 for row in found.wanted if not row["reversed"]),
            "later": found.later,
            "hidden": found.hidden,
            "chart": _chart(asked, reference, found),
            "part": found.part_told().strip(),
            "pages": found.pages("user", identity),
        }

    title = asked.words("user_of", user=reference, account=facts.key)
    return Page("user", title, asked.answer(found.rows), fill, identity)


def _chart(asked: PageRequest, reference: str, found: History) -> str:
    """A line a seat; the user's holdings on it."""
    facts, words = asked.account, asked.words
    held = [row for row in found.drawn if not row["reversed"]]
    if not held:
        return ""
    lanes: dict[str, list[charts.ChartSpan]] = {}
    for row in held:
        url = asked.url("seat", account=facts.key, seat=row["seat"])
        span = charts.ChartSpan(row["held_from"], row["held_until"], row["seat"], url)
        lanes.setdefault(row["seat"], []).append(span)
    starts, until = found.reach(held)
    told = words.some("holdings", len(held))
    frame = charts.Frame(
        starts,
        until,
        words("chart_user", user=reference, account=facts.key),
        words("chart_user_told", told=told, seats=words.some("seats", len(lanes)))
        + found.part_told(),
        charts.ticks_of(starts, until, facts.zones, words.month),
        asked.as_of,
        words.spelled(asked.as_of, facts.zones),
    )
    return charts.span_chart(
        [charts.ChartLane("", spans) for spans in lanes.values()], frame
    )
