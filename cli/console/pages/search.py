"""The search box: what it finds, and where that leads."""

from __future__ import annotations

from typing import Any

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.request import Page, PageRequest
from seat_ledger.domain.values import fold
from seat_ledger.projections.accounts.search import Sought, find

MOST = 50
MOST_IN_A_TWIN = 5000
SUGGESTED = 8


def search(request: PageRequest) -> Page:
    """Accounts, users, seats, invoices and entries that a text may mean."""
    text = request.params.get("q", "")
    quick = "quick" in request.params
    most = SUGGESTED if quick else MOST if request.wants_page else MOST_IN_A_TWIN
    rows = find(request.reader, _sought(request, text, most + 1, quick=quick))
    shown, whole = [], True
    for kind in dict.fromkeys(row["kind"] for row in rows):
        same = [row for row in rows if row["kind"] == kind]
        whole = whole and len(same) <= most
        shown += same[:most]
    if not whole and most == MOST_IN_A_TWIN:
        raise UnreadableRequest(
            "too_many", most=f"{most:,}", try_="type more of the name"
        )
    request.is_about(dict.fromkeys(row["account"] for row in shown))
    links = [
        {**row, "url": url_of(request, row), "text": text_of(row)} for row in shown
    ]
    answer = request.answer(shown if not quick else links, extra={"complete": whole})

    def fill() -> dict[str, Any]:
        return {"results": links, "text": text, "whole": whole, "most": MOST}

    return Page("search", text, answer, fill, {"q": text})


def only_hit(page: Page) -> str | None:
    """Where to go at once: the one thing found, or the one that is named exactly."""
    filled = page.fill()
    results, text = filled["results"], fold(filled["text"])
    exact = [row for row in results if text in _names_of(row)]
    best = results if len(results) == 1 else exact
    return str(best[0]["url"]) if len(best) == 1 else None


def _names_of(row: dict[str, Any]) -> set[str]:
    """What names a thing exactly, compared without case."""
    names = (row["text"], row["user"], row["email"], row["seat"], row["invoice"])
    return {fold(str(name)) for name in names if name}


def _sought(request: PageRequest, text: str, limit: int, *, quick: bool) -> Sought:
    return Sought(
        text,
        request.knowledge,
        request.visitor.accounts,
        limit,
        quick=quick,
        hidden=request.hides_people,
    )


def url_of(request: PageRequest, row: dict[str, Any]) -> str:
    """The page of something found."""
    account = row["account"]
    if row["kind"] == "user":
        return request.url("user", account=account, user=row["user"])
    if row["kind"] == "seat":
        return request.url("seat", account=account, seat=row["seat"])
    if row["kind"] == "entry":
        return request.url("event", position=row["position"])
    if row["kind"] == "invoice":
        return request.url("invoice", invoice=row["invoice"])
    return request.url("account", account=account)


def text_of(row: dict[str, Any]) -> str:
    """What finds just this when it is typed."""
    account = row["account"]
    if row["kind"] == "user":
        return f"{account}/{row['user']}"
    if row["kind"] == "seat":
        return f"{account}/{row['seat']}"
    if row["kind"] == "entry":
        return f"#{row['position']}"
    return str(row["invoice"] or account)
