"""What to give up at the next renewal, and what that saves."""

from __future__ import annotations

from fractions import Fraction

from seat_ledger.projections import holdings
from seat_ledger.projections.billing.idle_cost import IdleCost
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import AccountQuestion, Row


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
        held = max(most.get(seat_type, 0), total["assigned"])
        spare = total["purchased"] - total["pending_reduction"] - held
        count = max(0, spare) if renewal["number"] is not None else 0
        rows.append(
            {
                "account": question.account.key,
                **total,
                "idle_days": idle_days,
                "most_held": held,
                "reduce_by": count,
                "renewal": renewal["date"],
                "reduce_before": renewal["instant"],
                **_money(cost, seat_type, total["available"], count),
            }
        )
    return rows


def _most_held(question: AccountQuestion, idle_days: int) -> dict[str, int]:
    """How many seats of each type were held at once at most in the days before."""
    as_of = question.as_of
    most: dict[str, int] = {}
    for row in question.ask("counts", "steps"):
        if row["at"] > as_of:
            continue
        is_before = (as_of - row["at"]).days >= idle_days
        before = 0 if is_before else most.get(row["seat_type"], 0)
        most[row["seat_type"]] = max(before, row["assigned"])
    return most


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
