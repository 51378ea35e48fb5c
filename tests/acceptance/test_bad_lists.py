"""Lists and logs that cannot be right: refused with a way out, and nothing recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seat_ledger.sources.shipped import shipped_text
from tests.in_process import Program, run

SEATS = ("--with", "github-copilot-seats", "-a", "acme")
AUDIT = ("--with", "github-copilot-audit", "-a", "acme")
OPEN = {"op": "open_account", "account": "acme", "name": "Acme",
        "term_start": "2025-03-05", "term_months": 12,
        "billing_cycle_months": 1}  # fmt: skip


def seat(number: int | None, plan: str = "business", **of: Any) -> dict[str, Any]:
    assignee = {"id": number, "login": f"login{number}", **of}
    return {"created_at": "2025-03-01T10:00:00Z", "plan_type": plan,
            "pending_cancellation_date": None,
            "assignee": assignee if number is not None else None}  # fmt: skip


def page(*seats: dict[str, Any], total: int | None = None) -> str:
    count = len(seats) if total is None else total
    return json.dumps({"total_seats": count, "seats": list(seats)}, indent=1) + "\n"


class Ledger:
    """An account in Havana, whose clocks show one midnight of 2025 twice, and a list of
    six holders that is recorded.
    """

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder
        types = [
            {"op": "add_seat_type", "seat_type": f"copilot/{tier}"}
            for tier in ("business", "enterprise")
        ]
        program.record(*types, {**OPEN, "time_zone": "America/Havana"})
        known_at = page(*(seat(number) for number in range(1, 7)))
        assert self.snapshot(known_at, "2025-03-10T12:00Z").status == 0

    def file(self, content: str | bytes, name: str = "list.json") -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def snapshot(self, content: str | bytes, taken_at: str, *words: str) -> Any:
        file = self.file(content)
        at = ("--taken-at", taken_at)
        return self.program.run(
            "snapshot", file, *SEATS, *at, *words, "--format", "json"
        )

    def events(self) -> list[Any]:
        return self.program.json("event", "list")["rows"]

    def refused(self, done: Any, *, status: int) -> dict[str, Any]:
        """What is said of it: in one line for programs, with what to do next."""
        assert done.status == status, (done.status, done.err, done.out)
        error: dict[str, Any] = json.loads(done.err.splitlines()[-1])
        assert error["exit"] == status
        assert error["try"], error
        assert "Traceback" not in done.err
        return error


@pytest.fixture(scope="module")
def ledger(shared_database: str, tmp_path_factory: Any) -> Ledger:
    folder = tmp_path_factory.mktemp("lists")
    return Ledger(Program(shared_database, folder), folder)


SIX = [seat(number) for number in range(1, 7)]
NIGHT = "2025-03-11T12:00Z"
LISTS: dict[str, tuple[str, str, int, str, str]] = {
    "cut off in the middle": (page(*SIX)[:-60], NIGHT, 2, "list.json:", "cut off"),
    "a page lost": (page(*SIX, total=9), NIGHT, 1, "snapshot_not_whole", "has 6"),
    "an empty list": (page(), NIGHT, 1, "snapshot_not_whole", "nobody"),
    "an empty file": ("", NIGHT, 1, "snapshot_not_whole", "nobody"),
    "one person, two types of one hub": (
        page(*SIX, seat(1, "enterprise")), NIGHT, 2, "list.json:",
        "the hub allows one"),
    "two ids with one e-mail": (
        page(*SIX, seat(7, email="a@x.example"), seat(8, email="A@x.example")),
        NIGHT, 2, "list.json:", "has the e-mail address of 'gh-7' in line"),
    "an id with two e-mails": (
        page(*SIX, seat(7, email="a@x.example"), seat(7, email="b@x.example")),
        NIGHT, 2, "list.json:", "has another e-mail address in line"),
    "a type that is not in the catalogue": (
        page(*SIX).replace("business", "pro"), NIGHT, 2, "list.json:", "'pro'"),
    "a time without zone in the list": (
        page(*SIX).replace("10:00:00Z", "10:00:00"), NIGHT, 2, "list.json:",
        "has no offset"),
    "older than the account": (
        page(*SIX), "2025-03-04T12:00Z", 1, "before_term", "acme"),
    "in the future": (
        page(*SIX), "2999-01-01T00:00Z", 1, "effective_in_future", "2998-12-31"),
    "at no moment": (page(*SIX), "the other day", 2, "invalid_input", "the other day"),
    "at a midnight that comes twice": (
        page(*SIX), "2025-11-02 00:30", 1, "ambiguous_time", "2025-11-02"),
    "half of them gone": (page(*SIX[:2]), NIGHT, 1, "vanished", "4 of 6"),
}  # fmt: skip


def test_a_list_that_cannot_be_right_is_refused_and_nothing_is_recorded(
    ledger: Ledger,
) -> None:
    before = ledger.events()
    failures = []
    for name, (content, at, status, where, words) in LISTS.items():
        done = ledger.snapshot(content, at)
        error = ledger.refused(done, status=status)
        if where not in f"{error['code']} {error['message']}" or words not in str(
            error
        ):
            failures.append(f"{name}: {error}")
    assert not failures, "\n".join(failures)
    assert ledger.events() == before


def test_a_list_of_a_type_that_the_ledger_has_not_names_a_command_that_adds_it(
    ledger: Ledger, tmp_path: Path
) -> None:
    text = shipped_text("github-copilot-seats")
    mapping = tmp_path / "pro.toml"
    mapping.write_text(text.replace("copilot/business", "copilot/pro"))
    file = ledger.file(page(*SIX, seat(1, "enterprise")))  # two types of one hub
    done = ledger.program.run(
        "snapshot", file, "--with", mapping, "-a", "acme", "--taken-at", NIGHT,
        "--format", "json",
    )  # fmt: skip
    error = ledger.refused(done, status=1)
    assert error["code"] == "unknown_seat_type"
    words = error["try"].partition("seat-ledger ")[2].split()
    assert words == ["catalogue", "add", "copilot/pro"]
    assert ledger.program.run(*words).status == 0


def test_a_person_whom_another_vendor_calls_otherwise_needs_another_account(
    ledger: Ledger,
) -> None:
    before = ledger.events()
    rows = [*SIX[1:], seat(9, email="1+login1@users.noreply.github.com")]
    done = ledger.snapshot(page(*rows), NIGHT)
    assert done.status == 1, done.err
    (row,) = [row for row in json.loads(done.out)["rows"] if row["user"] == "gh-9"]
    assert (row["outcome"], row["code"]) == ("refused", "email_taken")
    assert "give each vendor an account of its own" in row["try"]
    assert ledger.events() == before


def test_what_is_unusual_and_right_is_taken(ledger: Ledger) -> None:
    """A seat without a holder, the same rows twice, an id with another e-mail, at a
    period's bound, and on either side of a midnight that comes twice.
    """
    period = "2025-04-05T04:00:00Z"  # the first instant of 5 April in Havana
    rows = [*SIX, SIX[0], seat(None)]
    done = ledger.snapshot(page(*rows, total=7), period, "--check")
    assert done.status == 3, done.err
    (bought,) = json.loads(done.out)["rows"]
    assert (bought["change"], bought["effective_at"]) == ("bought", period)
    other = [seat(1, email="new@x.example"), *SIX[1:]]
    for at in (period, "2025-11-02T04:30:00Z", "2025-11-02T05:30:00Z"):
        done = ledger.snapshot(page(*other), at)
        assert done.status == 0, done.err
        assert json.loads(done.out)["snapshot"]["taken_at"] == at
    assert ledger.snapshot(page(*SIX), "2025-11-03T12:00Z").status == 0


LINE = {"@timestamp": 1741600800000, "_document_id": "d1", "org": "acme",
        "action": "copilot.cfb_seat_added", "user": "u7", "user_id": 7,
        "actor": "boss"}  # fmt: skip


OTHER = {**LINE, "action": "copilot.x"}


def test_a_log_that_cannot_be_right_is_refused_with_its_line(ledger: Ledger) -> None:
    logs = {
        "cut off": (json.dumps(LINE) + "\n" + json.dumps(LINE)[:40], ":2:"),
        "an action that no rule names": (
            f"{json.dumps(LINE)}\n{json.dumps(OTHER)}", ":2:"),
        "a time that is none": (json.dumps({**LINE, "@timestamp": "soon"}), ":1:"),
        "nobody": (json.dumps({**LINE, "user_id": None}), ":1:"),
    }  # fmt: skip
    for name, (content, line) in logs.items():
        file = ledger.file(content, "log.jsonl")
        done = run("convert", file, *AUDIT)
        assert done.status == 2
        assert f"log.jsonl{line}" in done.err, (name, done.err)
        assert "Try: " in done.err or "Expected" in done.err, (name, done.err)
        assert "Try: expected" not in done.err
        assert not done.out
    twice = {**LINE, "_document_id": "d0", "@timestamp": LINE["@timestamp"] - 1}
    file = ledger.file("\n".join(map(json.dumps, [LINE, twice, LINE])), "log.jsonl")
    lines = run("convert", file, *AUDIT).out.splitlines()
    times = [json.loads(line)["effective_at"] for line in lines]
    assert times == sorted(times)
    assert len(times) == 2


def test_what_is_no_file_of_a_vendor_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    paths = [loop, tmp_path / "missing.json", tmp_path, "/dev/zero", "/dev/null"]
    before = ledger.events()
    for path in paths:
        done = ledger.program.run(
            "snapshot", path, *SEATS, "--taken-at", NIGHT, "--format", "json"
        )
        ledger.refused(done, status=1 if path == "/dev/null" else 2)
    link = tmp_path / "link.json"
    link.symlink_to(ledger.file(page(*SIX)))
    words = (*SEATS, "--taken-at", "2025-12-01T12:00Z", "--check")
    assert ledger.program.run("snapshot", link, *words).status == 0
    assert ledger.events() == before


def test_no_cell_that_is_written_is_a_formula(ledger: Ledger) -> None:
    """What a vendor's file says comes out again as text, whatever it begins with."""
    name = '=HYPERLINK("http://x.example","@x")'
    head = "Id,Name,Username,Email,State\n"
    quoted = name.replace('"', '""')
    ledger.program.record({"op": "add_seat_type", "seat_type": "gitlab/premium"})
    file = ledger.file(f'{head}9,"{quoted}",m,,active\n', "seats.csv")
    words = ("--with", "gitlab-seats", "-a", "acme", "--taken-at", "2025-12-02T12:00Z")
    done = ledger.program.run("snapshot", file, *words, "--format", "csv")
    assert done.status in {0, 1}, done.err
    for question in (("user", "list"), ("seat", "list"), ("export", "holdings")):
        out = ledger.program.run(*question, "-a", "acme", "--format", "csv").out
        for line in out.splitlines():
            assert not line.startswith(("=", "+", "@")), line
            assert ",=" not in line, line
            assert ',"=' not in line, line


def test_an_account_that_no_key_can_be_is_wrong_usage(
    database: str, tmp_path: Path
) -> None:
    file = tmp_path / "ticks.csv"
    file.write_text("user,seat_type,ticked\n")
    done = run("seat", "save", file, "-a", "\u2028", "--database", database)
    assert done.status == 2
    assert "cannot have" in done.err
