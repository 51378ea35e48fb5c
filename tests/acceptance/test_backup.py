"""Backups as the README describes them, and what an older copy is told to lack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.store.embedded import EmbeddedServer, server_user
from tests.program import ANN, BUY, OPEN, PRO, Program
from tests.support.places import folder_for_servers

GIVE = {"op": "assign_seat", "account": "acme", "user": "ann", "seat_type": PRO}
AT = {"effective_at": "2025-04-01"}
STARTER = {**BUY, "seat_type": "sales/starter", **AT}
REBUILD = ("projection", "rebuild", "--results")


def recorded(program: Program, *commands: Any) -> None:
    done = program.lines(*commands)
    assert done.returncode == 0, done.stderr


def missing(program: Program, elsewhere: Path, key: Path) -> list[Any]:
    """What verify finds with the checkpoints that were kept elsewhere."""
    words = ("verify", "--witness", elsewhere, "--public-key", key, "--format", "json")
    done = program.run("integrity", *words)
    assert done.returncode == 3, done.stderr
    return [(row["kind"], row["events"]) for row in program.parse(done)["rows"]]


@pytest.fixture
def copy(empty_database: str) -> Program:
    """A database to restore to."""
    return Program(empty_database)


def test_a_dump_is_restored_and_what_it_lacks_is_reported(
    database: str, copy: Program, tmp_path: Path
) -> None:
    program, dump = Program(database), tmp_path / "ledger.dump"
    for item in (program, copy):
        item.environment["SEAT_LEDGER_HOME"] = str(tmp_path / "home")
    elsewhere = tmp_path / "elsewhere"
    seal = ("integrity", "seal", "--witness", elsewhere)
    recorded(program, OPEN, BUY, {**ANN, **AT}, {**GIVE, **AT})
    program.json(*seal)
    who = ("seat", "who", f"{PRO}#1", "-a", "acme", "--as-of", "2025-05-01")
    answer = program.json(*who)["rows"]
    known_at = ("-Fc", "--exclude-schema=projection*", "-f", dump)
    done = program.run("db", "tool", "pg_dump", *known_at)
    assert done.returncode == 0, done.stderr
    recorded(program, STARTER)
    program.json(*seal)

    name = copy.environment["SEAT_LEDGER_DATABASE_URL"].rpartition("dbname=")[2]
    restore = ("pg_restore", "--no-owner", "--no-privileges", "-d", name, dump)
    done = copy.run("db", "tool", *restore)
    assert done.returncode == 0, done.stderr
    assert copy.run("db", "migrate").returncode == 0
    assert copy.run(*REBUILD, tmp_path / "results.json").returncode == 0
    assert copy.json(*who)["rows"] == answer
    key = next((tmp_path / "home").rglob("integrity.pub"))
    assert missing(copy, elsewhere, key) == [("truncated", 3)]
    copy.environment["SEAT_LEDGER_WITNESS"] = str(elsewhere)
    doctor = copy.run("doctor", "--format", "json")
    assert doctor.returncode == 3
    message = [row for row in copy.parse(doctor)["rows"] if not row["ok"]]
    assert [row["check"] for row in message] == ["seals"]
    assert "ends at position 7 with 7 events" in message[0]["found"]
    assert "has 10 events, up to position 10" in message[0]["found"]
    with psycopg.connect(copy.environment["SEAT_LEDGER_DATABASE_URL"]) as connection:
        connection.execute("SET ROLE seat_ledger_writer")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM ledger.stored_events")


LONG = [f"--exclude-table-data=ledger.{item}" for item in ("person_key", "user_name")]
LONG += ["--exclude-schema=projection*", "--exclude-table-data=ledger.digest_key"]
KEYS = [f"--table=ledger.{item}" for item in ("person_key", "user_name", "digest_key")]


@pytest.mark.parametrize("late", [False, True])
def test_of_two_backups_the_long_one_names_nobody_without_the_other(
    database: str, copy: Program, tmp_path: Path, late: bool
) -> None:
    program = Program(database)
    long, keys = tmp_path / "long.dump", tmp_path / "keys.dump"
    ann = {**ANN, **AT, "idempotency_key": "k-1"}
    recorded(program, OPEN, ann)
    for words in (["-f", long, *LONG], ["--data-only", "-f", keys, *KEYS]):
        done = program.run("db", "tool", "pg_dump", "-Fc", *words)
        assert done.returncode == 0, done.stderr
    name = copy.environment["SEAT_LEDGER_DATABASE_URL"].rpartition("dbname=")[2]
    restore = ("pg_restore", "--no-owner", "--no-privileges", "-d", name)
    people = ("user", "list", "-a", "acme", "--as-of", "2025-05-01")

    def restored(dump: Path) -> None:
        done = copy.run("db", "tool", *restore, dump)
        assert (done.returncode, done.stderr) == (0, "")

    def current() -> tuple[str, bool, str]:
        assert copy.run("db", "migrate").returncode == 0
        assert copy.run(*REBUILD, tmp_path / "results.json").returncode == 0
        (user,) = copy.json(*people)["rows"]
        doctor = copy.parse(copy.run("doctor", "--format", "json"))["rows"]
        wrong = {row["check"] for row in doctor if not row["ok"]}
        again = copy.parse(copy.lines(ann))["rows"][0]
        return user["user"], "persons" in wrong, again["outcome"]

    restored(long)
    if late:
        user, message, again = current()
        assert (user[:7], message, again) == ("erased-", True, "refused")
        with psycopg.connect(copy.environment["SEAT_LEDGER_DATABASE_URL"]) as item:
            item.execute("DELETE FROM ledger.digest_key")
    restored(keys)
    assert current() == ("ann", False, "repeated")


@pytest.fixture
def homes() -> Iterator[Path]:
    """A folder for two homes of embedded servers, which are ended."""
    folder = folder_for_servers("slb-")
    folder.chmod(0o755)
    yield folder
    for name in ("first", "second"):
        EmbeddedServer(folder / name).stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_base_backup_of_the_embedded_server_is_restored(homes: Path) -> None:
    programs = {}
    for name in ("first", "second"):
        programs[name] = Program("")
        del programs[name].environment["SEAT_LEDGER_DATABASE_URL"]
        programs[name].environment["SEAT_LEDGER_HOME"] = str(homes / name)
    first, second = programs["first"], programs["second"]
    recorded(first, OPEN, BUY, {**ANN, **AT})
    first.json("integrity", "seal")
    backup = homes / "backup"
    words = ("pg_basebackup", "-D", backup, "-X", "stream", "-c", "fast")
    done = first.run("db", "tool", *words)
    assert done.returncode == 0, done.stderr
    assert first.run("db", "tool", "pg_verifybackup", backup).returncode == 0
    recorded(first, {**GIVE, **AT})
    first.json("integrity", "seal")
    assert first.run("db", "stop").returncode == 0

    data = homes / "second" / "data"
    shutil.copytree(backup, data)
    data.chmod(0o700)
    if (user := server_user()) is not None:
        for path in (data, *data.rglob("*")):
            shutil.chown(path, user.uid, user.gid)
    (key,) = homes.glob("first/ledgers/*/integrity.pub")
    elsewhere = key.parent / "checkpoints"
    assert len(second.json("seat", "list", "-a", "acme")["rows"]) == 3
    assert missing(second, elsewhere, key) == [("truncated", 2)]


def test_after_a_ledger_is_destroyed_the_next_one_in_its_home_is_sealed(
    homes: Path,
) -> None:
    program = Program("")
    del program.environment["SEAT_LEDGER_DATABASE_URL"]
    program.environment["SEAT_LEDGER_HOME"] = str(homes / "first")
    for _ in range(2):
        recorded(program, OPEN, BUY)
        program.json("integrity", "seal")
        assert program.run("db", "destroy", input="n\n").returncode == 1
        assert program.json("account", "list")["rows"]
        done = program.run("db", "destroy", "--yes")
        assert done.returncode == 0
        assert "everything" not in done.stdout
        assert done.stdout.endswith("signed checkpoints: ledgers.\n")
    assert len(list(homes.glob("first/ledgers/*/checkpoints/checkpoint"))) == 2
    assert program.run("db", "destroy", "--yes").returncode == 0
