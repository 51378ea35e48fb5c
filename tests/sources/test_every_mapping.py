"""Every shipped mapping, on files of its vendor that cannot be right, and on odd ones.

What is refused names file, line (where one is to blame) and a way out, and nothing of
it is recorded; what is only odd is taken as what it means.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seat_ledger.domain.values import hub_of
from seat_ledger.sources.mapping import BILL, EVENTS, SNAPSHOT
from seat_ledger.sources.shipped import shipped_mapping, shipped_names
from tests.in_process import Done, Program, run
from tests.sources.vendors import LISTS, LOGS, Entry, ListMaker, LogMaker, Person

NIGHT = "2025-03-12T12:00Z"
SIX = tuple(Person(number) for number in range(1, 7))


def test_every_shipped_mapping_is_tried() -> None:
    kinds = {name: shipped_mapping(name).kind for name in shipped_names()}
    assert {name for name, kind in kinds.items() if kind == SNAPSHOT} == LISTS.keys()
    assert {name for name, kind in kinds.items() if kind == EVENTS} == LOGS.keys()
    assert [name for name, kind in kinds.items() if kind == BILL] == [
        "github-usage-report"
    ]


def opened(account: str) -> dict[str, Any]:
    """An account in Havana, whose clocks show one midnight of 2025 twice."""
    return {"op": "open_account", "account": account, "name": "A",
            "time_zone": "America/Havana", "term_start": "2025-03-05",
            "term_months": 12, "billing_cycle_months": 1}  # fmt: skip


def types_of(maker: ListMaker | LogMaker) -> Iterator[dict[str, Any]]:
    for seat_type in maker.types:
        if hub_of(seat_type) not in {"sales", "service"}:
            exclusive = not (isinstance(maker, ListMaker) and maker.open_)
            line = {"op": "add_seat_type", "seat_type": seat_type}
            yield {**line, "exclusive": exclusive}


class Vendor:
    """The program on lists of one vendor, with six holders in an account of its own."""

    def __init__(self, name: str, program: Program, folder: Path) -> None:
        self.name, self.maker, self.program = name, LISTS[name], program
        self.path = folder / f"{name}.txt"

    def snapshot(
        self, content: str, *words: str, at: str = NIGHT, account: str | None = None
    ) -> Done:
        self.path.write_text(content)
        of = ("-a", account or self.name, "--taken-at", at, "--format", "json")
        return self.program.run("snapshot", self.path, "--with", self.name, *of, *words)

    def events(self) -> list[Any]:
        rows: list[Any] = self.program.json("event", "list", "-a", self.name)["rows"]
        return rows

    def refused(self, content: str, *, at: str = NIGHT) -> dict[str, Any]:
        done = self.snapshot(content, at=at)
        assert done.status in {1, 2}, (done.status, done.err, done.out)
        error: dict[str, Any] = json.loads(done.err.splitlines()[-1])
        assert error["exit"] == done.status
        assert error["try"], error
        return error

    def refused_at_a_line(self, content: str, words: str) -> None:
        error = self.refused(content)
        assert error["exit"] == 2, error
        assert f"{self.path.name}:" in error["message"], error
        assert words in error["message"], error

    def changes(self, content: str, *words: str, at: str = NIGHT) -> list[Any]:
        """What a list differs in; nothing is recorded."""
        done = self.snapshot(content, "--check", *words, at=at)
        assert done.status in {0, 3}, done.err
        rows: list[Any] = json.loads(done.out)["rows"]
        assert done.status == (3 if rows else 0)
        return rows


@pytest.fixture(scope="module")
def stores(
    shared_database: str, second_database: str, tmp_path_factory: Any
) -> tuple[Program, Program]:
    """One with all types and six holders of each vendor, and one without the types."""
    folder = tmp_path_factory.mktemp("vendors")
    full, bare = (Program(name, folder) for name in (shared_database, second_database))
    types = (line for maker in LISTS.values() for line in types_of(maker))
    full.record(*{line["seat_type"]: line for line in types}.values())
    for program in (full, bare):
        program.record(*(opened(name) for name in LISTS))
    for name in LISTS:
        vendor = Vendor(name, full, folder)
        done = vendor.snapshot(vendor.maker.file(SIX), at="2025-03-10T12:00Z")
        assert done.status == 0, done.err
    return full, bare


@pytest.fixture(params=LISTS)
def vendor(request: Any, stores: tuple[Program, Program], tmp_path: Path) -> Any:
    made = Vendor(request.param, stores[0], tmp_path)
    before = made.events()
    yield made
    assert made.events() == before


def test_r83_a_list_that_is_not_whole_is_refused(vendor: Vendor) -> None:
    maker = vendor.maker
    whole = maker.file(SIX)
    assert vendor.changes(whole) == []
    # Cut off in the middle of a row, and where a row ends.
    vendor.refused_at_a_line(whole[: len(whole) - 18], "cut off")
    if maker.has_total:
        assert vendor.refused(maker.file(SIX, 9))["code"] == "snapshot_not_whole"
    if maker.more is not None:
        error = vendor.refused(maker.more(whole))
        assert error["code"] == "snapshot_not_whole"
    error = vendor.refused(maker.file(SIX[:2]))
    assert error["code"] == "vanished"
    assert "4 of 6" in error["message"]
    assert vendor.refused(maker.file(()))["code"] == "snapshot_not_whole"
    error = vendor.refused("")  # of a table the header is missing as well
    assert error["code"] == "snapshot_not_whole" or "is empty" in error["message"]


def test_a_row_that_cannot_be_right_is_refused_with_its_line(vendor: Vendor) -> None:
    maker = vendor.maker
    unknown = Person(7, "false-ish" if vendor.name == "slack-billable" else "unheard")
    content = maker.file([*SIX, unknown])
    if vendor.name == "slack-billable":
        content = content.replace("false-ish", '"perhaps"')
    vendor.refused_at_a_line(content, maker.unknown)
    if maker.has_email:
        pair = Person(7, email="a@x.example"), Person(8, email="A@x.example")
        vendor.refused_at_a_line(maker.file([*SIX, *pair]), "has the e-mail address of")
        pair = Person(7, email="a@x.example"), Person(7, email="b@x.example")
        vendor.refused_at_a_line(
            maker.file([*SIX, *pair]), "has another e-mail address"
        )
    if maker.has_since:
        naive = Person(7, since="2025-03-01T10:00:00")
        vendor.refused_at_a_line(maker.file([*SIX, naive]), "has no offset")
    if len(maker.kinds) > 1 and not maker.open_:
        twice = maker.file([*SIX, Person(1, 1)])
        vendor.refused_at_a_line(twice, "the hub allows one")


def test_a_row_that_names_nobody_is_a_seat_without_a_holder_or_refused(
    vendor: Vendor,
) -> None:
    content = vendor.maker.file([*SIX, Person(None, email="x@x.example")])
    if vendor.maker.nameless == "refused":
        vendor.refused_at_a_line(content, "the user")
        return
    changes = vendor.changes(content)
    bought = {row["change"] for row in changes}
    assert bought <= {"bought"}  # twenty are bought already where the list counts them


def test_a_time_that_cannot_be_right_is_refused(vendor: Vendor) -> None:
    whole = vendor.maker.file(SIX)
    for at, code in {
        "2025-03-04T12:00Z": "before_term",
        "2999-01-01T00:00Z": "effective_in_future",
        "2025-11-02 00:30": "ambiguous_time",
        "the other day": "invalid_input",
    }.items():
        assert vendor.refused(whole, at=at)["code"] == code


def test_what_is_odd_and_right_is_taken(vendor: Vendor) -> None:
    """Rows that stand twice, newest first, at a period's bound, and at either of two
    midnights; an id with another e-mail is the same person. Where ids are the names of
    fields, one that stands twice is refused.
    """
    maker = vendor.maker
    count = len(SIX) if vendor.name == "github-copilot-seats" else None
    twice = maker.file([*reversed(SIX), SIX[0]], count)
    if maker.is_keyed:
        vendor.refused_at_a_line(twice, "stands twice in one object")
        twice = maker.file([*reversed(SIX)], count)
    # The first instant of 5 April in Havana, and both midnights of 2 November.
    for at in ("2025-04-05T04:00Z", "2025-11-02T04:00Z", "2025-11-02T05:00Z"):
        assert vendor.changes(twice, at=at) == []
    if maker.has_email:
        moved = Person(1, email="new@x.example")
        (row,) = vendor.changes(maker.file([moved, *SIX[1:]]))
        assert (row["change"], row["outcome"]) == ("renamed", "would_record")


def test_a_type_that_is_not_in_the_catalogue_names_the_command(
    vendor: Vendor, stores: tuple[Program, Program], tmp_path: Path
) -> None:
    of_bare = Vendor(vendor.name, stores[1], tmp_path)
    before = of_bare.events()
    done = of_bare.snapshot(vendor.maker.file(SIX))
    if not list(types_of(vendor.maker)):  # the six are there from the start
        of_six = stores[1].json("catalogue", "list")["rows"]
        assert done.status == 0, done.err
        assert set(vendor.maker.types) <= {row["seat_type"] for row in of_six}
        return
    error = json.loads(done.err.splitlines()[-1])
    assert (done.status, error["code"]) == (1, "unknown_seat_type")
    assert f"seat-ledger catalogue add {vendor.maker.types[0]}" in error["try"]
    assert of_bare.events() == before


# -- logs -----------------------------------------------------------------------------

TWO = Entry(1, 10, 1), Entry(2, 20, 1, given=False)


class Log:
    """'convert' on logs of one vendor; it has no database to record in."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.maker = name, LOGS[name]
        self.path = folder / f"{name}.txt"

    def convert(self, content: str) -> Done:
        self.path.write_text(content)
        words = ("-a", "acme", *self.maker.words)
        return run("convert", self.path, "--with", self.name, *words)

    def lines(self, content: str) -> list[Any]:
        done = self.convert(content)
        assert done.status == 0, done.err
        return [json.loads(line) for line in done.out.splitlines()]

    def refused(self, content: str, words: str) -> None:
        done = self.convert(content)
        assert done.status == 2, (done.status, done.err, done.out)
        assert f"{self.path.name}:" in done.err, done.err
        assert words in done.err, done.err
        assert "Try: " in done.err or "Expected" in done.err
        assert not done.out


@pytest.fixture(params=LOGS)
def log(request: Any, tmp_path: Path) -> Log:
    return Log(request.param, tmp_path)


def test_a_log_that_cannot_be_right_is_refused_with_its_line(log: Log) -> None:
    maker = log.maker
    whole = maker.file(*TWO)
    assert len(log.lines(whole)) == 2
    log.refused(whole[: len(whole) - maker.cut], "cut off")
    log.refused(maker.file(*TWO, Entry(3, 30, 2, action="unheard.of")), "")
    if maker.unknown_kind is not None:
        content = maker.file(*TWO, Entry(3, 30, 2, kind=maker.other_kind))
        log.refused(content, maker.unknown_kind)
    if maker.names_people:
        log.refused(maker.file(*TWO, Entry(3, 30, None)), "")
    bad = Entry(3, 30, 2, at=maker.bad_time)
    log.refused(maker.file(*TWO, bad), maker.no_zone)
    assert log.lines(maker.file()) == []


def test_a_log_newest_first_or_with_lines_twice_is_what_it_says(log: Log) -> None:
    maker = log.maker
    entries = [Entry(n, n, 1, given=n % 2 == 0) for n in range(10)]
    in_order = log.lines(maker.file(*entries))
    times = [line["effective_at"] for line in in_order]
    assert times == sorted(times)
    assert len(times) == len(entries)
    assert log.lines(maker.file(*reversed(entries))) == in_order
    assert log.lines(maker.file(*reversed(entries), *entries)) == in_order


def test_a_log_of_a_type_that_is_not_in_the_catalogue_is_refused_by_the_import(
    log: Log, stores: tuple[Program, Program], tmp_path: Path
) -> None:
    bare, file = stores[1], tmp_path / "commands.jsonl"
    account = f"log-of-{log.name}"
    file.write_text(json.dumps(opened(account)) + "\n")
    assert bare.run("import", file).status == 0
    file.write_text(
        log.convert(log.maker.file(*TWO)).out.replace('"acme"', f'"{account}"')
    )
    done = bare.run("import", file, "--format", "json")
    seat_type = log.maker.types[0]
    if hub_of(seat_type) in {"sales", "service"}:
        assert done.status == 1  # the user of the file is not there yet
        assert "unknown_seat_type" not in done.out
        return
    (row, *_) = json.loads(done.out)["rows"]
    assert (done.status, row["code"]) == (1, "unknown_seat_type")
    assert f"seat-ledger catalogue add {seat_type}" in done.err
    events = bare.json("event", "list", "-a", account)["rows"]
    assert [event["event"] for event in events] == ["AccountOpened"]


# -- the bill -------------------------------------------------------------------------

HEAD = (
    "date,product,sku,quantity,unit_type,applied_cost_per_quantity,net_amount,"
    "organization\n"
)
LINE = "2025-11-01,copilot,copilot_for_business,1,user-months,19.00,19.00,acme\n"


def test_a_bill_that_cannot_be_right_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "report.csv"
    bills = {
        "cut off": (HEAD + LINE + LINE[:-20], "cut off"),
        "a kind that no rule names": (
            HEAD + LINE.replace("copilot_for", "copilot_no"), "no rule names"),
        "a price that varies": (HEAD + LINE + LINE.replace("19.00", "39.00"), "39"),
        "a quantity that is none": (HEAD + LINE.replace(",1,", ",one,"), "one"),
        "a date of another kind": (HEAD + LINE.replace("2025-11-01", "01/11/25"), ""),
        "no header": (LINE, "report.csv"),
    }  # fmt: skip
    for name, (content, words) in bills.items():
        file.write_text(content)
        done = run(
            "invoice", "convert", file, "--with", "github-usage-report",
            "-a", "acme", "--issued-at", "2025-12-01T00:00Z",
        )  # fmt: skip
        assert done.status == 2, (name, done)
        assert "report.csv" in done.err, (name, done.err)
        assert words in done.err, (name, done.err)
        assert "Try: " in done.err or "Expected" in done.err, (name, done.err)
        assert not done.out, name
