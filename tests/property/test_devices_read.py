"""What is no file is refused wherever one can be named to be read.

The places are those of the program itself: every parameter that is a file, or a key
that may be one. A device that never ends would be read for ever, or fill the memory; a
named pipe or a socket would be waited for, perhaps for ever.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.in_process import Program
from tests.program import ANN, BUY, GIVE, OPEN
from tests.property.test_fuzz_program import LEAVES

NEEDED = {"account": "acme", "what": "journal", "file": "note", "output": "out.html"}
WRITTEN = {"output", "report", "results", "metrics"}
"""What is written is a device's own business: /dev/null, a pipe, a terminal."""
FOLDERS = {"places"}

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


def words_with(path: tuple[str, ...], device: click.Parameter, name: str) -> list[str]:
    """A command as it needs be, with the name of a device at one place."""
    words, arguments = list(path), []
    if path == ("import",):
        words.append("--keep-going")
    for parameter in LEAVES[path].params:
        value = name if parameter is device else NEEDED.get(str(parameter.name), "1")
        if isinstance(parameter, click.Argument):
            arguments.append(value)
        elif parameter is device or parameter.required:
            words += [max(parameter.opts, key=len), value]
    return [*words, *arguments]


PLACES = list(places())


def named(kind: str, folder: Path) -> str:
    """Something of a kind that is no file."""
    path = folder / kind
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    elif kind == "folder":
        path.mkdir()
    else:
        return kind
    return str(path)


@pytest.mark.parametrize("kind", ["/dev/zero", "pipe", "socket", "folder"])
def test_what_is_no_file_is_not_read(
    database: str, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Program(database, tmp_path).record(OPEN, BUY, ANN, GIVE)
    monkeypatch.chdir(tmp_path)  # a socket's path has 107 bytes
    name = named(kind, Path())
    writing = {"/dev/zero": set(), "folder": {*WRITTEN, *FOLDERS}}.get(kind, WRITTEN)
    offered = [place for place in PLACES if place[1].name not in writing]
    lines = [json.dumps(words_with(*place, name)) for place in offered]
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
    assert len(rows) == len(offered) > 15
    for (_, device), (words, status) in zip(offered, rows, strict=True):
        assert status != 70, words
        assert (status != 0) or device.name in WRITTEN, words
