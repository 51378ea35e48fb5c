"""An option with an empty text is a variable that was not set: it is never ignored."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from seat_ledger.cli.main import program
from seat_ledger.cli.options.session import Session
from seat_ledger.errors import InvalidInput

CONTEXT = click.Context(program, obj=Session())


def options(
    command: click.Command, path: str = ""
) -> Iterator[tuple[str, click.Option]]:
    """Every option of every command."""
    if isinstance(command, click.Group):
        for name in command.list_commands(CONTEXT):
            inner = command.get_command(CONTEXT, name)
            assert inner is not None
            yield from options(inner, f"{path} {name}".strip())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield path, parameter


def test_no_option_takes_an_empty_text() -> None:
    ignored = []
    for path, option in options(program):
        if option.is_flag or option.count or option.name in {"reason", "database"}:
            continue
        try:
            option.type.convert("", option, CONTEXT)
        except (click.UsageError, InvalidInput):
            continue
        ignored.append(f"{path} {option.opts[-1]}")
    assert ignored == []


@pytest.mark.parametrize(
    "words",
    [
        ["event", "list", "--account", ""],
        ["integrity", "verify", "--witness", ""],
        ["integrity", "check-proof", "proof.json", "--public-key", ""],
        ["serve", "--accounts-header", "", "--port", "0"],
    ],
    ids=lambda words: words[0] + words[-2],
)
def test_what_was_to_be_limited_is_refused(words: list[str]) -> None:
    with pytest.raises(click.UsageError, match="empty"):
        program.main(words, standalone_mode=False, obj=Session())
