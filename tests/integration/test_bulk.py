"""A rebuild by DuckDB: what goes there and comes back, and what hinders it."""

from __future__ import annotations

import errno
import json
import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import IntegrityFailure, LedgerError
from seat_ledger.projections.engine import rebuild as engine_rebuild
from seat_ledger.projections.engine.rebuild import PHASES, rebuild
from seat_ledger.projections.lake import binary, bulk
from seat_ledger.projections.lake.bulk import TablesByDuckDB
from seat_ledger.projections.lake.engine import TABLES, Engine
from tests.in_process import Program
from tests.integration.tables import catch_up, digests, fill, states_and_schemas

MARKERS = ("ann", "bob", "x.example", "acme")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_no_person_is_in_what_waits_and_nothing_of_it_stays(
    database: str, ledger: CommandService, folder: Path
) -> None:
    fill(ledger, "acme", "boats")
    seen: list[bytes] = []
    modes: list[int] = []

    class Looking(TablesByDuckDB):
        def fill(self, connection: Any, share: int) -> dict[str, int]:
            size = os.fstat(self.spool.file.fileno()).st_size
            seen.append(os.pread(self.spool.file.fileno(), size, 0))
            for path in folder.iterdir():
                with suppress(FileNotFoundError):  # another share may have ended
                    modes.append(path.stat().st_mode & 0o777)
            return super().fill(connection, share)

    assert rebuild(database, bulk=Looking).error is None
    assert any(seen)
    assert set(modes) == {0o700}
    for block in seen:
        for marker in MARKERS:
            assert marker.encode() not in block
    assert list(folder.iterdir()) == []


def test_the_command_says_who_computed_and_how_many_accounts_were_compared(
    database: str,
    ledger: CommandService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill(ledger, "acme", "boats")
    program = Program(database, tmp_path)
    rebuilding = ("projection", "rebuild", "--engine", "duckdb")
    results = ("--results", str(tmp_path / "results.json"))
    done = program.run(*rebuilding, *results)
    assert done.status == 0, done.err
    assert "2 accounts, chosen at random" in " ".join(done.out.split())
    document = json.loads((tmp_path / "results.json").read_text())
    assert (document["engine"], document["accounts_compared"]) == ("duckdb", 2)
    for least, computed_by in ((1, "duckdb"), (1_000_000, "postgresql")):
        monkeypatch.setattr(engine_rebuild, "BESIDE_FROM", least)
        assert program.run(*rebuilding[:2], *results).status == 0
        document = json.loads((tmp_path / "results.json").read_text())
        assert document["engine"] == computed_by
    monkeypatch.setattr(bulk, "available", lambda: False)
    refused = program.run(*rebuilding, *results)
    assert refused.status == 1
    assert "seat-ledger[lake]" in refused.err
    assert program.run(*rebuilding[:2], *results).status == 0


def test_it_reads_no_file_fetches_nothing_and_cannot_be_let(folder: Path) -> None:
    engine = Engine(1, (), scratch=str(folder))
    for statement in (
        "SELECT * FROM read_text('/etc/hostname')",
        f"COPY (SELECT 1) TO '{folder.parent}/out.csv'",
        "INSTALL postgres",
        "LOAD postgres",
        "SET enable_external_access = true",
        "SET autoinstall_known_extensions = true",
    ):
        with pytest.raises(duckdb.Error, match=r"(?i)disabled|locked|not found|cannot"):
            engine.db.execute(statement).fetchall()
    engine.close()


@pytest.mark.parametrize("table", [name for name in TABLES if name != "seat"])
def test_a_row_that_differs_between_the_engines_is_named_and_not_served(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    before = digests(database)
    send = bulk._send

    def lose_one(connection: Any, name: str, *rest: Any) -> None:
        send(connection, name, *rest)
        if name == table:
            connection.execute(
                f"DELETE FROM {name} WHERE ctid = (SELECT min(ctid) FROM {name})"
            )

    monkeypatch.setattr(bulk, "_send", lose_one)
    result = rebuild(database, bulk=TablesByDuckDB)
    assert isinstance(result.error, IntegrityFailure)
    assert result.tables[table].status == "error"
    assert f"{table}: only the fresh computation has" in result.error.message
    assert "--engine postgresql" in str(result.error.try_)
    assert not result.switched
    assert digests(database) == before
    assert [state for state, _ in states_and_schemas(database)[0]] == ["served"]


@pytest.mark.parametrize("kind", ["a full disk", "no memory"])
def test_what_the_machine_lacks_is_said_and_the_served_tables_stay(
    database: str,
    ledger: CommandService,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    fill(ledger, "acme")
    catch_up(database)
    before = digests(database)

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if kind == "a full disk":
        monkeypatch.setattr(bulk, "_write", fail)
    else:
        make = Engine.make

        def make_much(engine: Engine, name: str) -> None:
            engine.db.execute("SELECT list(range) FROM range(100000000)").fetchall()
            make(engine, name)

        monkeypatch.setattr(Engine, "make", make_much)
    result = rebuild(database, bulk=TablesByDuckDB)
    assert isinstance(result.error, LedgerError)
    words = "No space left" if kind == "a full disk" else "Out of Memory"
    assert words in result.error.message
    assert "The served tables are unchanged." in result.error.message
    assert str(folder) in str(result.error.try_)
    assert digests(database) == before
    assert [state for state, _ in states_and_schemas(database)[0]] == ["served"]
    assert list(folder.iterdir()) == []


def test_an_interrupt_while_it_computes_leaves_nothing(
    database: str, ledger: CommandService, folder: Path
) -> None:
    fill(ledger, "acme")

    def interrupt(phase: str) -> None:
        if phase == PHASES["compare"]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(database, bulk=TablesByDuckDB, at=interrupt)
    assert [state for state, _ in states_and_schemas(database)[0]] == ["served"]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "number", [0, 1, 9_999, 10_000, 2**63 - 1, 2**63, 10**25 + 7, -1, -(10**25)]
)
def test_numbers_are_sent_as_postgresql_reads_them(number: int) -> None:
    column = pa.chunked_array([pa.array([number, None], pa.decimal128(38, 0))])
    table = pa.table({"n": column})
    rows = binary.rows_of(table, {"n": "numeric"})
    fields, size, digits, weight, sign, scale = struct.unpack_from("!hihhHh", rows)
    assert (fields, size, scale) == (1, 8 + 2 * digits, 0)
    read = struct.unpack_from(f"!{digits}h", rows, 14)
    value = sum(digit * 10_000 ** (weight - at) for at, digit in enumerate(read))
    assert (-value if sign else value) == number
    assert rows[6 + size :] == struct.pack("!hi", 1, -1)
