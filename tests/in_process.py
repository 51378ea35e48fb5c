"""The program as tests run it in their own process: words in, output and status out."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seat_ledger.cli.main import main
from tests.oracle.worked_examples import Example, Step


class Done(NamedTuple):
    status: int
    out: str
    err: str


def run(*words: Any) -> Done:
    """The program with these words alone."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, words)])
    return Done(status, out.getvalue(), err.getvalue())


class Program:
    """The program over one database; it remembers what labelled steps recorded."""

    def __init__(self, conninfo: str, folder: Path) -> None:
        self.conninfo, self.folder = conninfo, folder
        self.labels: dict[str, int] = {}

    def run(self, *words: Any) -> Done:
        return run(*words, "--database", self.conninfo)

    def json(self, *words: Any) -> dict[str, Any]:
        done = self.run(*words, "--format", "json")
        assert done.status == 0, done.err
        result: dict[str, Any] = json.loads(done.out)
        return result

    def record(self, *commands: dict[str, Any]) -> list[int]:
        """Import commands; the positions of the last one."""
        return self.import_(commands)[-1]

    def import_(self, commands: Sequence[dict[str, Any]]) -> list[list[int]]:
        """Import commands; the positions of each."""
        file = self.folder / "commands.jsonl"
        file.write_text("".join(json.dumps(command) + "\n" for command in commands))
        done = self.run("import", file, "--format", "json")
        assert done.status == 0, done.err
        return [row["positions"] for row in json.loads(done.out)["rows"]]

    def play(self, example: Example) -> None:
        """Record an example; steps up to one that names a label go in together."""
        together: list[Step] = []
        for step in example.steps:
            if '"@' in json.dumps(step.command):
                self._play(together)
                together = []
            together.append(step)
        self._play(together)

    def _play(self, steps: list[Step]) -> None:
        text = json.dumps([_command(step) for step in steps])
        for label, position in self.labels.items():
            text = text.replace(f'"@{label}"', str(position))
        recorded = self.import_(json.loads(text)) if steps else []
        for step, positions in zip(steps, recorded, strict=True):
            if step.label is not None:
                self.labels[step.label] = positions[-1]

    def refused(self, code: str, *words: Any, status: int = 1) -> dict[str, Any]:
        done = self.run(*words, "--format", "json")
        text: dict[str, Any] = json.loads(done.err.splitlines()[-1])
        assert (done.status, text["code"]) == (status, code), done.err
        assert done.out == ""
        return text


def _command(step: Step) -> dict[str, Any]:
    return step.command | ({"expect": "refused"} if step.code else {})
