"""What to give up at the next renewal, and what that saves."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

from seat_ledger.projections import holdings
from seat_ledger.projections.billing.idle_cost import IdleCost
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import AccountQuestion, Row

_EVER = datetime.min.replace(tzinfo=UTC)


def advised(question: AccountQuestion, how: Priced, idle_days: int) -> list[Row]:
    """A row per seat type: what was needed of it lately, and what can be given up.

    A seat can be given up at the next renewal (R15, R17) that is purchased, is not to
    be retired already, and was not needed: of the time before the moment the most that
    were held at once stay. Amounts are None without a price.
    """
    totals = holdings.totals(question)
    how.check_types(total["seat_type"] for total in totals)
    cost = IdleCost(question, how)
    renewal = cost.renewal
    most = _most_held(question, idle_days)
    rows = []
    for total in totals:
        seat_type = total["seat_type"]
        held = most.get(seat_type, Peak(total["assigned"]))
        owned = total["purchased"] - total["pending_reduction"]
        if renewal["number"] is None:
            owned = 0
        count = max(0, owned - held.recorded)
        rows.append(
            {
                "account": question.account.key,
                **total,
                "idle_days": idle_days,
                "most_held": held.recorded,
                "most_held_least": held.least,
                "most_held_most": held.most,
                "reduce_by": count,
                "reduce_by_least": max(0, owned - held.most),
                "reduce_by_most": max(0, owned - held.least),
                "renewal": renewal["date"],
                "reduce_before": renewal["instant"],
                **_money(cost, seat_type, total["available"], count),
            }
        )
    return rows


class Peak:
    """The most that were held at once: as recorded, and by what windows leave open."""

    def __init__(self, recorded: int = 0) -> None:
        self.recorded = self.least = self.most = recorded


def _most_held(question: AccountQuestion, idle_days: int) -> dict[str, Peak]:
    """How many seats of each type were held at once at most in the days before.

    In truth somebody may have come, or left, as early as a window allows (R85).
    """
    as_of = question.as_of
    since = as_of - timedelta(days=min(idle_days, (as_of - _EVER).days))
    steps: dict[str, list[_Step]] = {}
    before: Counter[str] = Counter()
    for row in question.ask("counts", "steps"):
        seat_type = row["seat_type"]
        change = row["assigned"] - before[seat_type]
        before[seat_type] = row["assigned"]
        steps.setdefault(seat_type, []).append(_Step(row["at"], change, change, change))
    for row in question.ask("counts", "windows", since=since, as_of=as_of):
        came = row["topic"] == "SeatAssigned"
        most, least = (1, 0) if came else (0, -1)
        steps[row["seat_type"]] += [
            _Step(row["effective_after"], 0, least, most),
            _Step(row["effective_at"], 0, -least, -most),
        ]
    return {name: _peak(its, since, as_of) for name, its in steps.items()}


class _Step(NamedTuple):
    """By how much the seats that are held change: as recorded, at least, at most."""

    at: datetime
    recorded: int
    least: int
    most: int


def _peak(steps: list[_Step], since: datetime, as_of: datetime) -> Peak:
    """The highest that each of the three counts was from a moment to another."""
    peak, current = Peak(), Peak()
    by_instant = groupby(sorted(steps), key=lambda step: step.at)
    for at, changes in by_instant:
        if at > as_of:
            break
        for step in changes:
            current.recorded += step.recorded
            current.least += step.least
            current.most += step.most
        if at <= since:
            peak.recorded, peak.least = current.recorded, current.least
            peak.most = current.most
        peak.recorded = max(peak.recorded, current.recorded)
        peak.least = max(peak.least, current.least)
        peak.most = max(peak.most, current.most)
    return peak


def _money(cost: IdleCost, seat_type: str, available: int, count: int) -> Row:
    """What idle seats cost until the renewal, and what giving some up saves then."""
    none = dict.fromkeys(
        (
            "unit_price",
            "currency",
            "amount_until_renewal",
            "saved_per_period",
            "saved_per_term",
        )
    )
    period = cost.next_period
    price = period and cost.price(seat_type, period)
    if not price:
        return none
    terms = cost.account.calendar.terms_from(cost.renewal["number"])
    periods = Fraction(terms.term_months, terms.billing_cycle_months)
    per_seat = cost.until_renewal(seat_type)
    amount = price.currency.amount
    return {
        "unit_price": price.currency.shown(price.value),
        "currency": price.currency.code,
        "amount_until_renewal": per_seat
        and amount(Fraction(per_seat), Fraction(available)),
        "saved_per_period": amount(Fraction(count), price.value),
        "saved_per_term": amount(count * periods, price.value),
    }
