"""What needs attention: what the console's first page shows, for a terminal."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options.session import (
    Question,
    option_as_of,
    option_one_account,
    reading,
)
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.calendar import local_date
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted

KINDS = {
    "due": (
        "renewal that is due, and not recorded",
        "renewals that are due, and not recorded",
    ),
    "near": ("renewal within 90 days", "renewals within 90 days"),
    "idle": ("seat that nobody holds", "seats that nobody holds"),
    "finding": ("finding that is not settled", "findings that are not settled"),
    "late": (
        "fact recorded after the invoice for its period",
        "facts recorded after the invoice for their period",
    ),
    "list": ("list of holders that is overdue", "lists of holders that are overdue"),
}
"""What each kind counts, as one reads it, of one and of several."""
_NAMED = {
    "due": "seat-ledger account attention --kind due",
    "near": "seat-ledger account attention --kind near",
    "idle": "seat-ledger account attention --kind idle",
    "finding": "seat-ledger account attention --kind finding",
    "late": "seat-ledger account attention --kind late",
    "list": "seat-ledger account attention --kind list",
}
"""The command that names the accounts of a kind."""


@click.command(epilog="Example: seat-ledger account attention --kind idle")
@option_one_account
@click.option(
    "--kind",
    type=click.Choice([*KINDS]),
    help="List the accounts with this kind, one per row.",
)
@option_as_of
@reading
def attention(
    question: Question, account: str | None, kind: str | None, **_: Any
) -> Answer:
    """What needs attention: renewals, unused seats, findings, late facts.

    The amount of unused seats is their cost for one billing period. A list of holders
    is overdue after twice the interval between the last two, or 35 days after the
    only one.
    """
    from seat_ledger.projections.attention import attention  # noqa: PLC0415
    from seat_ledger.projections.attention.waiting import (  # noqa: PLC0415
        Moment,
        summed,
        waiting_in,
    )
    from seat_ledger.projections.billing.totals import added  # noqa: PLC0415

    numbers = [question.account.no] if account else None
    moment = question.reader, question.knowledge, question.as_of
    every = attention(*moment, numbers).accounts.values()
    today = local_date(question.as_of, question.zones.at(question.as_of))
    when = Moment(question.as_of, today)
    if kind is None:
        rows = summed(every, when)
        columns = [
            ("what", lambda row: KINDS[row["kind"]][1]),
            *cells("how many=count", "accounts"),
            ("amount", _amount),
            *cells("currency"),
            ("first", _since),
        ]
    else:
        rows = waiting_in(every, kind, when)
        is_money = any(row["amount"] for row in rows)
        columns = [
            *cells("account", "how many=count"),
            *cells(*(["amount|not priced", "currency"] if is_money else [])),
        ]
        if kind != "idle":
            columns.append(("on" if kind == "near" else "since", _since))
    return question.answer(
        rows,
        columns,
        sentence=_sentence(rows, kind),
        next_command=_next(rows),
        extra={"totals": added(rows, "amount")} if kind else {},
    )


def _amount(row: dict[str, Any]) -> object:
    """An amount; what could have one and has no price is no nothing (R93)."""
    return row["amount"] or ("not priced" if row["kind"] == "idle" else None)


def _since(row: dict[str, Any]) -> object:
    """A date of the account's own calendar, or an instant."""
    return row["date"] or row["at"]


def _sentence(rows: list[dict[str, Any]], kind: str | None) -> str:
    """How much there is to look at, and what of it is money."""
    from seat_ledger.projections.billing.idle_cost import sums_of  # noqa: PLC0415

    if not rows:
        return f"There are no {KINDS[kind][1]}." if kind else "Nothing needs attention."
    if kind is None:
        kinds = len({row["kind"] for row in rows})
        return f"{counted(kinds, 'thing')} to look at."
    where = counted(len({row["account"] for row in rows}), "account")
    count = sum(row["count"] for row in rows)
    money = sums_of(rows, "amount")
    free = sum(row["count"] for row in rows if row["amount"] is None)
    without = f"; {free:,} not priced" if money and free else ""
    return (
        f"{counted(count, *KINDS[kind])}, in {where}{money and f': {money}'}{without}."
    )


def _next(rows: list[dict[str, Any]]) -> str:
    """The command that shows more of what comes first."""
    if not rows:
        return ""
    kind = rows[0]["kind"]
    if rows[0]["account"] is None:
        return _NAMED[kind]
    account = as_word(rows[0]["account"])
    return {
        "due": f"seat-ledger account show {account}",
        "near": "seat-ledger account renewals --within 90d",
        "idle": f"seat-ledger account advise --account {account}",
        "finding": f"seat-ledger finding list --account {account}",
        "late": f"seat-ledger event list --account {account} --late",
        "list": f"seat-ledger event list --account {account} --type SnapshotObserved",
    }[str(kind)]
