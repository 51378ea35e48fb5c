"""The file of declared lists, and the newest copy of each list (R88)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from seat_ledger.cli.inputs.mapping_file import mapping_named
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput
from seat_ledger.sources.declared import HELP, TAKEN_AT, DeclaredList, read_declared
from seat_ledger.sources.mapping import MAX_BYTES, SNAPSHOT, SourceMapping
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.shipped import shipped_names
from seat_ledger.sources.times import ParseTime, parser
from seat_ledger.store.input_files import read_text


class ListFile(NamedTuple):
    """A list as a file, and when it was true by the file's name; None: not by that."""

    path: Path
    taken_at: str | None


class Declaration(NamedTuple):
    """A declared list with its mapping, and the folder from which its paths count."""

    spec: DeclaredList
    mapping: SourceMapping
    folder: Path

    @property
    def name(self) -> str:
        """Account and source, as metrics and messages name the list."""
        return f"{self.spec.account}/{self.mapping.source}"

    def newest(self) -> ListFile | None:
        """The newest file of the list; None where there is none, or a command.

        Raises InvalidInput where the folder cannot be read, or a name in it has not
        its time.
        """
        if self.spec.file is None:
            return None
        path = self.folder / self.spec.file
        if self.spec.time is None:
            return ListFile(path, None) if path.exists() else None
        before, _, behind = path.name.partition(TAKEN_AT)
        parse = parser(self.spec.time.format, self.spec.time.zone)
        try:
            dated = list(_dated(path.parent, before, behind, parse))
        except OSError as error:
            raise InvalidInput(
                f"The folder {path.parent} cannot be read: {error.strerror}.",
                try_=f"see that the lists of {self.name} are there",
            ) from error
        return max(dated, default=(0, None), key=lambda entry: entry[0])[1]


def _dated(
    folder: Path, before: str, behind: str, parse: ParseTime
) -> Iterator[tuple[int, ListFile | None]]:
    """The files of a folder whose names have a time between two texts."""
    for path in folder.iterdir():
        name = path.name
        if not name.startswith(before) or not name.endswith(behind):
            continue
        try:
            time = parse(name[len(before) : len(name) - len(behind)])
        except UnreadableRow as error:
            raise InvalidInput(
                f"The name of {path} has no time there: {error.message}",
                try_=f"{error.expected}; or move it to another folder",
            ) from error
        yield time.order, ListFile(path, time.text)


def read_declarations(path: Path) -> list[Declaration]:
    """The lists that a file declares. Raises InvalidInput naming what is wrong."""
    try:
        text = read_text(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(
            f"{path}, which declares lists, cannot be read: {reason}.", try_=HELP
        ) from error
    specs = read_declared(text, str(path))
    declarations = [_declaration(spec, path.parent) for spec in specs]
    names = [declaration.name for declaration in declarations]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(
                f"{path} declares {shown(name)} twice.",
                try_="declare an account's list of a source once",
            )
    return declarations


def _declaration(spec: DeclaredList, folder: Path) -> Declaration:
    is_shipped = spec.mapping in shipped_names()
    name = spec.mapping if is_shipped else str(folder / spec.mapping)
    mapping = mapping_named(name)
    if mapping.kind != SNAPSHOT:
        raise InvalidInput(
            f"The mapping {mapping.source} reads no list of holders.",
            try_="seat-ledger source list",
        )
    return Declaration(spec, mapping, folder)
