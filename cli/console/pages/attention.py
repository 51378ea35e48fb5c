"""The start page: what needs attention, each a number that leads to what it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from seat_ledger.cli.console.request import PAGE, Page, PageRequest
from seat_ledger.domain.calendar import ZoneHistory, local_date
from seat_ledger.domain.values import iso
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.attention import AccountAttention, Attention
from seat_ledger.projections.billing.idle_cost import sums
from seat_ledger.projections.engine import installation
from seat_ledger.projections.reader import Row

NEAR_DAYS = 90
"""How many days ahead a renewal is near; the page of renewals has the same span."""


def attention_page(request: PageRequest) -> Page:
    """What needs attention in all accounts; with a `kind`, in which of them."""
    kind = request.params.get("kind", "")
    if kind and kind not in KINDS:
        raise InvalidInput(f"There is no such kind of attention: {', '.join(KINDS)}.")
    request.is_about_all()
    if kind:
        return _accounts(request, kind)
    state = request.attention
    rows = [] if state is None else _computed(request, state, "", _sums)
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
    compute: Callable[[PageRequest, Waiting], Iterable[Row]],
) -> list[Row]:
    """Rows of a state that are computed once a day, and for those who see the same."""
    key = kind, _today(request), request.visitor.accounts
    if key not in state.computed:
        every = [
            waiting
            for waiting in state.accounts.values()
            if request.may_see(waiting.account.key)
        ]
        state.computed[key] = list(compute(request, every))
    rows: list[Row] = state.computed[key]
    return rows


def _today(request: PageRequest) -> date:
    return local_date(request.as_of, request.clocks.at(request.as_of))


def _accounts(request: PageRequest, kind: str) -> Page:
    """The accounts in which something waits, those first in which it is most."""

    def compute(_: PageRequest, every: Waiting) -> list[Row]:
        rows = [row for waiting in every for row in KINDS[kind](request, waiting)]
        if kind in {"idle", "late"}:
            return sorted(rows, key=lambda row: (-row["count"], row["account"]))
        return sorted(rows, key=lambda row: (row["at"], row["account"]))

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


def _row(kind: str, count: int, at: datetime | None = None, **fields: Any) -> Row:
    """A row of the answer: of an account, or of several together."""
    return {
        "kind": kind,
        "account": fields.get("account"),
        "count": count,
        "accounts": fields.get("accounts", 1),
        "amount": fields.get("amount"),
        "currency": fields.get("currency"),
        "at": at,
    }


def _due(request: PageRequest, waiting: AccountAttention) -> Iterator[Row]:
    if waiting.due_at <= request.as_of:
        yield _row("due", 1, waiting.due_at, account=waiting.account.key)


def _near(request: PageRequest, waiting: AccountAttention) -> Iterator[Row]:
    day = waiting.renewal["date"]
    if day is not None and day <= _today(request) + timedelta(days=NEAR_DAYS):
        at = waiting.renewal["instant"]
        yield _row("near", 1, at, account=waiting.account.key)


def _idle(_: PageRequest, waiting: AccountAttention) -> Iterator[Row]:
    for idle in waiting.idle:
        price: Row = {}
        if idle.currency is not None:
            amount = idle.currency.amount(Fraction(1), idle.amount)
            price = {"amount": amount, "currency": idle.currency.code}
        yield _row("idle", idle.seats, account=waiting.account.key, **price)


def _findings(_: PageRequest, waiting: AccountAttention) -> Iterator[Row]:
    for finding in waiting.findings:
        yield _row(
            "finding",
            1,
            finding["recorded_at"],
            account=finding["account"],
            amount=finding["difference"],
            currency=finding["currency"],
        )


def _late(_: PageRequest, waiting: AccountAttention) -> Iterator[Row]:
    if waiting.late and waiting.invoiced is not None:
        at = waiting.invoiced.ends
        yield _row("late", waiting.late, at, account=waiting.account.key)


def _lists(request: PageRequest, waiting: AccountAttention) -> Iterator[Row]:
    if waiting.list_due <= request.as_of:
        yield _row("list", 1, waiting.lists[0], account=waiting.account.key)


KINDS: Mapping[str, Callable[[PageRequest, AccountAttention], Iterator[Row]]] = {
    "due": _due,
    "near": _near,
    "idle": _idle,
    "finding": _findings,
    "late": _late,
    "list": _lists,
}
"""What may wait in an account, and the rows that say so."""


def _sums(request: PageRequest, every: Waiting) -> Iterator[Row]:
    """A row of each kind and currency, over the accounts in which it waits."""
    for kind, rows_of in KINDS.items():
        by_currency: dict[str | None, list[Row]] = {}
        for account in every:
            for row in rows_of(request, account):
                code = row["currency"] if row["amount"] is not None else None
                by_currency.setdefault(code, []).append(row)
        for code, rows in by_currency.items():
            ((amount, _),) = sums(rows, "amount") or ((None, ""),)
            yield _row(
                kind,
                sum(row["count"] for row in rows),
                min((row["at"] for row in rows if row["at"]), default=None),
                accounts=len({row["account"] for row in rows}),
                amount=amount,
                currency=code,
            )


def _of_the_store(request: PageRequest) -> Iterator[Row]:
    """How far tables and seal are, where the answer is of now."""
    if request.has_as_of or request.has_known_at:
        return
    built = installation.served_times(request.reader.connection)
    behind = request.reader.store_head - request.reader.head
    yield _row("rebuilt", behind, built["made_at"], accounts=0)
    if request.visitor.accounts is not None:
        return
    seal = installation.last_seal(request.reader.connection)
    if seal is not None:
        yield _row("sealed", seal.unsealed, seal.recorded_at, accounts=0)
    if seal is not None and seal.undelivered:
        yield _row("undelivered", seal.undelivered, accounts=0)


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
