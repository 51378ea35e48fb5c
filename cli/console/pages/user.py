"""A user: who that is, which seats they held, given and taken by whom and why."""

from __future__ import annotations

from typing import Any

from cli import charts
from cli.console.asking import PAGE, Asked, Page
from projections import holdings
from projections import users as people
from projections.billing import moment
from projections.reader import Row


def users(asked: Asked) -> Page:
    """Every user present at the moment."""
    facts = asked.account
    identity = {"account": facts.key}
    if not facts.known:
        return Page("unknown", facts.key, asked.answer([]), dict, identity)
    rows = people.listed(asked.reader, facts, asked.as_of, asked.known)
    skip = asked.count("skip")

    def fill() -> dict[str, Any]:
        onward = asked.paged("users", skip, len(rows), account=facts.key)
        return {"rows": rows[skip : skip + PAGE], "total": len(rows), **onward}

    title = asked.words("users_of", account=facts.key)
    return Page("users", title, asked.answer(rows), fill, identity)


def user(asked: Asked) -> Page:
    """The seats of everybody who was ever called so (R35)."""
    facts, reference = asked.account, asked["user"]
    identity = {"account": facts.key, "user": reference}
    as_of = asked.as_of if asked.has_as_of else None
    every = holdings.user_history(
        asked.reader, facts, reference, asked.known, as_of=as_of, with_reversed=True
    )
    rows = [row for row in every if not row["reversed"] or asked.shows_reversed]
    given = (asked.reader, facts, reference, asked.as_of, asked.known)

    def fill() -> dict[str, Any]:
        return {
            "called": people.called(*given),
            "rows": rows,
            "hidden": len(every) - len(rows),
            "chart": _chart(asked, reference, rows),
        }

    title = asked.words("user_of", user=reference, account=facts.key)
    return Page("user", title, asked.answer(rows), fill, identity)


def _chart(asked: Asked, reference: str, rows: list[Row]) -> str:
    """A line a seat; the user's holdings on it."""
    facts, words = asked.account, asked.words
    held = [row for row in rows if not row["reversed"]][:200]
    if not held:
        return ""
    now = moment(asked.known, asked.now)
    ends = [row["held_until"] for row in held if row["held_until"]]
    starts, until = charts.reach(
        [*(row["held_from"] for row in held), *ends, asked.as_of], now
    )
    lanes: dict[str, list[charts.Span]] = {}
    for row in held:
        url = asked.url("seat", account=facts.key, seat=row["seat"])
        span = charts.Span(row["held_from"], row["held_until"], row["seat"], url)
        lanes.setdefault(row["seat"], []).append(span)
    kept = list(lanes.values())[-20:]
    told = words.some("holdings", len(held))
    frame = charts.Frame(
        starts,
        until,
        words("chart_user", user=reference, account=facts.key),
        words("chart_user_told", told=told, seats=words.some("seats", len(lanes))),
        charts.ticks_of(starts, until, facts.zones, words.month),
        asked.as_of,
        words.spelled(asked.as_of, facts.zones),
    )
    return charts.span_chart([charts.Lane("", spans) for spans in kept], frame)
