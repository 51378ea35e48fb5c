"""Files that nobody exports: each ends in a sentence with its line, in no traceback."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seat_ledger.errors import InvalidInput
from tests.sources.exported import converted, listed
from tests.sources.test_bad_logs import AUDIT, log, row

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
        (b"null", "log:1: a row is an object, not 'None'."),
        (b'{"a":1} {"b":2}', "log:1: the row has the fields 'a'."),
        (b"\0" * 100, "log:1: the file is not UTF-8."),
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


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
@settings(max_examples=300, deadline=None)
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
