"""Events that cannot be read set their account aside, and no other (R74)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.domain.values import account_id
from seat_ledger.errors import CommandRefused
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import catch_up as catching_up
from seat_ledger.projections.engine import generations, installation
from seat_ledger.projections.engine.decode import UnreadableEvent
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.registry import PROJECTIONS
from seat_ledger.projections.engine.resume import resume
from seat_ledger.projections.engine.verify import verify
from seat_ledger.projections.lake.bulk import TablesByDuckDB
from seat_ledger.store.connection import connect
from tests.in_process import Program
from tests.integration.tables import (
    ENGINES,
    PRO,
    WHOLE,
    catch_up,
    differences,
    digests,
    fill,
    head,
    poison,
)

POISONS = {
    "an unknown type": ("SeatGilded", b'{"v":1,"actor":"system:x"}', "type"),
    "an unknown version": ("SeatPurchased", b'{"v":9,"actor":"system:x"}', "version"),
    "an empty state": ("SeatPurchased", b"", "version"),
    "no state": ("SeatPurchased", None, "version"),
    "no type": (None, b'{"v":1}', "type"),
    "no JSON": ("SeatPurchased", b'{"v":1,"effective_at', "json"),
    "no UTF-8": ("SeatPurchased", b'{"v":1,"actor":"\xff"}', "UTF8"),
    "a NUL": ("SeatPurchased", b'{"v":1,"actor":"\\u0000"}', "Unicode"),
    "no instant": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "then", "seat_type": PRO, "number": 90},
        "timestamp",
    ),
    "no number": ("SeatPurchased", {**WHOLE, "seat_type": PRO}, "missing"),
    "a number that is none": (
        "SeatPurchased",
        {**WHOLE, "seat_type": PRO, "number": {"is": "seven"}},
        "integer",
    ),
    "a number beyond all": (
        "SeatPurchased",
        {**WHOLE, "seat_type": PRO, "number": 10**30},
        "out of range",
    ),
    "an instant outside the calendar": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "infinity", "seat_type": PRO, "number": 90},
        "calendar",
    ),
    "an instant before the calendar": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "0044-03-15 BC", "seat_type": PRO, "number": 90},
        "calendar",
    ),
    "no renewal": ("ContractRenewed", WHOLE, "missing"),
    "an unknown seat type": (
        "SeatPurchased",
        {**WHOLE, "seat_type": "sales/golden", "number": 90},
        "golden",
    ),
    "a depth beyond all": (
        "SeatPurchased",
        b'{"v":1,"actor":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "stack",
    ),
    "a user who was never added": (
        "SeatAssigned",
        {**WHOLE, "seat_type": PRO, "number": 4, "user": str(uuid4())},
        "missing",
    ),
    "a reversal of nothing": (
        "EntryReversed",
        {
            **WHOLE,
            "entry": 10**9,
            "entry_version": 99,
            "root": 10**9,
            "root_version": 99,
            "holds": False,
        },
        "not an entry of its account",
    ),
    "a second opening": (
        "AccountOpened",
        {
            **WHOLE,
            "account_key": "a-second-opening",
            "name": "Acme",
            "time_zone": "UTC",
            "term_start": "2025-03-05",
            "term_months": 12,
            "billing_cycle_months": 1,
        },
        "already begun",
    ),
    "an unknown zone": ("TimeZoneChanged", {**WHOLE, "time_zone": "Mars/Base"}, "Mars"),
    "no zone": ("TimeZoneChanged", WHOLE, "time_zone is not text"),
    "an unknown mode": (
        "BillingPolicyChanged",
        {**WHOLE, "mode": "luck", "granularity": None},
        "luck",
    ),
    "no mode": ("BillingPolicyChanged", WHOLE, "mode is not text"),
    "a granularity too many": (
        "BillingPolicyChanged",
        {**WHOLE, "mode": "peak", "granularity": "day"},
        "no counting by peak, day",
    ),
}
"""What the last event of an account may be, and what is said of it."""

SOUND = {**WHOLE, "seat_type": PRO, "number": 5}


def hole(conninfo: str, account: str) -> int:
    """An event that leaves a version out."""
    return poison(conninfo, "SeatPurchased", SOUND, account=account, skip=1)


def repeat(conninfo: str, account: str) -> int:
    """An event with the version of the one before it, past an index that slept."""
    _let_versions_repeat(conninfo, True)
    position = poison(conninfo, "SeatPurchased", SOUND, account=account, skip=-1)
    _let_versions_repeat(conninfo, False)
    return position


def _let_versions_repeat(conninfo: str, may_repeat: bool) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "UPDATE pg_index SET indisunique = %(unique)s, indisprimary = %(unique)s "
            "WHERE indexrelid = 'ledger.stored_events_pkey'::regclass",
            {"unique": not may_repeat},
        )


def end_of_nothing(conninfo: str, account: str) -> int:
    """An unassignment of a seat that the user does not hold."""
    user = user_of(conninfo, "bob", account)
    text = {**WHOLE, "seat_type": PRO, "number": 1, "user": user}
    return poison(conninfo, "SeatUnassigned", text, account=account)


def user_of_another(conninfo: str, account: str) -> int:
    """A seat that is given to a user of another account."""
    user = user_of(conninfo, "ann", HEALTHY)
    text = {**WHOLE, "seat_type": PRO, "number": 4, "user": user}
    return poison(conninfo, "SeatAssigned", text, account=account)


def reversal_of_another(conninfo: str, account: str) -> int:
    """A reversal of another account's purchase."""
    with psycopg.connect(conninfo) as connection:
        entry, version = connection.execute(
            "SELECT notification_id, originator_version FROM ledger.stored_events "
            "WHERE originator_id = %s AND topic = 'SeatPurchased' LIMIT 1",
            [account_id(HEALTHY)],
        ).fetchone()
    named = {"entry": entry, "entry_version": version, "holds": False}
    text = {**WHOLE, **named, "root": entry, "root_version": version}
    return poison(conninfo, "EntryReversed", text, account=account)


def damaged_user(conninfo: str, account: str) -> int:
    """An event of a user's own stream."""
    stream = UUID(user_of(conninfo, "ann", account))
    return poison(conninfo, "HubAccessRevoked", b'{"v":1,', stream=stream)


DAMAGES = {
    "a hole in the versions": (hole, "does not follow"),
    "a version twice": (repeat, "does not follow"),
    "an end of no holding": (end_of_nothing, "ends no holding"),
    "a user of another account": (user_of_another, "missing"),
    "a reversal in another account": (
        reversal_of_another,
        "not an entry of its account",
    ),
    "damage in a user's stream": (damaged_user, "json"),
}
KINDS = [*POISONS, *DAMAGES]
HEALTHY = "healthy"


def key_of(kind: str) -> str:
    """The account that a kind of damage is done to."""
    return re.sub("[^a-z]+", "-", kind.lower())


def user_of(conninfo: str, key: str, account: str) -> str:
    with psycopg.connect(conninfo) as connection:
        (result,) = connection.execute(
            "SELECT user_id::text FROM ledger.user_name "
            "WHERE user_key = %s AND account_id = %s",
            [key, account_id(account)],
        ).fetchone()
    return str(result)


def damage(conninfo: str, kind: str, account: str) -> int:
    """Store an event of a kind in an account; where it stands."""
    if kind in POISONS:
        topic, state, _ = POISONS[kind]
        return poison(conninfo, topic, state, account=account)
    return DAMAGES[kind][0](conninfo, account)


def reason_of(kind: str) -> str:
    return (POISONS[kind][2] if kind in POISONS else DAMAGES[kind][1]).lower()


def histories(conninfo: str, *accounts: str) -> None:
    """Accounts of four seats, two of them held."""
    term = {"term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1}
    at = {"effective_at": "2025-03-05"}
    commands = []
    for key in accounts:
        named = {"account": key, "name": key, "time_zone": "UTC"}
        commands.append({"op": "open_account", **named, **term})
        bought = {"account": key, "seat_type": PRO, "quantity": 4}
        commands.append({"op": "buy_seats", **bought, **at})
        commands += [
            {
                "op": "add_user",
                "account": key,
                "user": user,
                "email": f"{user}@x.example",
                "name": user,
                "seats": [PRO],
                **at,
            }
            for user in ("ann", "bob")
        ]
    with CommandService(conninfo) as ledger:
        lines = [json.dumps(command).encode() for command in commands]
        outcomes = list(import_file(ledger, lines))
    assert {item.outcome for item in outcomes} == {"recorded"}


class Damaged(NamedTuple):
    """A store with an account for each kind of damage, and a healthy one."""

    conninfo: str
    positions: dict[str, int]


@pytest.fixture(scope="module")
def damaged(shared_database: str) -> Damaged:
    """All kinds of damage in one store, none of them read yet."""
    histories(shared_database, *map(key_of, KINDS), HEALTHY)
    positions = {kind: damage(shared_database, kind, key_of(kind)) for kind in KINDS}
    histories(shared_database, "later")
    return Damaged(shared_database, positions)


@pytest.fixture(scope="module")
def caught_up(damaged: Damaged) -> Damaged:
    """The same, caught up."""
    assert catch_up(damaged.conninfo) == head(damaged.conninfo)
    return damaged


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def program(database: str, home: Path) -> Program:
    return Program(database, home)


def over(damaged: Damaged, home: Path) -> Program:
    return Program(damaged.conninfo, home)


def aside(conninfo: str) -> Any:
    with connect(conninfo, autocommit=True) as connection:
        return installation.aside(connection)


# -- each kind of damage: one store, an account a kind, in this order ---------------


@pytest.mark.parametrize("kind", KINDS)
def test_r74_the_write_side_itself_refuses_what_it_cannot_load(
    damaged: Damaged, kind: str
) -> None:
    """Before any reader has seen it; other accounts go on."""
    with CommandService(damaged.conninfo) as fresh:
        if kind not in UNSEEN:
            where = f"position {damaged.positions[kind]}"
            with pytest.raises(CommandRefused, match=where) as message:
                fresh.grant_hub_access(key_of(kind), user="ann", hub="service")
            assert message.value.code == "account_set_aside"
        fresh.grant_hub_access(HEALTHY, user="ann", hub="service")
        fresh.revoke_hub_access(HEALTHY, user="ann", hub="service")


UNSEEN = {
    "a reversal of nothing",
    "a user of another account",
    "a user who was never added",
    "a granularity too many",
    "a number beyond all",
    "a reversal in another account",
    "an unknown seat type",
    "an end of no holding",
}
"""What an account can be decided on all the same, until somebody has read it."""


def test_r74_every_kind_is_met_by_a_rebuild_of_a_store_that_nobody_has_read(
    damaged: Damaged,
) -> None:
    first = min(damaged.positions.values())
    for bulk in ENGINES:
        refused = rebuild(damaged.conninfo, bulk=bulk)
        assert refused.error is not None
        assert not refused.switched
        assert "--set-aside" in refused.error.try_
        assert refused.error.details["position"] >= first
    assert rebuild(damaged.conninfo, named=[HEALTHY]).error is not None
    named = rebuild(damaged.conninfo, named=[key_of(kind) for kind in KINDS])
    assert named.error is None, named.error
    rows = digests(damaged.conninfo)
    again = rebuild(damaged.conninfo, bulk=TablesByDuckDB)
    assert again.error is None, again.error
    assert again.aside == named.aside
    assert digests(damaged.conninfo) == rows
    assert {item.account_key: item.position for item in named.aside} == {
        key_of(kind): position for kind, position in damaged.positions.items()
    }
    reasons = {item.account_key: item.reason.lower() for item in named.aside}
    for kind in KINDS:
        assert reason_of(kind) in reasons[key_of(kind)], kind
    (result,) = differences(damaged.conninfo)
    assert result.check == "no account set aside"


def test_r74_every_kind_sets_its_account_aside_when_it_is_caught_up(
    damaged: Damaged,
) -> None:
    """The tables are made anew, empty, and caught up from nothing."""
    rebuilt = digests(damaged.conninfo)
    with connect(damaged.conninfo, role="projector") as connection:
        number = generations.make(connection)
        for projection in PROJECTIONS:
            generations.make_indexes(connection, number, projection.name)
        generations.serve(connection, number)
    assert catch_up(damaged.conninfo) == head(damaged.conninfo)
    result = {item.account_key: item for item in aside(damaged.conninfo)}
    assert result.keys() == set(map(key_of, KINDS))
    for kind, position in damaged.positions.items():
        assert result[key_of(kind)].position == position, kind
        assert reason_of(kind) in result[key_of(kind)].reason.lower(), kind
    (row,) = differences(damaged.conninfo)
    assert row.check == "no account set aside"
    assert digests(damaged.conninfo) == rebuilt
    assert catch_up(damaged.conninfo) == head(damaged.conninfo)


def test_r74_a_rebuild_sets_aside_again_what_was_set_aside_before(
    caught_up: Damaged,
) -> None:
    before, rows = digests(caught_up.conninfo), aside(caught_up.conninfo)
    for bulk in ENGINES:
        again = rebuild(caught_up.conninfo, bulk=bulk)
        assert again.error is None, again.error
        assert again.resumed == []
        assert digests(caught_up.conninfo) == before
        assert aside(caught_up.conninfo) == rows


@pytest.mark.parametrize("kind", KINDS)
def test_r74_answers_about_a_damaged_account_are_what_was_known_before(
    caught_up: Damaged, home: Path, kind: str
) -> None:
    program, position = over(caught_up, home), caught_up.positions[kind]
    query = ("seat", "list", "-a", key_of(kind), "--as-of", "2025-04-05")
    before = program.json(*query, "--known-at", position - 1)
    done = as_json(program, *query)
    assert done.status == 12
    document = json.loads(done.out)
    assert document["rows"] == before["rows"]
    assert len(document["rows"]) == 4
    assert document["known_at"]["position"] == position - 1
    assert [item["position"] for item in document["set_aside"]] == [position]
    message = json.loads(done.err.splitlines()[-1])
    assert (message["code"], message["exit"]) == ("account_set_aside", 12)
    assert f"position {position} " in message["message"]
    refused = program.run("seat", "buy", PRO, "1", "-a", key_of(kind))
    assert refused.status == 1
    assert f"position {position} " in refused.err


def test_r74_other_accounts_go_on_beside_every_kind_of_damage(
    caught_up: Damaged, home: Path
) -> None:
    program = over(caught_up, home)
    for account in (HEALTHY, "later"):
        rows = program.json("seat", "list", "-a", account)["rows"]
        held = [row["holder"]["user"] for row in rows if row["holder"]]
        assert (len(rows), held) == (4, ["ann", "bob"])
    assert program.run("seat", "buy", PRO, "1", "-a", "later").status == 0
    assert len(program.json("seat", "list", "-a", "later")["rows"]) == 5
    assert program.run("billing", "counts", "-a", HEALTHY).status == 0


def test_r74_whoever_looks_at_the_tables_names_every_kind_of_damage(
    caught_up: Damaged, home: Path
) -> None:
    program = over(caught_up, home)
    for words in (("status",), ("run",), ("verify",), ("verify", "--full")):
        done = program.run("projection", *words)
        assert done.status == 3, words
        for kind, position in caught_up.positions.items():
            assert f"position {position} " in flat(done.out), (words, kind)
    done = as_json(program, "doctor")
    assert done.status == 3
    wrong = {row["check"]: row for row in json.loads(done.out)["rows"] if not row["ok"]}
    assert {"events", "streams"} <= wrong.keys()
    for kind, position in caught_up.positions.items():
        assert f"position {position} " in wrong["events"]["found"], kind
    for kind in ("a hole in the versions", "a version twice"):
        position = caught_up.positions[kind]
        assert f"position {position} " in wrong["streams"]["found"]


# -- the rest: stores of their own ---------------------------------------------------


def as_json(program: Program, *words: Any) -> Any:
    return program.run(*words, "--format", "json")


def flat(text: str) -> str:
    return " ".join(text.split())


def test_r74_an_import_goes_on_with_other_accounts(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme", "boats")
    damage(database, "no JSON", "acme")
    lines = [
        json.dumps(
            {"op": "buy_seats", "account": key, "seat_type": PRO, "quantity": 1}
            | ({"expect": "refused"} if key == "acme" else {})
        ).encode()
        for key in ("boats", "acme", "boats")
    ]
    with CommandService(database) as fresh:
        outcomes = list(import_file(fresh, lines, keep_going=True))
    assert [item.outcome for item in outcomes] == ["recorded", "refused", "recorded"]
    assert outcomes[1].code == "account_set_aside"
    assert outcomes[1].stops  # damage meets no expectation


def test_r74_several_damaged_accounts_are_each_set_aside_at_their_first_event(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme", "boats", "cars", "docks")
    catch_up(database)
    first = {
        "acme": poison(database, "SeatPurchased", b"{", account="acme"),
        "boats": poison(database, "SeatPurchased", SOUND, account="boats", skip=3),
        "docks": poison(database, "SeatGilded", b'{"v":1}', account="docks"),
    }
    for account in first:
        poison(database, "SeatPurchased", b'{"v":1,', account=account)
    assert catch_up(database) == head(database)
    assert {item.account_key: item.position for item in aside(database)} == first
    assert rebuild(database).error is None
    assert {item.account_key: item.position for item in aside(database)} == first


def test_r74_events_of_one_account_in_streams_that_nobody_knows_are_its_own(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    text = {**WHOLE, "account": str(account_id("acme"))}
    positions = [
        poison(database, "UserGilded", text, stream=uuid4()),
        poison(database, "UserRemoved", text, stream=uuid4()),
        poison(database, "UserGilded", text, stream=uuid4()),
    ]
    assert catch_up(database) == head(database)
    assert [item.position for item in aside(database)] == positions[:1]
    assert rebuild(database).error is None


OPENED = {**WHOLE, "account_key": "evil", "name": "Evil", "time_zone": "UTC"}
OPENED |= {"term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1}
OPENINGS = {
    "a zone of numbers": (OPENED | {"time_zone": [1]}, "not text"),
    "no cycle": (OPENED | {"billing_cycle_months": None}, "1 to 120"),
    "a term beyond all": (OPENED | {"term_months": 10**9}, "1 to 240"),
    "no date": (OPENED | {"term_start": "soon"}, "soon"),
    "a date beyond all": (
        OPENED | {"term_start": "9990-01-01"},
        "outside the calendar",
    ),
    "a key of numbers": (OPENED | {"account_key": 7}, "account_key"),
    "no JSON": (b'{"v":1,"account_key":"evil', "json"),
}


@pytest.mark.parametrize("kind", OPENINGS)
def test_r74_an_account_whose_opening_cannot_be_read_is_set_aside_from_its_beginning(
    database: str, ledger: CommandService, program: Program, kind: str
) -> None:
    text, reason = OPENINGS[kind]
    fill(ledger, "acme")
    stream = account_id("evil")
    position = poison(database, "AccountOpened", text, stream=stream)
    poison(database, "SeatPurchased", SOUND, stream=stream)
    fill(ledger, "boats")
    catch_up(database)
    (result,) = aside(database)
    assert (result.account_id, result.position) == (stream, position)
    assert reason in result.reason
    done = program.run("seat", "list", "-a", "evil")
    assert done.status == 12
    assert f"position {position} " in done.err
    assert program.run("seat", "list", "-a", "boats").status == 0
    assert program.run("seat", "buy", PRO, "1", "-a", "evil").status == 1
    caught_up = digests(database)
    assert rebuild(database).error is None
    assert digests(database) == caught_up
    assert len(differences(database)) == 1


STRAYS = {
    "an unknown type": ("SeatGilded", b'{"v":1}'),
    "a purchase": ("SeatPurchased", SOUND),
    "no JSON": ("UserAdded", b'{"v":2,'),
    "a user of no account": ("UserAdded", {**WHOLE, "account": str(uuid4())}),
}


@pytest.mark.parametrize("kind", STRAYS)
def test_r74_an_event_of_no_account_stops_everything_at_its_position(
    database: str, ledger: CommandService, program: Program, kind: str
) -> None:
    topic, state = STRAYS[kind]
    fill(ledger, "acme")
    catch_up(database)
    ledger.buy_seats("acme", seat_type=PRO, quantity=2)
    position = poison(database, topic, state, stream=uuid4())
    with CommandService(database) as other:
        fill(other, "boats")
    for _ in range(2):  # asked again, it says the same
        with pytest.raises(UnreadableEvent, match=f"position {position} ") as message:
            catch_up(database)
        assert message.value.details["account"] is None
    with psycopg.connect(database) as connection:
        row = installation.status(connection)[0]
    assert (row["state"], row["stuck_at"]) == ("stuck", position)
    assert row["checkpoint"] == position - 1
    assert program.run("seat", "list", "-a", "acme").status == 1
    for words in (("projection", "status"), ("projection", "verify"), ("doctor",)):
        done = program.run(*words)
        assert done.status == 3, words
        assert f"position {position}" in flat(done.out), words
    before = digests(database)
    result = rebuild(database, named=["acme", str(position)])
    assert isinstance(result.error, UnreadableEvent)
    assert result.error.position == position
    assert digests(database) == before


def mend(conninfo: str, position: int, state: dict[str, Any]) -> None:
    """Restore an event, as from a backup."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE ledger.stored_events SET state = %s WHERE notification_id = %s",
            [json.dumps({"v": 1, **state}, separators=(",", ":")).encode(), position],
        )


@pytest.mark.parametrize("way", ["resume", "rebuild", "rebuild by DuckDB"])
def test_r74_an_account_is_taken_back_when_its_events_can_be_read_again(
    database: str, ledger: CommandService, program: Program, way: str
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    position = poison(database, "SeatPurchased", b'{"v":1,')
    later = poison(database, "SeatPurchased", {**SOUND, "number": 6})
    with CommandService(database) as other:
        fill(other, "cars")
    catch_up(database)
    resumed = program.run("projection", "resume", "acme")
    assert resumed.status == 3
    mend(database, position, SOUND)
    if way == "resume":
        done = program.run("projection", "resume", "acme")
        assert done.status == 0, done.err
    else:
        result = rebuild(database, bulk=None if way == "rebuild" else TablesByDuckDB)
        assert result.error is None
        assert [item.account_key for item in result.resumed] == ["acme"]
    assert aside(database) == ()
    assert differences(database) == []
    rows = program.json("seat", "list", "-a", "acme")["rows"]
    assert [row["seat"] for row in rows][-2:] == [f"{PRO}#5", f"{PRO}#6"]
    assert later > position
    assert program.run("seat", "buy", PRO, "1", "-a", "acme").status == 0
    caught_up = digests(database)
    assert rebuild(database).error is None
    assert set(digests(database)) == set(caught_up)
    assert program.run("projection", "verify", "--full").status == 0


def test_r74_an_account_is_taken_back_as_far_as_it_can_be_read(
    database: str, ledger: CommandService
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    first = poison(database, "SeatPurchased", b'{"v":1,')
    poison(database, "SeatPurchased", {**SOUND, "number": 6})
    second = poison(database, "SeatPurchased", b'{"v":1,')
    catch_up(database)
    mend(database, first, SOUND)
    ((before, after),) = resume(database, [])
    assert (before.position, after.position) == (first, second)
    assert after.since == before.since
    caught_up = digests(database)
    assert rebuild(database).error is None
    assert digests(database) == caught_up
    assert [item.position for item in aside(database)] == [second]


def test_r74_answers_about_all_accounts_state_which_are_set_aside(
    database: str, ledger: CommandService, program: Program
) -> None:
    fill(ledger, "acme", "boats")
    position = poison(database, "SeatPurchased", b'{"v":1,')
    for words in (
        ("account", "list"),
        ("billing", "counts", "--all"),
        ("user", "find", "ann"),
        ("event", "list"),
        ("invoice", "list"),
        ("export", "holdings"),
    ):
        done = (
            as_json(program, *words)
            if words[0] != "export"
            else program.run(*words, "--format", "csv")
        )
        assert done.status == 12, words
        last = done.err.splitlines()
        assert any(f"position {position}" in line for line in last), words
        if words[0] != "export":
            document = json.loads(done.out)
            assert [item["account"] for item in document["set_aside"]] == ["acme"]
            assert json.loads(last[-1])["code"] == "account_set_aside"
        earlier = program.run(*words, "--known-at", position - 1, "--format", "csv")
        assert earlier.status == 0, words
    for words in (("event", "show", position - 1), ("seat", "list", "-a", "boats")):
        assert program.run(*words).status == 0, words
    assert program.run("event", "show", position).status == 12


def test_r74_a_renewal_of_all_passes_over_what_is_set_aside(
    database: str, ledger: CommandService, program: Program
) -> None:
    for key in ("acme", "boats"):
        ledger.open_account(
            key,
            name=key,
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=1,
        )
    poison(database, "SeatPurchased", b'{"v":1,')
    done = as_json(program, "account", "renew", "--due")
    assert done.status == 0, done.err
    errors = {row["account"]: row["error"] for row in json.loads(done.out)["rows"]}
    assert errors == {"acme": "account_set_aside", "boats": None}


def test_r74_holes_are_detected_by_whoever_looks_before_anybody_reads(
    database: str, ledger: CommandService, program: Program
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    assert program.run("integrity", "seal").status == 0
    position = hole(database, "acme")
    result = [row for row in verify(database).rows if row.status == "differs"]
    assert [row.check for row in result] == ["events are readable"]
    assert f"position {position} " in result[0].difference
    done = as_json(program, "integrity", "verify")
    assert done.status == 3
    rows = json.loads(done.out)["rows"]
    assert [(row["kind"], row["position"]) for row in rows] == [("stream", position)]


def test_r29_catching_up_never_stops_inside_a_command(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction's reversal comes first: an end is without a holding for a moment."""
    fill(ledger, "acme")
    cy = {"user": "cy", "email": "cy@x.example", "name": "Cy"}
    ledger.add_user("acme", **cy, effective_at="2025-03-06")
    held = {"user": "cy", "seat_type": PRO}
    fields = ledger.assign_seat("acme", **held, effective_at="2025-08-01")
    ledger.unassign_seat("acme", **held, effective_at="2025-09-01")
    corrected = ledger.execute(
        {
            "op": "batch",
            "account": "acme",
            "reason": "a day later",
            "commands": [
                {"op": "reverse", "entry": fields.positions[-1]},
                {"op": "assign_seat", **held, "effective_at": "2025-08-02"},
            ],
        }
    )
    first, *_, last = corrected.positions
    monkeypatch.setattr(catching_up, "BATCH", 1)
    seen = []
    original = catching_up.refresh

    def refresh(connection: Any, after: int, until: int) -> None:
        seen.append(until)
        original(connection, after, until)

    monkeypatch.setattr(catching_up, "refresh", refresh)
    catch_up(database)
    assert not set(range(first, last)) & set(seen)
    assert seen[-1] == head(database) == last
    assert differences(database) == []
    assert aside(database) == ()
