"""Events that cannot be read set their account aside, and no other (R74)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from projections import catch_up as catching_up
from projections import engine
from projections.decoding import UnreadableEvent
from projections.rebuild import rebuild
from projections.resuming import resume
from projections.verify import verify
from seat_ledger.application import SeatLedger
from seat_ledger.errors import CommandRefused
from seat_ledger.store.connection import connect
from seat_ledger.values import account_id
from tests.in_process import Program
from tests.integration.tables import (
    PRO,
    WHOLE,
    catch_up,
    differences,
    digests,
    fill,
    generations,
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
    "an instant beyond the calendar": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "infinity", "seat_type": PRO, "number": 90},
        "calendar",
    ),
    "an instant before the calendar": (
        "SeatPurchased",
        {**WHOLE, "effective_at": "0044-03-15 BC", "seat_type": PRO, "number": 90},
        "calendar",
    ),
    "no renewal": ("SeatRetired", {**WHOLE, "seat_type": PRO, "number": 1}, "missing"),
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
        "no entry of its account",
    ),
    "a second opening": (
        "AccountOpened",
        {
            **WHOLE,
            "account_key": "acme",
            "name": "Acme",
            "time_zone": "UTC",
            "term_start": "2025-03-05",
            "term_months": 12,
            "billing_cycle_months": 1,
        },
        "begun before",
    ),
    "an unknown zone": ("TimeZoneChanged", {**WHOLE, "time_zone": "Mars/Base"}, "Mars"),
    "no zone": ("TimeZoneChanged", WHOLE, "time_zone is no text"),
    "an unknown mode": (
        "BillingPolicyChanged",
        {**WHOLE, "mode": "luck", "granularity": None},
        "luck",
    ),
    "no mode": ("BillingPolicyChanged", WHOLE, "mode is no text"),
    "a granularity too many": (
        "BillingPolicyChanged",
        {**WHOLE, "mode": "peak", "granularity": "day"},
        "no counting by peak, day",
    ),
}
"""What the last event of an account may be, and what is said of it."""

SOUND = {**WHOLE, "seat_type": PRO, "number": 5}


def hole(conninfo: str) -> int:
    """An event that leaves a version out."""
    return poison(conninfo, "SeatPurchased", SOUND, skip=1)


def repeat(conninfo: str) -> int:
    """An event with the version of the one before it, where nothing forbids it."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "ALTER TABLE ledger.stored_events DROP CONSTRAINT stored_events_pkey"
        )
    return poison(conninfo, "SeatPurchased", SOUND, skip=-1)


def end_of_nothing(conninfo: str) -> int:
    """An unassignment of a seat that the user never held."""
    said = {**WHOLE, "seat_type": PRO, "number": 1, "user": user_of(conninfo, "bob")}
    return poison(conninfo, "SeatUnassigned", said)


def user_of_another(conninfo: str) -> int:
    """A seat that is given to a user of another account."""
    said = {**WHOLE, "seat_type": PRO, "number": 4}
    said["user"] = user_of(conninfo, "ann", "boats")
    return poison(conninfo, "SeatAssigned", said)


def reversal_of_another(conninfo: str) -> int:
    """A reversal of another account's purchase."""
    with psycopg.connect(conninfo) as connection:
        entry, version = connection.execute(
            "SELECT notification_id, originator_version FROM ledger.stored_events "
            "WHERE originator_id = %s AND topic = 'SeatPurchased' LIMIT 1",
            [account_id("boats")],
        ).fetchone()
    named = {"entry": entry, "entry_version": version}
    named |= {"root": entry, "root_version": version}
    return poison(conninfo, "EntryReversed", {**WHOLE, **named, "holds": False})


def damaged_user(conninfo: str) -> int:
    """An event of a user's own stream."""
    stream = UUID(user_of(conninfo, "ann"))
    return poison(conninfo, "HubAccessRevoked", b'{"v":1,', stream=stream)


DAMAGES = {
    "a hole in the versions": (hole, "does not follow"),
    "a version twice": (repeat, "does not follow"),
    "an end of no holding": (end_of_nothing, "ends no holding"),
    "a user of another account": (user_of_another, "missing"),
    "a reversal in another account": (reversal_of_another, "no entry of its account"),
    "damage in a user's stream": (damaged_user, "json"),
}
KINDS = [*POISONS, *DAMAGES]


def user_of(conninfo: str, key: str, account: str = "acme") -> str:
    with psycopg.connect(conninfo) as connection:
        (found,) = connection.execute(
            "SELECT user_id::text FROM ledger.user_name "
            "WHERE user_key = %s AND account_id = %s",
            [key, account_id(account)],
        ).fetchone()
    return str(found)


def damage(conninfo: str, kind: str) -> tuple[int, str]:
    """Store an event of a kind in acme; where it stands, and what is said of it."""
    if kind in POISONS:
        topic, state, reason = POISONS[kind]
        return poison(conninfo, topic, state), reason
    store, reason = DAMAGES[kind]
    return store(conninfo), reason


@pytest.fixture
def program(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path))
    return Program(database, tmp_path)


def aside(conninfo: str) -> Any:
    with connect(conninfo, autocommit=True) as connection:
        return engine.aside(connection)


@pytest.mark.parametrize("kind", KINDS)
def test_r74_an_event_that_cannot_be_read_sets_its_account_aside_alone(
    database: str, ledger: SeatLedger, program: Program, kind: str
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    before = program.json("seat", "list", "-a", "acme", "--as-of", "2026-04-01")
    position, reason = damage(database, kind)
    with SeatLedger(database) as other:
        other.buy_seats("boats", seat_type=PRO, quantity=2)
        fill(other, "cars")
    assert catch_up(database) == head(database)
    (found,) = aside(database)
    assert (found.account_key, found.position) == ("acme", position)
    assert reason.lower() in found.reason.lower()
    assert [row.found for row in differences(database)] == [found.sentence()]

    done = program.run("seat", "list", "-a", "acme", "--as-of", "2026-04-01")
    assert done.status == 12
    assert f"position {position} " in done.err
    done = as_json(program, "seat", "list", "-a", "acme", "--as-of", "2026-04-01")
    document = json.loads(done.out)
    assert document["rows"] == before["rows"]
    assert document["known_at"]["position"] == position - 1
    assert [one["account"] for one in document["set_aside"]] == ["acme"]
    earlier = ("--known-at", position - 1, "--as-of", "2026-04-01")
    assert (
        program.json("seat", "list", "-a", "acme", *earlier)["rows"] == before["rows"]
    )
    for account, seats in (("boats", 5), ("cars", 3)):
        rows = program.json("seat", "list", "-a", account)["rows"]
        assert len(rows) == seats

    refused = program.run("seat", "buy", PRO, "1", "-a", "acme")
    assert refused.status == 1
    assert f"position {position} " in refused.err
    assert program.run("seat", "buy", PRO, "1", "-a", "boats").status == 0
    for words in (("status",), ("run",), ("verify",)):
        done = program.run("projection", *words)
        assert done.status == 3, words
        assert f"position {position} " in flat(done.out), words
    done = program.run("doctor")
    assert done.status == 3
    assert f"position {position} " in flat(done.out)


def as_json(program: Program, *words: Any) -> Any:
    return program.run(*words, "--format", "json")


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("kind", KINDS)
def test_r74_a_rebuild_fails_closed_unless_the_account_is_named_or_was_set_aside(
    database: str, ledger: SeatLedger, kind: str
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    position, reason = damage(database, kind)
    with SeatLedger(database) as other:
        fill(other, "cars")
    before = digests(database)
    refused = rebuild(database)
    assert refused.error is not None
    assert refused.error.details["position"] == position
    assert reason.lower() in str(refused.error.details["reason"]).lower()
    assert "--set-aside acme" in refused.error.try_
    assert [state for state, _ in generations(database)[0]] == ["served"]
    assert digests(database) == before
    assert rebuild(database, named=["boats"]).error is not None

    named = rebuild(database, named=["acme"])
    assert named.error is None, named.error
    assert [one.position for one in named.aside] == [position]
    rebuilt = digests(database)
    assert differences(database)[0].check == "no account set aside"
    assert len(differences(database)) == 1
    again = rebuild(database)
    assert again.error is None
    assert [(one.account_key, one.position) for one in again.aside] == [
        ("acme", position)
    ]
    assert again.aside[0].since == named.aside[0].since
    assert digests(database) == rebuilt


@pytest.mark.parametrize("kind", KINDS)
def test_r71_what_is_caught_up_beside_damage_is_what_is_rebuilt(
    database: str, ledger: SeatLedger, kind: str
) -> None:
    fill(ledger, "acme")
    position, _ = damage(database, kind) if "another" not in kind else (0, "")
    fill(ledger, "boats")
    if not position:
        position, _ = damage(database, kind)
    catch_up(database)
    caught_up = digests(database)
    assert rebuild(database).error is None
    assert digests(database) == caught_up
    assert [one.position for one in aside(database)] == [position]


@pytest.mark.parametrize("kind", KINDS)
def test_r74_a_command_for_a_damaged_account_is_refused_by_the_write_side_itself(
    database: str, ledger: SeatLedger, kind: str
) -> None:
    """Before any reader has seen it; whoever loads what is damaged is told."""
    fill(ledger, "acme", "boats")
    position, _ = damage(database, kind)
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE ledger.snapshots")
    with SeatLedger(database) as fresh:
        if kind not in UNSEEN:
            with pytest.raises(CommandRefused, match=f"position {position}") as told:
                fresh.grant_hub_access("acme", user="ann", hub="service")
            assert told.value.code == "account_set_aside"
        fresh.grant_hub_access("boats", user="ann", hub="service")


UNSEEN = {
    "a user of another account",
    "a user who was never added",
    "a reversal of nothing",
    "a reversal in another account",
    "an unknown seat type",
    "a number beyond all",
    "an end of no holding",
}
"""What an account can be decided on all the same, as long as nobody has read it."""


def test_r74_an_import_goes_on_with_other_accounts(
    database: str, ledger: SeatLedger
) -> None:
    fill(ledger, "acme", "boats")
    damage(database, "no JSON")
    lines = [
        json.dumps(
            {"op": "buy_seats", "account": key, "seat_type": PRO, "quantity": 1}
            | ({"expect": "refused"} if key == "acme" else {})
        ).encode()
        for key in ("boats", "acme", "boats")
    ]
    with SeatLedger(database) as fresh:
        outcomes = list(fresh.import_lines(lines, keep_going=True))
    assert [one.outcome for one in outcomes] == ["recorded", "refused", "recorded"]
    assert outcomes[1].code == "account_set_aside"
    assert outcomes[1].stops  # damage meets no expectation


def test_r74_several_damaged_accounts_are_each_set_aside_at_their_first_event(
    database: str, ledger: SeatLedger
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
    assert {one.account_key: one.position for one in aside(database)} == first
    assert rebuild(database).error is None
    assert {one.account_key: one.position for one in aside(database)} == first


def test_r74_events_of_one_account_in_streams_that_nobody_knows_are_its_own(
    database: str, ledger: SeatLedger
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    said = {**WHOLE, "account": str(account_id("acme"))}
    positions = [
        poison(database, "UserGilded", said, stream=uuid4()),
        poison(database, "UserRemoved", said, stream=uuid4()),
        poison(database, "UserGilded", said, stream=uuid4()),
    ]
    assert catch_up(database) == head(database)
    assert [one.position for one in aside(database)] == positions[:1]
    assert rebuild(database).error is None


OPENED = {**WHOLE, "account_key": "evil", "name": "Evil", "time_zone": "UTC"}
OPENED |= {"term_start": "2025-03-05", "term_months": 12, "billing_cycle_months": 1}
OPENINGS = {
    "a zone of numbers": (OPENED | {"time_zone": [1]}, "no text"),
    "no cycle": (OPENED | {"billing_cycle_months": None}, "1 to 120"),
    "a term beyond all": (OPENED | {"term_months": 10**9}, "1 to 240"),
    "no date": (OPENED | {"term_start": "soon"}, "soon"),
    "a date beyond all": (OPENED | {"term_start": "9990-01-01"}, "beyond the calendar"),
    "a key of numbers": (OPENED | {"account_key": 7}, "account_key"),
    "no JSON": (b'{"v":1,"account_key":"evil', "json"),
}


@pytest.mark.parametrize("kind", OPENINGS)
def test_r74_an_account_whose_opening_cannot_be_read_is_set_aside_from_its_beginning(
    database: str, ledger: SeatLedger, program: Program, kind: str
) -> None:
    said, reason = OPENINGS[kind]
    fill(ledger, "acme")
    stream = account_id("evil")
    position = poison(database, "AccountOpened", said, stream=stream)
    poison(database, "SeatPurchased", SOUND, stream=stream)
    fill(ledger, "boats")
    catch_up(database)
    (found,) = aside(database)
    assert (found.account_id, found.position) == (stream, position)
    assert reason in found.reason
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
    database: str, ledger: SeatLedger, program: Program, kind: str
) -> None:
    topic, state = STRAYS[kind]
    fill(ledger, "acme")
    catch_up(database)
    ledger.buy_seats("acme", seat_type=PRO, quantity=2)
    position = poison(database, topic, state, stream=uuid4())
    with SeatLedger(database) as other:
        fill(other, "boats")
    for _ in range(2):  # asked again, it says the same
        with pytest.raises(UnreadableEvent, match=f"position {position} ") as told:
            catch_up(database)
        assert told.value.details["account"] is None
    with psycopg.connect(database) as connection:
        row = engine.status(connection)[0]
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


@pytest.mark.parametrize("way", ["resume", "rebuild"])
def test_r74_an_account_is_taken_back_when_its_events_can_be_read_again(
    database: str, ledger: SeatLedger, program: Program, way: str
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    position = poison(database, "SeatPurchased", b'{"v":1,')
    later = poison(database, "SeatPurchased", {**SOUND, "number": 6})
    with SeatLedger(database) as other:
        fill(other, "cars")
    catch_up(database)
    resumed = program.run("projection", "resume", "acme")
    assert resumed.status == 3
    mend(database, position, SOUND)
    if way == "resume":
        done = program.run("projection", "resume", "acme")
        assert done.status == 0, done.err
    else:
        result = rebuild(database)
        assert result.error is None
        assert [one.account_key for one in result.resumed] == ["acme"]
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
    database: str, ledger: SeatLedger
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
    assert [one.position for one in aside(database)] == [second]


def test_r74_answers_about_all_accounts_say_which_are_set_aside(
    database: str, ledger: SeatLedger, program: Program
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
            assert [one["account"] for one in document["set_aside"]] == ["acme"]
            assert json.loads(last[-1])["code"] == "account_set_aside"
        earlier = program.run(*words, "--known-at", position - 1, "--format", "csv")
        assert earlier.status == 0, words
    for words in (("event", "show", position - 1), ("seat", "list", "-a", "boats")):
        assert program.run(*words).status == 0, words
    assert program.run("event", "show", position).status == 12


def test_r74_a_renewal_of_all_passes_over_what_is_set_aside(
    database: str, ledger: SeatLedger, program: Program
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


def test_r74_holes_are_found_by_whoever_looks_before_anybody_reads(
    database: str, ledger: SeatLedger, program: Program
) -> None:
    fill(ledger, "acme", "boats")
    catch_up(database)
    assert program.run("integrity", "seal").status == 0
    position = hole(database)
    found = [row for row in verify(database).rows if row.status == "differs"]
    assert [row.check for row in found] == ["events are readable"]
    assert f"position {position} " in found[0].found
    done = as_json(program, "integrity", "verify")
    assert done.status == 3
    rows = json.loads(done.out)["rows"]
    assert [(row["kind"], row["position"]) for row in rows] == [("stream", position)]


def test_r29_catching_up_never_stops_inside_a_command(
    database: str, ledger: SeatLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correction's reversal comes first: an end is without a holding for a moment."""
    fill(ledger, "acme")
    cy = {"user": "cy", "email": "cy@x.example", "name": "Cy"}
    ledger.add_user("acme", **cy, effective_at="2025-03-06")
    held = {"user": "cy", "seat_type": PRO}
    given = ledger.assign_seat("acme", **held, effective_at="2025-08-01")
    ledger.unassign_seat("acme", **held, effective_at="2025-09-01")
    corrected = ledger.execute(
        {
            "op": "batch",
            "account": "acme",
            "reason": "a day later",
            "commands": [
                {"op": "reverse", "entry": given.positions[-1]},
                {"op": "assign_seat", **held, "effective_at": "2025-08-02"},
            ],
        }
    )
    first, *_, last = corrected.positions
    monkeypatch.setattr(catching_up, "BATCH", 1)
    seen = []
    original = catching_up.refresh

    def refresh(connection: Any, after: int, upto: int) -> None:
        seen.append(upto)
        original(connection, after, upto)

    monkeypatch.setattr(catching_up, "refresh", refresh)
    catch_up(database)
    assert not set(range(first, last)) & set(seen)
    assert seen[-1] == head(database) == last
    assert differences(database) == []
    assert aside(database) == ()
