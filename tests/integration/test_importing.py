"""A file is recorded the same in whatever chunks, and whatever comes between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from seat_ledger.commands import repository
from seat_ledger.commands.service import CommandService
from seat_ledger.errors import Conflict, NotAllowed
from seat_ledger.importing import chunk as chunks
from seat_ledger.importing import lines as reading
from seat_ledger.importing import sharing
from seat_ledger.importing.files import import_file
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.importing.sharing import in_thread
from seat_ledger.projections.engine.verify import verify
from seat_ledger.store.recorder import LedgerRecorder
from tests.drafts import PRO

OPEN = {
    "op": "open_account",
    "name": "Acme",
    "time_zone": "UTC",
    "term_start": "2025-03-05",
    "term_months": 12,
    "billing_cycle_months": 1,
}
ANN = {"op": "add_user", "user": "ann", "email": "ann@x.example", "name": "Ann"}
BUY = {"op": "buy_seats", "seat_type": PRO, "quantity": 1}
GIVE = {"op": "assign_seat", "user": "ann", "seat_type": PRO}
SEAT = {"seat_type": PRO}
TAKE = {"op": "unassign_seat", "user": "ann", "seat_type": PRO}
WRONG = {"expect": "refused"}
UNBUY = {"op": "reverse", "entry_key": "two", "reason": "one too many"}

HISTORY = [
    OPEN,
    ANN,
    {**GIVE, **WRONG},
    BUY,
    {**BUY, "idempotency_key": "two"},
    GIVE,
    {**GIVE, **WRONG},
    {**BUY, "idempotency_key": "two"},
    TAKE,
    UNBUY,
    GIVE,
    {**ANN, "user": "bob", "email": "bob@x.example"},
    {**GIVE, "user": "bob"},
    BUY,
]
"""The last but one is refused: Ann has the only seat, and bob was added just before."""


Record = Callable[..., Iterator[LineOutcome]]


@pytest.fixture(params=["alone", "shared"])
def record(request: pytest.FixtureRequest) -> Record:
    """Record lines in one process, or as several do, of which each is a thread here."""

    def record(
        ledger: CommandService, lines: Any, **options: Any
    ) -> Iterator[LineOutcome]:
        if request.param == "shared":
            options |= {"workers": 2, "start": in_thread}
        return import_file(ledger, lines, **options)

    return record


def lines(*commands: dict[str, Any]) -> Iterator[bytes]:
    for n, command in enumerate(commands):
        at = (
            {}
            if command["op"] == "reverse"
            else {"effective_at": f"2025-04-{n + 1:02}"}
        )
        if command.get("idempotency_key"):
            at = {"effective_at": "2025-04-01"}
        yield json.dumps({"account": "acme", **at, **command}).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_a_file_is_reported_line_by_line_up_to_the_refused_one(
    database: str, record: Record, size: int
) -> None:
    with CommandService(database) as ledger:
        message = list(record(ledger, lines(*HISTORY), chunk=size))
        again = list(record(ledger, lines(*HISTORY), chunk=size))
    assert [item.line for item in message] == list(range(1, 14))
    refused = ["no_free_seat", "hub_seat_held", "no_free_seat"]
    assert [item.code for item in message if item.code] == refused
    assert message[-1].stops
    assert message[7].outcome == "repeated"
    assert message[7].positions == message[4].positions
    positions = [item.positions for item in message if item.outcome == "recorded"]
    assert sum(positions, ()) == tuple(range(1, 11))
    assert {item.outcome for item in again} == {"repeated", "refused"}
    assert [item.positions for item in again] == [item.positions for item in message]


def elsewhere(database: str, monkeypatch: pytest.MonkeyPatch, **command: Any) -> None:
    """Let another record a command when the first lines are on their way."""
    original, other = repository.append_many, []

    def append_many(*fields: Any) -> Any:
        if not other:
            with CommandService(database) as ledger:
                done = {"account": "acme", "effective_at": "2025-05-01", **command}
                other.append(ledger.execute(done))
        return original(*fields)

    monkeypatch.setattr(repository, "append_many", append_many)


@pytest.mark.parametrize("keep_going", [True, False])
def test_a_change_from_elsewhere_is_decided_on_and_nothing_is_lost(
    database: str, record: Record, monkeypatch: pytest.MonkeyPatch, keep_going: bool
) -> None:
    """Another takes the seat when a line is on its way, and the next is decided."""
    eve = {**ANN, "user": "eve", "email": "eve@x.example"}
    with CommandService(database) as ledger:
        list(record(ledger, lines(OPEN, BUY, ANN, eve)))
        elsewhere(database, monkeypatch, **{**GIVE, "user": "eve"})
        may, taken = {"effective_at": "2025-05-02"}, {**GIVE, "seat": f"{PRO}#1"}
        text = [{**line, **may} for line in (BUY, taken, BUY, GIVE)]
        message = [
            (line.outcome, line.code)
            for line in record(ledger, lines(*text), chunk=1, keep_going=keep_going)
        ]
    refused, recorded = ("refused", "seat_taken"), ("recorded", None)
    behind = [recorded, recorded] if keep_going else []
    assert message == [recorded, refused, *behind]
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    assert row == (4 + 2 + 1 + (1 + 2 if keep_going else 0),)
    assert {row.status for row in verify(database, full=True).rows} == {"same"}


def test_a_line_that_is_accepted_after_all_does_not_end_the_import(
    database: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another adds the user whom the second line names; the third is not forgotten."""
    zoe = {"user": "zoe", "email": "zoe@x.example"}
    with CommandService(database) as ledger:
        list(record(ledger, lines(OPEN, BUY)))
        elsewhere(database, monkeypatch, **{**ANN, **zoe})
        give = {**GIVE, "user": "zoe"}
        text = [{**item, "effective_at": "2025-05-02"} for item in (ANN, give, BUY)]
        message = record(ledger, lines(*text), chunk=2)
        assert [item.outcome for item in message] == ["recorded"] * 3


def test_what_the_same_file_recorded_meanwhile_is_repeated(
    database: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two imports of one file at once, one has recorded each line."""
    original, other = repository.append_many, list[LineOutcome]()
    file = (OPEN, ANN, BUY, GIVE)

    def append_many(*fields: Any) -> Any:
        monkeypatch.undo()
        with CommandService(database) as ledger:
            other.extend(import_file(ledger, lines(*file)))
        return original(*fields)

    with CommandService(database) as ledger:
        monkeypatch.setattr(repository, "append_many", append_many)
        own = list(record(ledger, lines(*file)))
    assert [item.outcome for item in other] == ["recorded"] * 4
    assert [item.outcome for item in own] == ["repeated"] * 4
    assert [item.positions for item in own] == [item.positions for item in other]


EVE = {"op": "add_user", "user": "eve", "email": "eve@x.example", "name": "Eve"}
BATCH = {
    "op": "batch",
    "commands": [EVE, {"op": "grant_hub_access", "user": "eve", "hub": "sales"}],
}


@pytest.mark.parametrize("other", [BATCH, EVE])
@pytest.mark.parametrize("step", ["heads_of", "many_user_ids", "recorded_commands"])
def test_no_line_is_refused_by_what_another_records_while_it_is_looked_up(
    database: str,
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    other: dict[str, Any],
) -> None:
    """The same line elsewhere is repeated here; another one refuses it truly."""
    original, done = getattr(LedgerRecorder, step), list[Any]()

    def look_up(recorder: LedgerRecorder, *fields: Any) -> Any:
        if not done:
            done.append(None)
            with CommandService(database) as elsewhere:
                (each,) = map(json.loads, lines(other))
                done[0] = elsewhere.execute({**each, "idempotency_key": "list"})
        return original(recorder, *fields)

    with CommandService(database) as ledger:
        list(import_file(ledger, lines(OPEN, ANN)))
    monkeypatch.setattr(LedgerRecorder, step, look_up)
    with CommandService(database) as ledger:
        last = {**BATCH, "idempotency_key": "list" if other is BATCH else "own"}
        wrong = {**ANN, **WRONG}
        own = list(record(ledger, lines(last, wrong), keep_going=True))
    if other is BATCH:
        assert (own[0].outcome, own[0].positions) == ("repeated", done[0].positions)
    else:
        (again,) = record(CommandService(database), lines(last))
        assert (own[0].outcome, own[0].code) == ("refused", again.code)
        assert own[0].message == again.message
    assert (own[1].outcome, own[1].code) == ("refused", "user_key_taken")


def fails_after_two(monkeypatch: pytest.MonkeyPatch, failure: type[Exception]) -> None:
    """Let every append but the first two fail."""
    original, query = repository.append_many, []

    def append_many(*fields: Any) -> Any:
        query.append(fields)
        if len(query) > 2:
            raise failure
        return original(*fields)

    monkeypatch.setattr(repository, "append_many", append_many)


def test_what_fails_for_good_is_reported_up_to_there_and_stays_in_no_memory(
    database: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    message: list[LineOutcome] = []
    monkeypatch.setattr(chunks, "TRIES", 2)
    with CommandService(database) as ledger:
        fails_after_two(monkeypatch, Conflict)
        with pytest.raises(Conflict):
            message.extend(record(ledger, lines(OPEN, BUY, ANN, GIVE), chunk=1))
        monkeypatch.undo()
        ann, give = ({**item, "effective_at": "2025-05-01"} for item in (ANN, GIVE))
        recorded = [ledger.execute({"account": "acme", **item}) for item in (ann, give)]
    assert [item.positions for item in message] == [(1,), (2,)]
    assert [item.positions for item in recorded] == [(3,), (4, 5)]


def test_who_listens_no_longer_finds_what_was_recorded(
    database: str, record: Record
) -> None:
    with CommandService(database) as ledger:
        telling = record(ledger, lines(OPEN, BUY, ANN, GIVE, TAKE), chunk=1)
        assert next(telling).positions == (1,)
        telling.close()
        whole = list(record(ledger, lines(OPEN, BUY, ANN, GIVE, TAKE)))
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    assert row == (6,)
    assert sum([item.positions for item in whole], ()) == (1, 2, 3, 4, 5, 6)
    assert whole[0].outcome == "repeated"
    assert whole[-1].outcome == "recorded"


def test_what_is_recorded_is_reported_before_the_import_fails(
    database: str, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = {**BUY, "idempotency_key": "two"}
    message: list[LineOutcome] = []
    with CommandService(database) as ledger:
        fails_after_two(monkeypatch, NotAllowed)
        with pytest.raises(NotAllowed):
            message.extend(record(ledger, lines(OPEN, ANN, two, UNBUY), chunk=2))
    assert [item.positions for item in message] == [(1,), (2,), (3,)]


def one_by_one(quiet: bool, message: list[LineOutcome]) -> Iterator[bytes | None]:
    """Lines of somebody who waits for what becomes of each."""
    for n, line in enumerate(lines(OPEN, BUY, ANN, GIVE), start=1):
        yield line
        if quiet:
            yield None
            yield None
        assert len(message) == n


@pytest.mark.parametrize("quiet", [True, False])
def test_lines_that_arrive_slowly_are_reported_before_more_is_read(
    database: str, record: Record, monkeypatch: pytest.MonkeyPatch, quiet: bool
) -> None:
    if not quiet:
        monkeypatch.setattr(reading, "LONGEST", -1.0)
        monkeypatch.setattr(sharing, "LONGEST", -1.0)
    message: list[LineOutcome] = []
    with CommandService(database) as ledger:
        message.extend(record(ledger, one_by_one(quiet, message)))
    assert [item.line for item in message] == [1, 2, 3, 4]


def test_long_lines_wait_together_in_small_numbers() -> None:
    padding = b" " * 1_000_000
    read = reading.read_lines(padding + item for item in lines(*[BUY] * 20))
    batches = reading.batches_of(read, 2000)
    assert [len(item.lines) for item in batches] == [5, 5, 5, 5]
