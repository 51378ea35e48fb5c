"""The mappings of vendors' files: which there are, which fits, and a draft of one."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from seat_ledger.cli.commands.convert import print_tally
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.mapping_file import mapping_named
from seat_ledger.cli.options import completing
from seat_ledger.cli.options.session import (
    FilePath,
    current_session,
    option_metrics,
    options_of_answering,
    options_of_local_listing,
)
from seat_ledger.cli.output.pages import print_page, text_of_source
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, cells, harmless, print_message
from seat_ledger.cli.output.streams import write_data
from seat_ledger.domain.values import as_word
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.choosing import check_readable, draft_of, fit_of, fits_of
from seat_ledger.sources.shipped import shipped_mapping, shipped_names, shipped_text

if TYPE_CHECKING:
    from seat_ledger.sources.choosing import Fit

_MOST = 256 << 20
_HINT = "name a file that the source exported, or -"


@click.group(
    epilog="Example: seat-ledger source check audit.jsonl; "
    "seat-ledger convert audit.jsonl --with github-copilot-audit --account acme"
)
def group() -> None:
    """Mappings of vendors' files: list, show, check a file, draft one."""


@group.command("list")
@options_of_local_listing
def list_() -> None:
    """The mappings that come with the program."""
    mappings = {name: shipped_mapping(name) for name in shipped_names()}
    rows = [
        {"name": name, "kind": mapping.kind, "title": mapping.title}
        for name, mapping in mappings.items()
    ]
    answer = Answer(
        rows,
        cells("name", "kind", "title"),
        sentence=f"{len(rows)} mappings; a file of your own is one as well.",
        next_command=f"seat-ledger source show {rows[0]['name']}",
    )
    emit(answer)


@group.command()
@click.argument("name", shell_complete=completing.mappings)
@click.option(
    "--toml",
    is_flag=True,
    help="Print the mapping itself, as a starting point for your own.",
)
def show(name: str, *, toml: bool) -> None:
    """How to get a vendor's file, what it cannot tell, and how it is read."""
    if name not in shipped_names():
        raise InvalidInput(
            f"There is no shipped mapping {harmless(name)}.",
            try_="seat-ledger source list",
        )
    if toml:
        write_data(shipped_text(name), is_json=False)
        return
    print_page(text_of_source(name))


@group.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--with",
    "mapping",
    metavar="MAPPING",
    shell_complete=completing.mappings,
    help="Check this one alone: a name from 'source list', or a mapping of your own.",
)
@options_of_local_listing
def check(file: Path, mapping: str | None) -> None:
    """Say which mapping fits a file, and whether it can read all of it.

    Nothing is recorded, and no database is needed. Exit 1 where none fits, 2 where a
    row cannot be read.
    """
    name = harmless(file.name)
    with _again_readable(file) as stream, heartbeat("Checking"):
        if mapping is None:
            fits = list(fits_of(stream, name))
        else:
            fits = [fit_of(stream, name, mapping_named(mapping), mapping)]
        if not any(fit.fits for fit in fits):
            check_readable(stream, name)
    emit(_checked(file, fits, mapping))


def _checked(path: Path, fits: list[Fit], mapping: str | None) -> Answer:
    file = harmless(path.name)
    fitting = [fit for fit in fits if fit.fits]
    for fit in fitting:
        if fit.tally is not None:
            print_message(f"{fit.name}:")
            print_tally(fit.tally)
    shown = fitting or (fits if mapping is not None else [])
    rows = [
        {
            "name": fit.name,
            "kind": fit.kind,
            "fits": fit.fits,
            "reads": fit.fits and fit.problem is None,
            "problem": fit.problem.message if fit.problem else None,
        }
        for fit in shown
    ]
    names = ("name", "kind", "fits", "reads", "problem")
    whole = [fit for fit in fitting if fit.problem is None]
    if whole:
        sentence = f"{file} can be read with {' or '.join(f.name for f in whole)}."
    elif fitting:
        sentence = f"{file} has the columns of {fitting[0].name}, and a row stops it."
    else:
        does_not = "fits no shipped mapping" if mapping is None else "does not fit"
        sentence = f"{file} {does_not}."
    return Answer(
        rows,
        cells(*names),
        sentence=sentence,
        next_command=""
        if fitting
        else f"seat-ledger source draft {as_word(str(path))}",
        exit_code=0 if whole else 2 if fitting else 1,
    )


@group.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def draft(file: Path) -> None:
    """Print the first draft of a mapping: the file's fields, and what to decide."""
    with _again_readable(file) as stream:
        write_data(draft_of(stream, harmless(file.name)), is_json=False)


@group.command()
@click.option(
    "--sources",
    metavar="FILE",
    required=True,
    type=FilePath(dir_okay=False, path_type=Path),
    envvar="SEAT_LEDGER_SOURCES",
    show_envvar=True,
    help="The file that declares the lists (TOML); see 'seat-ledger help nightly'.",
)
@click.option(
    "--results",
    metavar="FILE",
    type=FilePath(path_type=Path),
    help="Write the outcome to a file as well, as JSON.",
)
@option_metrics
@options_of_answering
def compare(sources: Path, results: Path | None, metrics: Path | None) -> None:
    """Hold the newest list of each declared source against the ledger.

    Exit 3 where a list differs from the ledger or is too old, 1 where one could not be
    read or recorded. A list is recorded only if it is declared so.
    """
    from seat_ledger.cli.commands.source_compare import compare_declared  # noqa: PLC0415

    emit(compare_declared(current_session(), sources, metrics, results))


@contextmanager
def _again_readable(file: Path) -> Iterator[BinaryIO]:
    """A file that can be read several times; what comes through a pipe is kept."""
    with input_file(file, _HINT) as stream:
        if stream is not sys.stdin.buffer and stream.seekable():
            yield stream
            return
        content = stream.read(_MOST + 1)
        if len(content) > _MOST:
            raise InvalidInput(
                f"More than {_MOST:,} bytes came through the pipe.",
                try_="write them to a file, and name it",
            )
        yield io.BytesIO(content)
