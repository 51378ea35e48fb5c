"""An account's contract out of its events, checked as they are read (R74)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from seat_ledger.domain.calendar import (
    BillingCalendar,
    ContractChange,
    ZoneChange,
    ZoneHistory,
    zone,
)
from seat_ledger.domain.counting_rules import COUNTING_RULES
from seat_ledger.domain.values import account_id
from seat_ledger.errors import NotFound
from seat_ledger.projections.engine.decode import UnreadableEvent, not_readable
from seat_ledger.projections.engine.set_aside import StoredOrigin
from seat_ledger.projections.periods.contract import AccountFacts, Policy, Row

_YEARS = range(1900, 2901)
"""In which a contract may begin, so that all its periods are in the calendar."""


def facts_of_each(rows: Iterable[Row], known_at: int) -> Iterator[AccountFacts]:
    """Accounts from their contracts' events, as :func:`facts_of` each."""
    for _, of_account in groupby(rows, key=itemgetter("account_no")):
        yield facts_of(list(of_account), known_at)


def facts_of(rows: Sequence[Row], known_at: int) -> AccountFacts:
    """An account from its contract's events, in the order of recording.

    Events after `known_at`, and what is reversed, are left out. Raises
    UnreadableEvent at the first that no calendar can be made of (R74).
    """
    opened = rows[0]
    details = opened["details"]
    later = [row for row in rows[1:] if row["position"] <= known_at]
    for row in (opened, *later):
        _check(row, opened)
    in_effect = sorted(later, key=lambda row: (row["effective_at"], row["position"]))
    zones = ZoneHistory(
        details["time_zone"],
        tuple(
            ZoneChange(row["effective_at"].astimezone(UTC), row["details"]["time_zone"])
            for row in in_effect
            if row["topic"] == "TimeZoneChanged"
        ),
    )
    calendar = BillingCalendar(
        date.fromisoformat(details["term_start"]),
        details["term_months"],
        details["billing_cycle_months"],
        zones,
        _changes(later),
        _closed_at(later),
    )
    return AccountFacts(
        opened["position"],
        account_id(details["account_key"]),
        details["account_key"],
        details["name"],
        opened["position"] <= known_at,
        opened["effective_at"].astimezone(UTC),
        calendar,
        sum(1 for row in later if row["topic"] == "ContractRenewed"),
        tuple(
            Policy(
                row["effective_at"].astimezone(UTC),
                row["details"]["mode"],
                row["details"].get("granularity"),
                row["position"],
            )
            for row in in_effect
            if row["topic"] == "BillingPolicyChanged" and not row["reversed"]
        ),
        has_requests=opened.get("has_requests", True),
    )


def _changes(later: Sequence[Row]) -> tuple[ContractChange, ...]:
    """How the contract changes at renewals (R96)."""
    changes = [
        ContractChange(
            details["renewal"],
            details.get("term_months"),
            details.get("billing_cycle_months"),
            date.fromisoformat(details["anchor"]) if "anchor" in details else None,
        )
        for row in later
        for details in [row["details"]]
        if row["topic"] == "ContractChanged" and not row["reversed"]
    ]
    return tuple(sorted(changes, key=lambda change: change.renewal))


def _closed_at(later: Sequence[Row]) -> datetime | None:
    """Where the account ends (R97)."""
    ends = [
        row["effective_at"].astimezone(UTC)
        for row in later
        if row["topic"] == "AccountClosed" and not row["reversed"]
    ]
    return min(ends, default=None)


def _check(row: Row, opened: Row) -> None:
    """Raise UnreadableEvent for an event whose details are not what its type says."""
    check = _CHECKS.get(row["topic"])
    try:
        if check is not None:
            check(row["details"])
    except (ValueError, NotFound) as error:
        raise _unreadable(row, opened, str(error)) from error


def _unreadable(row: Row, opened: Row, reason: str) -> UnreadableEvent:
    details = opened["details"]
    key = details.get("account_key") if isinstance(details, dict) else None
    account = key if isinstance(key, str) else f"number {opened['position']}"
    origin = StoredOrigin(
        row["topic"], UUID(int=0), 0, opened["position"], None, account
    )
    return not_readable(
        row["position"], reason.rstrip("."), origin, projection="billing_period"
    )


def _check_opening(details: Row) -> None:
    for name in ("account_key", "name"):
        _text(details, name)
    _check_zone(details)
    _number(details, "term_months", 240)
    _number(details, "billing_cycle_months", 120)
    if date.fromisoformat(_text(details, "term_start")).year not in _YEARS:
        raise ValueError("its term_start is outside the calendar")


def _check_zone(details: Row) -> None:
    zone(_text(details, "time_zone"))


def _check_policy(details: Row) -> None:
    mode, granularity = _text(details, "mode"), details.get("granularity")
    rule = COUNTING_RULES.get(mode)
    if rule is None or granularity not in rule.granularities:
        raise ValueError(f"there is no counting by {mode}, {granularity}")


def _check_change(details: Row) -> None:
    _number(details, "renewal", 10_000)
    if "term_months" in details:
        _number(details, "term_months", 240)
    if "billing_cycle_months" in details:
        _number(details, "billing_cycle_months", 120)
    if "anchor" in details and (
        date.fromisoformat(_text(details, "anchor")).year not in _YEARS
    ):
        raise ValueError("its anchor is outside the calendar")


_CHECKS: dict[str, Callable[[Row], None]] = {
    "AccountOpened": _check_opening,
    "TimeZoneChanged": _check_zone,
    "BillingPolicyChanged": _check_policy,
    "ContractChanged": _check_change,
}


def _text(details: Row, name: str) -> str:
    value = details.get(name)
    if not isinstance(value, str):
        raise ValueError(f"its {name} is not text")  # noqa: TRY004  of the event
    return value


def _number(details: Row, name: str, most: int) -> None:
    value = details.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"its {name} is not a number from 1 to {most}")
