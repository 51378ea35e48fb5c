"""Whether an answer of an earlier state of knowledge reads differently now (R41)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from seat_ledger.cli.console.request import Page, PageRequest
from seat_ledger.errors import LedgerError
from seat_ledger.projections.reader.pool import PooledReader

COMPARED = frozenset(
    {"account", "seats", "seat", "user", "users", "period", "explain", "idle"}
)
"""The pages whose answers are of one account, and as short as a page."""
_OF_TIME = ("complete", "forecast", "renewal_due")
"""What is different because time has passed, with the same facts."""


class Rereading(NamedTuple):
    """Where the answer of now is, and where the difference is explained."""

    now: str
    compare: str


def rereading(
    request: PageRequest, page: Page, answer: Callable[[PageRequest], Page]
) -> Rereading | None:
    """Where an answer differs from that of now: the addresses; else None."""
    if page.name not in COMPARED or not request.has_known_at:
        return None
    if request.knowledge.is_head or not request.account.is_known:
        return None
    moment = {"as_of": request.params["as_of"]} if request.has_as_of else {}
    assert isinstance(request.reader, PooledReader)
    present = PageRequest(
        request.reader,
        {name: text for name, text in request.params.items() if name != "known_at"},
        request.words,
        request.visitor,
    )
    present.as_of = request.as_of
    present.now = request.knowledge.moment(request.now)
    if _rows(page) == _reread(present, answer):
        return None
    key = request.account.key
    return Rereading(
        request.without_moments(page.name, **page.identity, **moment),
        request.without_moments(
            "compare", account=key, before=request.knowledge.position
        ),
    )


def _reread(present: PageRequest, answer: Callable[[PageRequest], Page]) -> Any:
    try:
        return _rows(answer(present))
    except LedgerError:  # what was there is not any more
        return None


def _rows(page: Page) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in row.items() if name not in _OF_TIME}
        for row in page.answer.rows
    ]
