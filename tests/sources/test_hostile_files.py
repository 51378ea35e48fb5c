"""Files that nobody exports: each ends in a sentence with its line, in no traceback."""

from __future__ import annotations

import functools
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seat_ledger.errors import InvalidInput
from seat_ledger.sources import tables
from seat_ledger.sources.documents import json_lines
from seat_ledger.sources.holders import read_holders
from seat_ledger.sources.reading import SourceReader
from seat_ledger.sources.refusals import UnreadableRow
from seat_ledger.sources.shipped import shipped_mapping
from tests.sources.exported import converted, listed
from tests.sources.test_bad_logs import AUDIT, log, row
from tests.sources.test_files import HEADER, workbook

HEAD = b"Id,Name,Username,Email,State\n"


def attempt(content: bytes, *, table: bool) -> str:
    """What is said of a file; '' where it can be read."""
    try:
        if table:
            listed(content, "gitlab-seats")
        else:
            converted(content, AUDIT)
    except InvalidInput as error:
        return error.message if error.try_ else "no way out"
    return ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "log:1: the JSON is nested too deeply."),
        (b'{"seats": ' * 50_000, "log:1: "),
        (b"[" + b"9" * 5_000 + b"]", "log:1: "),
        (b'[{"a": "\xff"}]', "log:1: a byte cannot be read as UTF-8."),
        (b'{"@timestamp":1,"action":"\xff"}\n', "log:1: "),
        (b"[1, 2]", "log:1: a row is an object, not '1'."),
        (b"null", "log:1: a row is an object, not 'null'."),
        (b'{"a":1} {"b":2}', "log:1: the row has the fields 'a'."),
        (b"\0" * 100, "log:1: the file holds NUL bytes, so it is not UTF-8 text."),
        (b"PK\x03\x04", "log:1: the file is a workbook, or another ZIP archive."),
        (b"\x1f\x8b\x08\x00rubbish", "log:1: the compressed file (gzip) is damaged"),
        (log(row("a\ud800")).encode("utf-8", "surrogatepass"), "log:1: "),
        (log(row("a\0")).encode(), "log:1: "),
        (log(row("a" * 3_000)).encode(), "log:1: "),
        (log(row("a", user="\x1b[2J")).encode(), "log:1: "),
        (log(row("a", user_id=2**63 * 10**5)).encode(),
         "log:1: the number in the field 'user_id' is too long to be exact."),
        (log(row("a", user_id=[])).encode(), "log:1: the user of rule 1 is missing"),
    ],
)  # fmt: skip
def test_a_log_that_nobody_exports_ends_in_a_sentence(
    content: bytes, message: str
) -> None:
    assert attempt(content, table=False).startswith(message)


SEATS = (
    '{"total_seats": 1, "seats": [{"created_at": "2026-11-01T00:00:00Z",'
    '"plan_type": "business", "assignee": {"login": "a", "id": 1}}]}'
)


@pytest.mark.parametrize(
    ("content", "mapping", "message"),
    [
        (log(row("a")) + log(row("b")).replace('"user"', '"org": "x", "user"'), AUDIT,
         "list:2: the field 'org' stands twice"),
        (log(row("a")).replace('"user"', '"org" :"x", "user"'), AUDIT,
         "list:1: the field 'org' stands twice"),
        (log(row("a")).replace('"user"', '"more":{"a":1,"a":1},"user"'), AUDIT,
         "list:1: the field 'a' stands twice"),
        (log(row("a")).replace('"user"', '"more":[{"a\\":":1,"b":{}}],"user"'), AUDIT,
         ""),
        (SEATS, "github-copilot-seats", ""),
        (SEATS.replace('"id": 1', '"id": 1,\n"id": 2'), "github-copilot-seats",
         "list:1: the field 'id' stands twice"),
        (SEATS.replace('"seats"', '\n"total_seats": 2, "seats"'),
         "github-copilot-seats", "list:2: the field 'total_seats' stands twice"),
        (SEATS[:-1] + ', "seats": []}', "github-copilot-seats",
         "list:1: the field 'seats' stands twice"),
    ],
)  # fmt: skip
def test_r82_a_field_twice_in_one_object_is_refused_with_its_line(
    content: str, mapping: str, message: str
) -> None:
    error = ""
    try:
        (listed if mapping != AUDIT else converted)(content, mapping)
    except InvalidInput as refused:
        error = refused.message.replace("log:", "list:")
    assert error[: len(message) or None] == message


@given(st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner) | st.lists(st.tuples(st.sampled_from(
        ["a", "b", '":', '" ', "", "\t"]), inner)).map(tuple),
    max_leaves=12,
), st.sampled_from([":", ": ", " :", "\t:", "\r:"]))  # fmt: skip
def test_r82_no_object_with_a_field_twice_is_read_and_no_other_refused(
    value: Any, colon: str
) -> None:
    def written(part: Any) -> str:
        if isinstance(part, tuple):
            fields = (f"{json.dumps(n)}{colon}{written(v)}" for n, v in part)
            return "{" + ",".join(fields) + "}"
        if isinstance(part, list):
            return "[" + ",".join(map(written, part)) + "]"
        return json.dumps(part)

    def is_twice(part: Any) -> bool:
        if isinstance(part, tuple):
            names = [name for name, _ in part]
            return len(set(names)) < len(names) or any(is_twice(v) for _, v in part)
        return isinstance(part, list) and any(map(is_twice, part))

    text = f'{{"row":{written(value)}}}\n'
    read = functools.partial(list, json_lines(io.BytesIO(text.encode())))
    if not is_twice(value):
        assert [row for _, row in read()] == [json.loads(text)]
        return
    with pytest.raises(UnreadableRow, match="stands twice") as caught:
        read()
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            HEAD + b"1," + b"x" * (1 << 20) + b",u,,active\n",
            "list:2: the line has more",
        ),
        (HEAD + b'1,"x\ny\nz",u,,gone\n', "list:2: no rule names this row"),
        (HEAD + b"1,x,u,,active\r1,x,u,,active\n", "list:2: "),
        (HEAD + b"1,\0,u,,active\n", "list:1: the file holds NUL bytes"),
        (b"\xff\xfe" + HEAD, "list:1: "),
        (b"sep=\n", "list:1: "),
        (b"\n\n\n", "list:1: the file is empty."),
        (gzip.compress(gzip.compress(HEAD)), "list:1: "),
    ],
)
def test_a_table_that_nobody_exports_ends_in_a_sentence(
    content: bytes, message: str
) -> None:
    assert attempt(content, table=True).startswith(message)


BOOK = workbook(HEADER, [1, "Mila", "m", None, "active"])
SHEET = "xl/worksheets/sheet1.xml"


def rewritten(
    change: Callable[[bytes], bytes] = bytes, more: dict[str, bytes] | None = None
) -> bytes:
    """The workbook with another sheet, and with more members."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(BOOK)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target,
    ):
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, change(content) if name == SHEET else content)
        for name, content in (more or {}).items():
            target.writestr(name, content)
    return stream.getvalue()


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new)


ENTITIES = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: workbook(HEADER, ["=1+1", "x", "y", None, "active"]),
         "list:2: the cell A2 holds a formula."),
        (lambda: workbook(HEADER, [1, '=HYPERLINK("http://x.example")', "y", None, ""]),
         "list:2: the cell B2 holds a formula."),
        (lambda: rewritten(lambda content: ENTITIES + content),
         "list:1: the workbook declares entities of its own"),
        (lambda: rewritten(replaced(b"<sheetData>", b"<sheetData><broken>")),
         "list:2: the file cannot be read as a workbook (ParseError)."),
        (lambda: BOOK[:-40], "list:1: the file is a damaged workbook"),
        (lambda: BOOK[:600] + b"rubbish" + BOOK[607:], "list:1: the file"),
        (lambda: rewritten(more={"xl/sharedStrings9.xml": b"\0" * (257 << 20)}),
         "list:1: the workbook unpacks to more than is read."),
    ],
)  # fmt: skip
def test_a_workbook_that_nobody_exports_ends_in_a_sentence(
    content: Callable[[], bytes], message: str
) -> None:
    assert attempt(content(), table=True).startswith(message)


def test_a_link_of_a_workbook_to_another_one_is_not_followed() -> None:
    link = b'<externalLink xmlns="x"><externalBook/></externalLink>'
    content = rewritten(more={"xl/externalLinks/externalLink1.xml": link})
    assert len(listed(content, "gitlab-seats").holders) == 1


def test_a_workbook_from_a_pipe_is_read_up_to_a_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Endless(io.RawIOBase):
        """Standard input that never ends, and begins as a workbook does."""

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = (BOOK[:4] * len(buffer))[: len(buffer)]
            return len(buffer)

    monkeypatch.setattr(tables, "MAX_SHARED", 1 << 20)
    reader = SourceReader(io.BufferedReader(Endless()), shipped_mapping("gitlab-seats"))
    with pytest.raises(InvalidInput, match="the workbook has more than"):
        read_holders(reader, "list", account="acme")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEAD.replace(b"\n", b"\r") + b"1,Mila,m,,active\r",
         "list:1: the lines end with a carriage return alone."),
        ((HEAD + b"1,Mila,m,,active\n").decode().encode("utf-32"),
         "list:1: the file is UTF-32."),
    ],
)  # fmt: skip
def test_a_table_of_another_age_is_named_as_what_it_is(
    content: bytes, message: str
) -> None:
    assert attempt(content, table=True).startswith(message)


def test_a_number_that_nobody_can_read_is_named() -> None:
    rows = json.dumps([row("a")], indent=1).replace("4001", "4" * 5000)
    assert "a number has more digits than can be read." in attempt(
        rows.encode(), table=False
    )


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
@settings(max_examples=300)
def test_whatever_is_done_to_a_file_ends_in_a_sentence(
    rubbish: bytes, place: int, table: bool
) -> None:
    rows = [row("a"), row("b")]
    whole = HEAD + b"1,Mila,m,,active\n" * 9 if table else json.dumps(rows).encode()
    for content in (
        whole[:place] + rubbish + whole[place:],
        whole[:place] + rubbish,
        gzip.compress(whole)[:place] + rubbish,
    ):
        attempt(content, table=table)
