"""A bare command, and completion as each shell asks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.program import PROGRAM
from tests.support.waiting import AT_MOST

SHELLS = ("bash", "zsh", "fish")
ENVIRONMENT = {
    "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
    "HOME": "/nonexistent",
    "SEAT_LEDGER_HOME": "/nonexistent",  # nothing is started to complete a word
}
CASES = {
    "bill": {"billing"},
    "user h": {"history"},
    "seat list --known": {"--known-at"},
    "event list --format js": {"json", "jsonl"},
    "--database postgresql://x/y proj": {"projection"},
    "nosuch li": set(),
}
ASK = {
    "bash": """
        . "$1"; shift; COMP_WORDS=(seat-ledger "$@"); COMP_CWORD=$#
        _seat_ledger_completion seat-ledger; printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compdef() { :; }
        compadd() { print -rl -- "${(@P)@[-1]}"; }
        _describe() { print -rl -- "${(@P)3%%:*}"; }
        . "$1"; shift; words=(seat-ledger "$@"); CURRENT=$(( $# + 1 ))
        _seat_ledger_completion
    """,
    "fish": """
        source $argv[1]; complete -C "seat-ledger $argv[2..-1]"
    """,
}


def script_of(shell: str, folder: Path) -> Path:
    done = subprocess.run(
        [PROGRAM],
        env=ENVIRONMENT | {"_SEAT_LEDGER_COMPLETE": f"{shell}_source"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    file = folder / f"completion.{shell}"
    file.write_bytes(done.stdout)
    return file


def test_a_bare_command_shows_what_there_is() -> None:
    done = subprocess.run(
        [PROGRAM], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Usage: seat-ledger" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("line", CASES)
def test_a_shell_completes_words(shell: str, line: str, tmp_path: Path) -> None:
    script = script_of(shell, tmp_path)
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} on this machine")
    options = ["--no-config"] if shell == "fish" else []
    arguments = [] if shell == "fish" else [shell]
    done = subprocess.run(
        [shell, *options, "-c", ASK[shell], *arguments, script, *line.split()],
        env=ENVIRONMENT | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=AT_MOST,
        check=False,
    )
    assert done.stderr == ""
    words = {word.split("\t")[0].split(":")[0] for word in done.stdout.splitlines()}
    assert words - {""} == CASES[line]
