"""Whatever rests on a window says so, in every answer and every form (R85, R89).

Two ledgers have the same history, but for this: what the one knows from dated lists,
with a window, the other knows exactly, at an instant early in it. Where an answer
of the two differs, it rests on a window; the first ledger's must then show that.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from seat_ledger.cli.output.csv_headers import HEADERS
from seat_ledger.projections.exports import FIELDS
from tests.in_process import Program
from tests.program import ANN, BUY, OPEN, PRO

INSIDE = "2025-03-11"
"""A moment at which Bob may have had his seat already."""
LEAVING = "2025-03-16"
"""A moment at which Cat may have left hers."""
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
    "invoice audit": [("{lines}",)],
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
    "user history": [("bob", "-a", "acme")],
    "user list": [
        ("-a", "acme", "--as-of", INSIDE),
        ("-a", "acme", "--as-of", LEAVING),
    ],
}
"""What is asked of each command that answers about holders or figures."""

ELSEWHERE = {
    "account let-read", "account readers", "account stop-reading", "billing periods",
    "billing policy", "catalogue list", "db migrate", "db start", "db status",
    "db stop", "doctor", "import", "integrity check-proof", "integrity seal",
    "integrity verify", "projection rebuild", "projection resume", "projection run",
    "projection status", "projection verify", "source check", "source list",
}  # fmt: skip
"""What says nothing of holders or figures."""
OWN = {
    "invoice list": "what was invoiced is what was invoiced: 'invoice show' says more",
    "report": "its files are opened below",
    "snapshot": "its rows are the windows themselves",
    "source compare": "counts what a list changes",
}


def test_each_command_is_in_one_of_the_lists() -> None:
    assert {*ANSWERS, *ELSEWHERE, *OWN} == {*HEADERS}


class Derived(NamedTuple):
    """What lists saw: after when, and by when."""

    op: str
    user: str
    after: str
    at: str

    def command(self, *, exact: bool) -> dict[str, Any]:
        fields = {"op": self.op, "account": "acme", "user": self.user, "seat_type": PRO}
        if exact:
            return {**fields, "effective_at": self.after.replace(":07Z", ":30Z")}
        return {**fields, "effective_after": self.after, "effective_at": self.at}


DERIVED = [
    Derived("assign_seat", "bob", "2025-03-10T02:07Z", "2025-03-12T02:05Z"),
    Derived("unassign_seat", "cat", "2025-03-15T02:07Z", "2025-03-17T02:05Z"),
    Derived("unassign_seat", "bob", "2025-03-20T02:07Z", "2025-03-22T02:05Z"),
    Derived("assign_seat", "cat", "2025-04-10T02:07Z", "2025-04-12T02:05Z"),
]
LATE = [
    Derived("assign_seat", "dan", "2025-03-24T02:07Z", "2025-03-26T02:05Z"),
    Derived("unassign_seat", "dan", "2025-03-28T02:07Z", "2025-03-30T02:05Z"),
]
"""Recorded when the period had been invoiced: a correction rests on it."""
START = "2025-03-05"


def commands(*, exact: bool) -> list[dict[str, Any]]:
    """The history, as lists saw it or as it was."""
    people = [
        {**ANN, "user": user, "email": f"{user}@acme.example", "name": user.title()}
        for user in ("ann", "bob", "cat", "dan")
    ]
    given = [
        {"op": "assign_seat", "account": "acme", "user": user, "seat_type": PRO,
         "seat": f"{PRO}#{number}", "effective_at": "2025-03-06T09:00Z"}
        for number, user in ((1, "ann"), (3, "cat"))
    ]  # fmt: skip
    access = [
        {"op": "grant_hub_access", "account": "acme", "user": user, "hub": "sales",
         "effective_at": START}
        for user in ("ann", "bob", "cat", "dan")
    ]  # fmt: skip

    def invoice(number: str, period: str) -> dict[str, Any]:
        return {"op": "issue_invoice", "account": "acme", "invoice": number,
                "period": period, "unit_prices": {PRO: "90.00"},
                "currency": "EUR"}  # fmt: skip

    return [
        {**OPEN, "time_zone": "UTC", "term_months": 240},
        {"op": "set_billing_policy", "account": "acme", "mode": "time_weighted",
         "effective_at": START},
        {**BUY, "quantity": 4},
        *people,
        *access,
        *given,
        *(derived.command(exact=exact) for derived in DERIVED),
        invoice("INV-1", "2025-03-05"),
        *(derived.command(exact=exact) for derived in LATE),
        invoice("INV-2", "2025-04-05"),
    ]  # fmt: skip


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


# -- telling what differs -------------------------------------------------------------

NOW = re.compile(
    r"\b20(2[6-9]|[3-9]\d)-\d\d-\d\d[T ][\d:.]+Z?|[0-9a-f]{64}|[0-9a-f-]{36}"
)
"""When something was recorded, digests and random ids: they differ in any case."""
SAID = re.compile(r"02:07|\d to \d|between")
"""How a text says that it rests on a window: the other end, or two quantities."""


def hidden(seen: Any, exact: Any, above: bool = False, path: str = "") -> Iterator[str]:
    """Where two documents differ, and nothing in the first or around says why."""
    says = above or _says(seen)
    if isinstance(seen, dict) and isinstance(exact, dict):
        for key in seen.keys() | exact.keys():
            at = f"{path}.{key}"
            if key == "windows" or key.endswith(_MARKS) or at.endswith(_AS_ISSUED):
                continue
            of_rows = at in SUMS and _says(seen.get("rows"))
            yield from hidden(seen.get(key), exact.get(key), says or of_rows, at)
    elif isinstance(seen, list) and isinstance(exact, list) and len(seen) == len(exact):
        for n, (one, other) in enumerate(zip(seen, exact, strict=True)):
            yield from hidden(one, other, above, f"{path}[{n}]")
    elif seen != exact and not says:
        yield f"{path}: {seen} / {exact}"


_MARKS = ("_after", "_least", "_most")
SUMS = (".amount", ".totals")
"""Sums of the rows beside them, which say what they rest on."""
_AS_ISSUED = (".data.lines", ".data.corrections")
"""An invoice as it was recorded: 'invoice show' says what its lines rest on."""


def _says(row: Any) -> bool:
    if isinstance(row, list):
        return any(map(_says, row))
    if not isinstance(row, dict):
        return False
    if any(row.get(key) for key in row if key == "windows" or key.endswith("_after")):
        return True
    return any(
        row[key] != row.get(f"{key.removesuffix('_least')}_most")
        for key in row
        if key.endswith("_least")
    )


def test_every_answer_says_that_it_rests_on_a_window(ledgers: Ledgers) -> None:
    failures, differing = [], set()
    for command, questions in ANSWERS.items():
        for words in questions:
            for form in ("json", "csv", "table")[: 2 if command == "export" else 3]:
                asked = [*command.split(), *ledgers.fill(words), "--format", form]
                seen, exact = (
                    ledger.run(*asked) for ledger in (ledgers.seen, ledgers.exact)
                )
                assert seen.status in {0, 3}, (asked, seen.err)
                texts = [NOW.sub("", done.out) for done in (seen, exact)]
                if texts[0] == texts[1]:
                    continue
                differing.add(command)
                if form == "csv" and SAID.search(seen.err):
                    continue  # of what no row is about, a message says it
                failures += [
                    f"{' '.join(asked)}: {place}" for place in _hidden(form, *texts)
                ]
    assert not failures, "\n".join(failures)
    # Of what does not differ nothing was shown.
    assert differing == {*ANSWERS}


def _hidden(form: str, seen: str, exact: str) -> Iterator[str]:
    if form == "json":
        yield from hidden(json.loads(seen), json.loads(exact))
    elif form == "csv":
        rows = [list(csv.DictReader(io.StringIO(text))) for text in (seen, exact)]
        plain = [[_row(row) for row in each] for each in rows]
        yield from hidden(*plain)
    elif not SAID.search(seen):
        yield seen


def _row(row: dict[str, str]) -> dict[str, Any]:
    """A row of CSV, in which a cell of JSON is what it says."""
    return {
        key: json.loads(cell) if cell[:1] in {"[", "{"} else cell or None
        for key, cell in row.items()
    }
