"""Keys and checkpoints hang on the ledger, whatever its address; none is made twice."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.errors import IntegrityFailure, InvalidInput, LedgerError, NotFound
from seat_ledger.integrity import service
from seat_ledger.integrity.keys import Keys
from seat_ledger.integrity.note import Signer
from seat_ledger.integrity.service import KeyOptions, SealOptions
from seat_ledger.store import schema
from tests.conftest import TEMPLATE, _database
from tests.integration.test_integrity import RECORD
from tests.program import Program

LOCALHOST = "host=localhost dbname=seats"
LOOPBACK = "host=127.0.0.1 dbname=seats"
KEY_OPTIONS = KeyOptions()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def other(server: str) -> Iterator[str]:
    """Another ledger on the same server."""
    yield from _database(server, TEMPLATE)


def record(conninfo: str, first: int, last: int) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(RECORD, [first, last])


def folder(home: Path, conninfo: str) -> Path:
    with psycopg.connect(conninfo) as connection:
        return home / "ledgers" / str(schema.ledger_id(connection))


def findings(conninfo: str, address: str | None, *places: Path) -> list[str]:
    result = service.verify_here(conninfo, address, places, keys=KEY_OPTIONS)
    return [finding.kind for finding in result.findings]


def label(done: service.SealedHere) -> str:
    assert done.signer is not None
    return done.signer.verifier.label


def test_one_ledger_under_two_addresses_has_one_key(home: Path, database: str) -> None:
    record(database, 1, 9)
    first = service.seal_here(database, LOCALHOST)
    record(database, 10, 12)
    second = service.seal_here(database, LOOPBACK)
    assert (first.new_key is None, second.new_key) == (False, None)
    assert label(first) == label(second)
    assert [file.parent for file in home.rglob("integrity.key")] == [
        folder(home, database)
    ]
    assert findings(database, LOCALHOST) == findings(database, LOOPBACK) == []


def test_two_ledgers_under_one_address_have_two_keys(
    home: Path, database: str, other: str
) -> None:
    """As with `service=`, or when a database is remade under its name."""
    record(database, 1, 9)
    record(other, 1, 5)
    first = service.seal_here(database, "service=seats")
    second = service.seal_here(other, "service=seats")
    assert label(first) != label(second)
    assert findings(database, "service=seats") == findings(other, "service=seats") == []
    assert len(list(home.rglob("integrity.key"))) == 2


@pytest.mark.parametrize("named", [None, "other.key"])
def test_no_key_is_created_for_what_another_key_has_sealed(
    home: Path,
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str | None,
) -> None:
    record(database, 1, 9)
    done = service.seal_here(database, LOCALHOST)
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path / "second"))
    record(database, 10, 12)
    options = SealOptions(key=tmp_path / named if named else None)
    with pytest.raises(NotFound, match="No new key was made") as refused:
        service.seal_here(database, LOCALHOST, options=options)
    assert label(done) in refused.value.message
    assert str(folder(tmp_path / "second", database)) in (refused.value.try_ or "")
    with pytest.raises(NotFound, match="is sealed with the key"):
        findings(database, LOCALHOST)
    assert not (tmp_path / "second").exists()
    assert not (tmp_path / "other.key").exists()
    shutil.copytree(folder(home, database), folder(tmp_path / "second", database))
    assert label(service.seal_here(database, LOCALHOST)) == label(done)


def test_no_key_is_created_where_a_witness_knows_another(
    home: Path, database: str, tmp_path: Path
) -> None:
    """The seals of the database were removed, and the home folder is a new one."""
    record(database, 1, 9)
    stranger = Signer.generate("log")
    place = tmp_path / "elsewhere"
    service.seal(database, stranger, [place])
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE ledger.sealed_tile, ledger.sealed_checkpoint")
    with pytest.raises(NotFound, match="No new key was made") as refused:
        service.seal_here(database, LOCALHOST, [place])
    assert stranger.verifier.label in refused.value.message
    assert not list(home.rglob("integrity.key"))


def test_no_key_is_created_where_the_private_one_was_lost(
    home: Path, database: str
) -> None:
    record(database, 1, 9)
    done = service.seal_here(database, None)
    folder(home, database).joinpath("integrity.key").unlink()
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE ledger.sealed_tile, ledger.sealed_checkpoint")
    with pytest.raises(NotFound) as refused:
        service.seal_here(database, None)
    assert label(done) in refused.value.message


@pytest.mark.parametrize(
    ("former", "address"),
    [
        ("named/localhost_5432_seats", LOCALHOST),
        ("named/127.0.0.1_5432_seats", LOCALHOST),
        (".", None),
        (".", LOCALHOST),
    ],
)
def test_what_was_filed_by_address_is_detected_and_moved(
    home: Path, database: str, former: str, address: str | None
) -> None:
    record(database, 1, 9)
    old = home / former
    signer = Keys(old / "integrity.key").signer("ledger.example.com/seats")
    service.seal(database, signer, [old / "checkpoints"])
    assert findings(database, address) == []
    record(database, 10, 12)
    done = service.seal_here(database, address)
    own = folder(home, database)
    assert label(done) == signer.verifier.label
    assert sorted(file.name for file in own.iterdir()) == [
        "checkpoints",
        "integrity.key",
        "integrity.pub",
    ]
    assert not (old / "integrity.key").exists()
    assert len(list((own / "checkpoints").glob("checkpoint-*"))) == 2
    result = service.verify_here(database, address, keys=KEY_OPTIONS)
    assert (result.findings, result.checkpoints, result.elsewhere) == ([], 4, 0)


def test_a_ledger_remade_where_the_former_version_sealed_is_not_called_altered(
    home: Path, database: str, other: str
) -> None:
    record(database, 1, 9)
    old = home / "named" / "localhost_5432_seats"
    signer = Keys(old / "integrity.key").signer("log")
    service.seal(database, signer, [old / "checkpoints"])
    record(other, 1, 5)
    with pytest.raises(IntegrityFailure, match="this database has no seals") as refused:
        service.seal_here(other, LOCALHOST)
    assert "move that folder away" in (refused.value.try_ or "")
    old.rename(home / "set-aside")
    assert service.seal_here(other, LOCALHOST).new_key is not None
    assert findings(other, LOCALHOST) == []


def test_checkpoints_that_are_missing_from_beside_the_key_are_a_finding(
    home: Path, database: str
) -> None:
    record(database, 1, 9)
    service.seal_here(database, None)
    assert service.status(database, None).lacking is None
    shutil.rmtree(folder(home, database) / "checkpoints")
    assert findings(database, None) == ["witness"]
    assert "are missing" in str(service.status(database, None).lacking)
    record(database, 10, 12)
    with pytest.raises(IntegrityFailure, match="are missing"):
        service.seal_here(database, None)
    assert not (folder(home, database) / "checkpoints").exists()
    assert findings(database, None) == ["witness"]
    done = service.seal_here(
        database, None, options=SealOptions(restores_checkpoints=True)
    )
    assert done.sealed is not None
    assert (done.new_key, done.sealed.added) == (None, 3)
    assert findings(database, None) == []


@pytest.mark.usefixtures("home")
def test_seals_that_are_missing_are_seen_at_a_glance(database: str) -> None:
    record(database, 1, 9)
    service.seal_here(database, None)
    with psycopg.connect(database) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE ledger.sealed_tile, ledger.sealed_checkpoint")
    assert "seals were lost" in str(service.status(database, None).lacking)
    assert findings(database, None) == ["seals"]
    with pytest.raises(IntegrityFailure, match="has lost"):
        service.seal_here(database, None)
    options = SealOptions(rebuild_tiles=True)
    assert service.seal_here(database, None, options=options).new_key is None
    assert findings(database, None) == []


@pytest.mark.usefixtures("home")
def test_a_named_witness_is_looked_at_a_glance(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "elsewhere"
    monkeypatch.setenv("SEAT_LEDGER_WITNESS", str(place))
    record(database, 1, 9)
    service.seal_here(database, None)
    assert "is it mounted" in str(service.status(database, None).lacking)
    service.seal_here(database, None, [place])
    assert service.status(database, None).lacking is None
    record(database, 10, 12)
    service.seal_here(database, None)
    assert "An older copy would pass" in str(service.status(database, None).lacking)
    (place / "checkpoint").write_text("x")
    assert "cannot be used" in str(service.status(database, None).lacking)


def test_checkpoints_beside_data_and_key_are_not_elsewhere(
    home: Path, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(database, 1, 9)
    assert service.witnesses_elsewhere(database, None).lacking is None
    home.mkdir()
    service.seal_here(database, None, [home / "copies"])
    result = service.verify_here(database, None, [home / "copies"], keys=KEY_OPTIONS)
    assert (result.checkpoints, result.elsewhere) == (3, 0)
    for place in (home / "copies", folder(home, database) / "checkpoints"):
        monkeypatch.setenv("SEAT_LEDGER_WITNESS", str(place))
        assert "only beside" in str(service.witnesses_elsewhere(database, None).lacking)
    place = tmp_path / "elsewhere"
    service.seal_here(database, None, [place])
    monkeypatch.setenv("SEAT_LEDGER_WITNESS", str(place))
    assert "same disk" in str(service.witnesses_elsewhere(database, None).lacking)
    result = service.verify_here(database, None, [place], keys=KEY_OPTIONS)
    assert (result.elsewhere, result.witnessed) == (1, 9)


# -- what others can plant, exchange or remove -----------------------------------------


def test_a_planted_link_is_never_written_through(
    home: Path, database: str, tmp_path: Path
) -> None:
    """Whoever may make names in a folder chooses none of the files that are written."""
    record(database, 1, 9)
    victim, shared = tmp_path / "victim", tmp_path / "shared"
    shared.mkdir()
    names = ["key.pub", "checkpoint", "checkpoint-000000000009", "notes.txt"]
    names += [f".{name}.{os.getpid()}" for name in names]
    options = SealOptions(key=shared / "key.key")
    for name in names:
        victim.unlink(missing_ok=True)
        for target in (victim, tmp_path / "nowhere"):
            for file in shared.iterdir():
                file.unlink()
            victim.write_text("mine")
            (shared / name).symlink_to(target)
            places = [shared, shared / "notes.txt"]
            with suppress(LedgerError):
                service.seal_here(database, LOCALHOST, places, options)
            assert victim.read_text() == "mine", name
            assert not (tmp_path / "nowhere").exists(), name
            if (shared / "key.key").exists():
                assert not (shared / "key.pub").is_symlink()
                shutil.copy(shared / "key.key", tmp_path / "key.key")
                options = SealOptions(key=tmp_path / "key.key")
    assert (tmp_path / "key.key").exists()
    assert (folder(home, database) / "checkpoints").is_dir()


def test_a_public_key_that_is_not_the_private_ones_is_reported(
    home: Path, database: str
) -> None:
    record(database, 1, 9)
    service.seal_here(database, LOCALHOST)
    keys = Keys(folder(home, database) / "integrity.key")
    other = Signer.generate(Keys(keys.private).verifier().name)
    keys.public.write_text(f"{other.verifier}\n")
    for ask in (
        keys.verifier,
        lambda: findings(database, LOCALHOST),
        lambda: service.seal_here(database, LOCALHOST),
    ):
        with pytest.raises(IntegrityFailure, match="One of them was replaced"):
            ask()


def test_what_is_missing_beside_the_key_is_written_anew_by_word_alone(
    home: Path, database: str
) -> None:
    record(database, 1, 9)
    program = Program(database)
    program.environment["SEAT_LEDGER_HOME"] = str(home)
    stored = folder(home, database) / "checkpoints"
    assert program.run("integrity", "seal").returncode == 0
    shutil.rmtree(stored)
    for command in (["integrity", "seal"], ["lake", "export", home / "lake"]):
        done = program.run(*command)
        assert (done.returncode, done.stdout) == (3, ""), done.stderr
        assert f"The checkpoints in {stored} are missing" in done.stderr
    assert not stored.exists()
    restored = program.run("integrity", "seal", "--restore-checkpoints")
    assert (restored.returncode, restored.stderr) == (0, "")
    assert program.run("integrity", "verify").returncode == 0


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["witness", "witness.txt"])
def test_a_witness_that_lost_its_checkpoints_gets_none_without_a_word(
    database: str, tmp_path: Path, name: str
) -> None:
    """It may not be mounted. A new one, and one that was named otherwise, is begun."""
    record(database, 1, 9)
    place, other = tmp_path / name, tmp_path / "other"
    for each in (place, place, other):
        service.seal_here(database, None, [each])
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    for _ in range(2):
        with pytest.raises(IntegrityFailure, match=f"{name} are missing"):
            service.seal_here(database, None, [other, place])
        assert not place.exists()
        assert "witness" in findings(database, None, place)
        place.mkdir() if not place.suffix else place.touch()
        place.rmdir() if not place.suffix else place.unlink()
    options = SealOptions(restores_checkpoints=True)
    service.seal_here(database, None, [place], options=options)
    assert findings(database, None, place, other) == []


@pytest.mark.parametrize("value", [":", "{0}:", ":{0}", "{0}::{0}"])
def test_a_witness_without_a_name_is_refused_by_whoever_reads_the_variable(
    home: Path, database: str, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """It was none for `doctor`, `lake export` and an invoice's seal."""
    record(database, 1, 9)
    service.seal_here(database, None)
    monkeypatch.setenv("SEAT_LEDGER_WITNESS", value.format(home))
    for ask in (
        lambda: service.status(database, None),
        lambda: service.witnesses_elsewhere(database, None),
        service.named_witnesses,
    ):
        with pytest.raises(InvalidInput, match="empty name"):
            ask()
    program = Program(database)
    program.environment["SEAT_LEDGER_HOME"] = str(home)
    program.environment["SEAT_LEDGER_WITNESS"] = value.format(home)
    for command in ("seal", "verify"):
        assert program.run("integrity", command).returncode == 2


@pytest.mark.usefixtures("home")
def test_a_witness_that_is_named_twice_is_one(database: str, tmp_path: Path) -> None:
    record(database, 1, 9)
    place = tmp_path / "witness"
    link = tmp_path / "link"
    link.symlink_to(place)
    twice = [place, tmp_path / "home" / ".." / "witness", link]
    done = service.seal_here(database, None, twice)
    assert (len(done.places), len(done.new_places)) == (2, 1)
    result = service.verify_here(database, None, twice, keys=KeyOptions())
    assert (result.elsewhere, result.witnessed) == (1, 9)


def test_a_key_that_cannot_sign_is_seen_at_a_glance(home: Path, database: str) -> None:
    """It would fail each night, and nobody who looks by day would know."""
    record(database, 1, 9)
    service.seal_here(database, None)
    assert service.status(database, None).lacking is None
    key = folder(home, database) / "integrity.key"
    whole = key.read_text()
    key.chmod(0o644)
    assert "can be read by others" in str(service.status(database, None).lacking)
    for damaged in ("", "PRIVATE+KEY+nothing", whole[:-9]):
        key.write_text(damaged)
        key.chmod(0o600)
        report = service.status(database, None)
        assert f"The key in {key} cannot be used" in str(report.lacking)
        assert report.try_ is not None
        assert "restore" in report.try_
    key.write_text(whole)
    assert service.status(database, None).lacking is None


@pytest.mark.usefixtures("home")
def test_who_seals_beside_another_takes_nothing_for_lost(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first has sealed is in the database before it is in the folder."""
    record(database, 1, 9)
    keep, second = service._keep, list[Any]()

    def slowly(place: Path, sealed: service.Sealed) -> None:
        monkeypatch.setattr(service, "_keep", keep)
        other = threading.Thread(
            target=lambda: second.append(service.seal_here(database, None))
        )
        other.start()
        other.join(0.3)
        keep(place, sealed)
        second.append(other)

    monkeypatch.setattr(service, "_keep", slowly)
    assert service.seal_here(database, None).new_key is not None
    second[0].join()
    assert second[1].new_key is None
    assert findings(database, None) == []
