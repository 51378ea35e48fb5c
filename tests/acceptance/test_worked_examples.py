"""The worked examples of the domain, to the digit, through store and projections."""

from __future__ import annotations

from datetime import date, datetime
from fractions import Fraction
from typing import Any

import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.instants import parse_instant
from seat_ledger.domain.money import parse_price, rounded
from seat_ledger.domain.values import parse_seat
from seat_ledger.errors import CommandRefused
from seat_ledger.projections import billing, holdings, journal
from seat_ledger.projections.billing import CountsQuery, Priced
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader

PRO = "sales/professional"


class Book:
    """An account in the store, and questions about it."""

    def __init__(self, conninfo: str, ledger: CommandService, **facts: Any) -> None:
        self.conninfo, self.ledger = conninfo, ledger
        fields = {
            "time_zone": "Europe/Amsterdam",
            "term_start": "2025-03-05",
            "term_months": 12,
            "billing_cycle_months": 1,
        }
        ledger.open_account("e", name="E", **(fields | facts))

    def buy(self, quantity: int, at: str) -> tuple[int, ...]:
        return self.ledger.buy_seats(
            "e", seat_type=PRO, quantity=quantity, effective_at=at
        ).positions

    def add(self, *keys: str, at: str = "2025-03-05") -> None:
        for key in keys:
            self.ledger.add_user(
                "e", user=key, email=f"{key}@e.example", name=key, effective_at=at
            )

    def assign(self, user: str, at: str, **fields: Any) -> tuple[int, ...]:
        return self.ledger.assign_seat(
            "e", user=user, seat_type=PRO, effective_at=at, **fields
        ).positions

    def unassign(self, user: str, at: str) -> tuple[int, ...]:
        return self.ledger.unassign_seat(
            "e", user=user, seat_type=PRO, effective_at=at
        ).positions

    def reduce(self, quantity: int, at: str) -> tuple[int, ...]:
        return self.ledger.reduce_seats(
            "e", seat_type=PRO, quantity=quantity, effective_at=at
        ).positions

    def renew(self, at: str) -> None:
        self.ledger.renew("e", effective_at=at)

    def counts(
        self, price: str = "90.00", granularity: str = "day", **expected: Any
    ) -> list[dict[str, Any]]:
        with ConnectedReader(self.conninfo) as reader:
            at_position = reader.knowledge()
            return billing.counts(
                reader,
                reader.account("e", at_position),
                at_position,
                reader.database_now(),
                CountsQuery(
                    **expected,
                    how=Priced(
                        [("contracted", granularity)], {PRO: parse_price(price)}
                    ),
                ),
            ).rows

    def row(self, label: str, **fields: Any) -> dict[str, Any]:
        (row,) = self.counts(label=label, **fields)
        return row

    def who(self, number: int, at: str, known_at: int | None = None) -> str | None:
        with ConnectedReader(self.conninfo) as reader:
            at_position = reader.knowledge(known_at)
            account = reader.account("e", at_position)
            seat = parse_seat(f"{PRO}#{number}")
            instant = parse_instant(at, account.zones)
            question = AccountQuestion(reader, account, at_position, instant)
            row = holdings.who(question, seat)
        return row["holder"]["user"] if row["holder"] else None

    def totals(self, at: str) -> dict[str, Any]:
        with ConnectedReader(self.conninfo) as reader:
            at_position = reader.knowledge()
            account = reader.account("e", at_position)
            instant = datetime.fromisoformat(at)
            (row,) = holdings.totals(
                AccountQuestion(reader, account, at_position, instant)
            )
        return row


@pytest.fixture
def e(database: str, ledger: CommandService) -> Book:
    return Book(database, ledger)


def ten_assigned(book: Book) -> None:
    book.buy(10, "2025-03-05")
    users = [f"u{n}" for n in range(10)]
    book.add(*users)
    for user in users:
        book.assign(user, "2025-03-05")


def four_left(book: Book) -> None:
    ten_assigned(book)
    for n in range(4):
        book.unassign(f"u{n}", "2025-06-18T14:00:00+02:00")


@pytest.mark.both_versions
def test_e01_r13_r14_ten_seats_are_billed_all_term_held_or_not(e: Book) -> None:
    four_left(e)
    rows = e.counts(term=True)
    days = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 28]
    assert [row["days"] for row in rows] == days
    assert {row["quantity"] for row in rows} == {"10"}
    assert {row["amount"] for row in rows} == {"900.00"}
    totals = e.totals("2025-06-18T12:00:00+00:00")
    assert (totals["assigned"], totals["available"]) == (6, 4)


def test_e02_r16_a_reduction_waits_for_the_renewal(e: Book) -> None:
    four_left(e)
    e.reduce(3, "2025-06-20")
    assert e.totals("2025-07-01T00:00:00+00:00")["pending_reduction"] == 3
    assert e.row("2026-02-05")["quantity"] == "10"
    e.renew("2026-03-05")
    row = e.row("2026-03-05")
    assert (row["quantity"], row["amount"]) == ("7", "630.00")
    assert row["opening"] == 7


def test_e02_r18_a_cancelled_reduction_restores_the_plan(e: Book) -> None:
    four_left(e)
    e.reduce(3, "2025-06-20")
    e.ledger.cancel_reduction("e", seat_type=PRO, effective_at="2026-02-01")
    e.renew("2026-03-05")
    assert e.row("2026-03-05")["quantity"] == "10"


def test_e02_r17_a_request_at_the_renewal_targets_the_next(e: Book) -> None:
    four_left(e)
    e.reduce(3, "2026-03-05T00:00:00+01:00")
    e.renew("2026-03-06")
    assert e.row("2026-03-05")["quantity"] == "10"
    with ConnectedReader(e.conninfo) as reader:
        rows = list(journal.listed(reader, reader.knowledge()))
        (request,) = [r for r in rows if r["event"] == "SeatReductionRequested"]
    assert request["data"]["renewal"] == 2


def test_e03_r19_r20_pending_seats_are_not_handed_out(e: Book) -> None:
    ten_assigned(e)
    e.unassign("u9", "2025-04-01")
    with pytest.raises(CommandRefused) as refused:
        e.reduce(3, "2025-04-02")
    assert refused.value.code == "not_enough_unassigned"
    e.unassign("u8", "2025-04-03")
    e.unassign("u7", "2025-04-03")
    position = e.reduce(3, "2025-04-04")[0]
    with pytest.raises(CommandRefused) as refused:
        e.assign("u9", "2025-04-05")
    assert refused.value.code == "reserved_for_reduction"
    assert str(position) in refused.value.message


def test_e04_r10_shares_by_day_and_by_second_across_dst(e: Book) -> None:
    e.buy(10, "2025-03-05")
    e.buy(3, "2025-03-20 10:00")
    row = e.row("2025-03-05")
    assert (row["days"], row["seconds"]) == (31, 2674800)
    assert row["quantity_exact"] == "358/31"
    assert row["quantity"] == "11.548387096774"
    assert row["amount"] == "1039.35"
    exact = Fraction(e.row("2025-03-05", granularity="second")["quantity_exact"])
    assert rounded((exact - 10) * 90, 2) == "135.55"


def test_e05_an_annual_share_is_rounded_once(
    database: str, ledger: CommandService
) -> None:
    book = Book(database, ledger, billing_cycle_months=12)
    book.buy(3, "2025-09-01")
    assert book.row("2025-03-05", price="1080.00")["amount"] == "1642.19"


def test_e07_a_microsecond_before_the_bound(e: Book) -> None:
    e.buy(1, "2025-04-04T23:59:59.999999+02:00")
    assert e.row("2025-03-05")["amount"] == "2.90"
    assert e.row("2025-03-05", granularity="second")["amount"] == "0.00"


def test_e07_r14_exactly_at_the_bound(e: Book) -> None:
    e.buy(1, "2025-04-05T00:00:00+02:00")
    assert e.counts(label="2025-03-05") == []
    assert e.row("2025-04-05")["amount"] == "90.00"


def test_e18_an_empty_holding_is_history_and_counts_nowhere(e: Book) -> None:
    e.buy(1, "2025-03-05")
    e.add("a")
    e.assign("a", "2025-03-10T10:00:00Z")
    e.unassign("a", "2025-03-10T10:00:00Z")
    row = e.row("2025-03-05")
    assert row["assigned_peak"] == 0
    assert row["idle_seat_days"] == 31
    assert e.who(1, "2025-03-10T10:00:00Z") is None


def test_e19_r28_a_handover_is_one_batch(e: Book) -> None:
    e.buy(1, "2025-03-05")
    e.add("a", "b")
    e.assign("a", "2025-03-06")
    with pytest.raises(CommandRefused) as refused:
        e.assign("b", "2025-03-20")
    assert refused.value.code == "no_free_seat"
    e.ledger.batch(
        "e",
        effective_at="2025-03-20",
        commands=[
            {"op": "assign_seat", "user": "b", "seat_type": PRO},
            {"op": "unassign_seat", "user": "a", "seat_type": PRO},
        ],
    )
    assert e.row("2025-03-05")["assigned_peak"] == 1
    assert (e.who(1, "2025-03-19 23:59"), e.who(1, "2025-03-20")) == ("a", "b")


def test_e21_r41_r45_a_correction_changes_only_the_new_answer(
    e: Book,
) -> None:
    e.buy(1, "2025-03-05")
    e.add("a")
    before = e.assign("a", "2025-06-01")[-1]
    e.unassign("a", "2025-06-16")
    assert e.who(1, "2025-06-20 12:00", before) == "a"
    assert e.who(1, "2025-06-20 12:00") is None


def test_e22_a_correction_of_the_correction(e: Book) -> None:
    e.buy(1, "2025-03-05")
    e.add("a")
    e.assign("a", "2025-06-01")
    wrong = e.unassign("a", "2025-06-16")[0]
    e.ledger.batch(
        "e",
        reason="the true date",
        commands=[
            {"op": "reverse", "entry": wrong},
            {
                "op": "unassign_seat",
                "user": "a",
                "seat_type": PRO,
                "effective_at": "2025-06-21",
            },
        ],
    )
    assert e.who(1, "2025-06-20 12:00") == "a"
    assert e.who(1, "2025-06-20 12:00", wrong) is None


def test_e25_r51_a_ratio_is_not_rounded_first(
    database: str, ledger: CommandService
) -> None:
    book = Book(database, ledger)
    book.buy(1000, "2025-04-04T12:00:00+02:00")
    assert book.row("2025-03-05", price="9.00")["amount"] == "290.32"


def test_e26_r27_a_past_holding_with_an_end_is_one_batch(e: Book) -> None:
    e.buy(1, "2025-03-05")
    e.add("ann", "bob")
    e.ledger.batch(
        "e",
        commands=[
            {
                "op": "assign_seat",
                "user": "ann",
                "seat_type": PRO,
                "effective_at": "2025-04-10",
            },
            {
                "op": "unassign_seat",
                "user": "ann",
                "seat_type": PRO,
                "effective_at": "2025-04-20",
            },
        ],
    )
    with pytest.raises(CommandRefused) as refused:
        e.assign("bob", "2025-04-01")
    assert refused.value.code == "no_free_seat"
    assert "ann" in refused.value.message
    e.ledger.batch(
        "e",
        commands=[
            {
                "op": "assign_seat",
                "user": "bob",
                "seat_type": PRO,
                "effective_at": "2025-04-01",
            },
            {
                "op": "unassign_seat",
                "user": "bob",
                "seat_type": PRO,
                "effective_at": "2025-04-05",
            },
        ],
    )
    assert e.who(1, "2025-04-04") == "bob"


def test_r15_a_seat_ends_at_a_renewal_whatever_its_purchase_date(e: Book) -> None:
    e.buy(1, "2025-03-05")
    e.buy(1, "2026-03-04 23:59")
    e.reduce(2, "2026-03-04 23:59:30")
    assert e.row("2026-02-05")["closing"] == 2
    e.renew("2026-03-05")
    assert e.counts(label="2026-03-05") == []


def test_e28_r22_a_period_across_a_renewal(
    database: str, ledger: CommandService
) -> None:
    book = Book(database, ledger, time_zone="UTC", billing_cycle_months=5)
    book.buy(10, "2025-03-05")
    book.reduce(3, "2025-06-01")
    book.renew("2026-03-05")
    row = book.row("2026-01-05")
    assert (row["days"], row["quantity_exact"]) == (151, "1234/151")
    assert row["quantity"] == "8.172185430464"


def test_r38_a_period_beyond_the_recorded_renewal_is_refused(e: Book) -> None:
    e.buy(1, "2025-03-05")
    with pytest.raises(CommandRefused) as refused:
        e.row("2026-03-05")
    assert refused.value.code == "renewal_due"


def test_e13_r04_r09_a_zone_change_moves_the_next_bound(
    database: str, ledger: CommandService
) -> None:
    book = Book(
        database, ledger, time_zone="America/Los_Angeles", term_start="2025-01-05"
    )
    ledger.set_time_zone("e", time_zone="Europe/Amsterdam", effective_at="2025-06-01")
    book.buy(1, "2025-05-05T07:00:00Z")
    row = book.row("2025-05-05")
    assert (row["seconds"], row["days"]) == (2646000, 31)


def test_windows_are_dates_of_the_account(e: Book) -> None:
    e.buy(2, "2025-03-05")
    (row,) = e.counts(window=(date(2025, 3, 10), date(2025, 3, 20)))
    assert (row["period"], row["days"], row["quantity"]) == (None, 10, "2")
