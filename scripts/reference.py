"""The reference, written from the program itself: a test fails when it is stale."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import click

import seat_ledger
from seat_ledger.cli.main import COMMANDS, program
from seat_ledger.cli.output.pages import TOPICS, title_of
from seat_ledger.domain.events import EVENT_CLASSES
from seat_ledger.errors import REFUSALS, CommandRefused, LedgerError
from seat_ledger.projections.engine.registry import ROOMS
from seat_ledger.projections.engine.sql_files import text
from seat_ledger.store.settings import Settings


def failures() -> list[type[LedgerError]]:
    """Every kind of failure that has a code of its own, by exit status."""
    for module in pkgutil.walk_packages(seat_ledger.__path__, "seat_ledger."):
        importlib.import_module(module.name)
    kinds = [kind for kind in _kinds_of(LedgerError) if "code" in vars(kind)]
    kinds.remove(CommandRefused)
    return sorted(kinds, key=lambda kind: (kind.exit_code, kind.code))


def _kinds_of(kind: type[LedgerError]) -> Iterator[type[LedgerError]]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _kinds_of(inner)


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
    for failure in failures():
        meaning_ = (failure.__doc__ or "").splitlines()[0]
        yield f"| `{failure.code}` | {failure.exit_code} | {meaning_} |"
    yield "\n## Events\n\n| event | version | meaning |\n|---|---|---|"
    for topic, event in EVENT_CLASSES.items():
        meaning_ = " ".join((event.__doc__ or "").split("\n\n")[0].split())
        yield f"| `{topic}` | {event.VERSION} | {meaning_} |"
    yield "\n## Settings\n\n| variable | default | meaning |\n|---|---|---|"
    for name, field in Settings.model_fields.items():
        variable = f"`SEAT_LEDGER_{name.upper()}`"
        yield f"| {variable} | {field.default} | {field.description} |"
    yield from _views()
    yield "\n## Help topics\n"
    for topic in TOPICS:
        link = f"[{title_of(topic)}](topics/{topic}.md)"
        yield f"- `{_HELP} {topic}`: {link}"


_HELP = "seat-ledger help"
_COMMENT = re.compile(
    r"COMMENT ON (VIEW|COLUMN) \{schema\}\.([a-z_.]+) IS\s+'((?:[^']|'')*)';"
)


def served_views() -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """The served views, from the comments that the database has.

    The name of each, what one row is, and what its columns are.
    """
    for room in ROOMS:
        comments = _COMMENT.findall(text(room, "view.sql"))
        columns = [
            (*column.partition(".")[::2], _plain(about))
            for kind, column, about in comments
            if kind == "COLUMN"
        ]
        for kind, name, meaning in comments:
            if kind == "VIEW":
                mine = [
                    (short, about) for view, short, about in columns if view == name
                ]
                yield name, _plain(meaning), mine


def _views() -> Iterator[str]:
    """The served views and their columns."""
    yield "\n## Views of the schema `projection`"
    for name, meaning, columns in served_views():
        yield f"\n### `projection.{name}`\n\n{meaning}\n"
        yield "| column | meaning |\n|---|---|"
        for column, about in columns:
            yield f"| `{column}` | {about} |"


def _plain(comment: str) -> str:
    return " ".join(comment.replace("''", "'").split())


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
            text = f": {parameter.help}" if parameter.help else ""
            variable = f" (`{parameter.envvar}`)" if parameter.envvar else ""
            yield f"- `{', '.join(parameter.opts)}`{text}{variable}"


if __name__ == "__main__":
    print(reference(), end="")
