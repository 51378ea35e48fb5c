"""What is counted of all accounts is the same from a lake and from PostgreSQL (R53).

On random histories with windows, recorded prices and requested unassignments, at
positions throughout. The lake's answers come without any database.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from seat_ledger.application import CommandService
from seat_ledger.errors import CommandRefused
from tests.in_process import run
from tests.property.zoned import PRO, STARTER, USERS, History, text

HISTORIES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "3"))
NO_DATABASE = "postgresql://127.0.0.1:1/none?connect_timeout=1"
PRICES = "account,seat_type,unit_price,currency\n,sales/starter,11.50,EUR\n"

Line = dict[str, Any]


class MoreThanCounts:
    """What histories of the oracle lack: windows, prices, requests; what is refused is
    passed over.
    """

    def __init__(self, ledger: CommandService, random: Random, of: History) -> None:
        self.ledger, self.random, self.of = ledger, random, of
        self.entries: list[int] = []

    def record(self, count: int) -> None:
        for _ in range(count):
            line = self.drawn()
            with suppress(CommandRefused):
                done = self.ledger.execute(line)
                self.entries += [event.position for event in done.events]

    def drawn(self) -> Line:
        random = self.random
        account = {"account": self.of.account}
        at = self.of.now + timedelta(hours=random.randrange(-600, 900))
        when = {"effective_at": text(at)}
        seat: Line = {"user": random.choice(USERS), "seat_type": PRO, **account}
        if self.entries and random.random() < 0.15:
            entry = random.choice(self.entries)
            return {"op": "reverse", "entry": entry, "reason": "wrong", **account}
        kind = random.choice(
            ["assign_seat"] * 3 + ["unassign_seat"] * 3 + ["price"] * 2
        )
        if kind == "price":
            price = random.choice(["90.00", "75.5", "120"])
            whose = random.choice([account, account, {}])
            from_ = when if whose else {"effective_at": "2025-06-01"}
            return {
                "op": "set_price", "seat_type": random.choice([PRO, STARTER]),
                "unit_price": price, "currency": "EUR", **whose, **from_,
            }  # fmt: skip
        if kind == "unassign_seat" and random.random() < 0.3:
            return {"op": kind, "at_period_end": True, **seat, **when}
        after = at - timedelta(hours=random.choice([1, 30, 200]))
        more = {"buy_if_needed": True} if kind == "assign_seat" else {}
        return {"op": kind, "effective_after": text(after), **seat, **when, **more}


def document(*words: Any) -> Line:
    done = run("billing", "counts", "--all", *words, "--format", "json")
    assert done.status == 0, (words, done.err)
    answer: Line = json.loads(done.out)
    return answer


def test_a_lake_answers_as_postgresql_does_as_known_at_its_position(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path / "home"))
    random = Random(29)
    with CommandService(database) as ledger:
        for _ in range(HISTORIES):
            history = History(ledger, random)
            MoreThanCounts(ledger, random, history).record(40)
    place, prices = tmp_path / "lake", tmp_path / "prices.csv"
    prices.write_text(PRICES)
    exported = run(
        "lake", "export", place, "--segment-events", 256, "--database", database,
        "--format", "json",
    )  # fmt: skip
    assert exported.status == 0, exported.err
    head = json.loads(exported.out)["known_at"]["position"]
    with CommandService(database) as ledger:
        History(ledger, random)  # of which the lake does not know
    questions: list[list[Any]] = [
        [],
        ["--mode", "all"],
        ["--period", "2025-06"],
        ["--term", "--mode", "peak"],
        ["--year", 2025, "--by", "quarter", "--mode", "contracted"],
        ["--from", "2025-03-03", "--until", "2026-02-17"],
        ["--from", "2025-04-03", "--until", "2025-07-09", "--prices", prices],
        ["--unit-price", f"{PRO}=10", "--unit-price", f"{STARTER}=5"],
    ]
    seen: list[Line] = []
    for number, words in enumerate(questions):
        position = random.randrange(head // 2, head) if number % 3 == 2 else head
        served = document(*words, "--known-at", position, "--database", database)
        of_lake = [] if position == head else ["--known-at", position]
        answer = document(*words, *of_lake, "--lake", place, "--database", NO_DATABASE)
        assert answer == served, (words, position)
        seen += answer["rows"]
    assert any(row["quantity_least"] != row["quantity_most"] for row in seen)
    assert {"account", "all", "file", "given"} <= {row["price_source"] for row in seen}
    assert any(row["price_for"] == "periods" for row in seen)
    as_table = ("billing", "counts", "--all", "--year", 2025)
    served_table = run(*as_table, "--known-at", head, "--database", database)
    assert run(*as_table, "--lake", place) == served_table
