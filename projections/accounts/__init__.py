"""Accounts: their contract, what is pending, and what they have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from operator import itemgetter

from seat_ledger.domain.values import FOREVER, account_id
from seat_ledger.projections import holdings
from seat_ledger.projections.reader import (
    AccountFacts,
    AccountQuestion,
    ConnectedReader,
    Knowledge,
    Row,
    utc,
)
from seat_ledger.store.wrapping import Secret


def listed(
    reader: ConnectedReader,
    as_of: datetime,
    known_at: Knowledge,
    account_nos: Collection[int] | None = None,
) -> list[Row]:
    """Every account that was open at a moment, with its totals over all types.

    Or those of some numbers.
    """
    return _listed(reader, as_of, known_at, reader.accounts(known_at, account_nos))


def _listed(
    reader: ConnectedReader,
    as_of: datetime,
    known_at: Knowledge,
    accounts: Iterable[AccountFacts],
) -> list[Row]:
    """Those of some accounts that were open, with their totals."""
    opened = [account for account in accounts if account.opened_at <= as_of]
    numbers = [account.no for account in opened]
    totals = holdings.totals_of(reader, numbers, known_at, as_of)
    return [_in_list(account, as_of, totals[account.no]) for account in opened]


def page(  # noqa: PLR0913  where to look, and how far
    reader: ConnectedReader,
    as_of: datetime,
    known_at: Knowledge,
    *,
    only: Collection[str] | None = None,
    after: str = "",
    limit: int = 50,
) -> tuple[list[Row], str | None]:
    """Accounts as :func:`listed`, from a key on; and the key that the rest follows."""
    numbers = None
    if only is not None:
        ids = [account_id(key) for key in only]
        rows = reader.ask("accounts", "numbers", account_ids=Secret.ids(ids))
        numbers = [row["account_no"] for row in rows]
    matches = reader.ask(
        "accounts",
        "containing",
        known_at,
        text=Secret(""),
        by_name=False,
        account_nos=numbers,
        after=after,
        limit=limit + 1,
    )
    keys = [row["account_key"] for row in matches]
    numbers = [row["account_no"] for row in matches[:limit]]
    accounts = reader.accounts(known_at, numbers)
    rows = _listed(reader, as_of, known_at, accounts)
    return rows, keys[limit - 1] if len(keys) > limit else None


def _in_list(account: AccountFacts, as_of: datetime, totals: list[Row]) -> Row:
    renewal = account.next_renewal(as_of)
    return {
        "account": account.key,
        "name": account.name,
        "time_zone": account.zones.at(as_of),
        "term_start": account.calendar.term_start,
        "purchased": sum(row["purchased"] for row in totals),
        "assigned": sum(row["assigned"] for row in totals),
        "available": sum(row["available"] for row in totals),
        "next_renewal": renewal["instant"],
        "renewal_due": account.renewal_due(as_of),
        "closed_at": account.calendar.closed_at,
        "assigned_least": sum(row["assigned_least"] for row in totals),
        "assigned_most": sum(row["assigned_most"] for row in totals),
        "renewal_date": renewal["date"],
    }


def steps(question: AccountQuestion) -> list[Row]:
    """From each instant on, how many seats of a type were purchased and assigned."""
    return _in_utc(question.ask("counts", "steps"))


def _in_utc(rows: list[Row]) -> list[Row]:
    return [{**row, "at": utc(row["at"])} for row in rows]


def is_restless(reader: ConnectedReader, account: AccountFacts, most: int) -> bool:
    """Whether an account has more steps than so many."""
    rows = reader.ask("counts", "many", account_no=account.no, limit=most + 1)
    return bool(rows[0]["many"] > most)


def steps_at(question: AccountQuestion, instants: Sequence[datetime]) -> list[Row]:
    """What was purchased and assigned of each type just before some instants.

    Rows as of :func:`steps`; with nothing before an instant, or nothing new since the
    one before it, a type may have no row of it.
    """
    is_now = question.known_at.position == question.reader.head
    name = "steps_before" if is_now else "steps_between"
    return _in_utc(question.ask("counts", name, instants=list(instants)))


def show(question: AccountQuestion) -> Row:
    """One account: contract, next renewal and what is pending for it, totals."""
    account, as_of = question.account, question.as_of
    calendar = account.calendar
    renewal = account.next_renewal(as_of)
    terms = calendar.terms_at(as_of)
    return {
        "account": account.key,
        "name": account.name,
        "opened_at": account.opened_at,
        "time_zone": account.zones.at(as_of),
        "term_start": calendar.term_start,
        "term_months": terms.term_months,
        "billing_cycle_months": terms.billing_cycle_months,
        "renewals_processed": account.renewals,
        "next_renewal": renewal,
        "renewal_due": account.renewal_due(as_of),
        "closed_at": calendar.closed_at,
        "contract_changes": [
            {**change._asdict(), "from": at.instant}
            for change in calendar.changes
            if (at := calendar.renewal(change.renewal)).instant < FOREVER
        ],
        "totals": holdings.totals(question),
        "pending_unassignments": holdings.to_be_unassigned(question),
        "windows": holdings.windows_at(question),
    }


def renewing(
    questions: Iterable[AccountQuestion], last: date | None
) -> list[AccountQuestion]:
    """Those of some accounts that renew, the next first; up to a local date, if any."""
    dated = [
        (question.account.next_renewal(question.as_of), question)
        for question in questions
    ]
    within = [
        (row["instant"], question.account.key, question)
        for row, question in dated
        if row["date"] is not None and (last is None or row["date"] <= last)
    ]
    return [question for _, _, question in sorted(within, key=itemgetter(0, 1))]
