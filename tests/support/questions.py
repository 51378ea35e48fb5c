"""Every reading command, asked about whatever a ledger holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seat_ledger.cli.commands.account_attention import KINDS
from tests.in_process import Program

Words = tuple[Any, ...]
PRICES = ("--unit-price", "sales/professional=90", "--currency", "EUR")


def questions(program: Program, folder: Path, accounts: int) -> Iterator[Words]:
    """Questions about a ledger: of all of it, and of some accounts in it."""
    listed = program.json("account", "list")
    keys = [row["account"] for row in listed["rows"]]
    head = listed["known_at"]["position"] or 0
    yield from _of_all(program, head)
    for key in keys[:accounts]:
        yield from _of_account(program, key, head)
    for row in program.json("invoice", "list")["rows"][:4]:
        yield from (("invoice", verb, row["invoice"]) for verb in ("show", "reproduce"))
    bill = folder / "bill.csv"
    bill.write_text(_bill(program, keys))
    yield "invoice", "audit", bill
    yield "invoice", "audit", bill, "--findings"
    yield "invoice", "audit", bill, "--explain-file"


def _of_all(program: Program, head: int) -> Iterator[Words]:
    yield from (
        ("account", "list"),
        ("account", "list", "--as-of", "2025-06-01"),
        ("account", "renewals", "--within", "2y"),
        ("account", "advise"),
        ("account", "attention"),
        *(("account", "attention", "--kind", kind) for kind in KINDS),
        ("billing", "counts", "--all", "--period", "2025-06", *PRICES),
        ("billing", "counts", "--all", "--mode", "all"),
        ("catalogue", "list"),
        ("event", "list", "--limit", "200"),
        ("event", "list", "--late", "--reverse"),
        ("finding", "list", "--all"),
        ("invoice", "list"),
        ("price", "history"),
        ("price", "list"),
        ("user", "find", "a"),
        ("user", "find", "@"),
    )
    for what in ("journal", "holdings", "periods", "counts"):
        yield "export", what
    for position in sorted({1, head // 2, head} - {0}):
        if program.run("event", "show", position).status == 0:
            yield "event", "show", position


def _of_account(program: Program, key: str, head: int) -> Iterator[Words]:
    account = ("--account", key)
    yield "account", "show", key
    yield "account", "show", key, "--as-of", "2025-06-01"
    yield "account", "advise", *account, *PRICES
    yield "account", "attention", *account
    yield "account", "renewals", *account
    yield "billing", "policy", *account
    yield "billing", "periods", *account
    yield "billing", "counts", *account, *PRICES
    yield "billing", "counts", *account, "--mode", "all"
    yield "billing", "counts", *account, "--by", "quarter", *PRICES
    yield "billing", "idle", *account, *PRICES
    yield "event", "list", *account, "--last", "20"
    yield "event", "replay", *account
    yield "invoice", "list", *account
    yield "price", "list", *account
    yield "price", "history", *account
    yield "seat", "list", *account
    yield "seat", "list", *account, "--as-of", "2025-06-01"
    yield "user", "list", *account
    yield "user", "list", *account, "--as-of", "2025-06-01"
    knowledge = ("--known-at", head // 2, "--known-at", head)
    yield "billing", "compare", *account, *knowledge, *PRICES
    yield "billing", "compare", *account, *knowledge, "--mode", "all"
    yield from _of_periods(program, key)
    yield from _of_seats(program, key)
    yield from _of_users(program, key)


def _of_periods(program: Program, key: str) -> Iterator[Words]:
    account = ("--account", key)
    done = program.run("billing", "counts", *account, "--format", "json")
    rows = (
        program.json("billing", "counts", *account)["rows"] if not done.status else []
    )
    for row in [*rows[:1], *rows[-1:]]:
        period = (*account, "--period", row["period"])
        yield "billing", "idle", *period, *PRICES
        for rule in ((), ("--mode", "day_peak"), ("--mode", "peak")):
            figure = (*period, "--seat-type", row["seat_type"], *rule)
            yield "billing", "explain", *figure, "--unit-price", "90"
    for row in rows[:1]:
        window = (*account, "--from", row["period"], "--until", "2026-09-01")
        yield "billing", "counts", *window, *PRICES
        yield "billing", "idle", *window
        yield "billing", "explain", *window, "--seat-type", row["seat_type"]


def _of_seats(program: Program, key: str) -> Iterator[Words]:
    rows = program.json("seat", "list", "--account", key)["rows"]
    for seat in [row["seat"] for row in [*rows[:1], *rows[-1:]]]:
        question = (seat, "--account", key)
        yield "seat", "who", *question
        yield "seat", "who", *question, "--as-of", "2025-06-01"
        yield "seat", "who", *question, "--during", "2025"
        yield "seat", "history", *question, "--with-reversed"


def _of_users(program: Program, key: str) -> Iterator[Words]:
    account = ("--account", key)
    done = program.json("event", "list", *account, "--type", "UserAdded")["rows"]
    users = dict.fromkeys(row["user"] for row in done if row["user"])
    for user in [*users][:2]:
        if program.run("user", "history", user, *account).status:
            continue
        yield "user", "history", user, *account
        yield "user", "history", user, *account, "--with-reversed"
        yield "user", "access", user, "sales/professional", *account
        yield "seat", "who", "--user", user, *account
        yield "seat", "who", "--user", user, *account, "--during", "2025"


def _bill(program: Program, keys: list[str]) -> str:
    """A vendor's bill: a line that matches nothing, and some of the ledger's."""
    lines = ["account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"]
    for key in keys[:2]:
        done = program.run("billing", "counts", "--account", key)
        rows = []
        if done.status == 0:
            rows = program.json("billing", "counts", "--account", key)["rows"]
        lines += [
            f"{key},B-{key},2026-05-01,{row['period']},{row['seat_type']},"
            f"{n + 1},9.00,{9 * (n + 1)}.00"
            for n, row in enumerate(rows[:5])
        ]
    lines.append("nobody,B-0,2026-05-01,2025-06-05,sales/professional,1,9.00,9.00")
    return "\n".join(lines) + "\n"


def name_of(words: Words) -> str:
    """The command of a question."""
    alone = words[0] in {"export", "report", "doctor", "batch", "import", "snapshot"}
    return words[0] if alone else " ".join(words[:2])
