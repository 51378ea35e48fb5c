"""The Python API: typed methods that record and ask what the command line does."""

from __future__ import annotations

import ast
import asyncio
import json
import re
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import seat_ledger
from seat_ledger import (
    AsyncReader,
    AsyncSeatLedger,
    CommandRefused,
    Document,
    InvalidInput,
    NotFound,
    Reader,
    SeatLedger,
    Unavailable,
)
from seat_ledger.cli.api.endpoints import endpoints
from seat_ledger.cli.output.render import to_json
from tests.api.test_reading import QUESTIONS, path_of, words_of
from tests.in_process import Program
from tests.program import PRO

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "cli/topics/python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOP: dict[str, Any] = {
    "name": "Shop Ltd",
    "time_zone": "Europe/Amsterdam",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}


def test_a_name_that_is_not_public_is_not_there() -> None:
    assert {*seat_ledger.__all__} <= {*dir(seat_ledger)}
    with pytest.raises(AttributeError):
        seat_ledger.Ledger  # noqa: B018


def test_the_page_works_and_is_typed(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own lines, on a database that the environment names; mypy --strict."""
    Program(empty_database, tmp_path).json("db", "migrate")
    monkeypatch.setenv("SEAT_LEDGER_DATABASE_URL", empty_database)
    first, second = BLOCKS
    file = tmp_path / "page.py"
    ask = 'import asyncio\nprint(asyncio.run(holder("shop", "sales/professional#1")))\n'
    file.write_text(first + second + ask)
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "ann\nann\n"), done.stderr
    statements = ast.parse(first).body[1].body  # type: ignore[attr-defined]
    assert len(ast.parse(first).body) + len(statements) + 1 <= 10
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", "",
         "--follow-imports", "silent",  # as of what is in site-packages
         str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout


def test_a_recording_says_what_was_recorded(ledger: SeatLedger, reader: Reader) -> None:
    ledger.open_account("acme", **SHOP)
    bought = ledger.buy_seats("acme", seat_type=PRO, quantity=2,
                              effective_at=date(2025, 3, 5))  # fmt: skip
    assert [row.event for row in bought.rows] == ["SeatPurchased"] * 2
    assert bought.rows[0].effective_at == datetime(2025, 3, 4, 23, tzinfo=UTC)
    assert bought.rows[0].actor == "system:shop"
    ledger.add_user("acme", user="ann", email="ann@acme.test", name="Ann")
    local = datetime(2025, 3, 6, 9)  # noqa: DTZ001  on the account's own clock
    given = {"user": "ann", "seat_type": PRO, "idempotency_key": "k1"}
    with pytest.raises(CommandRefused) as refused:
        ledger.assign_seat("acme", **given, effective_at=local)
    assert (refused.value.code, refused.value.exit_code) == ("user_not_present", 1)
    tried = ledger.assign_seat("acme", **given, dry_run=True)
    assert (tried.dry_run, tried.positions) == (True, ())
    assert reader.seat_who(f"{PRO}#1", account="acme").rows[0].holder is None
    recorded = ledger.assign_seat("acme", **given)
    assert ledger.assign_seat("acme", **given).repeated
    held = reader.seat_who(f"{PRO}#1", account="acme")
    holder = held.rows[0].holder
    assert holder is not None
    assert (holder.user, holder.held_until) == ("ann", None)
    assert holder.assigned_by.position == recorded.positions[-1]
    assert held.known_at.position == recorded.positions[-1]
    ledger.set_permissions("acme", user="ann", super_admin=True)
    ledger.set_permissions("acme", user="ann", super_admin=False)
    assert not reader.user_list(account="acme").rows[0].super_admin


def test_a_command_may_be_a_mapping(ledger: SeatLedger, reader: Reader) -> None:
    ledger.open_account("beta", **SHOP)
    at = datetime(2025, 3, 5, 12, tzinfo=UTC)
    line = {"op": "buy_seats", "seat_type": PRO, "quantity": 1, "effective_at": at}
    done = ledger.batch("beta", commands=[line, line])
    assert len(done.positions) == 2
    ledger.set_price("beta", seat_type=PRO, unit_price=Decimal("90.00"),
                     currency="EUR", effective_at=at)  # fmt: skip
    counted = reader.billing_counts(
        account="beta", period="2025-04-05", known_at=done.positions[-1] + 1
    )
    (row,) = counted.rows
    assert (row.quantity, row.quantity_exact) == (Decimal(2), Fraction(2))
    assert (row.unit_price, row.currency) == (Decimal("90.00"), "EUR")
    assert row.from_ < row.until
    figure = {"account": "beta", "period": "2025-04-05", "seat_type": PRO}
    parts = reader.billing_explain(**figure)
    assert sum(part.quantity_exact for part in parts.rows) == row.quantity_exact
    assert parts.beside["figure"]["quantity"] == "2"
    with pytest.raises(InvalidInput):
        ledger.execute({"op": "fly", "account": "beta"})


def test_results_are_frozen(reader: Reader) -> None:
    document = reader.catalogue_list()
    with pytest.raises(ValidationError):
        document.as_of = None  # type: ignore[misc]
    with pytest.raises(ValidationError):
        document.rows[0].hub = "x"  # type: ignore[misc]
    assert isinstance(document.rows, tuple)


def ask(reader: Reader, command: str, params: dict[str, Any]) -> Document[Any]:
    """A question of the command line by its method."""
    named = {("from_" if n == "from" else n): v for n, v in params.items()}
    values = {n: True if v == "true" else v for n, v in named.items()}
    name = endpoints()[path_of(command)].operation_id
    document: Document[Any] = getattr(reader, name)(**values)
    return document


@pytest.mark.parametrize(("command", "params"), QUESTIONS)
def test_an_answer_has_every_key_of_the_command_line(
    program: Program, command: str, params: dict[str, Any]
) -> None:
    """Each question once more: same rows, same values, nothing left out."""
    text = program.run(*words_of(command, params), "--format", "json").out
    expected = json.loads(text)
    with Reader.open(program.conninfo, connections=1) as reader:
        asked = ask(reader, command, params)
    rows = [_plain(row) for row in asked.rows]
    assert len(rows) == len(expected["rows"])
    for row, line in zip(rows, expected["rows"], strict=True):
        assert line == {name: row[name] for name in line}
    assert {*asked.beside} == {*expected} - {
        *("schema_version", "as_of", "known_at", "rows", "renewal_due"),
    }


HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"
LINE = f"acme,V-7,2025-04-05,2025-03-05,{PRO},62,90.00,5580.00\n"


def test_a_file_is_audited_by_path_or_content(program: Program, tmp_path: Path) -> None:
    """R62: the rows of the command; nothing is recorded."""
    file = tmp_path / "vendor.csv"
    file.write_text(HEADER + LINE + LINE.replace("acme", "nobody"))
    done = program.run(
        *("invoice", "audit", file, "--known-at", "80", "--format", "json")
    )
    assert done.status == 3
    expected = json.loads(done.out)
    with Reader.open(program.conninfo, connections=1) as reader:
        head = reader.projection_status().rows[0].head
        for source in (file, str(file), file.read_bytes()):
            audited = reader.invoice_audit(source, known_at=80)
            assert [_plain(row) for row in audited.rows] == expected["rows"]
            assert audited.beside["verdicts"] == expected["verdicts"]
        renamed = (HEADER.replace("account,", "Tenant,") + LINE).encode()
        options: dict[str, Any] = {"column": ["account=Tenant"], "findings": True}
        row = reader.invoice_audit(renamed, **options, set_=["mode=peak"]).rows[0]
        assert (row.account, row.mode) == ("acme", "peak")
        with pytest.raises(InvalidInput, match="cannot be read"):
            reader.invoice_audit(tmp_path / "nowhere.csv")
        with pytest.raises(InvalidInput):
            reader.invoice_audit(b"PK\x03\x04 cut off")
        assert reader.projection_status().rows[0].head == head

    async def asked() -> tuple[Decimal, bool]:
        async with await AsyncReader.open(program.conninfo, connections=1) as reader:
            audited = await reader.invoice_audit(file, known_at=80)
            status = (await reader.projection_status()).rows[0]
            return audited.rows[0].ledger_quantity, status.lag_events == 0

    quantity = Decimal(expected["rows"][0]["ledger_quantity"])
    assert asyncio.run(asked()) == (quantity, True)


def _plain(row: BaseModel) -> Any:
    """A row as JSON has it."""
    values = row.model_dump(by_alias=True)
    for name in ("quantity_exact", "difference_exact"):
        exact = getattr(row, name, None)
        if exact is not None:
            values[name] = f"{exact.numerator}/{exact.denominator}"
    return json.loads(to_json(values))


@pytest.mark.parametrize(
    ("question", "params", "kind", "code"),
    [
        ("seat_who", {"account": "no"}, InvalidInput, "invalid_input"),
        ("account_show", {"account": "no"}, NotFound, "account_not_found"),
        ("account_list", {"known_at": 10**9}, CommandRefused, "position_beyond_head"),
        ("account_list", {"as_of": "whenever"}, InvalidInput, "invalid_input"),
        ("account_list", {"as_of": "x\x00"}, InvalidInput, "invalid_input"),
        ("event_show", {"position": 10**9}, NotFound, "entry_not_found"),
    ],
)
def test_what_cannot_be_answered_is_raised_in_words(
    reader: Reader, question: str, params: dict[str, Any], kind: type, code: str
) -> None:
    with pytest.raises(kind) as raised:
        getattr(reader, question)(**params)
    assert raised.value.code == code
    assert "--" not in f"{raised.value.message} {raised.value.try_}"


def test_a_database_that_is_not_there_is_unavailable() -> None:
    for opens in (SeatLedger.open, Reader.open):
        with pytest.raises(Unavailable):
            opens("host=/nonexistent dbname=x")
        with pytest.raises(InvalidInput):
            opens("")


def test_what_is_closed_says_so_and_opens_nothing_again(program: Program) -> None:
    with SeatLedger.open(program.conninfo) as ledger:
        pass
    with Reader.open(program.conninfo) as reader, reader._pool.reader() as lent:
        reader.close()
    assert lent.connection.closed  # given back after the end
    for ask in (reader.account_list, partial(ledger.renew, "acme")):
        with pytest.raises(InvalidInput, match="closed") as raised:
            ask()
        assert raised.value.try_ is not None


def test_many_threads_share_a_ledger_and_a_reader(
    ledger: SeatLedger, reader: Reader
) -> None:
    """R30 and R41: of eight threads for three seats three get one; each answer is of
    one state, and knows what its own thread recorded before.
    """
    ledger.open_account("rush", **SHOP)
    ledger.buy_seats("rush", seat_type=PRO, quantity=3)
    outcomes: list[str] = []
    failures: list[BaseException] = []

    def work(user: str) -> None:
        try:
            added = ledger.add_user(
                "rush", user=user, email=f"{user}@rush.test", name=user
            )
            users = reader.user_list(account="rush")
            assert user in {row.user for row in users.rows}
            assert users.known_at.position is not None
            assert users.known_at.position >= added.positions[-1]
            try:
                ledger.assign_seat("rush", user=user, seat_type=PRO)
                outcomes.append("recorded")
            except CommandRefused as refused:
                outcomes.append(refused.code)
            (row,) = reader.seat_list(account="rush").beside["totals"]
            assert row["purchased"] == row["assigned"] + row["available"]
        except BaseException as failure:  # noqa: BLE001  shown below
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(f"u{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(outcomes) == [*["no_free_seat"] * 5, *["recorded"] * 3]


def test_an_event_loop_records_and_asks(second_database: str) -> None:
    async def work() -> tuple[int, list[str]]:
        async with (
            await AsyncSeatLedger.open(second_database) as ledger,
            await AsyncReader.open(second_database, connections=2) as reader,
        ):
            await ledger.open_account("loop", **SHOP)
            await asyncio.gather(
                *(ledger.buy_seats("loop", seat_type=PRO, quantity=1) for _ in range(5))
            )
            asked = [reader.seat_list(account="loop") for _ in range(5)]
            answers = await asyncio.gather(*asked)
            return len(answers[0].rows), [row.seat for row in answers[-1].rows]

    count, seats = asyncio.run(work())
    assert count == 5
    assert seats == [f"{PRO}#{n}" for n in range(1, 6)]


def test_an_invoice_is_computed_and_issued(ledger: SeatLedger, reader: Reader) -> None:
    ledger.open_account("bill", **SHOP)
    ledger.buy_seats("bill", seat_type=PRO, quantity=2, effective_at="2025-03-05")
    issued = ledger.issue_invoice(
        "bill",
        invoice="INV-1",
        period="2025-03-05",
        unit_prices={PRO: Decimal("10.50")},
        currency="EUR",
    )
    assert issued.rows[-1].event == "InvoiceIssued"
    shown = reader.invoice_show("INV-1")
    assert [row.amount for row in shown.rows] == [Decimal("21.00")]
    assert shown.beside["currency"] == "EUR"


def test_a_reader_that_does_not_catch_up_answers_from_the_tables(
    ledger: SeatLedger, reader: Reader, second_database: str
) -> None:
    ledger.open_account("late", **SHOP)
    reader.account_show(account="late")
    ledger.buy_seats("late", seat_type=PRO, quantity=1)
    with Reader.open(second_database, catch_up=False) as behind:
        assert behind.seat_list(account="late").rows == ()
    assert len(reader.seat_list(account="late").rows) == 1


def test_a_redacting_reader_names_nobody(program: Program) -> None:
    with Reader.open(program.conninfo, redact=True) as reader:
        for command, params in QUESTIONS:
            if "ann" not in params.values():
                text = ask(reader, command, params).model_dump_json()
                assert "Jansen" not in text, command
        rows = reader.seat_list(account="acme", known_at=80, as_of="2025-05-01").rows
    holders = [row.holder for row in rows if row.holder is not None]
    assert holders
    assert all(holder.email is None and "user-" in holder.user for holder in holders)


def test_a_moment_may_be_any_that_people_write(
    ledger: SeatLedger, reader: Reader
) -> None:
    ledger.open_account("when", **SHOP)
    ledger.buy_seats("when", seat_type=PRO, quantity=1, effective_at="2025-03-10")
    first = datetime(2025, 3, 9, 23, tzinfo=UTC)
    for moment in ("2025-03-10", date(2025, 3, 10), first):
        assert len(reader.seat_list(account="when", as_of=moment).rows) == 1
        assert reader.seat_list(account="when", as_of=moment).as_of == first
    before = first - timedelta(microseconds=1)
    assert reader.seat_list(account="when", as_of=before).rows == ()
