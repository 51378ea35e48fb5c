"""The sealed tree over real servers: it grows, it proves, and it tells what changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from seat_ledger.errors import IntegrityFailure, LedgerError, NotFound
from seat_ledger.integrity import (
    hashing,
    merkle,
    proof,
    service,
    tiles,
    verification,
    witnesses,
)
from seat_ledger.integrity.keys import Keys
from seat_ledger.integrity.note import Signer

SIGNER = Signer.generate("ledger.example.com/seats")
RECORD = """
INSERT INTO ledger.stored_events
       (originator_id, originator_version, topic, state, notification_id, recorded_at)
SELECT '6f0cbf4e-7f0e-4f5c-9d2a-1f4f5e6a7b8c', n, 'SeatPurchased',
       convert_to('{"v":1,"number":' || n || '}', 'UTF8'), n + n / 100 * 3,
       timestamptz '2026-03-14 01:00Z' + n * interval '1 ms'
  FROM generate_series(%s::bigint, %s::bigint) AS n
"""
UNGUARDED = "SET session_replication_role = replica"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "CHUNK", 512)
    monkeypatch.setattr(verification, "CHUNK", 512)


class Log:
    """A database of events that tests seal and tamper with, and a folder elsewhere."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self.conninfo, self.folder, self.last = conninfo, folder, 0

    def record(self, count: int) -> None:
        self.run(RECORD, [self.last + 1, self.last + count])
        self.last += count

    def run(self, statement: str, fields: Any = None) -> None:
        with psycopg.connect(self.conninfo) as connection:
            connection.execute(UNGUARDED)
            connection.execute(statement, fields)

    def seal(self) -> service.Sealed:
        sealed = service.seal(self.conninfo, SIGNER, [self.folder])
        assert sealed is not None
        return sealed

    def verify(self, *, elsewhere: bool = True) -> verification.Verified:
        places = [self.folder] if elsewhere else []
        return service.verify(self.conninfo, SIGNER.verifier, places)

    def finding_kinds(self, *, elsewhere: bool = True) -> list[tuple[str, int | None]]:
        findings = self.verify(elsewhere=elsewhere).findings
        return [(finding.kind, finding.position) for finding in findings]

    def root(self) -> bytes:
        tree = merkle.Frontier()
        with hashing.open_for_reading(self.conninfo) as connection:
            for leaf in hashing.rows(connection, hashing.FIRST, 2**62):
                tree.add(merkle.leaf_hash(leaf))
        return tree.root()


@pytest.fixture
def log(database: str, tmp_path: Path) -> Log:
    return Log(database, tmp_path / "elsewhere")


@pytest.mark.both_versions
def test_a_tree_that_grew_by_any_steps_is_the_tree_of_its_events(log: Log) -> None:
    for more in (1, 254, 1, 1, 300, 511, 513, 7):
        log.record(more)
        sealed = log.seal()
        assert (sealed.added, sealed.checkpoint.size) == (more, log.last)
        assert sealed.checkpoint.root == log.root()
    assert log.seal().added == 0
    result = log.verify()
    assert (result.findings, result.events, result.sealed) == ([], log.last, log.last)
    assert result.elsewhere == 8


def test_processes_side_by_side_make_the_same_tree(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "WORTH_PROCESSES", 0)
    log.record(2_000)
    sealed = service.seal(log.conninfo, SIGNER, [log.folder], processes=2)
    assert sealed is not None
    assert sealed.checkpoint.root == log.root()
    log.record(10)
    result = service.verify(log.conninfo, SIGNER.verifier, [log.folder], processes=2)
    assert (result.findings, result.events, result.sealed) == ([], 2_010, 2_000)


def test_every_position_is_proven_in_the_checkpoint_that_is_named(log: Log) -> None:
    for more in (300, 700):
        log.record(more)
        log.seal()
    for n, size in ((1, 300), (257, 300), (300, 300), (1, None), (777, None)):
        position = n + n // 100 * 3
        document = service.prove(log.conninfo, SIGNER.verifier, position, size)
        shown = service.check_proof(proof.text(document), SIGNER.verifier)
        assert shown.event is not None
        assert (shown.event.position, shown.leaf_index) == (position, n - 1)
        assert shown.checkpoint.size == size or log.last
    with pytest.raises(LedgerError, match="is not in the checkpoint"):
        service.prove(log.conninfo, SIGNER.verifier, 301 + 9, 300)
    with pytest.raises(NotFound, match="There is no event"):
        service.prove(log.conninfo, SIGNER.verifier, 101)
    document = service.prove_growth(log.conninfo, SIGNER.verifier, 300)
    shown = service.check_proof(proof.text(document), SIGNER.verifier)
    assert shown.earlier is not None
    assert (shown.earlier.size, shown.checkpoint.size) == (300, 1000)


def test_what_is_recorded_after_a_seal_is_reported_and_no_finding(log: Log) -> None:
    with pytest.raises(NotFound, match="no checkpoint"):
        log.verify(elsewhere=False)
    assert service.seal(log.conninfo, SIGNER) is None
    log.record(600)
    log.seal()
    log.record(50)
    result = log.verify()
    assert (result.findings, result.events, result.sealed) == ([], 650, 600)


E = "ledger.stored_events"
ALTERED = f"UPDATE {E} SET state = convert_to('{{}}', 'UTF8') WHERE"
SWAP = f"""
UPDATE {E} AS one
   SET originator_version = -other.originator_version, state = other.state,
       recorded_at = other.recorded_at
  FROM {E} AS other
 WHERE (one.notification_id, other.notification_id) IN ((20, 30), (30, 20));
UPDATE {E} SET originator_version = -originator_version WHERE originator_version < 0
"""
INSERTED = f"""
INSERT INTO {E} SELECT originator_id, 99999, topic, state, 101, recorded_at
  FROM {E} WHERE notification_id = 20
"""


@pytest.mark.parametrize(
    ("tampering", "message"),
    [
        (f"{ALTERED} notification_id = 20", ("altered", 20)),
        (f"{ALTERED} notification_id IN (900, 20)", ("altered", 20)),
        (f"UPDATE {E} SET topic = 'X' WHERE notification_id = 999", ("altered", 999)),
        (
            f"UPDATE {E} SET recorded_at = recorded_at - interval '1 us' "
            "WHERE notification_id = 1",
            ("altered", 1),
        ),
        (f"DELETE FROM {E} WHERE notification_id = 700", ("missing", 700)),
        (f"DELETE FROM {E} WHERE notification_id < 5", ("missing", 1)),
        (INSERTED, ("inserted", 101)),
        (INSERTED.replace("101", "-7"), ("inserted", -7)),
        (SWAP, ("reordered", 20)),
        (
            f"UPDATE {E} SET notification_id = 101 WHERE notification_id = 700",
            ("reordered", 101),
        ),
        (f"DELETE FROM {E} WHERE notification_id > 900", ("truncated", 901)),
        (f"DELETE FROM {E}", ("truncated", 1)),
    ],
)
def test_tampering_is_detected_and_its_first_position_named(
    log: Log, tampering: str, message: tuple[str, int]
) -> None:
    log.record(400)
    log.seal()
    log.record(600)
    log.seal()
    log.run(tampering)
    for elsewhere in (True, False):
        result = log.finding_kinds(elsewhere=elsewhere)
        assert result[0] == message
        assert [kind for kind, _ in result].count("truncated") < 2
        assert ("seals", None) not in result  # the kept hashes are as they were


def forge(log: Log) -> None:
    """Seal altered events anew, as somebody with the database but no key can."""
    stranger = Signer.generate(SIGNER.name)
    log.run("CREATE TABLE notes AS SELECT * FROM ledger.sealed_checkpoint")
    log.run("TRUNCATE ledger.sealed_tile, ledger.sealed_checkpoint")
    service.seal(log.conninfo, stranger)
    log.run("TRUNCATE ledger.sealed_checkpoint")
    log.run("INSERT INTO ledger.sealed_checkpoint SELECT * FROM notes")


def test_hashes_that_were_altered_with_the_events_hide_nothing(log: Log) -> None:
    for more in (400, 300, 300):
        log.record(more)
        log.seal()
    log.run(f"{ALTERED} notification_id = 500")
    forge(log)
    result = log.verify().findings
    assert [(item.kind, item.position) for item in result] == [
        ("checkpoint", 413),
        ("seals", None),
    ]
    assert "between positions 413 and 721" in result[0].message
    with pytest.raises(IntegrityFailure, match="is not the one that was signed"):
        log.seal()


def test_a_checkpoint_signed_by_another_key_is_a_finding(log: Log) -> None:
    log.record(100)
    log.seal()
    log.run("TRUNCATE ledger.sealed_tile, ledger.sealed_checkpoint")
    service.seal(log.conninfo, Signer.generate(SIGNER.name))
    assert log.finding_kinds() == [("checkpoint", None)]


def test_an_older_copy_is_reported_by_the_checkpoints_elsewhere(log: Log) -> None:
    log.record(500)
    log.seal()
    log.run("CREATE TABLE copied AS SELECT * FROM ledger.stored_events")
    for table in ("sealed_tile", "sealed_checkpoint"):
        log.run(f"CREATE TABLE copied_{table} AS SELECT * FROM ledger.{table}")
    log.record(200)
    log.seal()
    log.run("TRUNCATE ledger.stored_events")
    log.run("INSERT INTO ledger.stored_events SELECT * FROM copied")
    for table in ("sealed_tile", "sealed_checkpoint"):
        log.run(f"TRUNCATE ledger.{table}")
        log.run(f"INSERT INTO ledger.{table} SELECT * FROM copied_{table}")
    assert log.finding_kinds(elsewhere=False) == []
    (result,) = log.verify().findings
    assert (result.kind, result.position, result.events) == ("truncated", 515, 200)
    with pytest.raises(IntegrityFailure, match="does not continue"):
        log.seal()
    # The copy goes on, and is sealed without the folder: it stays another history.
    log.last = 1000
    log.record(300)
    assert service.seal(log.conninfo, SIGNER) is not None
    result = log.verify().findings[0]
    assert (result.kind, result.position) == ("checkpoint", 516)


def test_seals_that_were_removed_do_not_hide_tampering(log: Log) -> None:
    log.record(500)
    log.seal()
    log.run("TRUNCATE ledger.sealed_tile, ledger.sealed_checkpoint")
    assert log.finding_kinds() == [("seals", None)]
    log.run(f"{ALTERED} notification_id = 20")
    assert [kind for kind, _ in log.finding_kinds()] == ["checkpoint", "seals"]


def test_a_damaged_event_or_tree_is_not_proven(log: Log) -> None:
    log.record(1000)
    log.seal()
    log.run(f"{ALTERED} notification_id = 20")
    with pytest.raises(IntegrityFailure, match="not the one that was sealed"):
        service.prove(log.conninfo, SIGNER.verifier, 20)
    log.run("DELETE FROM ledger.sealed_tile WHERE level = 1")
    with pytest.raises(IntegrityFailure, match="is incomplete"):
        service.prove(log.conninfo, SIGNER.verifier, 21)


def test_a_file_elsewhere_takes_one_checkpoint_after_the_other(
    log: Log, tmp_path: Path
) -> None:
    log.folder = tmp_path / "checkpoints.txt"
    for more in (3, 4):
        log.record(more)
        log.seal()
    log.seal()
    notes = [item.note for item in witnesses.read(log.folder).notes]
    with psycopg.connect(log.conninfo) as connection:
        assert notes == [stored.note for stored in tiles.checkpoints(connection)]
    assert log.verify().elsewhere == 2


def test_the_last_checkpoint_reaches_a_folder_that_missed_it(log: Log) -> None:
    log.record(3)
    log.seal()
    shutil.rmtree(log.folder)
    log.seal()
    assert log.verify().elsewhere == 1


def test_a_private_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "new" / "integrity.key")
    signer = keys.signer("ledger.example.com/seats")
    assert keys.private.stat().st_mode & 0o777 == 0o600
    assert keys.signer() == signer
    assert keys.verifier() == signer.verifier
    keys.private.chmod(0o640)
    with pytest.raises(LedgerError, match="can be read by others") as refused:
        keys.signer()
    assert signer.secret() not in str(refused.value)
    keys.private.chmod(0o600)
    keys.private.write_text("PRIVATE+KEY+x+00000000+c2VjcmV0\n")
    with pytest.raises(LedgerError) as refused:
        keys.signer()
    assert "c2VjcmV0" not in str(refused.value)
