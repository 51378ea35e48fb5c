"""Contracts that change at a renewal (R96), and accounts that end (R97), to the digit.

E32 to E34 are worked by hand in seat_ledger/RULES.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import Program

PRO = "sales/professional"


class Contract(Program):
    """One account in UTC, with what a test does to it."""

    def open(self, term_start: str, term: int, cycle: int) -> None:
        self.do(
            "open_account", name="E", time_zone="UTC", term_start=term_start,
            term_months=term, billing_cycle_months=cycle,
        )  # fmt: skip

    def do(self, op: str, at: str | None = None, **fields: Any) -> list[int]:
        when = {"effective_at": at} if at else {}
        return self.record({"op": op, "account": "e", **when, **fields})

    def no(self, code: str, op: str, at: str | None = None, **fields: Any) -> None:
        """The command is refused with a code, and nothing of it is recorded."""
        when = {"effective_at": at} if at else {}
        file = self.folder / "refused.jsonl"
        line = {"op": op, "account": "e", **when, **fields}
        file.write_text(json.dumps(line))
        done = self.run("import", file, "--format", "json")
        assert json.loads(done.err.splitlines()[-1])["code"] == code, done.err

    def buy(self, quantity: int, at: str) -> list[int]:
        return self.do("buy_seats", at, seat_type=PRO, quantity=quantity)

    def give(self, user: str, at: str) -> None:
        self.do(
            "add_user", at, user=user, email=f"{user}@x.example", name=user,
            seats=[PRO],
        )  # fmt: skip

    def take(self, user: str, at: str) -> None:
        self.do("unassign_seat", at, user=user, seat_type=PRO)

    def periods(self) -> list[str]:
        rows = self.json("billing", "periods", "--account", "e")["rows"]
        return [row["period"] for row in rows]

    def counts(self, *words: str) -> list[dict[str, Any]]:
        rows = self.json("billing", "counts", "--account", "e", *words)["rows"]
        result: list[dict[str, Any]] = rows
        return result

    def verified(self) -> None:
        done = self.run("projection", "verify", "--full")
        assert done.status == 0, done.out + done.err


@pytest.fixture
def e(database: str, tmp_path: Path) -> Contract:
    return Contract(database, tmp_path)


# -- a contract changes (R96) ------------------------------------------------------


def test_e32_monthly_becomes_annual_at_a_renewal_on_31_august(e: Contract) -> None:
    e.open("2025-01-31", 7, 1)
    e.buy(10, "2025-01-31")
    assert e.json("account", "show", "e")["rows"][0]["renewal_due"]
    change = ("change_contract", "2025-08-01")
    (position,) = e.do(*change, renewal=1, term_months=12, billing_cycle_months=12)
    e.buy(2, "2025-12-01")
    rows = e.counts("--period", "2025-08-31", "--unit-price", f"{PRO}=1080.00")
    assert [rows[0][name] for name in ("days", "quantity_exact", "amount")] == [
        365, "4196/365", "12415.56",
    ]  # fmt: skip
    assert e.periods()[6:8] == ["2025-07-31", "2025-08-31"]
    event = e.json("event", "list", "--from-position", position, "--limit", 1)
    assert event["rows"][0]["effective_at"] == "2025-08-31T00:00:00Z"
    known_at = e.json("account", "show", "e", "--known-at", position - 1)["rows"][0]
    assert known_at["contract_changes"] == []
    shown = e.json("account", "show", "e")["rows"][0]
    assert (shown["term_months"], shown["billing_cycle_months"]) == (12, 12)
    e.verified()
    e.do(
        "issue_invoice", "2026-09-01", invoice="INV-1", period="2025-08-31",
        unit_prices={PRO: "1080.00"}, currency="EUR",
    )  # fmt: skip
    assert e.json("invoice", "show", "INV-1")["rows"][0]["amount"] == "12415.56"
    assert e.run("invoice", "reproduce", "INV-1").status == 0


def test_e33_the_period_in_progress_ends_at_the_renewal(e: Contract) -> None:
    e.open("2025-03-05", 12, 5)
    e.buy(10, "2025-03-05")
    e.do("change_contract", "2025-06-01", renewal=1, billing_cycle_months=1)
    e.do("reduce_seats", "2025-06-01", seat_type=PRO, quantity=3)
    e.do("renew", "2026-03-05")
    rows = e.counts("--period", "2026-01-05", "--unit-price", "450.00")
    assert [rows[0][name] for name in ("days", "quantity", "amount")] == [
        59, "10", "4500.00",
    ]  # fmt: skip
    assert e.counts("--period", "2026-03-05")[0]["quantity"] == "7"
    e.verified()


def test_a_change_is_refused_where_it_comes_too_late_or_changes_nothing(
    e: Contract,
) -> None:
    e.open("2025-03-05", 12, 1)
    e.no("nothing_to_do", "change_contract", "2025-04-01", renewal=1, term_months=12)
    e.no(
        "anchor_too_late", "change_contract", "2025-04-01", renewal=1,
        anchor="2026-04-05",
    )  # fmt: skip
    e.do("change_contract", "2025-04-01", renewal=2, term_months=6)
    e.no("contract_change_order", "change_contract", "2025-04-01", renewal=1,
         term_months=6)  # fmt: skip
    e.do("renew", "2026-03-05")
    e.no("renewal_processed", "change_contract", "2025-04-01", renewal=1,
         term_months=6)  # fmt: skip


def test_a_change_is_recorded_before_a_renewal_that_is_due(e: Contract) -> None:
    e.open("2025-03-05", 12, 1)
    (position,) = e.do("change_contract", "2026-04-01", renewal=1, term_months=24)
    assert e.json("account", "show", "e")["rows"][0]["renewals_processed"] == 0
    e.do("renew", "2026-04-01")
    assert e.json("account", "show", "e", "--as-of", "2026-04-02")["rows"][0][
        "next_renewal"
    ]["date"] == "2028-03-05"  # fmt: skip
    reverse = ("event", "reverse", position, "-a", "e", "--reason", "wrong")
    e.refused("reversal_blocked", *reverse)


def test_a_change_is_reversed_until_its_renewal_is_processed(e: Contract) -> None:
    e.open("2025-03-05", 12, 1)
    e.buy(1, "2025-03-05")
    before = e.periods()
    (position,) = e.do("change_contract", "2025-04-01", renewal=1,
                       billing_cycle_months=3, anchor="2026-03-01")  # fmt: skip
    e.do("reverse", entry=position, reason="wrong")
    e.do("renew", "2026-06-01")
    assert e.periods()[: len(before)] == before
    assert "2026-05-05" in e.periods()
    e.verified()


# -- an account ends (R97) -----------------------------------------------------------


def e34(e: Contract) -> int:
    e.open("2025-06-01", 12, 1)
    e.buy(20, "2025-06-01")
    for n in range(1, 11):
        e.give(f"u{n}", "2025-06-01")
    for n in range(11, 17):
        e.give(f"u{n}", "2025-06-13T12:00Z")
    for n in range(1, 9):
        e.take(f"u{n}", "2025-06-16T12:00Z")
    at = "2025-06-21T12:00Z"
    e.no("seat_held", "close_account", at)
    return e.do("close_account", at, end_holdings=True, idempotency_key="c")[0]


def test_e34_an_account_closed_in_the_middle_of_a_period_in_each_mode(
    e: Contract,
) -> None:
    e34(e)
    rows = e.counts("--period", "2025-06", "--mode", "all", "--unit-price", "18.00")
    assert {(row["days"], row["seconds"]) for row in rows} == {(21, 1771200)}
    assert {
        (row["mode"], row["granularity"]): (row["quantity_exact"], row["amount"])
        for row in rows
    } == {
        ("contracted", "day"): ("20/1", "360.00"),
        ("contracted", "second"): ("20/1", "360.00"),
        ("distinct", None): ("16/1", "288.00"),
        ("peak", None): ("16/1", "288.00"),
        ("snapshot_end", None): ("8/1", "144.00"),
        ("start_plus_rises", "day"): ("88/7", "226.29"),
        ("start_plus_rises", "second"): ("506/41", "222.15"),
        ("day_touch", None): ("32/3", "192.00"),
        ("day_peak", None): ("32/3", "192.00"),
        ("time_weighted", None): ("426/41", "187.02"),
    }
    assert e.periods() == ["2025-06-01"]
    shown = e.json("account", "show", "e")["rows"][0]
    assert shown["closed_at"] == "2025-06-21T12:00:00Z"
    assert shown["next_renewal"]["instant"] is None
    assert not shown["renewal_due"]
    assert "closed at" in e.run("account", "show", "e").out
    assert e.run("account", "renew", "--due").status == 0
    e.verified()


def test_after_the_end_only_what_came_before_it_is_recorded(e: Contract) -> None:
    closing = e34(e)
    e.no("account_closed", "buy_seats", "2025-06-21T12:00Z", seat_type=PRO, quantity=1)
    e.no("account_closed", "close_account", "2025-06-22")
    positions = e.buy(1, "2025-06-20")
    assert len(positions) == 2, "the late purchase is retired with the account"
    (row,) = e.counts("--period", "2025-06")
    assert row["quantity_exact"] == "422/21"
    e.do(
        "issue_invoice", "2025-07-01", invoice="INV-1", period="2025-06-01",
        unit_prices={PRO: "18.00"}, currency="EUR",
    )  # fmt: skip
    e.no("reversal_blocked", "reverse", entry=closing, reason="stays")
    e.verified()


def test_a_closing_is_reversed_with_all_that_ended_with_it(e: Contract) -> None:
    closing = e34(e)
    e.buy(1, "2025-06-20")
    before = e.json("account", "show", "e", "--known-at", closing - 1)
    positions = e.do("reverse", entry=closing, reason="stays")
    assert len(positions) == 1 + 8 + 20 + 1
    e.no("reversal_blocked", "reverse", entry=positions[0], reason="goes")
    after = e.json("account", "show", "e", "--as-of", "2025-06-22")["rows"][0]
    assert after["closed_at"] is None
    assert [(t["purchased"], t["assigned"]) for t in after["totals"]] == [(21, 8)]
    assert before["rows"][0]["closed_at"] is None
    e.do("renew", "2026-06-01")
    e.verified()


def test_a_closing_is_reversed_by_the_key_of_its_command(e: Contract) -> None:
    e34(e)
    positions = e.do("reverse", entry_key="c", reason="stays")
    assert len(positions) == 1 + 8 + 20


def test_a_closing_cannot_lie_before_what_is_built_on_later_time(e: Contract) -> None:
    e.open("2025-03-05", 1, 1)
    e.no("before_term", "close_account", "2025-03-05")
    e.buy(1, "2025-04-10")
    e.no("renewal_processed", "close_account", "2025-04-01")
    e.no("recorded_after_closing", "close_account", "2025-04-09")
    e.give("ann", "2025-04-20")
    e.no("seat_held", "close_account", "2025-04-15", end_holdings=True)


def test_holdings_end_in_the_same_batch_as_the_account(e: Contract) -> None:
    e.open("2025-03-05", 12, 1)
    e.buy(2, "2025-03-05")
    e.give("ann", "2025-03-05")
    e.do("reduce_seats", "2025-03-06", seat_type=PRO, quantity=1)
    at = {"effective_at": "2025-05-01"}
    e.do("batch", **at, commands=[
        {"op": "close_account"},
        {"op": "unassign_seat", "user": "ann", "seat_type": PRO},
    ])  # fmt: skip
    rows = e.json("seat", "list", "-a", "e", "--as-of", "2025-05-01")["rows"]
    assert rows == []
    e.verified()


def test_r97_a_change_that_an_earlier_end_forestalls_is_at_no_instant(
    e: Contract,
) -> None:
    """East of Greenwich no clock shows the last instant that a ledger has."""
    e.open("2025-06-01", 12, 1)
    e.do("set_time_zone", "2025-06-01", time_zone="Europe/Amsterdam")
    e.do("change_contract", "2025-07-01", renewal=1, term_months=24)
    shown = e.json("account", "show", "e")["rows"][0]
    assert [change["renewal"] for change in shown["contract_changes"]] == [1]
    (closed,) = e.do("close_account", "2025-08-01T12:00Z")
    assert e.json("account", "show", "e")["rows"][0]["contract_changes"] == []
    for words in (("account", "show", "e"), ("event", "list", "-a", "e")):
        done = e.run(*words)
        assert done.status == 0, done.err
    e.do("reverse", entry=closed, reason="wrong")
    shown = e.json("account", "show", "e")["rows"][0]
    assert [change["renewal"] for change in shown["contract_changes"]] == [1]


def test_r97_a_purchase_that_holds_again_ends_with_the_account(e: Contract) -> None:
    e.open("2025-01-31", 1, 1)
    bought = e.buy(2, "2025-01-31")
    e.do("renew", "2025-03-20")
    late = e.buy(1, "2025-03-20")
    undone = e.do("reverse", entry=bought[0], reason="not bought")
    too_late = e.do("reverse", entry=late[0], reason="not bought")
    closing, *_ = e.do("close_account", "2025-03-10")
    e.no("reversal_blocked", "reverse", entry=too_late[0], reason="it was")
    back = e.do("reverse", entry=undone[0], reason="it was")
    assert len(back) == 2  # it holds again, and is retired with the others
    assert e.json("seat", "list", "--account", "e")["rows"] == []
    last = e.counts("--period", "2025-02-28")
    assert [(row["quantity"], row["days"]) for row in last] == [("2", 10)]
    e.verified()
    e.do("reverse", entry=closing, reason="stays")
    seats = e.json("seat", "list", "--account", "e")["rows"]
    assert [row["retires_at"] for row in seats] == [None, None]
    e.verified()


def test_r97_an_end_and_what_ended_with_it_are_reversed_as_one_range(
    e: Contract,
) -> None:
    e.open("2025-01-31", 12, 1)
    e.buy(2, "2025-01-31")
    e.give("ann", "2025-02-01")
    first, *_, last = e.do("close_account", "2025-03-10", end_holdings=True)
    why = ("--account", "e", "--reason", "stays")
    done = e.run("event", "reverse", f"{first}-{last}", *why)
    assert done.status == 0, done.err
    seats = e.json("seat", "list", "--account", "e")["rows"]
    assert [row["retires_at"] for row in seats] == [None, None]
    assert seats[0]["holder"]["user"] == "ann"
    assert e.run("event", "reverse", f"{last}", *why).status == 1  # already reversed
