"""A user: who that is, which seats they held, given and taken by whom and why."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console import sorting
from seat_ledger.cli.console.history import History
from seat_ledger.cli.console.pages.billing import periods_of
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.cli.output import charts
from seat_ledger.projections import holdings, users

COLUMNS = {
    "user": sorting.text("user"),
    "name": sorting.text("name"),
    "email": sorting.text("email"),
    "seats": lambda row: len(row["seats"]),
}


def users_page(request: PageRequest) -> Page:
    """Every user present at the moment, in the order of adding or as asked.

    A page at a time.
    """
    facts = request.account
    identity = {"account": facts.key}
    if not facts.is_known:
        return Page("unknown", facts.key, request.answer([]), dict, identity)
    title = request.words("users_of", account=facts.key)
    order = sorting.Sorting(request, "users", identity, COLUMNS)
    if order.column or not request.wants_page:
        every = order.applied(users.listed(request.about))
        skip = request.start(len(every))

        def fill_sorted() -> dict[str, Any]:
            pages = request.paged("users", skip, len(every), **order.identity)
            return {"rows": every[skip : skip + PAGE], "order": order, **pages}

        answer = request.answer(every)
        return Page("users", title, answer, fill_sorted, order.identity)
    after = request.count("after")
    rows, following = users.page(request.about, after=after, limit=PAGE)

    def fill() -> dict[str, Any]:
        params = {**identity, "after": following}
        return {
            "rows": rows,
            "order": order,
            "onward": request.url("users", **params) if following else "",
        }

    return Page("users", title, request.answer(rows), fill, identity)


def user(request: PageRequest) -> Page:
    """The seats of everybody who was ever called so (R35)."""
    facts, reference = request.account, request["user"]
    identity = {"account": facts.key, "user": reference}
    as_of = request.as_of if request.has_as_of else None
    every = holdings.of_user(request.about, reference)
    history = History(request, every, as_of)

    def fill() -> dict[str, Any]:
        return {
            "called": users.called(request.about, reference),
            "rows": history.rows,
            "held": sum(1 for row in history.listed if not row["reversed"]),
            "later": history.later,
            "hidden": history.hidden,
            "chart": _chart(request, reference, history),
            "part": history.part_text().strip(),
            "pages": history.pages("user", identity),
            "periods": periods_of(
                request,
                (
                    (row["held_from"], row["held_until"], row["seat_type"])
                    for row in history.every
                    if row["held_from"] and not row["reversed"]
                ),
            ),
        }

    title = request.words("user_of", user=reference, account=facts.key)
    return Page("user", title, request.answer(history.rows), fill, identity)


def _chart(request: PageRequest, reference: str, history: History) -> str:
    """A line a seat; the user's holdings on it."""
    facts, words = request.account, request.words
    held = [row for row in history.drawn if not row["reversed"]]
    if not held:
        return ""
    lanes: dict[str, list[charts.ChartSpan]] = {}
    for row in held:
        url = request.url("seat", account=facts.key, seat=row["seat"])
        span = charts.ChartSpan(row["held_from"], row["held_until"], row["seat"], url)
        lanes.setdefault(row["seat"], []).append(span)
    starts, until = history.reach(held)
    holdings_text = words.counted("holdings", len(held))
    frame = charts.Frame(
        starts,
        until,
        words("chart_user", user=reference, account=facts.key),
        words(
            "chart_user_caption",
            holdings=holdings_text,
            seats=words.counted("seats", len(lanes)),
        )
        + history.part_text(),
        charts.ticks_of(starts, until, facts.zones, words.month),
        request.as_of,
        words.spelled(request.as_of, facts.zones),
    )
    return charts.span_chart(
        [charts.ChartLane("", spans) for spans in lanes.values()], frame
    )
