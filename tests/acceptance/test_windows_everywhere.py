"""Whatever rests on a window says so, in every answer and every form (R85, R89).

Two ledgers have the same history, but for this: what the one knows from dated lists,
with a window, the other knows exactly, at an instant early in it. Where an answer
of the two differs, it rests on a window; the first ledger's must then show that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl
import pytest

from seat_ledger.cli.output.csv_headers import HEADERS
from seat_ledger.projections.exports import FIELDS
from tests.in_process import Program
from tests.program import PRO
from tests.support.windows import (
    INSIDE,
    LEAVING,
    NOW,
    START,
    WINDOW_TEXT,
    commands,
    hidden,
    hidden_in,
)

ACME = ("-a", "acme")
FIGURE = (*ACME, "--period", "2025-03-05")
PRICE = ("--unit-price", f"{PRO}=90.00")
LINES = "account,invoice,issued_at,period,seat_type,quantity,unit_price,amount\n"

ANSWERS: dict[str, list[tuple[str, ...]]] = {
    "account advise": [(*ACME, "--as-of", INSIDE)],
    "account renewals": [(*ACME, "--as-of", INSIDE)],
    "account list": [("--as-of", INSIDE), ("--as-of", LEAVING)],
    "account show": [("acme", "--as-of", INSIDE), ("acme", "--as-of", LEAVING)],
    "billing compare": [("-a", "acme", "--known-at", "6", "--known-at", "{head}")],
    "billing counts": [
        (*FIGURE, "--mode", "all", *PRICE),
        ("--all", "--from", "2025-03-08", "--until", "2025-04-20", *PRICE),
    ],
    "billing explain": [
        (*FIGURE, "--seat-type", PRO, "--mode", mode, *PRICE)
        for mode in ("time_weighted", "peak")
    ],
    "billing idle": [
        ("-a", "acme", "--as-of", LEAVING),
        ("-a", "acme", "--as-of", INSIDE),
        FIGURE,
    ],
    "event list": [("-a", "acme")],
    "event replay": [("-a", "acme")],
    "event show": [("{opening}",)],
    "export": [(name, "-a", "acme") for name in FIELDS],
    "invoice audit": [("{lines}",), ("{lines}", "--findings")],
    "invoice reproduce": [("INV-1",), ("INV-2",)],
    "invoice show": [("INV-1",), ("INV-2",)],
    "seat history": [(f"{PRO}#2", "-a", "acme")],
    "seat list": [
        ("-a", "acme", "--as-of", INSIDE),
        ("-a", "acme", "--as-of", LEAVING),
    ],
    "seat who": [
        (f"{PRO}#2", "-a", "acme", "--as-of", INSIDE),
        (f"{PRO}#3", "-a", "acme", "--as-of", LEAVING),
        ("--user", "bob", "-a", "acme", "--as-of", INSIDE),
        ("--user", "cat", "-a", "acme", "--as-of", LEAVING),
        (f"{PRO}#2", "-a", "acme", "--during", "2025-03"),
    ],
    "user access": [
        ("bob", PRO, "-a", "acme", "--as-of", INSIDE),
        ("cat", PRO, "-a", "acme", "--as-of", LEAVING),
    ],
    "user find": [("b", "--as-of", INSIDE)],
    "user history": [("bob", *ACME), ("bob", *ACME, "--as-of", INSIDE)],
    "user list": [
        ("-a", "acme", "--as-of", INSIDE),
        ("-a", "acme", "--as-of", LEAVING),
    ],
}
"""What is asked of each command that answers about holders or figures."""

OWN = {
    "finding list": "what an audit found when the finding was kept",
    "invoice list": "what was invoiced is what was invoiced: 'invoice show' says more",
    "report": "its files are opened below",
    "snapshot": "its rows are the windows themselves",
    "source compare": "counts what a list changes",
}


OF_HOLDERS = re.compile(
    r"(.*\.)?(quantity|.*_quantity.*|quantity_.*|assigned|held.*|holder.*|idle_.*|seats?)"
)
"""The columns of what may rest on a window: holders, and what is counted of them."""


def test_each_command_that_speaks_of_holders_is_asked_here() -> None:
    speaking = {
        command
        for command, header in HEADERS.items()
        if any(OF_HOLDERS.fullmatch(name) for name in header)
    }
    assert speaking - {*OWN} <= {*ANSWERS}
    assert {*ANSWERS} <= {*HEADERS}


class Ledgers(NamedTuple):
    """The one that knows from lists, and the one that knows exactly."""

    seen: Program
    exact: Program
    words: dict[str, str]

    def fill(self, words: tuple[str, ...]) -> list[str]:
        return [word.format(**self.words) if "{" in word else word for word in words]


@pytest.fixture(scope="module")
def ledgers(
    shared_database: str, second_database: str, tmp_path_factory: Any
) -> Ledgers:
    folder = tmp_path_factory.mktemp("lines")
    programs = []
    for database, exact in ((shared_database, False), (second_database, True)):
        program = Program(database, folder)
        positions = program.import_(commands(exact=exact))
        programs.append(program)
    lines = folder / "lines.csv"
    lines.write_text(
        f"{LINES}acme,X-1,2025-04-06T00:00:00Z,{START},{PRO},3,90.00,270.00\n"
    )
    words = {"head": f"{positions[-1][-1]}", "lines": f"{lines}"}
    words["opening"] = f"{positions[13][-1]}"
    return Ledgers(programs[0], programs[1], words)


def test_every_answer_says_that_it_rests_on_a_window(ledgers: Ledgers) -> None:
    failures, differing = [], set()
    for command, questions in ANSWERS.items():
        for words in questions:
            for form in ("json", "csv", "table")[: 2 if command == "export" else 3]:
                query = [*command.split(), *ledgers.fill(words), "--format", form]
                seen, exact = (
                    ledger.run(*query) for ledger in (ledgers.seen, ledgers.exact)
                )
                assert seen.status in {0, 3}, (query, seen.err)
                texts = [NOW.sub("", done.out) for done in (seen, exact)]
                if texts[0] == texts[1]:
                    continue
                differing.add(command)
                if form == "csv" and WINDOW_TEXT.search(seen.err):
                    continue  # of what no row is about, a message says it
                failures += [
                    f"{' '.join(query)}: {place}" for place in hidden_in(form, *texts)
                ]
    assert not failures, "\n".join(failures)
    # Of what does not differ nothing was shown.
    assert differing == {*ANSWERS}


@pytest.mark.parametrize("suffix", ["html", "xlsx"])
def test_every_report_says_that_it_rests_on_a_window(
    ledgers: Ledgers, tmp_path: Path, suffix: str
) -> None:
    reports = {
        "report": ("report", *FIGURE, "--mode", "time_weighted", *PRICE, "-o"),
        "audit": ("invoice", "audit", ledgers.words["lines"], "--report"),
    }
    for name, words in reports.items():
        files = [tmp_path / f"{name}-{kind}.{suffix}" for kind in ("seen", "exact")]
        for ledger, file in zip(ledgers[:2], files, strict=True):
            done = ledger.run(*words, file)
            assert done.status in {0, 3}, done.err
        if suffix == "xlsx":
            seen, exact = map(_tables, files)
            assert seen != exact
            assert not list(hidden(seen, exact))
        else:
            lines, others = map(_lines, files)
            assert lines != others
            assert all(WINDOW_TEXT.search(line) for line in lines)
            assert "least" in files[0].read_text()
            assert "least" not in files[1].read_text()


def _lines(file: Path) -> list[str]:
    """The lines of a page, each with what is unfolded beneath it."""
    bodies = re.findall(r'<tbody class="line.*?</tbody>', file.read_text(), re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", body).split()) for body in bodies]


def _tables(file: Path) -> list[list[dict[str, str]]]:
    """The rows of a workbook's sheets, by names as a document has them.

    Without sums: the rows above, which they are of, say what they rest on.
    """
    tables = []
    for name in ("Lines", "Events", "Holders"):
        header, *rows = openpyxl.load_workbook(file)[name].iter_rows(values_only=True)
        names = [f"{title}".replace(" (UTC)", "").replace(" ", "_") for title in header]
        tables.append(
            [
                {
                    name: NOW.sub("", f"{cell}")
                    for name, cell in zip(names, row, strict=True)
                    if cell is not None
                }
                for row in rows
                if not any(str(cell).startswith("total ") for cell in row)
            ]
        )
    return tables
