"""The start page: what needs attention, each a number that leads to what it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from seat_ledger.cli.console.failures import UnreadableRequest
from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.domain.calendar import ZoneHistory, local_date
from seat_ledger.domain.values import iso
from seat_ledger.projections.attention import AccountAttention, Attention
from seat_ledger.projections.attention.waiting import (
    KINDS,
    NEAR_DAYS,
    Moment,
    row_of,
    summed,
    waiting_in,
)
from seat_ledger.projections.billing.idle_cost import sums
from seat_ledger.projections.engine import installation
from seat_ledger.projections.reader import Row


def attention_page(request: PageRequest) -> Page:
    """What needs attention in all accounts; with a `kind`, in which of them."""
    kind = request.params.get("kind", "")
    if kind and kind not in KINDS:
        raise UnreadableRequest("attention_kind", kinds=", ".join(KINDS))
    request.is_about_all()
    if kind:
        return _accounts(request, kind)
    state = request.attention
    rows = [] if state is None else _computed(request, state, "", summed)
    rows = [*rows, *_of_the_store(request)]

    def fill() -> dict[str, Any]:
        return {
            "kind": kind,
            "items": list(_items(request, rows)),
            "is_read": state is not None,
        }

    return Page("attention", "", request.answer(rows), fill)


Waiting = list[AccountAttention]


def _computed(
    request: PageRequest,
    state: Attention,
    kind: str,
    compute: Callable[[Waiting, Moment], list[Row]],
) -> list[Row]:
    """Rows of a state that are computed once a day, and for those who see the same."""
    today = local_date(request.as_of, request.clocks.at(request.as_of))
    key = kind, today, request.visitor.accounts
    if key not in state.computed:
        every = [
            waiting
            for waiting in state.accounts.values()
            if request.may_see(waiting.account.key)
        ]
        state.computed[key] = compute(every, Moment(request.as_of, today))
    rows: list[Row] = state.computed[key]
    return rows


def _accounts(request: PageRequest, kind: str) -> Page:
    """The accounts in which something waits, those first in which it is most."""

    def compute(every: Waiting, moment: Moment) -> list[Row]:
        return waiting_in(every, kind, moment)

    state = request.attention
    rows = [] if state is None else _computed(request, state, kind, compute)
    skip = request.start(len(rows))
    title = request.words(f"attention_{kind}")

    def fill() -> dict[str, Any]:
        shown = rows[skip : skip + PAGE]
        keys = {row["account"] for row in shown}
        waiting = state.accounts.values() if state is not None else ()
        by_key = {it.account.key: it for it in waiting if it.account.key in keys}
        links = [_link(request, kind, by_key[row["account"]]) for row in shown]
        return {
            "kind": kind,
            "rows": list(zip(shown, links, strict=True)),
            "counted": sum(row["count"] for row in rows),
            "is_read": state is not None,
            **request.paged("attention", skip, len(rows), kind=kind),
        }

    return Page("attention", title, request.answer(rows), fill, {"kind": kind})


def _of_the_store(request: PageRequest) -> Iterator[Row]:
    """How far tables and seal are, where the answer is of now."""
    if request.has_as_of or request.has_known_at:
        return
    built = installation.served_times(request.reader.connection)
    behind = request.reader.store_head - request.reader.head
    yield row_of("rebuilt", behind, built["made_at"], accounts=0)
    if request.visitor.accounts is not None:
        return
    seal = installation.last_seal(request.reader.connection)
    if seal is not None:
        yield row_of("sealed", seal.unsealed, seal.recorded_at, accounts=0)
    if seal is not None and seal.undelivered:
        yield row_of("undelivered", seal.undelivered, accounts=0)


def amounts(request: PageRequest, rows: Iterable[Row], name: str = "amount") -> str:
    """The sums of an amount, as people of the language read them."""
    words = request.words
    return " + ".join(
        f"{words.number(amount)} {code}".rstrip() for amount, code in sums(rows, name)
    )


def _items(request: PageRequest, rows: list[Row]) -> Iterator[tuple[str, str, str]]:
    """Each kind as a sentence that is a link, and what is said beside it."""
    words = request.words
    for kind in KINDS:
        own = [row for row in rows if row["kind"] == kind]
        if not own:
            continue
        sentence = words.counted(f"attention_{kind}", sum(row["count"] for row in own))
        beside = []
        if cost := amounts(request, own):
            key = "attention_cost" if kind == "idle" else "attention_sum"
            beside.append(words(key, amount=cost))
        unpriced = sum(row["count"] for row in own if row["amount"] is None)
        if cost and unpriced:
            beside.append(words.counted("not_priced", unpriced))
        yield _address(request, kind), sentence, " ".join(beside)
    for row in rows:
        if row["kind"] not in KINDS:
            address = request.url("projections")
            yield address, _of_a_store_row(request, row), ""


def _of_a_store_row(request: PageRequest, row: Row) -> str:
    words, kind, at = request.words, row["kind"], row["at"]
    when = "" if at is None else words.moment(at.replace(microsecond=0), _UTC)
    if kind == "rebuilt" and not row["count"]:
        return words("attention_up_to_date", when=when)
    if kind == "rebuilt":
        return words.counted("attention_rebuilt", row["count"], when=when)
    if kind == "undelivered":
        return words.counted("attention_undelivered", row["count"])
    if at is None:
        return words("attention_never_sealed")
    if row["count"] > installation.MOST_UNSEALED:
        most = words.number(installation.MOST_UNSEALED)
        return words("attention_sealed_long_ago", most=most, when=when)
    return words.counted("attention_sealed", row["count"], when=when)


_UTC = ZoneHistory("UTC")


def _address(request: PageRequest, kind: str) -> str:
    if kind == "near":
        return request.url("renewals", within=f"{NEAR_DAYS}d")
    if kind == "finding":
        return request.url("findings")
    return request.url("attention", kind=kind)


def _link(request: PageRequest, kind: str, waiting: AccountAttention) -> str:
    """The page of an account that shows what is counted."""
    account = waiting.account.key
    if kind == "late" and waiting.invoiced is not None:
        cut_off, ends = waiting.invoiced
        span = {"from_position": cut_off + 1, "until": iso(ends)}
        return request.url("events", account=account, **span)
    if kind == "list":
        return request.url("events", account=account, type="SnapshotObserved")
    if kind == "finding":
        return request.url("findings", account=account)
    return request.url("idle" if kind == "idle" else "account", account=account)
