"""Who writes into the folder of a rebuild from a lake; what is left of a killed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from seat_ledger.errors import LedgerError, Locked
from seat_ledger.projections.lake.layout import Lake
from seat_ledger.projections.lake.output import replacing, result_name, writing_into
from tests.support.waiting import wait_until

RUN: dict[str, Any] = {"manifest": 1, "known_at": 9, "shares": 2}
HOLD = """
import json, sys
from pathlib import Path
from seat_ledger.projections.lake.output import writing_into
folder, share, run = json.loads(sys.argv[1])
with writing_into(Path(folder), tuple(share), run):
    print("writing", flush=True)
    sys.stdin.read()
"""
POOL = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from seat_ledger.store.processes import end_with_parent

if __name__ == "__main__":
    pool = ProcessPoolExecutor(2, get_context("spawn"), initializer=end_with_parent)
    for pid in {pool.submit(os.getpid).result() for _ in range(20)}:
        print(pid, flush=True)
    print("all", flush=True)
    pool.submit(time.sleep, 600)
    time.sleep(600)
"""


@contextmanager
def somebody(
    folder: Path, share: tuple[int, int], run: dict[str, Any]
) -> Iterator[Any]:
    """Another process that writes there."""
    params = json.dumps([str(folder), share, run])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, params],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_share_is_written_by_one_at_a_time(tmp_path: Path) -> None:
    with somebody(tmp_path, (1, 2), RUN) as other:
        with writing_into(tmp_path, (2, 2), RUN):
            pass
        for share, run in (((1, 2), RUN), ((2, 2), {**RUN, "known_at": 5})):
            with pytest.raises(Locked, match="Another rebuild"):
                writing_into(tmp_path, share, run).__enter__()
        other.kill()
        other.wait()
        with writing_into(tmp_path, (1, 2), RUN):
            pass


def test_results_of_another_run_do_not_speak_for_this_one(tmp_path: Path) -> None:
    results = [tmp_path / result_name((n, 2)) for n in (1, 2)]
    with writing_into(tmp_path, (1, 2), RUN):
        pass
    for result in results:
        result.touch()
    with writing_into(tmp_path, (1, 2), RUN):
        assert [result.exists() for result in results] == [False, True]
    with writing_into(tmp_path, (2, 2), {**RUN, "program": "0.9"}):
        assert not any(result.exists() for result in results)


def test_no_planted_link_is_followed_and_leftovers_are_removed(tmp_path: Path) -> None:
    table, foreign = tmp_path / "seat", tmp_path / "foreign"
    table.mkdir()
    foreign.write_text("precious")
    target = table / "000-001.parquet"
    for name in (target, target.with_suffix(".partial")):
        name.symlink_to(foreign)
    leftover = table / ".1-of-1.0123.partial"
    leftover.touch()
    with (
        writing_into(tmp_path, (1, 1), RUN),
        replacing(target, (1, 1)) as file,
    ):
        assert not leftover.exists()
        file.write(b"rows")
    assert (target.read_bytes(), target.is_symlink()) == (b"rows", False)
    assert foreign.read_text() == "precious"
    with pytest.raises(ZeroDivisionError), replacing(target, (1, 1)):
        raise ZeroDivisionError
    assert target.read_bytes() == b"rows"
    assert len([*table.iterdir()]) == 2
    (tmp_path / "rebuild.lock").unlink()
    (tmp_path / "rebuild.lock").symlink_to(foreign)
    with pytest.raises(LedgerError, match="cannot be written"):
        writing_into(tmp_path, (1, 1), RUN).__enter__()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_full_disk_is_a_sentence_that_names_the_file(tmp_path: Path) -> None:
    target = tmp_path / "000-001.parquet"
    with pytest.raises(LedgerError, match="parquet cannot be written: No space"):
        _write_to_full(target)
    assert [*tmp_path.iterdir()] == []


def _write_to_full(target: Path) -> None:
    with replacing(target, (1, 1)) as file:
        os.dup2(os.open("/dev/full", os.O_WRONLY), file.fileno())
        file.write(b"rows")


def test_processes_of_a_pool_end_with_whoever_started_them(tmp_path: Path) -> None:
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    workers = [int(line) for line in iter(process.stdout.readline, "all\n")]
    assert workers
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(is_running(worker) for worker in workers))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_lake_whose_name_is_no_text_is_refused_in_words() -> None:
    with pytest.raises(LedgerError, match="its name is not UTF-8"):
        Lake("/tmp/\udcff")
