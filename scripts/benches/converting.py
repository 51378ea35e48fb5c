"""The bench of conversion: a log of a million lines becomes commands."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import orjson

from scripts.benches.projections import BIN

_CHILD = """
import json, resource, subprocess, sys
with open(sys.argv[1], "wb") as out:
    done = subprocess.run(sys.argv[2:], stdout=out, stderr=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([done.returncode, used.ru_maxrss / 1024, cpu]))
sys.stderr.write(done.stderr)
"""


def bench_convert(_conninfo: str, events: int) -> dict[str, Any]:
    """GitHub's audit log, newest first, half of it about seats that are held.

    The floors are what reading and writing the same lines as JSON costs, with orjson
    and with the standard library. A second log is in a random order, which is the worst
    for sorting; of a third every line becomes a command, about 50,000 people.
    """
    figures: dict[str, Any] = {"events": events}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder)
        for name, lines_of in _LOGS.items():
            log = path / f"{name}.jsonl"
            with log.open("w") as file:
                file.writelines(lines_of(events))
            seconds, peak, cpu, lines = _converted(log, path / "commands.jsonl")
            figures[f"{name}_commands"] = lines
            figures[f"{name}_seconds"] = round(seconds, 2)
            figures[f"{name}_cpu_seconds"] = round(cpu, 2)
            figures[f"{name}_lines_per_second"] = round(events / seconds)
            figures[f"{name}_peak_mib"] = round(peak, 1)
        for name, reader in (("floor", orjson), ("standard_floor", json)):
            seconds = _floor(log, path / "floor.jsonl", reader)
            figures[f"{name}_cpu_seconds"] = round(seconds, 2)
    return figures


def _lines(events: int, *, shuffled: bool) -> Iterator[str]:
    random, last = Random(5), 1_793_437_123_456
    numbers = list(range(events))
    if shuffled:
        random.shuffle(numbers)
    actions = ("added", "assignment_created", "cancelled", "assignment_unassigned")
    for n in numbers:
        row = {
            "@timestamp": last - 7_000 * n,
            "created_at": last - 7_000 * n,
            "_document_id": f"{n:x}-Zm9vYmFyYmF6",
            "action": f"copilot.cfb_seat_{actions[n % 4]}",
            "operation_type": "create",
            "actor": "nhaddad",
            "actor_id": 77,
            "org": "example-org",
            "org_id": 9,
            "business": "example-enterprise",
        }
        if n % 2 == 0:
            row |= {"user": f"user-{n % 20_000}", "user_id": 4_000 + n % 20_000}
        yield json.dumps(row, separators=(",", ":")) + "\n"


def _lines_of_people(events: int) -> Iterator[str]:
    """A log each line of which gives a seat or takes it."""
    random, last = Random(5), 1_793_437_123_456
    for n in range(events):
        person = random.randrange(50_000)
        row = {
            "@timestamp": last - 7_000 * n,
            "created_at": last - 7_000 * n,
            "_document_id": f"{n:x}-Zm9vYmFyYmF6",
            "action": f"copilot.cfb_seat_{('added', 'cancelled')[n % 2]}",
            "operation_type": "create",
            "actor": "nhaddad",
            "actor_id": 77,
            "org": "example-org",
            "org_id": 9,
            "business": "example-enterprise",
            "user": f"user-{person}",
            "user_id": 4_000 + person,
        }
        yield json.dumps(row, separators=(",", ":")) + "\n"


_LOGS: dict[str, Callable[[int], Iterator[str]]] = {
    "newest_first": partial(_lines, shuffled=False),
    "shuffled": partial(_lines, shuffled=True),
    "all_mapped": _lines_of_people,
}


def _converted(log: Path, out: Path) -> tuple[float, float, float, int]:
    command = [str(BIN / "seat-ledger"), "convert", str(log)]
    command += ["--with", "github-copilot-audit", "--account", "acme"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(out), *command],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - began
    code, peak, cpu = json.loads(done.stdout)
    assert code == 0, done.stderr
    with out.open("rb") as file:
        return seconds, peak, cpu, sum(1 for _ in file)


def _floor(log: Path, out: Path, reader: Any) -> float:
    """Seconds of the processor to read and to write every line as JSON."""
    began = time.process_time()
    with log.open("rb") as source, out.open("wb") as target:
        for line in source:
            text = reader.dumps(reader.loads(line))
            target.write((text if isinstance(text, bytes) else text.encode()) + b"\n")
    return time.process_time() - began
