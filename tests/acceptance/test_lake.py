"""The lake as its users meet it: exported, verified, rebuilt, held against tables."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import parquet

from seat_ledger.cli.output.csv_headers import HEADERS
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import InvalidInput
from seat_ledger.integrity.service import seal_here
from seat_ledger.projections.lake import later, rebuild
from seat_ledger.projections.lake.engine import TABLES, Engine
from seat_ledger.projections.lake.layout import BUCKETS, Lake
from seat_ledger.projections.lake.rebuild import Journal
from seat_ledger.projections.reader import ConnectedReader
from tests.conftest import _database
from tests.in_process import run
from tests.program import ANN, BUY, GIVE, OPEN, PROGRAM, Program
from tests.support.waiting import AT_MOST, paths_below, wait_until

SEGMENT = 256


class Lakes:
    """A ledger with a home of its own, and a place for its lake."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self.conninfo = conninfo
        self.program = Program(conninfo)
        self.program.environment["SEAT_LEDGER_HOME"] = str(folder / "home")
        self.place = folder / "lake"
        self.folder = folder

    def run(self, *words: Any) -> Any:
        return self.program.run("lake", *words)

    def json(self, *words: Any, status: int = 0) -> dict[str, Any]:
        done = self.run(*words, "--format", "json")
        assert done.returncode == status, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def export(self) -> dict[str, Any]:
        words = ("export", self.place, "--segment-events", SEGMENT)
        (row,) = self.json(*words)["rows"]
        return dict(row)

    def account(self, *keys: str) -> None:
        """Record accounts with forty seats, of which thirty are given and taken."""
        lines: list[dict[str, Any]] = []
        for key in keys:
            lines += [
                {**OPEN, "account": key},
                {**BUY, "account": key, "quantity": 40},
            ]
            for n in range(30):
                of = {"account": key, "user": f"u{n}"}
                named = {"email": f"u{n}@{key}.example", "name": f"Marker {n}"}
                ends = {"op": "unassign_seat", "effective_at": "2025-04-01"}
                lines += [
                    {**ANN, **of, **named},
                    {**GIVE, **of},
                    {**GIVE, **of, **ends},
                ]
        done = self.program.lines(*lines)
        assert done.returncode == 0, done.stderr

    def files(self) -> dict[str, bytes]:
        """The journal's files, by name."""
        return {path.name: path.read_bytes() for path in self.segments}

    @property
    def segments(self) -> list[Path]:
        return sorted((self.place / "journal").glob("*.parquet"))

    @property
    def manifests(self) -> list[Path]:
        return sorted((self.place / "manifest").iterdir())

    def findings(self, *words: Any) -> list[dict[str, Any]]:
        """What a verification finds that is not as it should be."""
        rows = self.json("verify", self.place, *words, status=3)["rows"]
        return [row for row in rows if row["found"] is not None]


@pytest.fixture(scope="module")
def recorded(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with three accounts, of which every test has a copy."""
    Lakes(shared_database, tmp_path_factory.mktemp("recorded")).account(
        "acme", "beta", "corp"
    )
    with ConnectedReader(shared_database):  # which catches the tables up
        return shared_database


@pytest.fixture
def lakes(recorded: str, server: str, tmp_path: Path) -> Iterator[Lakes]:
    for database in _database(server, recorded.rpartition("dbname=")[2]):
        yield Lakes(database, tmp_path)


def test_an_export_adds_whole_segments_once_and_a_tail_anew(lakes: Lakes) -> None:
    first = lakes.export()
    assert first["events"] > SEGMENT
    assert first["new_files"] == first["files"] == -(-first["events"] // SEGMENT)
    before = lakes.files()
    again = lakes.export()
    assert (again["new_files"], again["manifest"]) == (0, first["manifest"])
    lakes.account("delta")
    second = lakes.export()
    assert second["manifest"] == first["manifest"] + 1
    after = lakes.files()
    whole = sorted(before)[: first["events"] // SEGMENT]
    assert all(after[name] == before[name] for name in whole)
    assert second["new_files"] == second["files"] - len(whole)
    third = lakes.export()
    assert third["files"] == second["files"]
    lakes.account("echo")
    assert lakes.export()["removed_files"] == 1  # of the manifest before the last
    document = lakes.json("verify", lakes.place)
    assert {row["status"] for row in document["rows"]} == {"same"}
    assert lakes.json("verify", lakes.place, "--decode", "--served")["rows"]


def test_no_person_is_in_a_lake_and_an_erasure_rewrites_nothing(lakes: Lakes) -> None:
    lakes.export()
    before = lakes.files()
    texts = set()
    for path in lakes.segments:
        for row in parquet.read_table(path).to_pylist():
            texts |= {str(value) for value in row.values() if isinstance(value, str)}
    assert any("term_start" in text for text in texts)
    for marker in ("u7", "u7@acme.example", "Marker"):
        assert not any(marker in text for text in texts)
    erased = lakes.program.run(
        "user", "erase", "u7", "--account", "acme", "--yes", "--reason", "asked for",
    )  # fmt: skip
    assert erased.returncode == 0, erased.stderr
    lakes.export()
    whole = [name for name in before if name in lakes.files()]
    assert whole
    assert all(lakes.files()[name] == before[name] for name in whole)


def change_a_byte(lakes: Lakes) -> str:
    path = lakes.segments[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return "its bytes are not those that were exported"


def remove_a_segment(lakes: Lakes) -> str:
    lakes.segments[0].unlink()
    return f"has no file journal/{lakes.segments[0].name[:4]}"


@pytest.mark.parametrize("harm", [change_a_byte, remove_a_segment])
def test_a_file_that_is_not_as_exported_is_named_without_a_database(
    lakes: Lakes, harm: Callable[[Lakes], str]
) -> None:
    lakes.export()
    expected = harm(lakes)
    del lakes.program.environment["SEAT_LEDGER_DATABASE_URL"]
    (finding,) = lakes.findings()
    assert expected in finding["found"]
    assert finding["subject"].startswith("journal/")


def test_a_damaged_file_ends_a_rebuild_in_words(lakes: Lakes) -> None:
    """Cut off, overwritten, or no file at all: named, and nobody waits for a pipe."""
    lakes.export()
    segment = lakes.segments[0]
    whole = segment.read_bytes()
    middle = len(whole) // 2
    damaged = {
        "cut off": whole[:100],
        "at its end": whole[:-40] + bytes(40),
        "inside": whole[:middle] + bytes(200) + whole[middle + 200 :],
        "where Arrow looks at nothing": whole.replace(b"cpp-arrow", b"cpp-arroW"),
        "a pipe": None,
    }
    words = ("rebuild", lakes.place, "--output", lakes.folder / "out", "--workers", 1)
    for harm, content in damaged.items():
        segment.unlink()
        os.mkfifo(segment) if content is None else segment.write_bytes(content)
        done = lakes.run(*words)
        assert done.returncode == 3, (harm, done.stderr)
        assert segment.name in done.stderr, harm
        done = lakes.program.run("billing", "counts", "--all", "--lake", lakes.place)
        assert (done.returncode, segment.name in done.stderr) == (3, True), harm
    (finding,) = lakes.findings()
    assert "is not a file" in finding["found"]


def test_all_shares_together_check_every_file(lakes: Lakes) -> None:
    lakes.export()
    assert len(lakes.segments) > 1
    words = ("rebuild", lakes.place, "--output", lakes.folder / "out", "--workers", 1)
    for segment in lakes.segments:
        whole = segment.read_bytes()
        segment.write_bytes(whole.replace(b"cpp-arrow", b"cpp-arroW"))
        shares = [lakes.run(*words, "--bucket", f"{share}/2") for share in (1, 2)]
        (refused,) = (share for share in shares if share.returncode)
        assert (refused.returncode, segment.name in refused.stderr) == (3, True)
        assert len([*(lakes.folder / "out").glob("result-*")]) == 1
        segment.write_bytes(whole)
        for share in (1, 2):
            assert lakes.run(*words, "--bucket", f"{share}/2").returncode == 0


def test_folders_may_have_any_name_that_the_system_takes(lakes: Lakes) -> None:
    """A quote or bytes that are no text: as it is, or refused in words."""
    lakes.export()
    odd = lakes.folder / os.fsdecode(b"o'\xff")
    done = lakes.run("rebuild", lakes.place, "--output", odd, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert (odd / "result-1-of-1.json").exists()
    Engine(1, (), scratch=str(lakes.folder / "it's")).close()
    with pytest.raises(InvalidInput, match="not UTF-8"):
        Engine(1, (), scratch=str(odd))


def test_an_export_makes_a_missing_file_anew(lakes: Lakes) -> None:
    lakes.export()
    before = lakes.files()
    lakes.segments[0].unlink()
    lakes.export()
    assert lakes.files().keys() == before.keys()
    lakes.json("verify", lakes.place)


def changed(path: Path, change: Callable[[Any], None]) -> None:
    document = json.loads(path.read_text())
    change(document["manifest"])
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False))


def test_a_manifest_that_was_changed_does_not_hold(lakes: Lakes) -> None:
    lakes.export()
    changed(lakes.manifests[-1], lambda manifest: manifest["segments"].pop())
    output = "--output", lakes.folder / "out"
    for name, more in (("verify", ()), ("export", ()), ("rebuild", output)):
        done = lakes.run(name, lakes.place, *more)
        assert done.returncode == 3, done.stdout
        assert "does not hold" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (lakes.folder / "out").exists()


def test_a_manifest_has_one_spelling(lakes: Lakes) -> None:
    """As proofs and notes: what was added, repeated or written otherwise is refused."""
    lakes.export()
    (path,) = lakes.manifests
    text = path.read_text()
    spellings = {
        "compact": json.dumps(json.loads(text)),
        "a line more": text + "\n",
        "a mark before": "\ufeff" + text,
        "line ends": text.replace("\n", "\r\n"),
        "an escape": text.replace("journal/", "journal\\/"),
        "a fraction": text.replace('"format": 3,', '"format": 3.0,'),
        "a truth": text.replace('"format": 3,', '"format": true,'),
        "a field twice": text.replace('"format": 3,', '"format": 1, "format": 3,'),
        "a field more": text.replace("{", '{"more": 1,', 1),
        "a surrogate": text.replace('"note": "', '"note": "\\ud800'),
        "a text within": '{"manifest": "x", "note": "x"}',
        "nothing within": '{"manifest": null, "note": null}',
        "a list": "[]",
        "too deep": '{"manifest": ' * 20_000,
    }
    for name, spelling in spellings.items():
        assert spelling != text, name
        path.write_bytes(spelling.encode())
        done = run("lake", "verify", lakes.place, "--database", lakes.conninfo)
        assert done.status == 3, (name, done)
        assert "does not hold" in done.err, (name, done.err)
    path.write_text(text)
    for other in ("\N{SUPERSCRIPT TWO}.json", "9.json", "0000009.json", "x.json"):
        path.with_name(other).write_text("{}")
    lakes.json("verify", lakes.place)


def test_what_an_export_seals_is_held_against_the_named_witness(
    lakes: Lakes, tmp_path: Path
) -> None:
    """An older copy of the store is not sealed, nor exported, beside its successor."""
    witness = tmp_path / "mount" / "witness"
    lakes.program.environment["SEAT_LEDGER_WITNESS"] = str(witness)
    done = lakes.run("export", lakes.place)
    assert done.returncode == 1, done.stdout  # nothing is mounted there
    witness.parent.mkdir()
    assert lakes.run("export", lakes.place).returncode == 0
    (checkpoint,) = witness.glob("checkpoint-*")
    lines = checkpoint.read_text().splitlines(keepends=True)
    lines[1] = f"{int(lines[1]) + 1}\n"
    checkpoint.with_name(f"checkpoint-{lines[1].strip()}").write_text("".join(lines))
    lakes.account("later")
    assert lakes.run("export", tmp_path / "other").returncode == 3


def test_a_lake_of_another_ledger_is_left_alone(
    lakes: Lakes, tmp_path: Path, other_database: str
) -> None:
    lakes.export()
    before = lakes.files()
    other = Lakes(other_database, tmp_path)
    other.account("acme")
    done = other.run("export", lakes.place)
    assert done.returncode == 3
    assert "does not hold" in done.stderr or "is of the ledger" in done.stderr
    assert lakes.files() == before


def test_a_ledger_that_has_the_same_key_is_another_one_all_the_same(
    lakes: Lakes, tmp_path: Path, other_database: str
) -> None:
    lakes.export()
    (key,) = (tmp_path / "home").rglob("*.key")
    before = lakes.files()
    other = Lakes(other_database, tmp_path)
    other.program.environment["SEAT_LEDGER_INTEGRITY_KEY"] = str(key)
    other.account("acme")
    done = other.run("export", lakes.place)
    assert done.returncode == 3
    assert "is of the ledger" in done.stderr
    assert lakes.files() == before


def lose_the_last_manifest(lakes: Lakes) -> int:
    """Export twice and remove the second manifest; return where the first ends."""
    first = lakes.export()
    lakes.account("delta")
    lakes.export()
    lakes.manifests[-1].unlink()
    return int(first["events"])


def test_an_older_manifest_is_known_where_the_lake_was_exported(lakes: Lakes) -> None:
    """Nothing is computed from it, and the next export takes another number."""
    lose_the_last_manifest(lakes)
    removed = "manifest 2 was exported from here; the newest is 1"
    (finding,) = lakes.findings()
    assert finding["subject"] == "manifest"
    assert removed in finding["found"]
    status = lakes.run("status", lakes.place)
    assert status.returncode == 3
    assert removed in status.stdout.replace("Manifest", "manifest")
    bill = lakes.folder / "bill.csv"
    bill.write_text("account,seat_type,period,quantity,unit_price,amount\n")
    for words in (
        ("lake", "rebuild", lakes.place, "--output", lakes.folder / "out"),
        ("billing", "counts", "--all", "--lake", lakes.place),
        ("invoice", "audit", bill, "--lake", lakes.place),
    ):
        done = lakes.program.run(*words)
        assert (done.returncode, done.stdout) == (3, ""), words
        assert removed in done.stderr
    assert not (lakes.folder / "out").exists()
    again = lakes.run("export", lakes.place)
    assert again.returncode == 3
    assert "Manifest 2 was exported from here" in again.stdout
    assert [path.stem for path in lakes.manifests] == ["000001", "000003"]
    lakes.json("verify", lakes.place)


def test_what_was_exported_from_here_is_never_made_anew_without_a_word(
    lakes: Lakes,
) -> None:
    """A note that is damaged would let a lake pass that lacks its last manifests."""
    lose_the_last_manifest(lakes)
    (noted,) = (lakes.folder / "home").glob("ledgers/*/lakes.json")
    before = noted.read_text()
    for damaged in ("", "[]", before.replace("2", '"2"'), "[" * 100_000):
        noted.write_text(damaged)
        for words in (("export",), ("status",), ("verify",)):
            done = lakes.run(*words, lakes.place)
            assert (done.returncode, done.stdout) == (1, ""), (words, damaged[:9])
            assert f"{noted} cannot be read" in done.stderr
        assert noted.read_text() == damaged
    noted.write_text(before)
    assert lakes.run("status", lakes.place).returncode == 3


def test_where_all_manifests_were_removed_the_next_export_says_so(lakes: Lakes) -> None:
    lakes.export()
    shutil.rmtree(lakes.place)
    done = lakes.run("export", lakes.place)
    assert done.returncode == 3
    assert "Manifest 1 was exported from here" in done.stdout
    assert lakes.run("export", lakes.place).returncode == 0
    assert [path.stem for path in lakes.manifests] == ["000002"]


def test_a_manifest_that_is_added_meanwhile_was_not_removed(lakes: Lakes) -> None:
    lakes.export()
    lakes.account("delta")
    lakes.export()
    earlier, _ = Lake(str(lakes.place)).manifest(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAT_LEDGER_HOME", str(lakes.folder / "home"))
        assert later.removed(Lake(str(lakes.place)), earlier) is None
        lakes.manifests[-1].unlink()
        assert later.removed(Lake(str(lakes.place)), earlier)


def test_elsewhere_the_signs_of_a_later_manifest_are_stated(
    lakes: Lakes, tmp_path: Path
) -> None:
    """A file beyond it, and a witness; without either, that nothing can show it."""
    environment = lakes.program.environment
    witness = tmp_path / "witness"
    witness.mkdir()
    environment["SEAT_LEDGER_WITNESS"] = str(witness)
    end = lose_the_last_manifest(lakes)
    (public,) = (tmp_path / "home").rglob("*.pub")
    environment["SEAT_LEDGER_PUBLIC_KEY"] = str(public)
    environment["SEAT_LEDGER_HOME"] = str(tmp_path / "elsewhere")
    by_file, by_witness = "no manifest names it", f"events; the lake has {end:,}:"
    counts = ("billing", "counts", "--all", "--lake", lakes.place, "--format", "csv")
    rebuilding = ("lake", "rebuild", lakes.place, "--output", tmp_path / "o")
    commands = (
        ("lake", "status", lakes.place),
        ("lake", "verify", lakes.place),
        ("lake", "verify", lakes.place, "--format", "json"),
        (*rebuilding, "--workers", 1),
        counts,
    )
    for words in commands:
        done = lakes.program.run(*words)
        assert done.returncode == 0, done.stderr
        assert by_file in done.stdout + done.stderr, words
        assert by_witness in done.stdout + done.stderr, words
    for path in lakes.segments:
        if int(path.name.split(".")[0].split("-")[1]) > end:
            path.unlink()
    done = lakes.program.run(*counts)
    assert by_file not in done.stderr
    assert by_witness in done.stderr
    cannot = "nothing here can show"
    assert cannot not in lakes.run("verify", lakes.place).stdout
    del environment["SEAT_LEDGER_WITNESS"]
    assert cannot in lakes.run("verify", lakes.place).stdout


def test_a_witness_that_shows_nothing_or_something_else_is_a_finding(
    lakes: Lakes, tmp_path: Path
) -> None:
    lakes.export()
    witness = tmp_path / "witness"
    lakes.program.environment["SEAT_LEDGER_WITNESS"] = str(witness)
    (finding,) = lakes.findings()
    assert finding["found"] == "it does not exist; is it mounted?"
    counts = ("billing", "counts", "--all", "--lake", lakes.place)
    done = lakes.program.run(*counts, "--format", "csv")
    assert done.returncode == 0
    assert f"The witness {witness} shows nothing: it does not exist" in done.stderr
    witness.mkdir()
    (finding,) = lakes.findings()
    assert finding["found"] == "it holds no checkpoint; is it mounted?"
    lakes.run("export", lakes.place)
    lakes.json("verify", lakes.place)
    (note,) = witness.glob("checkpoint-*")
    lines = note.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace(lines[2][0], "B" if lines[2][0] == "A" else "A", 1)
    note.write_text("".join(lines))
    (finding,) = lakes.findings()
    assert "another key or ledger" in finding["found"]


def test_what_the_store_has_beyond_the_lake_is_stated(lakes: Lakes) -> None:
    lakes.export()
    done = lakes.run("verify", lakes.place, "--decode")
    assert "not in the lake" not in done.stdout
    lakes.account("delta")
    for words in (("--decode",), ("--served",)):
        done = lakes.run("verify", lakes.place, *words)
        assert done.returncode == 0
        assert "events that are not in the lake" in done.stdout


def test_an_older_store_is_not_exported_over_a_lake(lakes: Lakes) -> None:
    lakes.export()
    with psycopg.connect(lakes.conninfo, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "DELETE FROM ledger.sealed_checkpoint; DELETE FROM ledger.sealed_tile; "
        )
        connection.execute(
            "DELETE FROM ledger.stored_events WHERE notification_id > 300"
        )
    before = lakes.files()
    done = lakes.run("export", lakes.place)
    assert done.returncode in {3, 12}
    assert lakes.files() == before


def test_shares_together_are_the_whole_and_a_position_is_as_known(
    lakes: Lakes, tmp_path: Path
) -> None:
    lakes.export()
    del lakes.program.environment["SEAT_LEDGER_DATABASE_URL"]
    whole = rebuilt(lakes, tmp_path / "whole", "--workers", "1")
    shares = [
        rebuilt(lakes, tmp_path / "shares", "--workers", "1", "--bucket", f"{n}/3")
        for n in (1, 2, 3)
    ]
    for name in TABLES:
        rows = read(tmp_path / "whole" / name)
        assert rows == read(tmp_path / "shares" / name)
        assert len(rows) == whole[name] == sum(share[name] for share in shares)
    early = rebuilt(lakes, tmp_path / "early", "--workers", "1", "--known-at", "60")
    assert 0 < early["seat_holding"] < whole["seat_holding"]
    done = lakes.run(
        "rebuild", lakes.place, "-o", tmp_path / "late", "--known-at", 1_000_000
    )
    assert done.returncode == 1
    assert "beyond it" in done.stderr
    document = json.loads((tmp_path / "shares" / "result-2-of-3.json").read_text())
    assert document["share"] == "2/3"


def rebuilt(lakes: Lakes, output: Path, *words: str) -> dict[str, int]:
    document = lakes.json("rebuild", lakes.place, "--output", output, *words)
    return {row["projection"]: row["rows"] for row in document["rows"]}


def read(folder: Path) -> list[Any]:
    """The rows of a table, in one order."""
    rows = [
        row for path in folder.iterdir() for row in parquet.read_table(path).to_pylist()
    ]
    return sorted(rows, key=str)


def test_each_table_has_its_header_as_csv(lakes: Lakes, tmp_path: Path) -> None:
    output = ("--output", tmp_path / "out", "--workers", "1")
    for name, words in (("export", ()), ("status", ()), ("verify", ()),
                        ("rebuild", output)):  # fmt: skip
        done = lakes.run(name, lakes.place, *words, "--format", "csv")
        assert done.returncode == 0, done.stderr
        assert tuple(done.stdout.splitlines()[0].split(",")) == HEADERS[f"lake {name}"]


def test_processes_share_the_buckets(lakes: Lakes, tmp_path: Path) -> None:
    lakes.export()
    done = subprocess.run(
        [PROGRAM, "lake", "rebuild", lakes.place, "-o", tmp_path / "o",
         "--workers", "2", "--format", "json"],
        env=lakes.program.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert document["buckets"] == 3
    item = rebuilt(lakes, tmp_path / "one", "--workers", "1")
    assert {row["projection"]: row["rows"] for row in document["rows"]} == item


def change_served_journal(lakes: Lakes, change: str) -> int:
    """Change the row of the first assignment, as a wrong decoder would have it."""
    with psycopg.connect(lakes.conninfo, autocommit=True) as connection:
        row = connection.execute(
            "SELECT 'projection_' || number FROM projection.generation "
            "WHERE state = 'served'"
        ).fetchone()
        assert row is not None
        changed = connection.execute(
            f"{change.format(journal=f'{row[0]}.journal')} WHERE position = (SELECT "
            f"min(position) FROM {row[0]}.journal WHERE topic = 'SeatAssigned') "
            "RETURNING position"
        ).fetchone()
        assert changed is not None
        return int(changed[0])


def test_what_was_decoded_wrongly_is_named_by_position_and_field(lakes: Lakes) -> None:
    """Signature and digests hold all the same: they are of what was exported."""
    lakes.program.run("projection", "run")
    change = "UPDATE {journal} SET number = number + 5"
    position = change_served_journal(lakes, change)
    lakes.export()
    lakes.json("verify", lakes.place)
    (finding,) = lakes.findings("--decode")
    assert finding["check"] == "decoded again"
    assert f"position {position}: number is 6, decoded 1" in finding["found"]


def test_what_a_journal_has_lost_is_not_exported(lakes: Lakes) -> None:
    lakes.program.run("projection", "run")
    change_served_journal(lakes, "DELETE FROM {journal}")
    done = lakes.run("export", lakes.place)
    assert done.returncode == 3
    assert "Nothing was exported" in " ".join(done.stderr.split())
    assert not list(lakes.place.glob("manifest/*"))


def test_a_poisoned_served_row_is_detected_and_named(lakes: Lakes) -> None:
    lakes.export()
    lakes.json("verify", lakes.place, "--served")
    with psycopg.connect(lakes.conninfo, autocommit=True) as connection:
        row = connection.execute(
            "SELECT 'projection_' || number FROM projection.generation "
            "WHERE state = 'served'"
        ).fetchone()
        assert row is not None
        connection.execute(
            f"UPDATE {row[0]}.billable_seats SET peak_days = peak_days + 1 "
            "WHERE (account_no, period_no) = "
            f"(SELECT account_no, period_no FROM {row[0]}.billable_seats LIMIT 1)"
        )
        connection.execute(
            f"DELETE FROM {row[0]}.seat_holding WHERE entry = "
            f"(SELECT min(entry) FROM {row[0]}.seat_holding)"
        )
    by_subject = {
        finding["subject"]: finding["found"] for finding in lakes.findings("--served")
    }
    assert by_subject.keys() == {"seat_holding", "billable_seats"}
    assert "only the lake has entry" in by_subject["seat_holding"]
    assert "peak_days is" in by_subject["billable_seats"]


def test_of_very_many_files_most_are_opened_each_time_they_are_read(
    lakes: Lakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakes.export()
    lake = Lake(str(lakes.place))
    manifest, _ = lake.manifest()
    assert len(manifest.segments) > 1
    answers = []
    for most in (len(manifest.segments), 1):
        monkeypatch.setattr(rebuild, "STAY_OPEN", most)
        with Journal(lake, manifest) as journal:
            tables = [journal.of(range(BUCKETS)), *journal.each(["position"])]
            last = journal.last("position", "position", manifest.head)
            answers.append(([table.to_pylist() for table in tables], last))
            assert len(journal.open) == most
    assert answers[0] == answers[1]
    assert answers[0][1] == manifest.head


def test_what_changed_since_the_export_is_not_compared_and_stated(lakes: Lakes) -> None:
    lakes.export()
    lakes.account("delta")
    done = lakes.run("verify", lakes.place, "--served")
    assert done.returncode == 0, done.stderr
    assert "1 account that changed since the export was not compared" in done.stdout


def test_an_exporter_that_is_killed_leaves_a_lake_that_reads(lakes: Lakes) -> None:
    lakes.export()
    for n in range(4):
        lakes.account(f"more{n}")
        before = paths_below(lakes.place)
        process = subprocess.Popen(
            [PROGRAM, "lake", "export", str(lakes.place)],
            env=lakes.program.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        has_begun = partial(wrote_or_ended, lakes.place, before, n, process)
        wait_until(has_begun, every=0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lakes.json("verify", lakes.place)
    lakes.export()
    assert not [p for p in (lakes.place / "journal").iterdir() if p.is_dir()]
    lakes.json("verify", lakes.place, "--served")


def wrote_or_ended(
    place: Path, before: set[Path], more: int, process: subprocess.Popen[bytes]
) -> bool:
    """Whether it wrote more new files than so many, or has ended."""
    has_ended = process.poll() is not None
    return has_ended or len(paths_below(place) - before) > more


def test_of_two_exporters_one_is_refused_or_has_nothing_to_do(lakes: Lakes) -> None:
    processes = [
        subprocess.Popen(
            [PROGRAM, "lake", "export", str(lakes.place)],
            env=lakes.program.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ended = [(p.communicate(timeout=AT_MOST), p.returncode) for p in processes]
    assert 0 in [status for _, status in ended]
    for (_, err), status in ended:
        assert status == 0 or (status == 11 and "is exporting" in err), err
    lakes.json("verify", lakes.place)


def test_what_is_exported_while_others_append_and_rebuild_is_whole(
    lakes: Lakes,
) -> None:
    appended: list[int] = []
    ended = threading.Event()

    def append() -> None:
        with CommandService(lakes.conninfo) as ledger:
            while not ended.is_set():
                done = ledger.execute({**BUY, "account": "acme", "quantity": 3})
                appended.append(done.events[-1].position)

    with ThreadPoolExecutor(2) as pool:
        appending = pool.submit(append)
        rebuilding = pool.submit(lakes.program.run, "projection", "rebuild")
        exports: list[int] = []
        while not (rebuilding.done() and len(exports) > 1):
            exports.append(lakes.json("export", lakes.place)["rows"][0]["events"])
        wait_until(lambda: appended or appending.done())
        ended.set()
        appending.result()
    assert rebuilding.result().returncode == 0, rebuilding.result().stderr
    assert exports == sorted(exports)
    rows = lakes.json("verify", lakes.place, "--segments", "--decode")["rows"]
    assert {row["status"] for row in rows} == {"same"}
    last = lakes.json("export", lakes.place)
    assert last["known_at"]["position"] == max(appended)
    assert lakes.json("verify", lakes.place, "--decode", "--served")["rows"]


def test_a_place_that_cannot_be_used_is_named(lakes: Lakes, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    for place, words in (
        (blocked, "cannot be used"),
        ("s3://", "cannot be"),
        ("nonsense://x/y", "cannot be reached"),
    ):
        done = lakes.run("export", place)
        assert done.returncode == 1, (place, done.stdout)
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    done = lakes.run("status", tmp_path / "nothing")
    assert done.returncode == 1
    assert "There is no lake in" in done.stderr
    done = lakes.run("rebuild", lakes.place, "-o", tmp_path, "--bucket", "4/3")
    assert done.returncode == 2


def test_a_place_that_is_full_is_named_and_left_clean(
    lakes: Lakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(lakes.folder / "home"))
    place = tmp_path / "mount"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", place]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        for size in range(4, 1_000, 12):
            again = ["mount", "-o", f"remount,size={size}k", place]
            subprocess.run(again, check=True)
            done = run("lake", "export", place, "--database", lakes.conninfo)
            if done.status == 0:
                break
            assert done.status == 1, done
            assert f"The lake {place} cannot be used: " in done.err
            assert "No space left on device" in done.err
            assert not list(place.glob("manifest/*"))
            assert not list(place.glob("manifest/.*"))
        assert size > 4
        assert done.status == 0, done
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_key_that_is_not_here_is_requested_for(lakes: Lakes, tmp_path: Path) -> None:
    lakes.export()
    (public,) = (tmp_path / "home").rglob("*.pub")
    stored = tmp_path / "given.pub"
    shutil.copy(public, stored)
    lakes.program.environment["SEAT_LEDGER_HOME"] = str(tmp_path / "elsewhere")
    done = lakes.run("verify", lakes.place)
    assert done.returncode == 1
    assert "is not on this machine" in done.stderr
    lakes.json("verify", lakes.place, "--public-key", stored)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A server of the protocol, with a bucket: what the environment says of it."""
    keys = {
        "AWS_ACCESS_KEY_ID": "lake",
        "AWS_SECRET_ACCESS_KEY": "lake",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="lakes")
    yield keys | {"AWS_ENDPOINT_URL": address}
    server.stop()


def test_s3(lakes: Lakes, s3: dict[str, str]) -> None:
    """A real server of the protocol, on the loopback."""
    lakes.program.environment |= s3
    lakes.place = Path("unused")
    place = "s3://lakes/ledger"
    words = ("export", place, "--segment-events", SEGMENT)
    first = lakes.json(*words)["rows"][0]
    assert first["files"] > 1
    lakes.account("delta")
    second = lakes.json(*words)["rows"][0]
    assert second["manifest"] == 2
    assert {r["status"] for r in lakes.json("verify", place)["rows"]} == {"same"}
    lakes.json("verify", place, "--served")
    output = lakes.folder / "tables"
    document = lakes.json("rebuild", place, "-o", output, "--workers", "1")
    assert document["events"] == second["events"]
    assert read(output / "seat")


def test_counts_of_a_lake_know_what_it_has_and_refuse_what_may_be_beyond(
    lakes: Lakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(lakes.folder / "home"))
    lakes.account("delta")
    head = lakes.export()["events"]
    all_, database = ("billing", "counts", "--all"), ("--database", lakes.conninfo)
    of_lake = (*all_, "--lake", lakes.place)
    done = run(*all_, *database, "--known-at", head // 2, "--format", "json")
    moment = json.loads(done.out)["known_at"]["recorded_at"]
    at_moment = ("--known-at", moment, "--mode", "all", "--format", "json")
    assert run(*of_lake, *at_moment) == run(*all_, *database, *at_moment)
    for known_at in (head + 1, "2999-01-01"):
        done = run(*of_lake, "--known-at", known_at)
        assert done.status == 1, done
        assert f"The lake is at position {head}" in done.err
    done = run("billing", "counts", "--account", "acme", "--lake", lakes.place)
    assert done.status == 2
    assert "use --all" in done.err
    lakes.segments[0].write_bytes(b"")
    assert run(*of_lake).status == 3


def test_a_lake_of_an_earlier_program_is_refused_in_words_until_it_is_exported_again(
    lakes: Lakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(lakes.folder / "home"))
    lakes.export()
    signer = seal_here(lakes.conninfo, lakes.conninfo).signer
    assert signer is not None
    tag = "0ddba115"
    manifest, _ = Lake(str(lakes.place)).manifest()
    for path in lakes.segments:
        path.rename(path.with_name(f"{path.name.split('.')[0]}.{tag}.parquet"))
    segments = tuple(
        segment._replace(
            name=f"{segment.name.split('.')[0]}.{tag}.parquet", journal=tag
        )
        for segment in manifest.segments
    )
    earlier = manifest._replace(format=1, segments=segments)
    (path,) = lakes.manifests
    note = signer.sign(earlier.note_text(signer.name))
    path.write_text(earlier.signed_text(note))
    counts = ("billing", "counts", "--all", "--lake", lakes.place)
    decode = ("lake", "verify", lakes.place, "--decode", "--database", lakes.conninfo)
    for refused in (counts, decode):
        done = run(*refused)
        assert done.status == 12, done
        assert "lacks what this one reads of prices and invoices" in done.err
        assert f"seat-ledger lake export {lakes.place}" in done.err
    lakes.json("verify", lakes.place)
    exported = lakes.export()
    assert exported["new_files"] == exported["files"]
    for answered in (counts, decode):
        assert run(*answered).status == 0
