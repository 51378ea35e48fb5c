"""Files as people have them: encodings, separators, workbooks, pages, messages."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from openpyxl import Workbook

from seat_ledger.errors import InvalidInput
from tests.sources.exported import changed, converted, export_of, listed
from tests.sources.test_bad_logs import AUDIT, log, row

GITLAB = "gitlab-seats"
TABLE = "Id,Name,Username,Email,State\n4001,Mila Øk,mokafor,mila@example.test,active\n"
SEATS = export_of("github-copilot-seats").read_bytes()


def semicolons(text: str) -> str:
    return text.replace(",", ";")


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.rstrip("\n").encode(),
        lambda text: semicolons(text).encode(),
        lambda text: text.replace(",", "\t").encode(),
        lambda text: ("sep=;\n" + semicolons(text)).encode(),
        lambda text: ("\n\n" + text).encode(),
        lambda text: gzip.compress(text.encode("utf-16")),
        lambda text: text.replace("Id,Name", "id , NAME").encode(),
    ],
)
def test_a_table_is_read_whatever_it_is_dressed_in(
    disguise: Callable[[str], bytes],
) -> None:
    (holder,) = listed(disguise(TABLE), GITLAB).holders
    assert (holder.user, holder.name) == ("gl-4001", "Mila Øk")


def test_an_encoding_that_the_mapping_names_is_read() -> None:
    named = 'format = "table"\nencoding = "windows-1252"'
    mapping = changed(GITLAB, ('format = "table"', named))
    (holder,) = listed(TABLE.encode("windows-1252"), mapping).holders
    assert holder.name == "Mila Øk"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "list:1: the file is empty."),
        (TABLE.encode("windows-1252"), "list:2: a byte cannot be read as utf-8."),
        (TABLE.encode("utf-16-le"), "list:1: the file holds NUL bytes"),
        (b"Id,Name,State\n1,x,active\n",
         "list:1: the header has no columns 'Username', 'Email'; it has columns 'Id', "
         "'Name', 'State'."),
        (b"Id,Name,Username,Email,State,Id\n1,x,y,z,active,1\n",
         "list:1: the column 'Id' comes twice."),
        (TABLE.encode() + b"4002,Tove", "list:3: the line has 2 cells, the header 5."),
        (TABLE.encode() + b'4002,"Tove', "list:3: the line cannot be read as CSV"),
        (gzip.compress(TABLE.encode() * 2000)[:-30],
         "the compressed file (gzip) is damaged or cut off."),
        (b"PK\x03\x04rubbish", "list:1: the file is a damaged workbook"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused_with_its_line(
    content: bytes, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        listed(content, GITLAB)
    assert message in caught.value.message
    assert caught.value.try_


def workbook(*rows: list[Any], sheets: int = 1) -> bytes:
    book = Workbook()
    for _ in range(sheets - 1):
        book.create_sheet()
    for cells in rows:
        book.worksheets[0].append(cells)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


HEADER = ["Id", "Name", "Username", "Email", "State"]


def test_a_workbook_is_read_as_a_table() -> None:
    content = workbook(HEADER, [4001, "Mila", "mokafor", None, "active"], [])
    (holder,) = listed(content, GITLAB).holders
    assert holder.user == "gl-4001"
    assert holder.email == "4001-mokafor@users.noreply.gitlab.com"
    assert holder.line == 2


def test_a_date_of_a_workbook_needs_no_format() -> None:
    at = datetime(2026, 10, 2, 9, 14)  # noqa: DTZ001
    head = ["Permission", "Action", "Updated by", "Date of change"]
    content = workbook(head, ["Sales Hub Starter", "Create", "x", at])
    (line,) = converted(content, "hubspot-permission-history",
                        options={"--user": "hs-1"})  # fmt: skip
    assert line["effective_at"] == "2026-10-02T09:14:00"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (workbook(HEADER, [10**16, "x", "y", "z", "active"]), "more than 15 digits"),
        (workbook(HEADER, [1, "x", "y", None, "active"], sheets=2), "several sheets"),
        (workbook(), "the sheet is empty"),
    ],
)
def test_a_workbook_that_could_mean_two_things_is_refused(
    content: bytes, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        listed(content, GITLAB)


@pytest.mark.parametrize(
    "disguise",
    [
        lambda seats: seats,
        lambda seats: json.dumps(pages(seats.decode()), indent=1).encode(),
        gzip.compress,
        lambda seats: b"\xef\xbb\xbf" + seats,
        lambda seats: b"\n".join(
            json.dumps(page).encode() for page in pages(seats.decode())
        ),
    ],
)  # fmt: skip
def test_pages_are_read_however_they_are_put_together(
    disguise: Callable[[bytes], bytes],
) -> None:
    read = listed(disguise(SEATS), "github-copilot-seats")
    assert [holder.user for holder in read.holders] == ["gh-4001", "gh-4002", "gh-4003"]
    assert read.doubts == []


def pages(text: str) -> list[Any]:
    first, end = json.JSONDecoder().raw_decode(text)
    return [first, json.loads(text[end:])]


def test_a_log_as_one_document_is_the_same_as_lines() -> None:
    rows = [row(str(n), **{"@timestamp": 1000 * n}) for n in range(3000)]
    lines = converted(log(*rows), AUDIT)
    assert converted(json.dumps(rows, indent=2), AUDIT) == lines
    assert converted(json.dumps(rows), AUDIT) == lines


def singer(kind: str, record: Any = None, stream: str = "audit_log") -> dict[str, Any]:
    return {"type": kind, "stream": stream, **({"record": record} if record else {})}


def airbyte(record: Any, stream: str = "audit_log") -> dict[str, Any]:
    inner = {"stream": stream, "data": record, "emitted_at": 1}
    return {"type": "RECORD", "record": inner}


def test_messages_of_singer_and_airbyte_are_unwrapped() -> None:
    plain = converted(log(row("a"), row("b")), AUDIT)
    tap = [singer("SCHEMA"), singer("RECORD", row("a")), singer("STATE"),
           singer("RECORD", row("b"))]  # fmt: skip
    assert converted(log(*tap), AUDIT) == plain
    connector = [{"type": "LOG", "log": {"level": "INFO"}}, airbyte(row("a")),
                 {"type": "STATE", "state": {}}, airbyte(row("b"))]  # fmt: skip
    assert converted(log(*connector), AUDIT) == plain


def test_messages_of_another_stream_are_refused_or_left_out_by_word() -> None:
    tap = log(singer("RECORD", row("a")), singer("RECORD", {"x": 1}, "teams"))
    with pytest.raises(
        InvalidInput, match="log:2: the record is of the stream 'teams'"
    ):
        converted(tap, AUDIT)
    assert len(converted(tap, AUDIT, message_stream="audit_log")) == 1
    with pytest.raises(
        InvalidInput, match="no message is of the stream 'audit'; there are 'audit_log'"
    ):
        converted(tap, AUDIT, message_stream="audit")
    # a stream of which nothing is new today is one, too
    started = {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "stream_status": {
        "stream_descriptor": {"name": "audit"}, "status": "COMPLETE"}}}  # fmt: skip
    for announced in (singer("SCHEMA", stream="audit"), started):
        quiet = log(announced, singer("RECORD", {"x": 1}, "teams"))
        assert converted(quiet, AUDIT, message_stream="audit") == []


def test_a_source_that_says_that_it_failed_is_not_whole() -> None:
    trace = {"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": "x"}}}
    with pytest.raises(InvalidInput, match="log:2: the source says that it failed"):
        converted(log(airbyte(row("a")), trace), AUDIT)


def test_json_in_a_cell_is_read_and_one_that_is_cut_off_refused() -> None:
    table = 'format = "table"\njson_in = ["targetResources"]'
    mapping = changed("entra-audit", ('format = "json"\nrows = "value"', table))
    licence = {
        "displayName": "AssignedLicense",
        "oldValue": "[]",
        "newValue": "SkuId=05e9a617-0261-4cee-bb44-138d3ef5d965",
    }
    mila = {"type": "User", "id": "u1", "userPrincipalName": "mila@example.test"}
    targets = [{**mila, "modifiedProperties": [licence]}]
    cell = json.dumps(targets).replace('"', '""')
    head = "id,activityDisplayName,activityDateTime,targetResources\n"
    line = f'1,Update user,2026-11-07T10:01:02Z,"{cell}"\n'
    (command,) = converted(head + line, mapping)
    assert command["seat_type"] == "m365/e3"
    with pytest.raises(InvalidInput, match="'targetResources' holds no JSON"):
        converted(head + line.replace('}]"\n', '"\n'), mapping)


def test_a_payload_of_an_event_hook_has_the_rows_of_the_log() -> None:
    rows = json.loads(export_of("okta-system-log").read_text())
    plain = converted(json.dumps(rows), "okta-system-log")
    hook = {"eventType": "com.okta.event_hook", "data": {"events": rows}}
    assert converted(json.dumps(hook), "okta-system-log") == plain
    assert converted(json.dumps(hook, indent=1), "okta-system-log") == plain
