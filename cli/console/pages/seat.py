"""A seat: who held it at the moment, and everybody who ever did."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.history import History
from seat_ledger.cli.console.pages.billing import periods_of
from seat_ledger.cli.console.request import Page, PageRequest, wall_text
from seat_ledger.cli.output import charts
from seat_ledger.domain.values import parse_seat
from seat_ledger.projections import holdings


def seat(request: PageRequest) -> Page:
    """The holders of a seat in order; and the answer for the moment.

    A long history is shown a page at a time, the last one first.
    """
    facts, ref = request.account, parse_seat(request["seat"])
    identity = {"account": facts.key, "seat": str(ref)}
    as_of = request.as_of if request.has_as_of else None
    every = holdings.of_seat(request.about, ref)
    history = History(request, every, as_of)
    rows = history.rows

    life = holdings.life(request.about, ref)
    spans = (
        [(life["purchased_at"], life["retires_at"], str(ref.seat_type))] if life else []
    )

    def fill() -> dict[str, Any]:
        now = holdings.who(request.about, ref)
        return {
            "who": now,
            "rows": rows,
            "held": sum(1 for row in history.listed if not row["reversed"]),
            "later": history.later,
            "hidden": history.hidden,
            "chart": _chart(request, str(ref), history),
            "wall": wall_text(
                request.as_of.replace(microsecond=0), request.clocks, "T"
            ),
            "zone": facts.zones.at(request.as_of),
            "part": history.part_text().strip(),
            "pages": history.pages("seat", identity),
            "periods": periods_of(request, spans),
        }

    title = request.words("seat_of", seat=str(ref), account=facts.key)
    answer = request.answer(rows, extra={"life": life})
    return Page("seat", title, answer, fill, identity)


def who(request: PageRequest) -> Page:
    """The one row of the moment: whether it was bought, and its holder."""
    ref = parse_seat(request["seat"])
    row = holdings.who(request.about, ref)
    page = seat(request)
    page.answer = request.answer([row], extra={"windows": row["windows"]})
    return page


def _chart(request: PageRequest, ref: str, history: History) -> str:
    """A bar a holder, in one line; nobody's time stays empty."""
    facts, words = request.account, request.words
    held = [row for row in history.drawn if not row["reversed"]]
    if not held:
        return ""
    starts, until = history.reach(held)
    spans = [
        charts.ChartSpan(
            row["held_from"],
            row["held_until"],
            request.person(row),
            request.url("user", account=facts.key, user=row["user"]),
            "open" if row["held_until"] is None else "",
        )
        for row in held
    ]
    sentences = [
        words(
            "holding_caption",
            who=request.person(row),
            start=request.moment(row["held_from"]),
            end=request.moment(row["held_until"]),
        )
        for row in held[:20]
    ]
    if len(held) > len(sentences):
        sentences.append(words.counted("and_more", len(held) - len(sentences)))
    frame = charts.Frame(
        starts,
        until,
        words("chart_seat", seat=ref, account=facts.key),
        "; ".join(sentences) + "." + history.part_text(),
        charts.ticks_of(starts, until, facts.zones, words.month),
        request.as_of,
        words.spelled(request.as_of, facts.zones),
    )
    return charts.span_chart([charts.ChartLane("", spans)], frame)
