"""A file tried before it is recorded (R101), by the program."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from threading import Thread

import psycopg

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import try_file
from seat_ledger.projections.billing.invoice_computation import Drafting
from seat_ledger.projections.engine.locks import CATCH_UP_LOCK
from seat_ledger.projections.reader import ConnectedReader
from tests.in_process import Program
from tests.support.waiting import wait_for_end, wait_for_waiter

LINES = [
    {"op": "open_account", "account": "acme", "name": "Acme", "time_zone": "UTC",
     "term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1},
    {"op": "buy_seats", "account": "acme", "seat_type": "sales/professional",
     "quantity": 1, "effective_at": "2025-03-05", "idempotency_key": "bought"},
    {"op": "add_user", "account": "acme", "user": "ann", "email": "ann@x.example",
     "name": "Ann", "seats": ["sales/professional"], "effective_at": "2025-03-06"},
    {"op": "add_user", "account": "acme", "user": "bob", "email": "bob@x.example",
     "name": "Bob", "seats": ["sales/professional"], "effective_at": "2025-03-07"},
    {"op": "reverse", "account": "acme", "entry_key": "bought", "reason": "twice",
     "expect": "refused"},
    {"op": "issue_invoice", "account": "acme", "invoice": "INV-1", "period": "2025-03",
     "unit_prices": {"sales/professional": "90.00"}, "currency": "EUR"},
]  # fmt: skip


def written(folder: Path, *lines: dict[str, object]) -> Path:
    file = folder / "lines.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_a_trial_says_what_recording_would_state_and_leaves_nothing(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    file = written(tmp_path, *LINES)
    done = program.run("import", "--dry-run", "--keep-going", file, "--format", "json")
    rows = json.loads(done.out)["rows"]
    assert done.status == 1
    assert [row["outcome"] for row in rows] == [
        *("would_record",) * 3, "refused", "refused", "would_record",
    ]  # fmt: skip
    assert [row["code"] for row in rows[3:5]] == ["no_free_seat", "reversal_blocked"]
    assert not any(row["positions"] for row in rows)
    assert program.json("event", "list")["rows"] == []

    recorded = program.run("import", "--keep-going", file, "--format", "json")
    assert [row["outcome"] for row in json.loads(recorded.out)["rows"]] == [
        *("recorded",) * 3, "refused", "refused", "recorded",
    ]  # fmt: skip

    again = program.run("import", "--dry-run", "--keep-going", file, "--format", "json")
    assert [row["outcome"] for row in json.loads(again.out)["rows"]] == [
        *("repeated",) * 3, "refused", "refused", "repeated",
    ]  # fmt: skip


def test_invoices_of_changed_accounts_are_tried_with_the_figures_they_would_have(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record({**LINES[0], "account": "other"})
    later = {"op": "issue_invoice", "account": "acme", "corrections_only": True,
             "currency": "EUR"}  # fmt: skip
    lines = [
        *LINES[:2],
        LINES[5],
        {**later, "invoice": "INV-2"},
        {**LINES[1], "idempotency_key": "more", "effective_at": "2025-03-20"},
        {**later, "invoice": "INV-3"},
        {**later, "invoice": "INV-4"},
        {**LINES[5], "invoice": "INV-5", "period": "2025-04", "unit_prices": {}},
        {**LINES[5], "invoice": "INV-6", "period": "2025-04"},
    ]
    file = written(tmp_path, *lines)

    def imported(*words: str) -> list[dict[str, str]]:
        words = ("import", *words, "--keep-going", f"{file}", "--format", "json")
        rows: list[dict[str, str]] = json.loads(program.run(*words).out)["rows"]
        return rows

    assert program.json("user", "list", "-a", "other")["rows"] == []  # catches up
    before = program.json("projection", "status")["rows"][0]["checkpoint"]
    tried = imported("--dry-run")
    assert program.json("projection", "status")["rows"][0]["checkpoint"] == before
    recorded = imported()
    assert [row["code"] for row in tried] == [
        None, None, None, "nothing_to_correct", None, None, "nothing_to_correct",
        "price_missing", None,
    ]  # fmt: skip
    for row, real in zip(tried, recorded, strict=True):
        assert row["outcome"].replace("would_record", "recorded") == real["outcome"]
        assert (row["code"], row["message"]) == (real["code"], real["message"])
    assert program.run("projection", "verify", "--full").status == 0


def test_an_import_ends_with_a_tally_by_operation(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    done = program.run("import", "--dry-run", written(tmp_path, *LINES[:3]))
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert ["op", "would", "record"] in lines
    assert ["add_user", "1"] in lines
    assert "Nothing was recorded." in done.out


def test_invoices_of_untouched_accounts_are_tried_with_their_figures(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record(*LINES[:3])
    free = {**LINES[5], "unit_prices": {}}
    done = program.run("import", "--dry-run", written(tmp_path, free))
    assert done.status == 1
    assert "price_missing" in done.err


def test_a_trial_that_waits_for_the_tables_keeps_no_append_waiting(
    database: str, tmp_path: Path
) -> None:
    program = Program(database, tmp_path)
    program.record({**LINES[0], "account": "other"})
    assert program.json("user", "list", "-a", "other")["rows"] == []  # catches up
    lines = [json.dumps(line).encode() for line in (*LINES[:2], LINES[5])]
    outcomes: list[str] = []
    reader = partial(ConnectedReader, database, patient=True)

    def try_them(ledger: CommandService, drafting: Drafting) -> None:
        options = {"compute_invoice": drafting, "compute_after": drafting.after}
        outcomes.extend(each.outcome for each in try_file(ledger, lines, **options))

    with (
        CommandService(database) as ledger,
        Drafting(reader) as drafting,
        psycopg.connect(database, autocommit=True) as holder,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [CATCH_UP_LOCK])
        trial = Thread(target=try_them, args=(ledger, drafting))
        trial.start()
        wait_for_waiter(holder, CATCH_UP_LOCK)
        program.record({**LINES[1], "account": "other"})
        holder.execute("SELECT pg_advisory_unlock(%s)", [CATCH_UP_LOCK])
        wait_for_end([trial])
    assert outcomes == ["would_record"] * 3
