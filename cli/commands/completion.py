"""Completion of words in a shell: its script, and where the shell looks for it."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from seat_ledger.cli.output.files import PUBLIC, write_whole
from seat_ledger.cli.output.render import print_message
from seat_ledger.errors import InvalidInput

SHELLS = ("bash", "zsh", "fish")
_DATA, _SETTINGS = ("XDG_DATA_HOME", ".local/share"), ("XDG_CONFIG_HOME", ".config")
_PLACES = {
    "bash": (_DATA, "bash-completion/completions/seat-ledger"),
    "zsh": (_DATA, "zsh/site-functions/_seat-ledger"),
    "fish": (_SETTINGS, "fish/completions/seat-ledger.fish"),
}
"""Where each shell looks for completions of a user."""


@click.command(epilog="Example: seat-ledger completion install")
@click.argument("shell", type=click.Choice([*SHELLS, "install"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell, or install it for your own shell.

    Commands, options, and values that are the same in every ledger complete; what
    stands in a ledger never does.
    """
    if shell != "install":
        print(_script(shell))
        return
    own = Path(os.environ.get("SHELL", "")).name
    if own not in SHELLS:
        raise InvalidInput(
            "Your shell is not known: SHELL names none of bash, zsh and fish.",
            try_="seat-ledger completion bash",
        )
    target = _target(own)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, _script(own), PUBLIC)
    print_message(f"Completion is in {target}: open a new shell.")
    if own == "zsh":
        print_message(f"If it is not found: fpath+=({target.parent}) before compinit.")


def _script(shell: str) -> str:
    program = click.get_current_context().find_root().command
    complete = get_completion_class(shell)
    assert complete is not None
    return complete(program, {}, "seat-ledger", "_SEAT_LEDGER_COMPLETE").source()


def _target(shell: str) -> Path:
    (variable, default), name = _PLACES[shell]
    folder = os.environ.get(variable)
    return (Path(folder) if folder else Path.home() / default) / name
