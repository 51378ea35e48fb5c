"""Answers, and their forms: JSON, JSON Lines and CSV.

Data goes to stdout, messages to stderr. Texts that came from outside are shown
without their control characters, so that none of them can drive a terminal.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.output.csv_headers import DECIMALS
from seat_ledger.cli.output.layout import View, names_chosen
from seat_ledger.domain.values import iso

if TYPE_CHECKING:
    from seat_ledger.domain.calendar import ZoneHistory

Row = Mapping[str, Any]
Column = tuple[str, Callable[[Any], object]]
FORMATS = ("table", "json", "jsonl", "csv")
FILES = (".xlsx", ".csv", ".json", ".jsonl")
"""What an answer is written as, by the ending of a file's name."""
SCHEMA_VERSION = 1
_CHUNK = 1 << 16
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last are wide forms
_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
"""What drives a terminal or turns the order of a text; line breaks and tabs do not."""


@dataclass
class Answer:
    """What a command has to say: rows, and the words around them.

    `sentence` answers first, `columns` say how a table shows the rows, `notes` and
    `next_command` stand below it. `exit_code` is the command's (CLI 2).
    `zones` are the one clock of a table: instants in its cells are shown in it, and a
    note says which it is; without it they are in UTC, with a Z.
    `in_table` are the rows of a table where it shows others than the data have.
    `sums` stand below several rows, one for each currency; by default they are the
    `totals` that the document has beside its rows.
    `header` is that of CSV; without it, and where the command has none of its own,
    it is taken from the rows. `flat`: every row has the keys of the first, so that CSV
    need not see them all before it writes.
    """

    rows: Iterable[Row]
    columns: Sequence[Column] = ()
    sentence: str = ""
    notes: Sequence[str] = ()
    next_command: str = ""
    as_of: datetime | None = None
    known_at: tuple[int, datetime | None] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0
    flat: bool = False
    zones: ZoneHistory | None = None
    header: Sequence[str] = ()
    in_table: Iterable[Any] | None = None
    sums: Sequence[Row] | None = None


class SumRow(dict[str, Any]):
    """A row of sums: empty under whatever it has no sum of; `sum` is its name."""

    def __missing__(self, key: str) -> str:
        return ""


def sums_below(answer: Answer) -> list[SumRow]:
    """The sums of money below an answer's rows (R93)."""
    totals = answer.extra.get("totals") if answer.sums is None else answer.sums
    return [
        SumRow((name, value) for name, value in total.items() if value is not None)
        for total in (totals if isinstance(totals, list | tuple) else ())
        if any(total.get(name) is not None for name in DECIMALS)
    ]


def cells(*names: str) -> list[Column]:
    """Columns that show a field each: ``held`` under its name, or ``title=field``.

    A field with a dot is one inside another; ``field|text`` is the text where there is
    nothing.
    """
    return [_cell(*name.rpartition("=")[::2]) for name in names]


def _cell(title: str, name: str) -> Column:
    field, _, instead = name.partition("|")

    def value(row: Row) -> object:
        if isinstance(row, SumRow):
            return row[field]
        inside: Any = row
        for part in field.split("."):
            inside = inside.get(part) if inside else None
        return instead if inside is None and instead else inside

    return title or field.replace("_", " "), value


RECORD: list[Column] = [("", itemgetter(0)), ("", itemgetter(1))]
"""The columns of a table that shows one thing, a field a line."""


def document(answer: Answer) -> dict[str, Any]:
    """The one JSON document of an answer (CLI 2)."""
    position, recorded_at = answer.known_at or (None, None)
    return {
        "schema_version": SCHEMA_VERSION,
        "as_of": answer.as_of,
        "known_at": {"position": position, "recorded_at": recorded_at},
        "rows": list(answer.rows),
        **answer.extra,
    }


def to_json(value: object) -> str:
    """JSON with instants in RFC 3339, UTC.

    What could drive a terminal is escaped, which changes no value.
    """
    return escape_unseen(_encode(value))


def escape_unseen(text: str) -> str:
    """JSON in which what could drive a terminal is escaped, which changes no value."""
    return text if text.isprintable() else _UNSEEN.sub(_as_json_escape, text)


def _as_json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


_encode = json.JSONEncoder(default=_plain, ensure_ascii=False).encode


def harmless(text: object) -> str:
    """A text without control characters, as a terminal may show it."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def harmless_in_page(value: Any) -> Any:
    """What a template shows: a text without what could turn what stands beside it.

    Markup of our own, and what is no text, is left as it is.
    """
    if hasattr(value, "__html__") or not isinstance(value, str):
        return value
    return value if value.isprintable() else harmless_lines(value)


def print_message(message: str) -> None:
    """Tell a person something, on stderr."""
    print(harmless_lines(message), file=sys.stderr)


def harmless_lines(text: str) -> str:
    """Several lines without control characters."""
    return "\n".join(harmless(line) for line in text.split("\n"))


def json_chunks(answer: Answer) -> Generator[str, None, None]:
    """The JSON document of an answer, row by row; the text of :func:`document`."""
    position, recorded_at = answer.known_at or (None, None)
    head = {
        "schema_version": SCHEMA_VERSION,
        "as_of": answer.as_of,
        "known_at": {"position": position, "recorded_at": recorded_at},
    }
    yield to_json(head)[:-1] + ', "rows": ['
    for n, row in enumerate(answer.rows):
        yield (", " if n else "") + to_json(row)
    extra = to_json(answer.extra)[1:-1]
    yield f"], {extra}}}\n" if extra else "]}\n"


def csv_chunks(
    answer: Answer, command: str = "", view: View | None = None
) -> Generator[str, None, None]:
    """Flat rows under the command's header; nested keys are joined with a dot.

    Of the header only the columns that the view names, if any. Raises InvalidInput.
    """
    yield from _written(*columns_and_rows(answer, command, view))


def columns_and_rows(
    answer: Answer,
    command: str = "",
    view: View | None = None,
    *,
    in_words: bool = False,
) -> tuple[Sequence[str], Iterable[Mapping[str, object]]]:
    """The header of an answer's flat rows, and the rows. Raises InvalidInput.

    `in_words` writes what is nested as people read it; else it is JSON.
    """
    nested = _listed if in_words else _nested
    fixed = answer.header or _header_of(command or _running_command())
    if fixed:
        fixed = names_chosen(fixed, view.columns if view else ())
        return fixed, map(_picker(fixed, nested), answer.rows)
    rows: Iterable[dict[str, object]] = (
        dict(_flat(row, nested)) for row in answer.rows
    )
    header: dict[str, object] = {}
    if answer.flat:
        header = next(iter(rows), {})
        rows = chain([header] if header else (), rows)
    else:
        rows = list(rows)
        for row in rows:
            header.update(dict.fromkeys(row))
        header = _without_parents(header)
    return list(header), rows


def _running_command() -> str:
    """The words of the command that runs, if one does."""
    context = click.get_current_context(silent=True)
    return "" if context is None else context.command_path.partition(" ")[2]


def _header_of(command: str) -> Sequence[str]:
    """The header of a command, the same whatever its data."""
    from seat_ledger.cli.output.csv_headers import header_of  # noqa: PLC0415  only where CSV is written

    return header_of(command)


def at(row: Row, name: str) -> object:
    """The value of a dotted name in a row; what is nested deeper as JSON."""
    return _nested(_inside(row, name))


def _inside(row: Row, name: str) -> object:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


_Nested = Callable[[object], object]
"""What a cell holds of a value that may hold others."""


def _nested(value: object) -> object:
    if isinstance(value, list | Mapping):
        return to_json(value) if value else ""
    return value


def _listed(value: object) -> object:
    """The same for people: what is in a list or a row, one after the other in words."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name.replace('_', ' ')} {_in_list(part)}"
            for name, part in value.items()
            if part not in (None, "", [], {})
        )
    if isinstance(value, list):
        has_rows = any(isinstance(part, list | Mapping) for part in value)
        return ("; " if has_rows else ", ").join(map(_in_list, value))
    return value


def _in_list(part: object) -> str:
    return iso(part) if isinstance(part, datetime) else str(_listed(part))


_LEAVES = {str, int, bool, type(None), datetime, date}
"""Types that nest nothing, and nearly all that a row has."""


def _picker(
    header: Sequence[str], nested: _Nested
) -> Callable[[Row], dict[str, object]]:
    """What takes a header's columns out of a row, each as :func:`at` does."""
    columns = [(name, "." in name) for name in header]

    def pick(row: Row) -> dict[str, object]:
        return {
            name: nested(_inside(row, name))
            if is_dotted
            else value
            if type(value := row.get(name)) in _LEAVES
            else nested(value)
            for name, is_dotted in columns
        }

    return pick


def _written(
    header: Sequence[str], rows: Iterable[Mapping[str, object]]
) -> Generator[str, None, None]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if header:
        writer.writerow(header)
    for row in rows:
        writer.writerow([cell_of(row.get(key)) for key in header])
        if buffer.tell() > _CHUNK:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _without_parents(header: dict[str, object]) -> dict[str, object]:
    """The keys but those that are nested in one row and empty in another."""
    parents = {key.rpartition(".")[0] for key in header if "." in key}
    while more := {key.rpartition(".")[0] for key in parents if "." in key} - parents:
        parents |= more
    return {key: None for key in header if key not in parents}


def _flat(row: Row, nested: _Nested, prefix: str = "") -> Iterable[tuple[str, object]]:
    for key, value in row.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, nested, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", nested(value)


def cell_of(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, datetime | date):
        return _plain(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = readable(value)
        if starts_as_formula(value) and not _DECIMAL.fullmatch(value):
            return f"'{text}"
        return text
    return value


def readable(text: str) -> str:
    """A text of a cell, with what drives a terminal or turns its order spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub(lambda match: harmless(match[0]), text)


def starts_as_formula(text: str) -> bool:
    """Whether a spreadsheet could take a text for a formula, now or once edited."""
    return text.startswith(_FORMULA)


def is_plain() -> bool:
    """Whether colour and animation are off."""
    return (
        not sys.stdout.isatty()
        or bool(os.environ.get("NO_COLOR"))
        or os.environ.get("TERM") == "dumb"
    )
