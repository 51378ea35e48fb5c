"""Texts that an enemy would give, in every field: shown harmless in every output."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest

from seat_ledger.cli.main import main
from seat_ledger.commands.service import CommandService
from tests.support.waiting import AT_MOST

PRO = "sales/professional"
TEXTS = (
    "'; DROP TABLE ledger.stored_events; --",
    "=cmd|' /C calc'!A0",
    "-2+3+cmd|x",
    "@SUM(A1)",
    "\t=1+1",
    "\uff1d1+1",
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31mred\x9d0;owned\x9c",
    "\u202efdp.exe\u2066",
    "\ufffe\uffff\ud7ff\U0001f469\u200d\U0001f4bb",
    "first\u2028second\u0085third\nfourth",
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>',
    "%s %(x)s {0} {{7*7}} [red]${jndi:x}`id`$(id)",
)
KEYS = (
    "=1+1",
    "<b>k</b>".replace("/", ""),
    "$(id)",
    "';--",
    "a\u202eb",
    "-x",
    "%s{{}}",
)
ADDED = ("-a", "acme", "--email", "a@x.example", "--name")
VISIBLE = {"\n", "\t"}


def harmless(text: str) -> bool:
    """Whether nothing of it drives a terminal or turns the order of a text."""
    return not harmful(text)


def harmful(text: str) -> list[str]:
    """What does, with what stands before it."""
    return [
        text[max(0, place - 60) : place + 1]
        for place, char in enumerate(text)
        if (unicodedata.category(char) == "Cc" and char not in VISIBLE)
        or unicodedata.category(char) in {"Zl", "Zp"}
        or unicodedata.bidirectional(char)
        in {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    ]


@pytest.fixture
def shops(database: str, ledger: CommandService) -> str:
    """An account per key, and a user per text in each."""
    at = {"effective_at": "2025-03-05"}
    for key, text in zip(KEYS, TEXTS, strict=False):
        ledger.open_account(
            key, name=text, time_zone="UTC", term_start="2025-03-05", term_months=12,
            billing_cycle_months=1, actor=f"system:{text}", reason=text,
        )  # fmt: skip
        ledger.buy_seats(key, seat_type=PRO, quantity=2, reason=text, **at)
    for n, text in enumerate(TEXTS):
        key = KEYS[n % len(KEYS)]
        ledger.add_user(
            key, user=KEYS[(n + 1) % len(KEYS)] + str(n), email=f"u{n}@x.example",
            name=text, seats=[PRO] if n < len(KEYS) else [], reason=text,
            idempotency_key=text, **at,
        )  # fmt: skip
    return database


def questions() -> list[list[str]]:
    query = [
        ["account", "list"],
        ["event", "list"],
        ["event", "show", "1"],
        ["user", "find", "="],
        ["user", "find", "<script>"],
        ["billing", "counts", "--all", "--period", "2025-03"],
    ]
    for key in KEYS:
        account = ["-a", key]
        query += [
            ["account", "show", "--", key],
            ["user", "list", *account],
            ["seat", "list", *account],
            ["seat", "who", f"{PRO}#1", *account, "--as-of", "2025-03-06"],
            ["seat", "history", f"{PRO}#1", *account],
            ["event", "replay", *account],
        ]
    return query


def test_hostile_texts_are_shown_harmless_and_read_back_as_entered(
    shops: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = ""
    for words in questions():
        for form in ("table", "json", "jsonl", "csv"):
            options = ["--database", shops, "--format", form]
            assert main([words[0], words[1], *options, *words[2:]]) == 0, words
            out = capsys.readouterr().out
            assert harmless(out), (words, form, out)
            if form == "json":
                seen += str(list(texts_of(json.loads(out))))
            if form == "csv":
                assert_no_formula(out)
    for text in (*TEXTS, *KEYS):
        assert repr(text)[1:-1] in seen, text
    with psycopg.connect(shops) as connection:
        (count,) = connection.execute("SELECT count(*) FROM ledger.stored_events")
    assert count[0] > 40


def texts_of(value: Any) -> Any:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, str):
        yield value


def assert_no_formula(out: str) -> None:
    for row in csv.reader(io.StringIO(out)):
        for cell in row:
            if cell[:1] and cell[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20":
                assert re.fullmatch(r"[+-]?\d+(\.\d+)?", cell), cell


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        self.tags |= {tag, *(name for name, _ in attrs)}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_reports_show_hostile_texts_as_text(shops: str, tmp_path: Path) -> None:
    shown = ""
    for key in KEYS:
        for name in ("out.html", "out.xlsx"):
            words = ["report", "--database", shops, "-a", key, "--period", "2025-03"]
            assert main([*words, "--output", str(tmp_path / name)]) == 0
        content = (tmp_path / "out.html").read_text()
        page = Page(content)
        assert not harmful(content), key
        assert not page.tags & {"script", "img", "onerror", "onload", "href", "src"}
        shown += page.text
        for sheet in openpyxl.load_workbook(tmp_path / "out.xlsx"):
            for row in sheet.iter_rows():
                assert "f" not in {cell.data_type for cell in row}
    assert TEXTS[0] in shown
    assert KEYS[1] in shown


@pytest.mark.parametrize(
    "words",
    [
        ["\x1b[31mseat"],
        ["seat", "\x9b31m"],
        ["seat", "list", "--\x1b[31m"],
        ["seat", "list", "-a", "\x1b[31m\u202e"],
        ["seat", "who", "\x1b[31m#1", "-a", "acme"],
        ["seat", "who", f"{PRO}#1", "-a", "acme", "--as-of", "\x1b[31m"],
        ["event", "list", "--limit", "\x1b[31m"],
        ["event", "list", "--known-at", "9" * 5000],
        [
            "user",
            "add",
            "\udcff",
            "-a",
            "acme",
            "--email",
            "a@x.example",
            "--name",
            "A",
        ],
        [
            "user",
            "add",
            "a",
            "-a",
            "acme",
            "--email",
            "a@x.example",
            "--name",
            "\udcff",
        ],
        ["user", "find", "\udcff"],
        ["user", "history", "\udcff", "-a", "acme"],
        ["invoice", "show", "\udcff"],
        ["billing", "counts", "--all", "--known-at", "0001q1"],
        ["seat", "assign", "a\x00", PRO, "-a", "acme"],
        ["user", "erase", "\x1b[31m", "-a", "acme", "--reason", "x", "--yes"],
        ["import", "/nowhere/\x1b[31m"],
        ["invoice", "audit", "/nowhere/\x1b[31m\udcff"],
    ],
)
def test_hostile_words_get_an_answer_in_plain_words(
    database: str,
    ledger: CommandService,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    ledger.open_account(
        "acme", name="Acme", time_zone="UTC", term_start="2025-03-05", term_months=12,
        billing_cycle_months=1,
    )  # fmt: skip
    for form in ([], ["--format", "json"]):
        status = main(["--database", database, *words, *form])
        message = capsys.readouterr()
        assert status in {0, 1, 2}, (words, message.err)
        assert harmless(message.out + message.err), message
        assert len(message.err) < 2000


def test_a_command_to_try_is_one_that_a_shell_takes_literally(
    shops: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in KEYS:
        assert main(["--database", shops, "seat", "who", f"{PRO}#99", "-a", key]) == 1
        tried = capsys.readouterr().err.strip().splitlines()[-1]
        words = shlex.split(tried.removeprefix("Try: "))
        shown = key.encode("unicode_escape").decode() if "\u202e" in key else key
        assert words[-1] == shown, tried


def test_a_line_without_end_takes_no_memory(tmp_path: Path, database: str) -> None:
    code = (
        "import re, sys; from seat_ledger.cli.main import main; "
        "status = main(sys.argv[1:]); used = open('/proc/self/status').read(); "
        "print(status, int(re.search(r'VmHWM:\\s+(\\d+)', used)[1]) // 1024)"
    )  # ru_maxrss would count what the process that starts it has used
    long = tmp_path / "long"
    with long.open("wb") as file:
        file.truncate(1 << 30)
    for words in (["import", str(long)], ["invoice", "audit", str(long)]):
        done = subprocess.run(
            [sys.executable, "-c", code, "--database", database, *words],
            capture_output=True,
            text=True,
            timeout=AT_MOST,
            check=True,
        )
        status, mebibytes = map(int, done.stdout.splitlines()[-1].split())
        assert status == 2, done.stderr
        assert mebibytes < 250
