"""Which mapping fits a file, and the first draft of one for a file that none fits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO, Literal, NamedTuple

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput, LedgerError
from seat_ledger.sources.bills import Bill
from seat_ledger.sources.conversion import Conversion
from seat_ledger.sources.holders import read_holders
from seat_ledger.sources.mapping import EVENTS, SNAPSHOT, FileShape, SourceMapping
from seat_ledger.sources.reading import SourceReader, looks_like_table
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.shipped import shipped_mapping, shipped_names
from seat_ledger.sources.tally import RowTally

_ANYBODY = "check"
_ROWS = 1_000
_FEW = 12
_PAGE_FIELDS = 4


class Fit(NamedTuple):
    """How a mapping fits a file: whether its columns are there, and how reading went.

    `problem` is why it does not fit, or what stopped the reading.
    """

    name: str
    kind: str
    fits: bool
    problem: LedgerError | None
    tally: RowTally | None


def fits_of(stream: BinaryIO, file: str) -> Iterator[Fit]:
    """How each shipped mapping fits a file, which can be read again."""
    for name in shipped_names():
        yield fit_of(stream, file, shipped_mapping(name), name)


def fit_of(stream: BinaryIO, file: str, mapping: SourceMapping, name: str) -> Fit:
    """How one mapping fits a file; the whole file is read if its columns are there."""
    stream.seek(0)
    try:
        reader = SourceReader(stream, mapping, options={"--user": _ANYBODY})
        _read_first(reader)
    except UnreadableRow as error:
        return Fit(name, mapping.kind, False, reader.located(error, file), None)
    stream.seek(0)
    try:
        tally = _read(SourceReader(stream, mapping, options={"--user": _ANYBODY}), file)
    except LedgerError as error:
        return Fit(name, mapping.kind, True, error, None)
    return Fit(name, mapping.kind, True, None, tally)


def _read_first(reader: SourceReader) -> None:
    """Read a first row: JSON without one does not say what it would have."""
    for _ in reader.entries():
        return
    if reader.shape.format == "json" and not reader.rows:
        raise UnreadableRow("there is no row.", "expected: the source's rows")


def _read(reader: SourceReader, file: str) -> RowTally:
    """Read a whole file, and keep nothing of it but the tally."""
    if reader.mapping.kind == EVENTS:
        conversion = Conversion(reader, file, account=_ANYBODY)
        for _ in conversion.lines():
            pass
        return conversion.tally
    if reader.mapping.kind == SNAPSHOT:
        return read_holders(reader, file, account=_ANYBODY).tally
    bill = Bill(reader, file, account=_ANYBODY)
    bill.read()
    return bill.tally


def check_readable(stream: BinaryIO, file: str) -> None:
    """Check that a file is a table or JSON with rows. Raises InvalidInput."""
    stream.seek(0)
    _first_rows(stream, file)


# -- drafts --------------------------------------------------------------------------


@dataclass
class _Field:
    """What the first rows say of a field: how its values look, and how many differ."""

    count: int = 0
    shapes: dict[str, None] = field(default_factory=dict)
    values: dict[str, None] = field(default_factory=dict)
    empty: int = 0
    has_addresses: bool = False

    def note(self, value: Any) -> None:
        text = "" if value is None else str(value)
        if not text:
            self.empty += 1
            return
        self.count += 1
        self.shapes.setdefault(_shape(text))
        self.has_addresses = self.has_addresses or "@" in text
        if len(self.values) <= _FEW:
            self.values.setdefault(text)


def draft_of(stream: BinaryIO, file: str) -> str:
    """A mapping's first draft: the file's columns, and what has to be decided.

    Values are shown where a field has few different ones; of all others only how they
    look: 9 for a digit, a for a letter. E-mail addresses are never shown. Raises
    InvalidInput.
    """
    shape, rows = _first_rows(stream, file)
    fields: dict[str, _Field] = {}
    for row in rows:
        for path, value in _leaves(row):
            fields.setdefault(path, _Field()).note(value)
    columns = [
        name for name in rows[0] if "|" not in name and all(name in row for row in rows)
    ]
    inner = None if shape.rows else _list_path(rows[0])
    return "\n".join(_draft(shape, columns, fields, file, inner)) + "\n"


def _first_rows(stream: BinaryIO, file: str) -> tuple[FileShape, list[dict[str, Any]]]:
    is_table = looks_like_table(stream)
    form: Literal["table", "json"] = "table" if is_table else "json"
    shape = FileShape.model_construct(format=form, has=[])
    reader = SourceReader(stream, _bare(shape))
    try:
        rows = [row for _, row in islice(reader.entries(), _ROWS) if row]
        path = None if is_table or not rows else _list_path(rows[0])
        if len(rows) > 1 and not all(_is_page(row, path) for row in rows):
            path = None
        if path is not None:
            stream.seek(0)
            shape = shape.model_copy(update={"rows": path})
            reader = SourceReader(stream, _bare(shape))
            rows = [row for _, row in islice(reader.entries(), _ROWS) if row]
    except UnreadableRow as error:
        raise reader.located(error, file) from error
    if not any(rows):
        raise InvalidInput(
            f"{file} has no row that says what its fields are.", try_="export it again"
        )
    return shape, rows


def _bare(shape: FileShape) -> SourceMapping:
    return SourceMapping.model_construct(
        schema_=1, kind="snapshot", source="draft", title="", file=shape, rule=[]
    )


def _list_path(row: Mapping[str, Any], before: str = "") -> str | None:
    """Where a list of objects stands in an object, if there is one."""
    for name, value in row.items():
        if "." in name:
            continue
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return f"{before}{name}"
        if isinstance(value, Mapping):
            inner = _list_path(value, f"{before}{name}.")
            if inner is not None:
                return inner
    return None


def _is_page(row: Mapping[str, Any], path: str | None) -> bool:
    """Whether an object looks like a page: it has little beside its list of rows."""
    if path is None:
        return False
    name = path.split(".", maxsplit=1)[0]
    return name in row and len(row) <= _PAGE_FIELDS


def _leaves(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{name}.")
        elif isinstance(value, list):
            yield f"{before}{name}", f"a list of {len(value)}"
        else:
            yield f"{before}{name}", value


def _shape(text: str) -> str:
    text = re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text[:40]))
    return re.sub(r"a{2,}", "aa", text)


def _draft(
    shape: FileShape,
    columns: list[str],
    fields: dict[str, _Field],
    file: str,
    inner: str | None,
) -> Iterator[str]:
    yield f"# A draft of a mapping for {_printable(file)}: decide what says DECIDE."
    yield "# 'seat-ledger help mappings' explains each word. The fields of the file:"
    for path, about in fields.items():
        yield f"#   {_printable(path)}: {_description(about)}"
    yield ""
    yield "schema = 1"
    yield 'kind = "DECIDE: events, snapshot or bill"'
    yield 'source = "decide-a-name"  # begins the idempotency keys: never change it'
    yield 'title = "DECIDE"'
    yield 'id = "{DECIDE}"  # events: what is different in each row, and stays the same'
    yield ""
    yield "[file]"
    yield f'format = "{shape.format}"'
    if shape.rows is not None:
        yield f"rows = {_quoted(shape.rows)}  # not if it is part of a row"
    if inner is not None:
        yield f"# rows = {_quoted(inner)}  # DECIDE: if each of its elements is a row"
    yield f"has = [{', '.join(_quoted(name) for name in columns)}]"
    yield ""
    yield "[time]  # events"
    yield 'from = "DECIDE"'
    yield 'format = "DECIDE: rfc3339, epoch s, epoch ms, or such as %d/%m/%Y %H:%M"'
    yield 'zone = "DECIDE, if the time has no offset"'
    yield ""
    yield "[person]"
    yield 'user = "{DECIDE}"  # an id that stays, not a name'
    yield 'email = "{DECIDE}"'
    yield 'name = "{DECIDE}"'
    yield ""
    yield "# A rule for each kind of row; the first that fits is the row's."
    yield "[[rule]]"
    yield 'when = { DECIDE = "DECIDE" }'
    yield 'refuse = "DECIDE: op, or ignore, or refuse, with the reason"'


def _description(about: _Field) -> str:
    if not about.count:
        return "always empty"
    empty = ", sometimes empty" if about.empty else ""
    if not about.has_addresses and len(about.values) <= min(
        _FEW, max(about.count // 3, 1)
    ):
        values = ", ".join(shown(value) for value in about.values)
        return f"{len(about.values)} different: {values}{empty}"
    shapes = list(about.shapes)[:3]
    return f"such as {', '.join(shown(text) for text in shapes)}{empty}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_printable(escaped)}"'


def _printable(text: str) -> str:
    """A text with what cannot be seen as TOML's escapes."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
