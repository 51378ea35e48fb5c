"""What is counted of all accounts, and what an audit says of a vendor's lines, is the
same from a lake and from PostgreSQL (R53, R62, R65).

On random histories with windows, recorded prices, requested unassignments and invoices,
at positions throughout. The lake's answers come without any database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused
from seat_ledger.projections.billing import figures
from seat_ledger.projections.lake import auditing
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


class Recorded(NamedTuple):
    """A ledger of random histories, the lake of it, and up to where that goes.

    The ledger has an account of which the lake does not know.
    """

    database: str
    lake: Path
    head: int


@pytest.fixture(scope="module")
def recorded(
    shared_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorded]:
    folder, random = tmp_path_factory.mktemp("lake"), Random(29)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEAT_LEDGER_HOME", str(folder / "home"))
        with CommandService(shared_database) as ledger:
            for number in range(HISTORIES):
                history = History(ledger, random)
                MoreThanCounts(ledger, random, history).record(40)
                invoiced(shared_database, history, f"OWN-{number}")
        exported = run(
            "lake", "export", folder / "lake", "--segment-events", 256,
            "--database", shared_database, "--format", "json",
        )  # fmt: skip
        assert exported.status == 0, exported.err
        with CommandService(shared_database) as ledger:
            History(ledger, random)
        head = json.loads(exported.out)["known_at"]["position"]
        yield Recorded(shared_database, folder / "lake", head)


def invoiced(database: str, history: History, number: str) -> None:
    """Issue an invoice of the account's first period that has ended."""
    done = run(
        "invoice", "issue", number, "--account", history.account, "--currency", "EUR",
        "--period", history.start, "--database", database,
        *(word for type_ in (PRO, STARTER) for word in ("--unit-price", f"{type_}=7")),
    )  # fmt: skip
    assert done.status in {0, 1}, done.err


def counted(*words: Any) -> Line:
    done = run("billing", "counts", "--all", *words, "--format", "json")
    assert done.status == 0, (words, done.err)
    answer: Line = json.loads(done.out)
    return answer


def test_a_lake_answers_as_postgresql_does_as_known_at_its_position(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "LEAST_ACCOUNTS", 1)  # as of a store of many
    monkeypatch.setattr(figures, "LEAST_PERIODS", 1)
    database, place, head = recorded
    random, prices = Random(31), tmp_path / "prices.csv"
    prices.write_text(PRICES)
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
        served = counted(*words, "--known-at", position, "--database", database)
        of_lake = [] if position == head else ["--known-at", position]
        answer = counted(*words, *of_lake, "--lake", place, "--database", NO_DATABASE)
        assert answer == served, (words, position)
        seen += answer["rows"]
    assert any(row["quantity_least"] != row["quantity_most"] for row in seen)
    assert {"account", "all", "file", "given"} <= {row["price_source"] for row in seen}
    assert any(row["price_for"] == "periods" for row in seen)
    as_table = ("billing", "counts", "--all", "--year", 2025)
    served_table = run(*as_table, "--known-at", head, "--database", database)
    assert run(*as_table, "--lake", place) == served_table


HEADER = (
    "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount,mode,"
    "granularity,currency"
)


def bill(recorded: Recorded, random: Random) -> list[str]:
    """Lines about what the ledger counts: right, wrong, twice, credited, left out; and
    lines about what it does not know.
    """
    entries = run(
        "event", "list", "--database", recorded.database, "--format", "json",
        "--until-position", recorded.head,
    )  # fmt: skip
    instants = [row["recorded_at"] for row in json.loads(entries.out)["rows"]]
    positions = random.choices(range(20, recorded.head), k=4)
    rows: list[Line] = []
    for position in (recorded.head, *positions):
        of_database = ("--known-at", position, "--database", recorded.database)
        counts = counted("--mode", "all", *of_database)["rows"]
        rows += [{**row, "known_at": position} for row in counts]
    lines = []
    omitted = {(row["account"], row["seat_type"]) for row in random.choices(rows)}
    for row in random.sample(rows, min(len(rows), 400)):
        if (row["account"], row["seat_type"]) in omitted:
            continue
        quantity = row["quantity"]
        if random.random() < 0.4:
            quantity = str(random.randint(-1, 4))
        issued = random.choice([
            *[row["known_at"]] * 6, random.randint(1, recorded.head),
            random.choice(instants), random.choice(instants), "2024-01-01",
            "2025-08-01T12:00", "2031-01-01T00:00:00Z",
        ])  # fmt: skip
        first = date.fromisoformat(row["period"]) + timedelta(random.randint(-20, 20))
        dates = f"{first}..{first + timedelta(random.randint(0, 70))}"
        period = random.choice([*[row["period"]] * 3, row["period"][:7], dates])
        rule = random.choice([(row["mode"], row["granularity"] or ""), ("", "")])
        price, currency = random.choice(["90.00", "7"]), random.choice(["EUR", ""])
        amount = f"{Decimal(quantity) * Decimal(price):.2f}"
        kind = random.choice([row["seat_type"], row["seat_type"].upper()])
        line = [period, kind, quantity, price, amount, *rule, currency]
        for _ in range(random.choice([1, 1, 1, 2])):
            invoice = f"V-{random.randint(1, 60)}"
            lines.append(",".join(map(str, [row["account"], invoice, issued, *line])))
    for key, period, kind in (
        ("nobody", "2025-06", PRO), ("nobody", "2025-07", PRO),
        (rows[0]["account"], "1999-01", PRO),
        (rows[-1]["account"], "2099-01", PRO),
        (rows[0]["account"], rows[0]["period"], "sales/unknown"),
        (rows[0]["account"], f"{rows[0]['period']}..2031-01-01", PRO),
    ):  # fmt: skip
        lines.append(f"{key},V-0,2026-05-01,{period},{kind},1,9.00,9.00,,,EUR")
    random.shuffle(lines)
    return lines


def audited(*words: Any) -> Line:
    done = run("invoice", "audit", *words, "--format", "json")
    assert done.status == 3, (words, done.err)
    answer: Line = json.loads(done.out)
    return answer


def test_a_lake_audits_as_postgresql_does(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "AT_ONCE", 300)
    random, file = Random(37), tmp_path / "bill.csv"
    prices = tmp_path / "prices.csv"
    prices.write_text(PRICES)
    seen: list[Line] = []
    for number in range(3):
        if number == 2:  # an invoice keeps its own bounds
            contracts = import_module("seat_ledger.projections.billing.audit.contracts")
            monkeypatch.setattr(contracts, "TZDATA_VERSION", "2099.1")
        file.write_text("\n".join([HEADER, *bill(recorded, random)]) + "\n")
        position = recorded.head if number == 0 else random.randrange(20, recorded.head)
        words = [file, *(["--prices", prices] if number else [])]
        served = audited(
            *words, "--known-at", position, "--database", recorded.database
        )
        known_at = ["--known-at", position] if number else []
        answer = audited(
            *words, *known_at, "--lake", recorded.lake, "--database", NO_DATABASE
        )
        for row, expected in zip(answer["rows"], served["rows"], strict=True):
            assert row == expected, f"{row} {expected}"
        assert answer == served
        seen += answer["rows"]
    assert {row["verdict"] for row in seen} == {
        "match", "over", "under", "missing", "unexpected",
    }  # fmt: skip
    assert {row["cause"] for row in seen} == {
        "none", "wrong_at_issue", "corrected_later", "not_known_at_issue",
    }  # fmt: skip
    assert any(row["within_windows"] for row in seen)


def test_what_a_lake_cannot_say_of_a_bill_is_refused(
    recorded: Recorded, tmp_path: Path
) -> None:
    file = tmp_path / "bill.csv"
    of_lake = ("--lake", recorded.lake, "--database", NO_DATABASE)
    for line, words, status, message in (
        ("Acme B.V.,V-1,1,2025-06,sales/starter,1,9,9,,,EUR", [], 2, "--alias"),
        ("c1,V-1,99999999,2025-06,sales/starter,1,9,9,,,EUR", [], 1, "position"),
        ("c1,V-1,1,2025-06,sales/starter,x,9,9,,,EUR", [], 2, "bill.csv:2"),
        ("c1,V-1,1,2025-06,sales/starter,1,9,9,,,EUR", ["--findings"], 2, "--lake"),
        ("c1,V-1,1,2025-06,sales/starter,1,9,9,,,EUR", ["--keep"], 2, "--lake"),
    ):
        file.write_text(f"{HEADER}\n{line}\n")
        done = run("invoice", "audit", file, *words, *of_lake)
        assert (done.status, done.out) == (status, ""), done
        assert message in done.err
        assert "Traceback" not in done.err
