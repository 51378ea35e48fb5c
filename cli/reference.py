"""The reference, written from the program itself: a test fails when it is stale."""

from __future__ import annotations

from collections.abc import Iterator

import click

from cli.main import COMMANDS, program
from cli.topics import TOPICS
from projections.decoding import UnreadableEvent
from projections.pool import Behind
from seat_ledger.errors import (
    REFUSALS,
    Conflict,
    IntegrityFailure,
    InvalidInput,
    LedgerError,
    LinesRefused,
    Locked,
    OutputClosed,
    SchemaMismatch,
    SystemRefused,
    Unavailable,
)
from seat_ledger.events import EVENT_CLASSES
from seat_ledger.settings import Settings
from seat_ledger.store.embedded import EmbeddedServerError

FAILURES: tuple[type[LedgerError], ...] = (
    LinesRefused,
    OutputClosed,
    SystemRefused,
    InvalidInput,
    IntegrityFailure,
    UnreadableEvent,
    Conflict,
    Unavailable,
    EmbeddedServerError,
    Locked,
    SchemaMismatch,
    Behind,
)


def reference() -> str:
    """The whole reference, as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference"
    yield "\nWritten by `scripts/reference` from the program itself."
    yield "\n## Commands"
    context = click.Context(program, info_name="seat-ledger")
    for name in COMMANDS:
        command = program.get_command(context, name)
        assert command is not None
        yield from _command(command, f"seat-ledger {name}")
    yield "\n## Refusals (exit 1)\n\n| code | meaning |\n|---|---|"
    for code, meaning in sorted(REFUSALS.items()):
        yield f"| `{code}` | {meaning} |"
    yield "\n## Failures\n\n| code | exit | meaning |\n|---|---|---|"
    for failure in FAILURES:
        told = (failure.__doc__ or "").splitlines()[0]
        yield f"| `{failure.code}` | {failure.exit_code} | {told} |"
    yield "\n## Events\n\n| event | version | meaning |\n|---|---|---|"
    for topic, event in EVENT_CLASSES.items():
        told = " ".join((event.__doc__ or "").split("\n\n")[0].split())
        yield f"| `{topic}` | {event.VERSION} | {told} |"
    yield "\n## Settings\n\n| variable | default | meaning |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        variable = f"`SEAT_LEDGER_{name.upper()}`"
        yield f"| {variable} | {field.default} | {field.description} |"
    for topic, text in TOPICS.items():
        yield f"\n## {topic}\n\n```text\n{text}```"


def _command(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _command(inner, f"{path} {name}")
        return
    arguments = " ".join(
        parameter.make_metavar(click.Context(command))
        for parameter in command.params
        if isinstance(parameter, click.Argument)
    )
    yield f"\n### `{path} {arguments}`".replace(" `", "`").replace("###`", "### `")
    yield f"\n{(command.help or '').split(chr(10) * 2)[0]}\n"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            told = f": {parameter.help}" if parameter.help else ""
            variable = f" (`{parameter.envvar}`)" if parameter.envvar else ""
            yield f"- `{', '.join(parameter.opts)}`{told}{variable}"


if __name__ == "__main__":
    print(reference(), end="")
