"""Accounts: their contract, what is pending, and what they have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from projections import holdings
from projections.reader import AccountFacts, Knowledge, Reader, Row


def listed(reader: Reader, as_of: datetime, known: Knowledge) -> list[Row]:
    """Every account that was open at a moment, with its totals over all types."""
    rows = []
    for account in reader.accounts(known):
        if account.opened_at > as_of:
            continue
        totals = holdings.totals(reader, account, as_of, known)
        rows.append(
            {
                "account": account.key,
                "name": account.name,
                "time_zone": account.zones.at(as_of),
                "term_start": account.calendar.term_start,
                "purchased": sum(row["purchased"] for row in totals),
                "assigned": sum(row["assigned"] for row in totals),
                "available": sum(row["available"] for row in totals),
                "next_renewal": next_renewal(account, as_of)["instant"],
                "renewal_due": account.renewal_due(as_of),
            }
        )
    return rows


def show(
    reader: Reader, account: AccountFacts, as_of: datetime, known: Knowledge
) -> Row:
    """One account: contract, next renewal and what is pending for it, totals."""
    calendar = account.calendar
    renewal = next_renewal(account, as_of)
    return {
        "account": account.key,
        "name": account.name,
        "opened_at": account.opened_at,
        "time_zone": account.zones.at(as_of),
        "term_start": calendar.term_start,
        "term_months": calendar.term_months,
        "billing_cycle_months": calendar.billing_cycle_months,
        "renewals_processed": account.renewals,
        "next_renewal": renewal,
        "renewal_due": account.renewal_due(as_of),
        "totals": holdings.totals(reader, account, as_of, known),
    }


def next_renewal(account: AccountFacts, as_of: datetime) -> dict[str, Any]:
    """The first renewal after a moment, or the one that is due already."""
    number = min(account.calendar.renewal_after(as_of), account.renewals + 1)
    bound = account.calendar.renewal(number)
    return {"number": number, "date": bound.day, "instant": bound.instant}
