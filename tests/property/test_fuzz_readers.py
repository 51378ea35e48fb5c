"""Whatever is handed to a reader is read, or refused in words: nothing else happens."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seat_ledger.cli.inputs.invoice_file import InvoiceFile
from seat_ledger.cli.output import times
from seat_ledger.commands.messages import MAX_LINE, OPERATIONS, parse_line, read_command
from seat_ledger.commands.service import CommandService
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.money import Currency, parse_price
from seat_ledger.domain.values import (
    check_invoice_number,
    check_key,
    check_text,
    parse_seat,
    parse_seat_type,
    shown,
)
from seat_ledger.errors import REFUSALS, InvalidInput, LedgerError
from seat_ledger.importing.files import import_file
from seat_ledger.importing.importer import read_lines
from seat_ledger.projections.engine.verify import verify
from seat_ledger.projections.reader import ConnectedReader

NOW = datetime(2025, 5, 7, 22, 30, tzinfo=UTC)
ZONES = [
    ZoneHistory(name)
    for name in ("UTC", "Pacific/Apia", "America/Havana", "Asia/Kolkata", "Etc/GMT+12")
]
FUZZ = settings(
    max_examples=180,
    derandomize=True,
    database=None,
)
texts = st.text(st.characters(codec=None), max_size=60)
"""Any text, lone surrogates too: a command line can hold them."""

# -- moments -----------------------------------------------------------------------

numbers = st.integers(0, 99999).map(str) | st.sampled_from(["00", "01", "9999", "0001"])
moments = st.one_of(
    texts,
    st.lists(
        numbers | st.sampled_from([*"-:TZ+. ,q#", "today", "now", "+14:00", "-23:59"]),
        max_size=12,
    ).map("".join),
    st.from_regex(
        r"[0-9]{4}-[0-9]{2}(-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?"
        r"(Z|[+-][0-9]{2}:[0-9]{2})?)?)?",
        fullmatch=True,
    ),
    st.from_regex(r"[0-9]{4}q[0-9]", fullmatch=True),
)


@FUZZ
@given(moments, st.sampled_from(ZONES))
@example("0001-01-01", ZoneHistory("Asia/Kolkata"))
@example("0001q1", ZoneHistory("Asia/Kolkata"))
@example("0000q1", ZoneHistory("UTC"))
@example("9999-12-31T23:59:59-12:00", ZoneHistory("UTC"))
@example("9999-12-31", ZoneHistory("Etc/GMT+12"))
def test_a_moment_is_an_instant_in_utc_or_refused(
    text: str, zones: ZoneHistory
) -> None:
    for read in (parse_moment, times.knowledge):
        try:
            result = read(text, zones, NOW)
        except LedgerError as error:
            assert_plain(error)
            continue
        if isinstance(result, datetime):
            assert result.utcoffset() == timedelta(0)
        else:
            assert result >= 0


@FUZZ
@given(moments)
def test_a_date_is_a_date_or_refused(text: str) -> None:
    try:
        times.day(text, NOW.date())
    except LedgerError as error:
        assert_plain(error)


# -- references --------------------------------------------------------------------

READERS = (
    check_key,
    check_text,
    check_invoice_number,
    parse_seat,
    parse_seat_type,
    parse_price,
    Currency.named,
)
references = texts | st.lists(
    st.sampled_from(["sales", "/", "professional", "#", "7", "0", "٣", "-", ".", "e9"])
).map("".join)


@FUZZ
@given(references)
@example("sales/professional#" + "9" * 5000)
@example("9" * 5000)
def test_a_reference_is_read_or_refused(text: str) -> None:
    for read in READERS:
        try:
            read(text)
        except LedgerError as error:
            assert_plain(error)


def assert_plain(error: LedgerError) -> None:
    """A message that a terminal may show, of a length that a person reads."""
    assert error.message.isprintable(), error.message
    assert len(error.message) < 1000


# -- commands ----------------------------------------------------------------------

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30),
    st.sampled_from(["acme", "ann", "sales/professional", "2025-03-05", "x" * 3000]),
)  # fmt: skip
anything = st.recursive(
    scalars,
    lambda several: (
        st.lists(several, max_size=3) | st.dictionaries(st.text(max_size=9), several)
    ),
    max_leaves=8,
)
FIELDS = sorted({name for op in OPERATIONS.values() for name in op.model_fields} | {
    "account", "actor", "idempotency_key", "expect", "nobody"})  # fmt: skip
GOOD = {
    "account": "acme", "name": "Acme", "time_zone": "UTC", "term_start": "2025-03-05",
    "term_months": 12, "billing_cycle_months": 1, "user": "ann", "hub": "sales",
    "email": "ann@acme.example", "seat_type": "sales/professional", "quantity": 1,
    "mode": "peak", "entry": 1, "reason": "why", "invoice": "I-1", "period": "2025-03",
    "unit_prices": {"sales/professional": "9.00"}, "currency": "EUR",
    "unit_price": "9.00", "renewal": 1, "finding": 4, "note": "asked",
}  # fmt: skip

OTHERS = {
    "user": ["ann", "bob", "cyd"],
    "email": ["ann@acme.example", "bob@acme.example", "cyd@acme.example"],
    "hub": ["sales", "service"],
    "seat_type": ["sales/professional", "service/starter"],
    "entry": [1, 2, 5, 9],
    "mode": ["peak", "distinct"],
}  # fmt: skip


@st.composite
def commands(draw: st.DrawFn) -> Any:
    """A command with everything it needs, some of it changed to anything at all."""
    op = draw(st.sampled_from(sorted(OPERATIONS)))
    needed = {"account", *OPERATIONS[op].model_fields}
    options: dict[str, Any] = {name: GOOD[name] for name in needed if name in GOOD}
    for name in needed & set(OTHERS):
        options[name] = draw(st.sampled_from(OTHERS[name]))
    options["op"] = op
    if op == "batch":
        options["commands"] = draw(st.lists(commands(), max_size=2) | anything)
    spoilt = st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3)
    for name in draw(st.just([]) | spoilt):
        options[name] = draw(anything)
    return options


@FUZZ
@given(commands() | anything)
def test_a_command_is_read_or_refused_in_words(options: Any) -> None:
    try:
        command = read_command(options)
    except InvalidInput as error:
        assert_plain(error)
        return
    assert len(command.digest) == 32
    assert list(command.names()) is not None


@settings(FUZZ, max_examples=60)
@given(
    st.lists(
        st.binary(max_size=200)
        | commands().map(lambda c: json.dumps(c, default=str).encode())
        | anything.map(lambda c: json.dumps(c).encode("utf-8", "surrogatepass"))
    )
)
@example([b"[" * 100_000])
@example([b'{"op":' * 50_000])
@example([b'{"op": "renew", "account": "acme", "n": ' + b"9" * 5000 + b"}"])
@example([b"\xef\xbb\xbf{}", b"\x1f\x8b\x08", b"\x00", b'"\\ud800"', b"NaN"])
@example([b" " * (MAX_LINE + 1), b"{}"])
def test_every_line_of_a_file_is_a_command_or_refused(raw: list[bytes]) -> None:
    for line in read_lines(raw):
        assert (line.command is None) != (line.error is None)
        if line.error is not None:
            assert_plain(line.error)


fields = st.sampled_from(['"a"', '"b"', r'"\\u0061"', '"c:"', '" "', r'"\""'])
values = st.recursive(
    st.sampled_from(["1", "null", '"x"', '""', r'"\\"', r'"a\": 1, \"a"', '"{"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda several: f"[{','.join(several)}]"),
        st.lists(st.tuples(fields, inner), max_size=3).map(
            lambda several: "{" + " , ".join(f"{n} : {v}" for n, v in several) + "}"
        ),
    ),
    max_leaves=6,
)


@FUZZ
@given(st.lists(st.tuples(fields, values), max_size=3))
def test_a_field_that_stands_twice_is_refused_and_nothing_else_is(
    message: list[tuple[str, str]],
) -> None:
    text = "{" + ",".join(f"{name}:{value}" for name, value in message) + "}"
    twice = []

    def note(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    read = json.loads(text, object_pairs_hook=note)
    if any(twice):
        with pytest.raises(InvalidInput, match="appears twice in one command"):
            parse_line(text.encode())
    else:
        assert parse_line(text.encode()) == read


def test_a_file_of_anything_leaves_a_ledger_that_is_whole(
    database: str, ledger: CommandService
) -> None:
    """Commands that are almost right, many of them right, one file after another."""
    counted: Counter[str] = Counter()

    @settings(FUZZ, max_examples=80)
    @given(st.lists(commands(), min_size=1, max_size=12))
    def fuzz(message: list[Any]) -> None:
        counted["files"] += 1
        own = f"acme{counted['files']}"  # one that is closed takes nothing more
        texts = [json.dumps(row) for row in (json.loads(OPENING), *message)]
        good = json.dumps(GOOD["account"])
        lines = [
            text.replace(f'"account": {good}', f'"account": "{own}"').encode(
                "utf-8", "surrogatepass"
            )
            for text in texts
        ]
        for outcome in import_file(ledger, lines, keep_going=True):
            counted[outcome.outcome] += 1
            counted[outcome.code or outcome.op or ""] += 1

    fuzz()
    assert counted["recorded"] > counted["files"]
    assert len([code for code in counted if code in REFUSALS]) > 4, counted
    with ConnectedReader(database):
        assert {row.status for row in verify(database, full=True).rows} == {"same"}


OPENING = json.dumps(
    {
        "op": "open_account",
        **{name: GOOD[name] for name in OPERATIONS["open_account"].model_fields
           if name in GOOD and name != "reason"},
        "account": "acme",
    }
).encode()  # fmt: skip


# -- invoices from elsewhere -------------------------------------------------------

HEADER = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount"
CELLS = ["acme", "I-1", "5", "2025-03-05", "sales/professional", "1", "30.00", "30.00"]
cells = st.one_of(
    st.sampled_from(
        [*CELLS, "", '"', '""', "1e9", "-", "1,0", "9" * 3000, "#1", "NaN"]
    ),
    st.text(max_size=20),
)
rows = st.lists(cells, max_size=10).map(",".join)
files = st.one_of(
    st.binary(max_size=400),
    st.lists(st.text(max_size=40)).map(lambda lines: "\n".join(lines).encode()),
    st.lists(rows, max_size=5).map(
        lambda message: "\n".join([HEADER, *message]).encode()
    ),
    st.lists(st.tuples(st.integers(0, 7), cells), max_size=3).map(
        lambda changes: _changed(dict(changes))
    ),
)


def _changed(changes: dict[int, str]) -> bytes:
    row = [changes.get(place, cell) for place, cell in enumerate(CELLS)]
    return "\n".join([HEADER, ",".join(CELLS), ",".join(row)]).encode()


@FUZZ
@given(files)
@example(b'"' + b"a\n" * 200_000)
@example((HEADER + '\n"').encode() + b"x\n" * 200_000)
@example(HEADER.encode() + b"\n" + b"," * 500_000)
def test_a_file_of_invoice_lines_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.csv"
        path.write_bytes(content)
        try:
            list(InvoiceFile(path).lines())
        except LedgerError as error:
            assert_plain(error)


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\u202e", "a\nb", "\ud800"])
def test_a_foreign_text_is_shown_harmless_in_messages(text: str) -> None:
    assert shown(text).isprintable()
