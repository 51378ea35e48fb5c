"""Attacks on the seals, each followed by verify, seal, prove and the way out.

Whatever is forged: it is reported as a matter of the seals, no intact event is
accused, nothing wrong is signed, no proof is written that does not hold, and
``rebuild_tiles`` makes everything good again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from seat_ledger.errors import IntegrityFailure, LedgerError
from seat_ledger.integrity import hashing, proof, service, tiles, verification
from seat_ledger.integrity.note import Checkpoint, Signer, read_unverified
from seat_ledger.store import schema
from tests.conftest import _database
from tests.integration.test_integrity import ALTERED, SIGNER, E, Log

ACCUSATIONS = {"altered", "missing", "inserted", "reordered", "truncated"}


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "CHUNK", 512)
    monkeypatch.setattr(verification, "CHUNK", 512)


@pytest.fixture(scope="module")
def sealed(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """A log of 1,000 events with gaps, sealed three times."""
    log = Log(shared_database, tmp_path_factory.mktemp("sealed") / "elsewhere")
    with pytest.MonkeyPatch.context() as small:
        small.setattr(hashing, "CHUNK", 512)
        for more in (300, 412, 288):
            log.record(more)
            log.seal()
    return log


@pytest.fixture
def log(sealed: Log, server: str, tmp_path: Path) -> Iterator[Log]:
    """A copy of it."""
    folder = shutil.copytree(sealed.folder, tmp_path / "elsewhere")
    template = sealed.conninfo.rpartition("dbname=")[2]
    for conninfo in _database(server, template):
        copy = Log(conninfo, folder)
        copy.last = sealed.last
        yield copy


C, T = "ledger.sealed_checkpoint", "ledger.sealed_tile"
ROW = "(level, number, start, last_position, positions, hashes)"
FLIPPED = f"UPDATE {T} SET hashes = set_byte(hashes, 7, get_byte(hashes, 7) # 1) WHERE"
ATTACKS = {
    "the last position is lowered": (
        f"UPDATE {C} SET position = position - 50 WHERE tree_size = 1000"
    ),
    "the last position is raised": (
        f"UPDATE {C} SET position = position + 50 WHERE tree_size = 1000"
    ),
    "another position is forged": (
        f"UPDATE {C} SET position = 7 WHERE tree_size = 300"
    ),
    "the last size is lowered": (
        f"UPDATE {C} SET tree_size = 999 WHERE tree_size = 1000"
    ),
    "the last size is raised": (
        f"UPDATE {C} SET tree_size = 1005 WHERE tree_size = 1000"
    ),
    "a size takes the place of the next": (
        f"UPDATE {C} SET tree_size = 1005 WHERE tree_size = 300"
    ),
    "an older note comes again as a later one": (
        f"INSERT INTO {C} SELECT 1004, position, note FROM {C} WHERE tree_size = 300"
    ),
    "the last checkpoint is removed": f"DELETE FROM {C} WHERE tree_size = 1000",
    "all checkpoints are removed": f"DELETE FROM {C}",
    "everything is removed": f"DELETE FROM {C}; DELETE FROM {T}",
    "a note is no note": f"UPDATE {C} SET note = 'x' WHERE tree_size = 1000",
    "a note grows by a line": f"UPDATE {C} SET note = note || note",
    "a note says a greater size": (
        f"UPDATE {C} SET note = replace(note, E'\\n1000\\n', E'\\n999999\\n')"
    ),
    "all tiles are removed": f"DELETE FROM {T}",
    "the first tile is removed": f"DELETE FROM {T} WHERE level = 0 AND number = 0",
    "a part of a tile is removed": (
        f"DELETE FROM {T} WHERE level = 0 AND number = 1 AND start = 0"
    ),
    "the last tile is removed": f"DELETE FROM {T} WHERE level = 0 AND number = 3",
    "the upper level is removed": f"DELETE FROM {T} WHERE level = 1",
    "the lowest level is removed": f"DELETE FROM {T} WHERE level = 0",
    "a hash of a full tile is changed": f"{FLIPPED} level = 0 AND number = 0",
    "a hash of the last tile is changed": f"{FLIPPED} level = 0 AND number = 3",
    "a hash of each tile is changed": f"{FLIPPED} true",
    "a hash of the upper level is changed": f"{FLIPPED} level = 1",
    "a tile is cut": (
        f"UPDATE {T} SET hashes = substr(hashes, 1, 77) WHERE level = 0 AND number = 2"
    ),
    "positions beside hashes are forged": (
        f"UPDATE {T} SET positions = NULL, last_position = last_position + 1 "
        "WHERE level = 0"
    ),
    "positions are all one": f"UPDATE {T} SET last_position = 5 WHERE level = 0",
    "positions are none": f"UPDATE {T} SET last_position = NULL WHERE level = 0",
    "a position far away": (
        f"UPDATE {T} SET last_position = 9e17 WHERE level = 0 AND number = 3"
    ),
    "hashes are added at the end": (
        f"INSERT INTO {T} {ROW} SELECT level, number, 250, last_position + 4, NULL, "
        f"substr(hashes, 1, 96) FROM {T} WHERE level = 0 AND number = 3 AND start = 0"
    ),
    "a tile before the first": (
        f"INSERT INTO {T} {ROW} "
        f"SELECT level, -1, start, -4, positions, hashes FROM {T} "
        "WHERE level = 0 AND number = 0"
    ),
    "a level that is not there": (
        f"INSERT INTO {T} {ROW} SELECT 3, number, start, NULL, NULL, hashes FROM {T} "
        "WHERE level = 1"
    ),
    "tiles have changed places": (
        f"UPDATE {T} SET number = 1 - number + 90 WHERE level = 0 AND number < 2; "
        f"UPDATE {T} SET number = number - 90 WHERE number >= 90"
    ),
}


def done(act: Callable[..., Any], *fields: Any) -> Any:
    """What an act gives; None where it is refused, which names a way out."""
    refused = None
    try:
        return act(*fields)
    except LedgerError as error:
        refused = error
    assert refused.try_, refused.message
    return None


def seal_is_never_wrong(log: Log) -> None:
    """What `seal` signs, if it signs, is the tree of the events."""
    sealed = done(log.seal)
    if sealed is not None:
        assert sealed.checkpoint.root == log.root()
        assert sealed.checkpoint.size == log.last


def proofs_hold(log: Log) -> None:
    """Each proof that is written holds; what is refused names a way out."""
    for n in (1, 255, 256, 700, 1000):
        at = n + n // 100 * 3
        document = done(service.prove, log.conninfo, SIGNER.verifier, at)
        if document is not None:
            shown = service.check_proof(proof.text(document), SIGNER.verifier)
            assert shown.leaf_index == n - 1
    for size in (300, 712):
        document = done(service.prove_growth, log.conninfo, SIGNER.verifier, size)
        if document is not None:
            service.check_proof(proof.text(document), SIGNER.verifier)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_forged_seals_are_reported_as_such_and_repaired(log: Log, attack: str) -> None:
    log.run(attack)
    findings = log.verify().findings
    assert findings
    assert not {finding.kind for finding in findings} & ACCUSATIONS, findings
    assert {finding.kind for finding in findings} <= {"seals", "checkpoint"}, findings
    proofs_hold(log)
    log.record(5)
    seal_is_never_wrong(log)
    proofs_hold(log)
    service.rebuild_tiles(log.conninfo, SIGNER.verifier, [log.folder])
    sealed = log.seal()
    assert (sealed.checkpoint.size, sealed.checkpoint.root) == (1005, log.root())
    assert log.verify().findings == []
    proofs_hold(log)
    assert service.prove(log.conninfo, SIGNER.verifier, 1)["index"] == 0


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_forged_seals_do_not_hide_a_changed_event(log: Log, attack: str) -> None:
    log.run(f"{ALTERED} notification_id = 515; {attack}")
    kinds = [finding.kind for finding in log.verify().findings]
    assert set(kinds) & {"altered", "checkpoint"}, kinds
    assert "missing" not in kinds
    with pytest.raises(IntegrityFailure, match=r"do not lead|does not end|altered"):
        service.rebuild_tiles(log.conninfo, SIGNER.verifier, [log.folder])


def test_a_changed_hash_and_a_changed_event_are_distinguished(log: Log) -> None:
    """Each part of the log is judged by its own signed root."""
    log.run(f"{FLIPPED} level = 0 AND number = 0")
    log.run(f"{ALTERED} notification_id = 900")
    findings = log.verify().findings
    assert [(finding.kind, finding.position) for finding in findings] == [
        ("altered", 900),
        ("checkpoint", 734),
        ("seals", None),
    ]
    assert "This concerns the seals, not the events" in findings[-1].message


def test_the_writer_removes_and_changes_no_seal(log: Log) -> None:
    refusals = {
        "seat_ledger_writer": psycopg.errors.InsufficientPrivilege,
        "seat_ledger_owner": psycopg.errors.RestrictViolation,
    }
    for (role, refusal), table in product(refusals.items(), (C, T)):
        for statement in (
            f"DELETE FROM {table}",
            f"UPDATE {table} SET {'note' if table == C else 'hashes'} = ''",
            f"TRUNCATE {table}",
        ):
            with psycopg.connect(log.conninfo) as connection:
                connection.execute(f"SET ROLE {role}")
                with pytest.raises(refusal):
                    connection.execute(statement)
    log.record(3)
    log.seal()
    assert log.verify().findings == []


# -- witnesses ------------------------------------------------------------------------


def latest(folder: Path) -> Path:
    return max(folder.glob("checkpoint-*"))


def older(folder: Path) -> str:
    return min(folder.glob("checkpoint-*")).read_text()


def of_another_key(folder: Path) -> None:
    stranger = Signer.generate(SIGNER.name)
    checkpoint = read_unverified(latest(folder).read_text())
    latest(folder).write_text(stranger.sign(checkpoint.text()))


def of_another_ledger(folder: Path) -> None:
    checkpoint = read_unverified(latest(folder).read_text())
    latest(folder).write_text(
        SIGNER.sign(checkpoint._replace(ledger=UUID(int=7)).text())
    )


def emptied(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def removed(folder: Path) -> None:
    emptied(folder)
    folder.rmdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda folder: latest(folder).write_text(latest(folder).read_text()[:-9]),
    "empty": lambda folder: latest(folder).write_text(""),
    "binary": lambda folder: latest(folder).write_bytes(b"\xff\xfe\x00"),
    "an older one in its place": lambda folder: latest(folder).write_text(
        older(folder)
    ),
    "one more line": lambda folder: latest(folder).write_text(
        latest(folder).read_text() + "\n"
    ),
    "carriage returns": lambda folder: latest(folder).write_bytes(
        latest(folder).read_bytes().replace(b"\n", b"\r\n")
    ),
    "a folder in its place": lambda folder: (
        latest(folder).unlink(),
        (folder / "checkpoint-000000001000").mkdir(),
    ),
    "signed by another key": of_another_key,
    "of another ledger": of_another_ledger,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_witness_is_a_finding_and_nothing_is_sealed_over_it(
    log: Log, damage: Callable[[Path], object]
) -> None:
    damage(log.folder)
    findings = log.verify().findings
    assert {finding.kind for finding in findings} <= {"witness", "checkpoint"}
    assert any(str(log.folder) in finding.message for finding in findings)
    log.record(5)
    with pytest.raises(IntegrityFailure, match="Nothing was sealed"):
        log.seal()


@pytest.mark.parametrize("lack", [emptied, removed])
def test_a_witness_without_a_checkpoint_is_a_finding_that_names_it(
    log: Log, lack: Callable[[Path], None]
) -> None:
    lack(log.folder)
    (finding,) = log.verify().findings
    assert finding.kind == "witness"
    assert str(log.folder) in finding.message


def copied(log: Log) -> Callable[[], None]:
    """Copy the store as it is; what is returned brings the copy back."""
    names = ("stored_events", "sealed_tile", "sealed_checkpoint")
    for name in names:
        log.run(f"CREATE TABLE copied_{name} AS SELECT * FROM ledger.{name}")

    def restore() -> None:
        for name in names:
            log.run(f"TRUNCATE ledger.{name}")
            log.run(f"INSERT INTO ledger.{name} SELECT * FROM copied_{name}")

    return restore


@pytest.mark.parametrize("keep", ["the last note", "the last file", "both"])
def test_an_older_copy_never_passes_a_witness_that_holds_the_last_note(
    log: Log, keep: str
) -> None:
    restore = copied(log)
    log.record(40)
    log.seal()
    last = latest(log.folder)
    for file in log.folder.iterdir():
        is_last = {"the last note": "checkpoint", "the last file": last.name}
        if keep != "both" and file.name != is_last[keep]:
            file.unlink()
    restore()
    assert ("truncated", 1030) in log.finding_kinds()
    with pytest.raises(IntegrityFailure, match="older copy"):
        log.seal()
    log.run(f"DELETE FROM {E}; DELETE FROM {C}; DELETE FROM {T}", None)
    with pytest.raises(IntegrityFailure, match="older copy"):
        log.seal()


def test_a_file_of_notes_is_read_to_its_end(log: Log, tmp_path: Path) -> None:
    log.folder = tmp_path / "notes.txt"
    log.seal()
    whole = log.folder.read_text()
    for damaged in (f"{whole}x", whole[:-30], f"x\n{whole}", "", f"{whole}\n\n"):
        log.folder.write_text(damaged)
        assert [finding.kind for finding in log.verify().findings] == ["witness"], (
            damaged
        )
    log.folder.write_text(whole)
    assert log.verify().findings == []


def test_seal_does_not_make_the_folder_of_a_witness_that_is_not_mounted(
    log: Log, tmp_path: Path
) -> None:
    log.folder = tmp_path / "mount" / "checkpoints"
    log.record(3)
    with pytest.raises(LedgerError, match="Nothing was sealed") as refused:
        log.seal()
    assert str(tmp_path / "mount") in refused.value.message
    assert not (tmp_path / "mount").exists()
    with psycopg.connect(log.conninfo) as connection:
        last = tiles.last_checkpoint(connection)
        assert last is not None
        assert last.size == 1000


def test_a_ledger_that_says_it_is_another_is_not_sealed(log: Log) -> None:
    log.run("UPDATE ledger.identity SET ledger_id = gen_random_uuid()")
    log.record(3)
    with pytest.raises(IntegrityFailure, match="was sealed as ledger"):
        log.seal()
    assert "checkpoint" in {finding.kind for finding in log.verify().findings}
    with pytest.raises(IntegrityFailure):
        service.prove(log.conninfo, SIGNER.verifier, 1)


def test_notes_of_the_version_before_are_held_and_continued(log: Log) -> None:
    """They name no ledger."""
    with psycopg.connect(log.conninfo) as connection:
        ledger = schema.ledger_id(connection)
        rows = tiles.checkpoints(connection)
    log.run(f"DELETE FROM {C}")
    for file in log.folder.iterdir():
        file.unlink()
    for row in rows:
        checkpoint = read_unverified(row.note)
        assert checkpoint.ledger == ledger
        note = SIGNER.sign(Checkpoint(*checkpoint[:5]).text())
        log.run(f"INSERT INTO {C} VALUES (%s, %s, %s)", [row.size, row.position, note])
    log.seal()
    assert log.verify().findings == []
    log.record(100)
    assert log.seal().checkpoint.root == log.root()
    assert log.verify().findings == []


def test_hashes_that_no_checkpoint_is_left_of_are_no_dead_end(log: Log) -> None:
    log.run(f"DELETE FROM {C}")
    emptied(log.folder)
    with pytest.raises(IntegrityFailure, match="no checkpoint of them"):
        log.seal()
    service.rebuild_tiles(log.conninfo, SIGNER.verifier, [log.folder])
    assert log.seal().checkpoint.root == log.root()
    assert log.verify().findings == []


MOVED = {
    "the last is moved behind all others": (
        f"UPDATE {E} SET notification_id = notification_id + 100000 "
        f"WHERE notification_id = (SELECT max(notification_id) FROM {E})"
    ),
    "an early one is moved behind all others": (
        f"UPDATE {E} SET notification_id = 100000 "
        f"WHERE notification_id = (SELECT min(notification_id) FROM {E})"
    ),
    "one is removed": (
        f"DELETE FROM {E} "
        f"WHERE notification_id = (SELECT min(notification_id) FROM {E})"
    ),
}


@pytest.mark.parametrize("attack", MOVED)
def test_nothing_is_sealed_on_top_of_events_that_moved_or_went(
    log: Log, attack: str
) -> None:
    """A moved event would be sealed a second time, and missed when it is put back."""
    log.run("CREATE TABLE public.before AS SELECT * FROM ledger.stored_events")
    log.run(MOVED[attack])
    with pytest.raises(IntegrityFailure, match="Nothing was sealed"):
        log.seal()
    assert log.finding_kinds()
    log.run(f"TRUNCATE {E}")
    log.run(f"INSERT INTO {E} SELECT * FROM public.before")
    assert log.seal().added == 0
    assert log.finding_kinds() == []
