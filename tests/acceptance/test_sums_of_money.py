"""Wherever a table has money, its sum stands below it and in the sentence (R93)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from seat_ledger.cli.output import tables
from seat_ledger.cli.output.csv_headers import HEADERS
from seat_ledger.cli.output.render import Answer, sums_below
from tests.in_process import Program
from tests.support.questions import name_of, questions

PRO, SOLO = "sales/professional", "sales/starter"
START, ZONE = "2025-03-05", "Europe/Amsterdam"
MONEY = {
    *("amount", "amount_before", "amount_after", "amount_difference"),
    *("amount_until_renewal", "saved_per_period", "saved_per_term"),
    *("invoiced_amount", "ledger_amount"),
}
"""What an amount of money is called in a row; a `unit_price` is one seat's."""
DIFFERENCES = {"invoice audit", "finding list"}
"""Where a `difference` is money; in a comparison it is of quantities."""
Words = tuple[Any, ...]


class Watched(dict[str, Any]):
    """A row that remembers which of its fields a column shows."""

    def __init__(self, row: Any) -> None:
        super().__init__(row)
        self.shown: list[str] = []

    def __getitem__(self, name: str) -> Any:
        self.shown.append(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.shown.append(name)
        return super().get(name, default)


def is_exempt(words: Words) -> bool:
    """Whether it has money and no sum: the first lines of a file, before it is judged;
    the same figures by several rules; things of several kinds.
    """
    text = " ".join(map(str, words))
    return (
        ("explain-file" in text)
        or ("--mode all" in text)
        or (name_of(words) == "account attention" and "--kind" not in words)
    )


def money_columns(name: str, answer: Answer, rows: list[Any]) -> dict[str, Any]:
    """The columns with money in them: the field, and how a cell is made."""
    names = MONEY | ({"difference"} if name in DIFFERENCES else set())
    found = {}
    for _, value in answer.columns:
        for row in rows:
            watched = Watched(row)
            value(watched)
            for field in names.intersection(watched.shown):
                if row.get(field) is not None:
                    found[field] = value
    return found


def lacking(words: Words, answer: Answer) -> Iterator[str]:
    """What is wrong with the sums of an answer."""
    name = name_of(words)
    rows = list(answer.rows if answer.in_table is None else answer.in_table)
    rows = [row for row in rows if hasattr(row, "get")]
    sums = sums_below(answer)
    for field, value in money_columns(name, answer, rows).items():
        expected: dict[str | None, Decimal] = {}
        for row in rows:
            if row.get(field) is not None and not row.get("forecast"):
                code = row.get("currency") or answer.extra.get("currency")
                code = code or (answer.extra.get("figure") or {}).get("currency")
                expected[code] = expected.get(code, Decimal()) + Decimal(row[field])
        found: dict[str | None, Decimal] = {}
        for total in sums:
            if value(total):
                code = total.get("currency")
                found[code] = found.get(code, Decimal()) + Decimal(str(value(total)))
        if found != expected:
            yield f"{words}: {field}: {found} below the table, {expected} in it"


def unsaid(words: Words, answer: Answer, sums: list[Any]) -> Iterator[str]:
    """The sums that the sentence does not say."""
    for total in sums:
        texts = [value for name, value in total.items() if name in MONEY]
        if name_of(words) == "finding list":  # who owes whom, never one less the other
            due = [
                Decimal(row["difference"])
                for row in answer.rows
                if row["currency"] == total["currency"] and row["difference"]
                if row["state"] != "settled" and total["sum"] != "settled"
            ]
            sides = [sum(d for d in due if (d > 0) == more) for more in (False, True)]
            texts = [str(abs(side)) for side in sides if side]
        if texts and not any(text in answer.sentence for text in texts):
            yield f"{words}: none of {texts} in: {answer.sentence}"


def open_account(key: str, currency: str) -> Iterator[Words]:
    account, at = ("--account", key), ("--effective-at", START)
    yield (
        "account", "open", key, "--name", key.title(), "--time-zone", ZONE,
        "--term-start", START, "--term-months", 12, "--billing-cycle-months", 1,
    )  # fmt: skip
    yield "seat", "buy", PRO, 4, *account, *at
    yield "seat", "buy", SOLO, 2, *account, *at
    yield "seat", "buy", "service/starter", 1, *account, *at
    called = ("--email", f"ann@{key}.example", "--name", "Ann")
    yield "user", "add", "ann", *account, *called, *at
    yield "seat", "assign", "ann", PRO, *account, *at
    prices = ((PRO, "90"), (SOLO, "30"), ("service/starter", "5"))
    for seat_type, price in prices:
        if (key, seat_type) != ("acme", "service/starter"):  # which has no price
            priced = ("price", "set", seat_type, price, *account)
            yield *priced, "--currency", currency, *at


@pytest.fixture(scope="module")
def program(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Two accounts in unlike currencies, with invoices and kept findings."""
    folder = tmp_path_factory.mktemp("bills")
    program = Program(shared_database, folder)
    for words in [*open_account("acme", "EUR"), *open_account("kiwi", "JPY")]:
        done = program.run(*words)
        assert done.status == 0, (words, done.err)
    for key in ("acme", "kiwi"):
        for n, period in enumerate(("2025-03-05", "2025-04-05")):
            words = ("invoice", "issue", f"{key}-{n}", "-a", key, "--period", period)
            free = ("--unit-price", "service/starter=5") if key == "acme" else ()
            done = program.run(*words, *free, *(("--currency", "EUR") if free else ()))
            assert done.status == 0, done.err
    late = ("--effective-at", "2025-03-20")
    assert program.run("seat", "buy", PRO, 1, "-a", "acme", *late).status == 0
    bill = folder / "kept.csv"
    bill.write_text(
        "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount,currency\n"
        f"acme,V-1,2026-05-01,2025-03-05,{PRO},9,90.00,810.00,EUR\n"
        f"acme,V-1,2026-05-01,2025-03-05,{SOLO},3,30.00,90.00,EUR\n"
        f"kiwi,V-2,2026-05-01,2025-03-05,{PRO},9,90,810,JPY\n"
    )
    done = program.run("invoice", "audit", bill, "--keep")
    assert done.status == 3, done.err
    settle = ("finding", "settle", 1, "-a", "acme", "--credited-by", "V-9")
    assert program.run(*settle).status == 0
    return program


def more_questions(program: Program) -> Iterator[Words]:
    """What the common questions lack: money of both accounts, and what is settled."""
    head = program.json("account", "list")["known_at"]["position"]
    for key in ("acme", "kiwi"):
        account = ("--account", key)
        yield "billing", "idle", *account, "--as-of", "2025-07-01"
        yield "billing", "counts", *account, "--year", 2025
        yield "billing", "explain", *account, "--period", START, "--seat-type", PRO
        yield "invoice", "show", f"{key}-1"
        yield "finding", "list", *account
    window = ("--from", START, "--until", "2025-07-05")
    both = ("--known-at", head - 10, "--known-at", head)
    yield "billing", "compare", "--account", "acme", *both, *window
    yield "billing", "compare", "--account", "acme", *both
    yield "account", "advise", "--as-of", "2025-07-01"
    yield "invoice", "audit", program.folder / "kept.csv"
    yield "billing", "counts", "--all", "--period", START
    yield "billing", "counts", "--all", "--term", "--by", "type"


def test_r93_wherever_there_is_money_there_is_its_sum(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Answer] = []
    draw = tables.draw

    def watched(answer: Answer, view: Any) -> None:
        answer.rows = list(answer.rows)
        if answer.in_table is not None:
            answer.in_table = list(answer.in_table)
        answers.append(answer)
        draw(answer, view)

    asked = [*questions(program, tmp_path, 2), *more_questions(program)]
    monkeypatch.setattr(tables, "draw", watched)
    wrong, met = [], set()
    for words in asked:
        if words[0] == "export":  # a file's rows, and no table
            continue
        answers.clear()
        done = program.run(*words, "--format", "table")
        assert done.status in {0, 3}, (words, done.err)
        for answer in answers if not is_exempt(words) else ():
            rows = list(answer.rows if answer.in_table is None else answer.in_table)
            if len(rows) < 2:
                continue
            wrong += lacking(words, answer)
            if sums := sums_below(answer):
                met.add(name_of(words))
                wrong += unsaid(words, answer, sums)
                if len(sums) > 1:
                    met.add(f"{name_of(words)}, unlike currencies")
    assert not wrong, "\n".join(dict.fromkeys(wrong))
    with_money = {
        words
        for words, header in HEADERS.items()
        if not MONEY.isdisjoint(header) or words in DIFFERENCES
    }
    assert with_money <= met, with_money - met
    assert "invoice list, unlike currencies" in met
    assert "invoice audit, unlike currencies" in met


def test_r93_what_has_no_price_is_counted_apart(program: Program) -> None:
    for words in (
        ("billing", "idle", "-a", "acme", "--as-of", "2025-07-01"),
        ("account", "advise", "-a", "acme", "--as-of", "2025-07-01"),
        ("account", "attention", "--kind", "idle", "--as-of", "2025-07-01"),
    ):
        done = program.run(*words, "--format", "table")
        assert "not priced" in done.out.split("\n\n")[0], done.out


def test_r93_a_list_with_settled_findings_has_their_sum_apart(
    program: Program,
) -> None:
    out = program.run("finding", "list", "-a", "acme", "--all").out
    assert "not settled" in out
    both = program.json("finding", "list", "-a", "acme", "--all")
    assert [row["state"] for row in both["rows"]].count("settled") == 1
    open_ = [row for row in both["rows"] if row["state"] != "settled"]
    owed = sum(Decimal(row["difference"]) for row in open_ if row["difference"])
    assert both["totals"] == [{"currency": "EUR", "difference": f"{owed:.2f}"}]
    target = program.folder / "findings.xlsx"
    words = ("finding", "list", "-a", "acme", "--all", "--output", target)
    assert program.run(*words).status == 0
    below = [cells[0] for cells in openpyxl.load_workbook(target)["Rows"].values][-2:]
    assert below == ["not settled", "settled"]
