"""The oracle answers the worked examples to the digit, and keeps the laws (R52)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from tests.oracle.answers import RenewalDue, View
from tests.oracle.counting import money
from tests.oracle.dates import Zones, dates_between, exists, first_instant, months_after
from tests.oracle.deciding import parsed
from tests.oracle.oracle import Oracle
from tests.oracle.worked_examples import ACCOUNT, EXAMPLES, PRO, Example, Question

NOW = datetime(2026, 10, 1, tzinfo=UTC)


class Played:
    """An example played to the oracle."""

    def __init__(self, example: Example) -> None:
        self.oracle = Oracle(lambda: NOW)
        self.labels: dict[str | None, int] = {}
        for step in example.steps:
            outcome = self.oracle.run(self.command(step.command))
            assert outcome.accepted == (step.code is None), (step, outcome.codes)
            if step.code is not None:
                assert step.code in outcome.codes
            self.labels[step.label] = self.oracle.head

    def command(self, command: dict[str, Any]) -> dict[str, Any]:
        """The command with labels read as positions."""
        if "commands" in command:
            return command | {
                "commands": [self.command(c) for c in command["commands"]]
            }
        named = str(command.get("entry", "")).removeprefix("@")
        return command | {"entry": self.labels[named]} if named else command

    def answer(self, question: Question) -> Any:
        knowledge = self.labels[question.known_at] if question.known_at else None
        view = self.oracle.view(ACCOUNT, knowledge)
        of = dict(question.of)
        if "as_of" in of:
            of["as_of"] = view.contract.zones.resolve(of["as_of"])
        return globals()[f"_{question.ask}"](view, question.answer, **of)


def _count(
    view: View,
    answer: dict[str, Any] | None,
    *,
    period: str,
    seat_type: str,
    mode: str,
    granularity: str | None,
    price: str,
) -> dict[str, Any] | None:
    counted = view.period(period)
    rows = view.counts(counted, mode, granularity)
    result = [row for row in rows if row["seat_type"] == seat_type]
    if not result or answer is None:
        return None if not result else result[0]
    quantity = result[0]["quantity"]
    row = {
        **result[0],
        **_period(counted),
        "quantity": decimal(quantity),
        "quantity_exact": f"{quantity.numerator}/{quantity.denominator}",
        "amount": money(quantity, price),
    }
    return {name: row[name] for name in answer}


def decimal(quantity: Fraction) -> str:
    return money(quantity, "1", 12).rstrip("0").rstrip(".")


def _period(period: Any) -> dict[str, Any]:
    return {
        "period": period.label.isoformat(),
        "from": instant(period.starts),
        "until": instant(period.ends),
        "days": len(period.dates),
        "seconds": period.seconds,
        "time_zone": period.zone,
    }


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _periods(view: View, answer: list[dict[str, Any]], first: int) -> Any:
    rows = [_period(period) for period in view.periods(NOW)[:first]]
    return [
        {name: row[name] for name in expected}
        for row, expected in zip(rows, answer, strict=True)
    ]


def _who(view: View, _: Any, seat: str, as_of: datetime) -> Any:
    holder = view.who(parsed(seat), as_of)["holder"]
    return holder["user"] if holder else None


def _history(view: View, _: Any, seat: str) -> Any:
    rows = view.seat_history(parsed(seat))
    return [
        (row["user"], instant(row["held_from"]), instant(row["held_until"]))
        for row in rows
    ]


def _totals(view: View, answer: dict[str, int], seat_type: str, as_of: datetime) -> Any:
    (row,) = [row for row in view.totals(as_of) if row["seat_type"] == seat_type]
    return {name: row[name] for name in answer}


def _renewal(view: View, _: Any, as_of: datetime) -> Any:
    row = view.next_renewal(as_of)
    return {
        "renewal": row["renewal"],
        "date": row["date"].isoformat(),
        "at": instant(row["at"]),
    }


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_worked_examples(example: Example) -> None:
    played = Played(example)
    for question in example.questions:
        assert played.answer(question) == question.answer, question


def test_r38_a_period_beyond_the_term_is_refused() -> None:
    played = Played(EXAMPLES[0])
    with pytest.raises(RenewalDue):
        played.oracle.view(ACCOUNT).period("2026-03-05")


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        ("UTC", "2025-03-05", "2025-03-05T00:00:00Z"),
        ("America/Havana", "2025-11-02", "2025-11-02T04:00:00Z"),  # midnight twice
        ("America/Havana", "2025-03-09", "2025-03-09T05:00:00Z"),  # no midnight
        ("Asia/Beirut", "2025-03-30", "2025-03-29T22:00:00Z"),  # no midnight
        ("Asia/Beirut", "2024-10-27", "2024-10-26T22:00:00Z"),  # back to the day before
        ("Africa/Cairo", "2025-04-25", "2025-04-24T22:00:00Z"),
        ("America/Asuncion", "2023-10-01", "2023-10-01T04:00:00Z"),
        ("America/Santiago", "2025-09-07", "2025-09-07T04:00:00Z"),
        ("Asia/Tehran", "2022-03-22", "2022-03-21T20:30:00Z"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00Z"),  # 00:01 -> 23:01
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),  # no such date
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"),
        ("Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00:00Z"),  # no such date
        ("Australia/Lord_Howe", "2025-04-06", "2025-04-05T13:00:00Z"),
    ],
)
def test_r05_the_first_instant_of_a_date(zone: str, day: str, begins: str) -> None:
    result = first_instant(date.fromisoformat(day), zone)
    assert instant(result) == begins


def test_r05_a_date_that_does_not_exist() -> None:
    assert not exists(date(2011, 12, 30), "Pacific/Apia")
    days = dates_between(
        date(2011, 12, 29),
        date(2012, 1, 1),
        "Pacific/Apia",
        first_instant(date(2012, 1, 1), "Pacific/Apia"),
    )
    assert [day.date.day for day in days] == [29, 31]
    assert days[0].ends == days[1].starts


def test_r06_r07_anchors_return_to_their_day() -> None:
    assert months_after(date(2024, 2, 29), 12) == date(2025, 2, 28)
    assert months_after(date(2024, 2, 29), 48) == date(2028, 2, 29)
    assert months_after(date(2025, 1, 31), 1) == date(2025, 2, 28)
    assert months_after(date(2025, 1, 31), 2) == date(2025, 3, 31)


def test_r09_a_bound_between_the_two_zones_stays() -> None:
    at = datetime(2025, 5, 31, 23, tzinfo=UTC)
    moved = Zones("America/Los_Angeles", ((at, "Europe/Amsterdam"),))
    assert moved.bound(date(2025, 6, 1)) == (
        datetime(2025, 6, 1, 7, tzinfo=UTC),
        "America/Los_Angeles",
    )
    assert moved.bound(date(2025, 6, 2))[1] == "Europe/Amsterdam"


def test_r11_local_times_that_occur_twice_or_never() -> None:
    zones = Zones("Europe/Amsterdam")
    assert zones.readings(datetime(2025, 3, 30, 2, 30)) == []  # noqa: DTZ001
    twice = zones.readings(datetime(2025, 10, 26, 2, 30))  # noqa: DTZ001
    assert [at.hour for at in twice] == [0, 1]
    assert zones.resolve("2025-06-18 14:00") == datetime(2025, 6, 18, 12, tzinfo=UTC)


def test_r51_money_is_rounded_half_up_below_zero_too() -> None:
    assert money(Fraction(1, 2), "0.01") == "0.01"
    assert money(Fraction(-1, 2), "0.01") == "0.00"
    assert money(Fraction(-3, 2), "0.01") == "-0.01"


def test_r47_an_entry_holds_when_no_reversal_of_it_holds() -> None:
    oracle = Oracle(lambda: NOW)

    def run(op: str, **facts: Any) -> list[int]:
        outcome = oracle.run({"op": op, "account": "a", **facts})
        assert outcome.accepted, outcome.codes
        return [entry.position for entry in outcome.entries]

    def reversed_(entry: int) -> int:
        (position,) = run("reverse", entry=entry, reason="x")
        return position

    start = {"time_zone": "UTC", "term_start": "2025-01-01", "name": "A"}
    run("open_account", term_months=12, billing_cycle_months=1, **start)
    (seat,) = run(
        "buy_seats", seat_type="sales/starter", quantity=1, effective_at="2025-01-01"
    )

    def bought() -> bool:
        return bool(oracle.view("a").totals(NOW - timedelta(days=300)))

    first = reversed_(seat)
    assert not bought()
    second = reversed_(first)
    assert bought()
    reversed_(second)
    assert not bought()
    refused = oracle.run(
        {"op": "reverse", "account": "a", "entry": seat, "reason": "x"}
    )
    assert refused.codes == {"already_reversed"}


def opened(oracle: Oracle) -> None:
    """A term of twelve months from 1 January 2025, and a seat."""
    start = {"time_zone": "UTC", "term_start": "2025-01-01", "name": "A"}
    command = {"op": "open_account", "account": "a", **start}
    oracle.run({**command, "term_months": 12, "billing_cycle_months": 1})
    oracle.run(dated("buy_seats", "2025-01-01", seat_type=PRO, quantity=2))


def dated(op: str, at: str, **fields: Any) -> dict[str, Any]:
    return {"op": op, "account": "a", "effective_at": at, **fields}


def test_r97_no_contract_changes_at_a_renewal_after_the_account_ended() -> None:
    """It is effective at the renewal, whenever it is recorded as of."""
    oracle = Oracle(lambda: NOW)
    opened(oracle)
    assert oracle.run(dated("close_account", "2026-01-01")).accepted
    change = dated("change_contract", "2025-06-01", renewal=2, term_months=6)
    assert oracle.run(change).codes == {"account_closed"}


def test_r98_an_unassignment_waits_for_the_end_of_its_period() -> None:
    oracle = Oracle(lambda: NOW)
    opened(oracle)
    names = {"user": "ann", "email": "ann@x.example", "name": "Ann"}
    oracle.run(dated("add_user", "2025-01-05", **names, seats=[PRO]))
    seat = {"user": "ann", "seat_type": PRO}
    notice = dated("unassign_seat", "2025-03-10", **seat, at_period_end=True)
    assert oracle.run(notice).accepted
    assert oracle.run(notice).codes == {"unassignment_pending"}
    outcome = oracle.run({"op": "renew", "account": "a", "effective_at": "2025-04-01"})
    assert [entry.topic for entry in outcome.entries] == ["SeatUnassigned"]
    (row,) = oracle.view("a").seat_history((PRO, 1))
    assert instant(row["held_until"]) == "2025-04-01T00:00:00Z"
    cancel = dated("cancel_unassignment", "2025-03-31", **seat)
    assert oracle.run(cancel).codes == {"unassignment_carried_out"}


def test_r95_a_name_means_who_bears_it_then_and_the_person_stays() -> None:
    oracle = Oracle(lambda: NOW)
    opened(oracle)
    names = {"user": "ann", "email": "ann@x.example", "name": "Ann"}
    oracle.run(dated("add_user", "2025-01-05", **names, seats=[PRO]))
    rename = dated("rename_user", "2025-06-01", user="ann", new_user="eva")
    assert oracle.run({**rename, "email": "eva@x.example"}).accepted
    early, late = (datetime(2025, month, 2, tzinfo=UTC) for month in (5, 7))
    view = oracle.view("a")
    (then,), (now,) = (view.seats_of_user(key, late) for key in ("ann", "eva"))
    assert then == now == view.who((PRO, 1), late)["holder"] | {"seat": f"{PRO}#1"}
    assert (now["user"], now["email"]) == ("eva", "eva@x.example")
    assert view.who((PRO, 1), early)["holder"]["user"] == "ann"
    assert view.seats_of_user("eva", early) == []
    before = oracle.view("a", oracle.head - 1)
    assert before.who((PRO, 1), late)["holder"]["user"] == "ann"


def test_r95_an_e_mail_passes_to_another_but_is_never_of_two_at_once() -> None:
    oracle = Oracle(lambda: NOW)
    opened(oracle)
    for key in ("ann", "bob"):
        names = {"user": key, "email": f"{key}@x.example", "name": key}
        oracle.run(dated("add_user", "2025-01-05", **names))
    early = dated("rename_user", "2025-05-31", user="bob", email="ann@x.example")
    late = early | {"effective_at": "2025-06-01"}
    assert "email_taken" in oracle.run(late).codes
    away = dated("rename_user", "2025-06-01", user="ann", email="eva@x.example")
    assert oracle.run(away).accepted
    assert "email_taken" in oracle.run(early).codes
    assert oracle.run(late).accepted
    assert "nothing_to_do" in oracle.run(late).codes
    timeline = oracle.books["a"].timeline()
    meant = [
        timeline.meant("ann@x.example", datetime(2025, month, 2, tzinfo=UTC))
        for month in (5, 7)
    ]
    assert [f"{person}" for person in meant] == ["ann", "bob"]
    blocked = {"op": "reverse", "account": "a", "entry": oracle.head - 1}
    assert "email_taken" in oracle.run({**blocked, "reason": "wrong"}).codes
