"""Every way into the store refuses what does not go on from what is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from eventsourcing.persistence import PersistenceError, StoredEvent

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.events import SeatPurchased
from seat_ledger.domain.head import NO_HEAD
from seat_ledger.errors import CommandRefused
from seat_ledger.importing.files import import_file
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store import schema, tokens
from seat_ledger.store.bulk import Decided, append_many, pack
from seat_ledger.store.connection import sqlstate_of
from seat_ledger.store.datastore import LedgerDatastore
from seat_ledger.store.recorder import Append, LedgerRecorder
from seat_ledger.store.refused_appends import BEHIND, NOT_NEXT
from seat_ledger.store.settings import Settings
from seat_ledger.store.tried_events import cannot_stand
from tests.oracle.stored import damage
from tests.program import ANN, BUY, GIVE, OPEN, PRO, Program
from tests.support.waiting import end_others

Write = Callable[[str, UUID, Sequence[int]], None]
COLUMNS = "originator_id, originator_version, topic, state, recorded_at"


def event(stream: UUID, version: int) -> SeatPurchased:
    return SeatPurchased(
        originator_id=stream,
        originator_version=version,
        effective_at=datetime(2025, 3, 5, tzinfo=UTC),
        actor="system:test",
        seat_type=PRO,
        number=1,
    )


def rows(stream: UUID, versions: Sequence[int]) -> list[StoredEvent]:
    return [StoredEvent(stream, version, "x", b"{}") for version in versions]


def of_new_account() -> Append:
    account = uuid4()
    return Append(account, NO_HEAD, NO_HEAD.following(), "key", b"x", 0, ())


def by_command(conninfo: str, stream: UUID, versions: Sequence[int]) -> None:
    recorder = LedgerRecorder(LedgerDatastore(conninfo))
    recorder.append(rows(stream, versions), of_new_account())


def by_file(conninfo: str, stream: UUID, versions: Sequence[int]) -> None:
    events = [event(stream, version) for version in versions]
    recorder = LedgerRecorder(LedgerDatastore(conninfo))
    append_many(recorder, [pack(Decided(of_new_account(), events))])


def by_library(conninfo: str, stream: UUID, versions: Sequence[int]) -> None:
    recorder = LedgerRecorder(LedgerDatastore(conninfo))
    recorder.insert_events(rows(stream, versions))


def by_insert(conninfo: str, stream: UUID, versions: Sequence[int]) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            f"INSERT INTO ledger.stored_events ({COLUMNS}) "
            "SELECT %s, version, 'x', '{}', now() FROM unnest(%s::bigint[]) AS version",
            [stream, list(versions)],
        )


def by_copy(conninfo: str, stream: UUID, versions: Sequence[int]) -> None:
    statement = f"COPY ledger.stored_events ({COLUMNS}) FROM STDIN"
    with (
        psycopg.connect(conninfo) as connection,
        connection.cursor().copy(statement) as copy,
    ):
        for version in versions:
            copy.write_row((stream, version, "x", b"{}", datetime.now(UTC)))


PATHS = [by_command, by_file, by_library, by_insert, by_copy]


def stored(conninfo: str) -> int:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.both_versions
@pytest.mark.parametrize("path", PATHS)
def test_a_version_that_is_not_the_next_of_its_stream_is_refused(
    database: str, path: Write
) -> None:
    stream = uuid4()
    path(database, stream, [1, 2])
    path(database, stream, [3])
    # The classes of events know no version below 1.
    below = [] if path is by_file else [[0], [-1]]
    for versions in ([5], [4, 6], [5, 6], [4, 5, 7], *below):
        with pytest.raises((PersistenceError, psycopg.Error)) as refused:
            path(database, stream, versions)
        assert sqlstate_of(refused.value) == NOT_NEXT
    with pytest.raises((PersistenceError, psycopg.Error)):
        path(database, uuid4(), [2])
    assert stored(database) == 3


@pytest.mark.both_versions
@pytest.mark.parametrize("path", PATHS)
def test_a_position_before_the_last_event_is_refused(
    database: str, path: Write
) -> None:
    for _ in range(5):
        path(database, uuid4(), [1, 2])
    set_back(database, 3)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "DELETE FROM ledger.stored_events WHERE notification_id IN (4, 5, 6)"
        )
    with pytest.raises((PersistenceError, psycopg.Error)) as refused:
        path(database, uuid4(), [1])
    assert sqlstate_of(refused.value) == BEHIND
    assert stored(database) == 7


def below(position: int, recorded: str) -> str:
    """Two events in one statement: in a gap, and at the end."""
    stream = uuid4()
    return (
        "INSERT INTO ledger.stored_events "
        f"(notification_id, {COLUMNS}) VALUES "
        f"({position}, '{stream}', 1, 'x', '{{}}', {recorded}), "
        f"(1000, '{stream}', 2, 'x', '{{}}', clock_timestamp())"
    )


@pytest.mark.both_versions
def test_no_event_of_an_append_stands_or_was_recorded_before_another(
    database: str,
) -> None:
    """In a gap that a rollback left, followers would pass over it for ever."""
    for _ in range(3):
        by_command(database, uuid4(), [1])
        with psycopg.connect(database) as connection:
            connection.execute(
                "SELECT nextval('ledger.stored_events_notification_id_seq')"
            )
    last = "(SELECT max(recorded_at) FROM ledger.stored_events)"
    asked = "(SELECT until FROM ledger.answered)"
    with psycopg.connect(database) as connection:
        connection.execute("SELECT ledger.note_answered(clock_timestamp())")
    wrong = [
        below(2, "ledger.next_recorded_at()"),
        below(6, last),
        below(6, f"{last} - interval '1 hour'"),
        below(6, asked),
        below(6, "ledger.next_recorded_at() + interval '1 hour'"),
    ]
    for statement in wrong:
        with psycopg.connect(database) as connection, connection.transaction() as step:
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement)
            assert sqlstate_of(refused.value) == BEHIND
            raise psycopg.Rollback(step)
    assert stored(database) == 3
    with psycopg.connect(database) as connection:
        connection.execute(below(6, "ledger.next_recorded_at()"))
    set_back(database, 1000)
    by_command(database, uuid4(), [1])
    assert stored(database) == 6


def set_back(conninfo: str, position: int) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "SELECT setval('ledger.stored_events_notification_id_seq', %s)", [position]
        )


def test_positions_that_were_set_back_are_reported_and_put_right(
    database: str,
) -> None:
    program = Program(database)
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
        ledger.execute(BUY)
        set_back(database, 2)
        done = program.run("seat", "buy", PRO, "1", "-a", "acme")
        assert done.returncode == 3
        assert "was set back" in done.stderr
        assert "Nothing was written" in done.stderr
        assert "db migrate" in done.stderr
        set_back(database, 2)
        assert program.lines({**BUY, "quantity": 1}).returncode == 3
        set_back(database, 2)
        result = program.run("doctor")
        assert result.returncode == 3
        assert "positions" in result.stdout
        assert stored(database) == 4
        schema.migrate(database)
        assert ledger.buy_seats("acme", seat_type=PRO, quantity=1).positions > (4,)
    assert damage(database) == []


def test_r78_an_instant_that_had_an_answer_keeps_it_when_the_clock_steps_back(
    database: str,
) -> None:
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
        with ConnectedReader(database) as reader:
            instant = reader.database_now()
            assert reader.knowledge(instant).position == 1
        # The same as if the clock had been an hour ahead when it was asked.
        with psycopg.connect(database) as connection:
            noted = connection.execute(
                "UPDATE ledger.answered SET until = until + interval '1 hour' "
                "RETURNING until"
            ).fetchone()
        assert noted == (instant + timedelta(hours=1),)
        ledger.execute(BUY)
        list(import_file(ledger, [json.dumps({**BUY, "quantity": 1}).encode()]))
    with ConnectedReader(database) as reader:
        assert reader.knowledge(noted[0]).position == 1
        assert reader.knowledge(noted[0] + timedelta(microseconds=1)).position == 4
    assert Program(database).run("doctor").returncode == 3


@pytest.mark.both_versions
def test_r01_now_is_never_before_what_is_recorded(database: str) -> None:
    """After a clock that stepped back: what is recorded next is found, and held."""
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
        stepped_back(database, "1 hour")
        ledger.execute(BUY)
        ledger.execute(now(ANN))
        line = now({**ANN, "user": "bob", "email": "bob@x.example"})
        (outcome,) = import_file(ledger, [json.dumps(line).encode()])
        assert outcome.outcome == "recorded"
        ledger.execute(now(GIVE))
    over = datetime.now(UTC) + timedelta(minutes=30)
    tokens.create(database, "system:x", may_write=False, accounts=None, ends_at=over)
    assert [token.works for token in tokens.listed(database)] == [False]
    with ConnectedReader(database) as reader, psycopg.connect(database) as store:
        row = store.execute(
            "SELECT max(recorded_at), max(recorded_at) > clock_timestamp() "
            "+ interval '30 minutes' FROM ledger.stored_events"
        ).fetchone()
        assert row == (reader.database_now(), True)
    program = Program(database)
    assert "ann" in program.run("seat", "list", "-a", "acme").stdout
    events = program.json("event", "list", "-a", "acme")["rows"]
    began = [entry["effective_at"] for entry in events if entry["user"]]
    recorded = [entry["recorded_at"] for entry in events]
    assert len(began) > 2
    assert began == sorted(began)
    assert set(began) < set(recorded)  # each the last before it


def test_r12_a_clock_that_leapt_far_ahead_moves_no_effective_time(
    database: str,
) -> None:
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
        stepped_back(database, "2 days")
        ledger.execute(BUY)
    with ConnectedReader(database) as reader, psycopg.connect(database) as store:
        assert store.execute(
            "SELECT max(recorded_at) > clock_timestamp() + interval '1 day', "
            "%s <= clock_timestamp() FROM ledger.stored_events",
            [reader.database_now()],
        ).fetchone() == (True, True)


def now(command: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in command.items() if key != "effective_at"}


def stepped_back(conninfo: str, distance: str) -> None:
    """As if the clock had been so far ahead when the ledger was last asked."""
    with ConnectedReader(conninfo) as reader:
        reader.knowledge(reader.database_now())
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE ledger.answered SET until = until + %s::interval", [distance]
        )


def test_r78_nobody_pushes_the_clock_on_by_asking(database: str) -> None:
    with CommandService(database) as ledger, ConnectedReader(database) as reader:
        ledger.execute(OPEN)
        reader.knowledge(reader.database_now() + timedelta(days=1000))
        with psycopg.connect(database) as connection:
            row = connection.execute(
                "SELECT until <= clock_timestamp() FROM ledger.answered"
            ).fetchone()
    assert row == (True,)


def test_r78_who_may_only_read_notes_what_was_answered(database: str) -> None:
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
    with ConnectedReader(database, read_only=True) as reader:
        instant = reader.database_now()
        reader.knowledge(instant)
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT until FROM ledger.answered").fetchone()
    assert row == (instant,)


def copied(admin: psycopg.Connection[Any], source: str, target: str) -> None:
    """Make a database what another one is now, whoever is connected."""
    admin.execute(f"DROP DATABASE IF EXISTS {target} WITH (FORCE)")
    end_others(admin, source)
    admin.execute(f"CREATE DATABASE {target} TEMPLATE {source}")


@pytest.mark.parametrize("by_lines", [False, True])
def test_others_who_count_on_from_an_older_backup_are_noticed(
    database: str, server: str, by_lines: bool
) -> None:
    """As many appends as before, and other ones: the number says nothing."""
    name = database.split("dbname=")[1]
    bob = {**ANN, "user": "bob", "email": "bob@x.example"}
    buy = {**BUY, "quantity": 1}

    def give(ledger: CommandService, command: dict[str, Any]) -> None:
        if by_lines:
            (outcome,) = import_file(ledger, [json.dumps(command).encode()])
            if outcome.outcome == "refused":
                raise CommandRefused(str(outcome.code), str(outcome.message))
        else:
            ledger.execute(command)

    with CommandService(database) as ledger, psycopg.connect(server) as admin:
        admin.autocommit = True
        for item in (OPEN, buy, ANN, bob):
            ledger.execute(item)
        copied(admin, name, f"{name}_backup")
        ledger.execute({**ANN, "user": "eve", "email": "eve@x.example"})
        copied(admin, f"{name}_backup", name)
        with psycopg.connect(database) as connection:  # as a restore makes it anew
            connection.execute("DROP TYPE ledger.stored_event_uuid")
            connection.execute(
                "CREATE TYPE ledger.stored_event_uuid AS (originator_id uuid, "
                "originator_version bigint, topic text, state bytea)"
            )
        with CommandService(database) as other:
            other.execute({**GIVE, "user": "bob"})
        with pytest.raises(CommandRefused) as refused:
            give(ledger, GIVE)
        assert refused.value.code == "no_free_seat"
        give(ledger, buy)
        admin.execute(f"DROP DATABASE {name}_backup WITH (FORCE)")
    assert damage(database) == []


def test_a_snapshot_is_retained_only_of_an_account_that_is_there(database: str) -> None:
    with CommandService(database, Settings(snapshot_every=1)) as ledger:
        ledger.execute(OPEN)
        workspace = ledger.accounts.workspaces["acme"]
        assert workspace.account is not None
        workspace.account.snapshot_at = 0
        accounts = ledger.accounts
        snapshot = accounts.snapshot_due(workspace.account)
        assert snapshot is not None
        with psycopg.connect(database) as connection:
            connection.execute("DELETE FROM ledger.snapshots")
        accounts.keep([(snapshot, workspace.head._replace(mark=1))])
        accounts.keep([(snapshot, workspace.next)])
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT count(*) FROM ledger.snapshots").fetchone()
            assert row == (0,)
        with CommandService(database) as other:  # somebody else moved it on meanwhile
            other.execute(BUY)
            other.execute(ANN)
        accounts.keep([(snapshot, workspace.head)])
        with psycopg.connect(database) as connection:
            row = connection.execute("SELECT count(*) FROM ledger.snapshots").fetchone()
            assert row == (1,)


def test_one_command_records_at_most_so_many_events(database: str) -> None:
    many = {"op": "buy_seats", "seat_type": PRO, "quantity": 10_000}
    reduce = {**BUY, "op": "reduce_seats", "quantity": 10_000}
    batch = {"op": "batch", "account": "acme", "effective_at": "2025-03-05"}
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
        for commands in ([many] * 40, [many, many, {**many, "quantity": 1}]):
            with pytest.raises(CommandRefused) as refused:
                ledger.execute({**batch, "commands": commands})
            assert refused.value.code == "too_many_events"
        (outcome,) = import_file(
            ledger, [json.dumps({**batch, "commands": [many] * 3}).encode()]
        )
        assert outcome.code == "too_many_events"
        assert stored(database) == 1
        ledger.execute({**batch, "commands": [many, many]})
        ledger.execute({**BUY, "quantity": 10_000})
        ledger.execute(reduce)
        ledger.execute(reduce)
        with pytest.raises(CommandRefused) as refused:
            ledger.execute({**reduce, "quantity": 1})
        assert refused.value.code == "too_many_events"


SEATS = {"seat_type": BUY["seat_type"], "quantity": 2}
FILE = [json.dumps(item).encode() + b"\n" for item in (OPEN, BUY, ANN, GIVE)]
FORMS = {
    "a byte order mark": [b"\xef\xbb\xbf" + FILE[0], *FILE[1:]],
    "a byte order mark alone": [b"\xef\xbb\xbf\n", *FILE],
    "empty lines": [b"\n", FILE[0], b"  \t\n", *FILE[1:], b"\n"],
    "carriage returns": [item.replace(b"\n", b"\r\n") for item in FILE],
    "white space": [b" " + item.replace(b", ", b" ,\t") for item in FILE],
    "another order of fields": [
        json.dumps(dict(reversed(item.items()))).encode()
        for item in (OPEN, BUY, ANN, GIVE)
    ],
    "escapes": [item.replace(b"acme", b"\\u0061cme") for item in FILE],
    "no line end": [*FILE[:-1], FILE[-1].rstrip(b"\n")],
    "fields that are null": [
        item.replace(b"}", b', "reason": null, "idempotency_key": null}')
        for item in FILE
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_lines_written_otherwise_repeat_nothing(
    ledger: CommandService, form: str
) -> None:
    first = list(import_file(ledger, FILE))
    again = list(import_file(ledger, FORMS[form]))
    assert [item.outcome for item in again] == ["repeated"] * 4
    assert positions(again) == positions(first)


def test_lines_recorded_under_the_bytes_before_them_are_known(database: str) -> None:
    """As an earlier program recorded them."""
    digest = hashlib.sha256()
    with CommandService(database) as ledger:
        first = list(import_file(ledger, FILE))
        for line, outcome in zip(FILE, first, strict=True):
            digest.update(line)
            with psycopg.connect(database) as connection:
                connection.execute(
                    "UPDATE ledger.recorded_command SET command_key = %s "
                    "WHERE positions = %s::bigint[]",
                    [f"import:{digest.hexdigest()[:40]}", list(outcome.positions)],
                )
        again = list(import_file(ledger, FILE))
    assert [item.outcome for item in again] == ["repeated"] * 4
    assert positions(again) == positions(first)


@pytest.mark.parametrize("earlier", [False, True])
def test_r73_a_field_that_is_null_is_absent(database: str, earlier: bool) -> None:
    """Also where an earlier program recorded it as it was written."""
    batch = {"op": "batch", "account": "acme", "effective_at": BUY["effective_at"]}
    plain = [BUY, {**batch, "commands": [{"op": BUY["op"], **SEATS}]}]
    nulls = [
        {**BUY, "reason": None, "actor": None},
        {**batch, "commands": [{"op": BUY["op"], **SEATS, "reason": None}]},
    ]
    with CommandService(database) as ledger:
        ledger.execute(OPEN)
        for number, (item, other) in enumerate(zip(plain, nulls, strict=True)):
            key = {"idempotency_key": f"key {number}"}
            first = ledger.execute({**item, **key})
            if earlier:
                record_as_written(database, {**other, **key})
            for written in (item, other) if not earlier else (other,):
                again = ledger.execute({**written, **key})
                assert again.positions == first.positions
            with pytest.raises(CommandRefused) as refused:
                ledger.execute({**other, **key, "reason": "another"})
            assert refused.value.code == "idempotency_conflict"


def record_as_written(database: str, command: dict[str, Any]) -> None:
    """Let the store hold the digest that an earlier program made of a command."""
    text = json.dumps(command, sort_keys=True, separators=(",", ":")).encode()
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE ledger.recorded_command SET digest = "
            "sha256((SELECT key FROM ledger.digest_key) || sha256(%s::bytea)) "
            "WHERE command_key = %s",
            [text, command["idempotency_key"]],
        )


def test_another_line_before_makes_the_same_line_another(
    ledger: CommandService,
) -> None:
    plain = [json.dumps(item).encode() for item in (OPEN, BUY, BUY)]
    list(import_file(ledger, plain))
    more = [plain[0], plain[1], json.dumps({**BUY, "quantity": 1}).encode(), plain[2]]
    again = list(import_file(ledger, more))
    assert [item.outcome for item in again] == ["repeated"] * 2 + ["recorded"] * 2


def positions(outcomes: Sequence[LineOutcome]) -> list[tuple[int, ...]]:
    return [outcome.positions for outcome in outcomes]


def test_r101_only_a_place_taken_in_the_store_is_somebody_elses(
    ledger: CommandService, database: str
) -> None:
    """A key that is twice in another table says nothing of who recorded meanwhile."""
    ledger.execute(OPEN)
    ledger.execute(ANN)
    with psycopg.connect(database) as connection:
        with pytest.raises(psycopg.errors.UniqueViolation) as in_a_table:
            connection.execute(
                "INSERT INTO ledger.user_name SELECT * FROM ledger.user_name"
            )
        connection.rollback()
        with pytest.raises(psycopg.Error) as in_the_store:
            connection.execute(
                "INSERT INTO ledger.stored_events SELECT * FROM ledger.stored_events"
            )
    assert not cannot_stand(in_a_table.value)
    assert cannot_stand(in_the_store.value)
