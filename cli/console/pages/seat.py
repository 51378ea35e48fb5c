"""A seat: who held it at the moment, and everybody who ever did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cli import charts
from cli.console.asking import Asked, Page, wall_text
from projections import holdings
from projections.billing import moment
from projections.reader import Row
from seat_ledger.values import parse_seat


def seat(asked: Asked) -> Page:
    """The holders of a seat in order; and the answer for the moment."""
    facts, ref = asked.account, parse_seat(asked["seat"])
    identity = {"account": facts.key, "seat": str(ref)}
    as_of = asked.as_of if asked.has_as_of else None
    every = holdings.history(asked.reader, facts, ref, asked.known, with_reversed=True)
    later = sum(1 for row in every if not row["reversed"] and _is_later(row, as_of))
    begun = [row for row in every if not _is_later(row, as_of)]
    rows = [row for row in begun if not row["reversed"] or asked.shows_reversed]
    hidden = sum(1 for row in begun if row["reversed"]) * (not asked.shows_reversed)
    answer = asked.answer(rows)

    def fill() -> dict[str, Any]:
        now = holdings.who(asked.reader, facts, ref, asked.as_of, asked.known)
        return {
            "who": now,
            "rows": rows,
            "later": later,
            "hidden": hidden,
            "chart": _chart(asked, str(ref), every),
            "wall": wall_text(asked.as_of.replace(microsecond=0), asked.clocks, "T"),
            "zone": facts.zones.at(asked.as_of),
        }

    title = asked.words("seat_of", seat=str(ref), account=facts.key)
    return Page("seat", title, answer, fill, identity)


def who(asked: Asked) -> Page:
    """The one row of the moment: whether it was bought, and its holder."""
    facts, ref = asked.account, parse_seat(asked["seat"])
    row = holdings.who(asked.reader, facts, ref, asked.as_of, asked.known)
    page = seat(asked)
    page.answer = asked.answer([row])
    return page


def _is_later(row: Row, as_of: datetime | None) -> bool:
    """Whether a holding begins after the moment, if there is one."""
    return as_of is not None and (row["held_from"] or row["held_until"]) > as_of


def _chart(asked: Asked, ref: str, rows: list[Row]) -> str:
    """A bar a holder, in one line; nobody's time stays empty."""
    facts, words = asked.account, asked.words
    held = [row for row in rows if not row["reversed"]]
    if not held:
        return ""
    now = moment(asked.known, asked.now)
    ends = [row["held_until"] for row in held if row["held_until"]]
    starts, until = charts.reach(
        [*(row["held_from"] for row in held), *ends, asked.as_of], now
    )
    spans = [
        charts.Span(
            row["held_from"],
            row["held_until"],
            asked.person(row),
            asked.url("user", account=facts.key, user=row["user"]),
            "open" if row["held_until"] is None else "",
        )
        for row in held
    ]
    told = [
        words(
            "holding_told",
            who=asked.person(row),
            start=asked.moment(row["held_from"]),
            end=asked.moment(row["held_until"]),
        )
        for row in held[:20]
    ]
    if len(held) > len(told):
        told.append(words.some("and_more", len(held) - len(told)))
    frame = charts.Frame(
        starts,
        until,
        words("chart_seat", seat=ref, account=facts.key),
        "; ".join(told) + ".",
        charts.ticks_of(starts, until, facts.zones, words.month),
        asked.as_of,
        words.spelled(asked.as_of, facts.zones),
    )
    return charts.span_chart([charts.Lane("", spans)], frame)
