"""A seat: who held it at the moment, and everybody who ever did."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.history import History
from seat_ledger.cli.console.request import Page, PageRequest, wall_text
from seat_ledger.cli.output import charts
from seat_ledger.domain.values import parse_seat
from seat_ledger.projections import holdings


def seat(asked: PageRequest) -> Page:
    """The holders of a seat in order; and the answer for the moment.

    A long history is shown a page at a time, the last one first.
    """
    facts, ref = asked.account, parse_seat(asked["seat"])
    identity = {"account": facts.key, "seat": str(ref)}
    as_of = asked.as_of if asked.has_as_of else None
    every = holdings.of_seat(asked.reader, facts, ref, asked.known)
    found = History(asked, every, as_of)
    rows = found.rows

    def fill() -> dict[str, Any]:
        now = holdings.who(asked.reader, facts, ref, asked.as_of, asked.known)
        return {
            "who": now,
            "rows": rows,
            "held": sum(1 for row in found.wanted if not row["reversed"]),
            "later": found.later,
            "hidden": found.hidden,
            "chart": _chart(asked, str(ref), found),
            "wall": wall_text(asked.as_of.replace(microsecond=0), asked.clocks, "T"),
            "zone": facts.zones.at(asked.as_of),
            "part": found.part_told().strip(),
            "pages": found.pages("seat", identity),
        }

    title = asked.words("seat_of", seat=str(ref), account=facts.key)
    life = holdings.life(asked.reader, facts, ref, asked.known)
    answer = asked.answer(rows, extra={"life": life})
    return Page("seat", title, answer, fill, identity)


def who(asked: PageRequest) -> Page:
    """The one row of the moment: whether it was bought, and its holder."""
    facts, ref = asked.account, parse_seat(asked["seat"])
    row = holdings.who(asked.reader, facts, ref, asked.as_of, asked.known)
    page = seat(asked)
    page.answer = asked.answer([row])
    return page


def _chart(asked: PageRequest, ref: str, found: History) -> str:
    """A bar a holder, in one line; nobody's time stays empty."""
    facts, words = asked.account, asked.words
    held = [row for row in found.drawn if not row["reversed"]]
    if not held:
        return ""
    starts, until = found.reach(held)
    spans = [
        charts.ChartSpan(
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
        "; ".join(told) + "." + found.part_told(),
        charts.ticks_of(starts, until, facts.zones, words.month),
        asked.as_of,
        words.spelled(asked.as_of, facts.zones),
    )
    return charts.span_chart([charts.ChartLane("", spans)], frame)
