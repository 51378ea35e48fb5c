"""A file that has no end is refused wherever one can be named to be read.

The places are those of the program itself: every parameter that is a file, or a key
that may be one. A device that never ends would be read for ever, or fill the memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tests.in_process import Program
from tests.program import ANN, BUY, GIVE, OPEN
from tests.property.test_fuzz_program import LEAVES

DEVICE = "/dev/zero"
NEEDED = {"account": "acme", "what": "journal", "file": "note", "output": "out.html"}
WRITTEN = {"output", "report", "results", "metrics"}
"""What is written is a device's own business: /dev/null, a pipe, a terminal."""

SECONDS = 90
RUN = """
import json, resource, signal, sys
from seat_ledger.cli.main import main
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
signal.alarm(int(sys.argv[1]))
for line in sys.stdin.read().splitlines():
    words = json.loads(line)
    print(words, flush=True, file=sys.stderr)
    status = main(words)
    print(json.dumps([words, status]), flush=True)
"""


def places() -> Iterator[tuple[tuple[str, ...], click.Parameter]]:
    for path, command in LEAVES.items():
        for parameter in command.params:
            is_file = isinstance(parameter.type, click.Path | click.File)
            if is_file or parameter.name == "public_key":
                yield path, parameter


def words_with(path: tuple[str, ...], device: click.Parameter) -> list[str]:
    """A command as it needs be, with the device at one place."""
    words, arguments = list(path), []
    if path == ("import",):
        words.append("--keep-going")
    for parameter in LEAVES[path].params:
        value = DEVICE if parameter is device else NEEDED.get(str(parameter.name), "1")
        if isinstance(parameter, click.Argument):
            arguments.append(value)
        elif parameter is device or parameter.required:
            words += [max(parameter.opts, key=len), value]
    return [*words, *arguments]


PLACES = list(places())


def test_no_file_without_end_is_read(database: str, tmp_path: Path) -> None:
    Program(database, tmp_path).record(OPEN, BUY, ANN, GIVE)
    lines = [json.dumps(words_with(path, device)) for path, device in PLACES]
    (tmp_path / "note").write_text("seat-ledger proof\n")
    variables = {"SEAT_LEDGER_HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(SECONDS)],
        input="\n".join(lines),
        env={**os.environ, **variables, "SEAT_LEDGER_DATABASE_URL": database},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines() if line[:2] == "[["]
    assert len(rows) == len(PLACES) > 20
    for (_, device), (words, status) in zip(PLACES, rows, strict=True):
        assert status != 70, words
        assert (status != 0) or device.name in WRITTEN, words
