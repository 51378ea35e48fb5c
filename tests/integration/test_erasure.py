"""Personal data encrypted by a key per person, and what is left without it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from seat_ledger.cli.commands import user_erase
from seat_ledger.cli.main import main
from seat_ledger.commands.service import CommandService
from seat_ledger.domain.events import UserAdded
from seat_ledger.domain.personal_data import (
    CannotDecrypt,
    Person,
    decrypt,
    encrypt,
    erased,
    new_key,
)
from seat_ledger.domain.values import parse_seat
from seat_ledger.errors import CommandRefused, IntegrityFailure, SchemaMismatch
from seat_ledger.projections import holdings
from seat_ledger.projections.engine import generations, installation
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.verify import verify
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from seat_ledger.store import schema
from seat_ledger.store.mapper import read_event
from tests.in_process import Program

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
PRO = "sales/professional"
GRACE = Person("grace", "Grace.Hopper@acme.example", "Grace Brewster Hopper")
HER = UUID("41cffb4c-e939-4c04-a951-61fe524b73b7")
ACME = UUID("5d3c1e0a-6a4e-5f0b-9d51-0f4f6f0d7a11")


def test_a_person_is_decrypted_only_by_the_own_key_for_the_user_and_account() -> None:
    key = new_key()
    encrypted = encrypt(GRACE, key, user_id=HER, account=ACME)
    assert decrypt(encrypted, key, user_id=HER, account=ACME) == GRACE
    for wrong in (
        {"key": new_key(), "user_id": HER, "account": ACME},
        {"key": key, "user_id": uuid4(), "account": ACME},
        {"key": key, "user_id": HER, "account": uuid4()},
    ):
        with pytest.raises(CannotDecrypt):
            decrypt(encrypted, **wrong)


def test_a_stored_event_opens_with_its_key_and_reads_erased_without() -> None:
    state = (GOLDEN / "UserAdded-v2.json").read_bytes().strip()
    opened = read_event(HER, 1, "UserAdded", state, bytes(range(32)))
    assert isinstance(opened, UserAdded)
    assert (opened.user_key, opened.name) == ("ann", 'Ann "Ä" 🎈')
    without = read_event(HER, 1, "UserAdded", state)
    assert isinstance(without, UserAdded)
    assert without.user_key == erased(HER).user_key == "erased-41cffb4ce939"
    with pytest.raises(IntegrityFailure) as report:
        read_event(uuid4(), 1, "UserAdded", state, bytes(range(32)))
    assert "🎈" not in report.value.message


def test_neither_key_nor_e_mail_nor_name_stands_in_a_stored_event(
    database: str, ledger: CommandService
) -> None:
    open_acme(ledger)
    with psycopg.connect(database) as connection:
        states = connection.execute(
            "SELECT convert_from(state, 'UTF8') FROM ledger.stored_events"
        ).fetchall()
    whole = "\n".join(state for (state,) in states)
    for text in (*GRACE, "hopper"):
        assert text.lower() not in whole.lower()
    added = [json.loads(state) for (state,) in states if '"sealed"' in state]
    assert [set(item) & {"user_key", "email", "name"} for item in added] == [set()] * 2


def open_acme(ledger: CommandService) -> None:
    at = {"effective_at": "2025-03-06"}
    ledger.open_account(
        "acme",
        name="Acme BV",
        time_zone="Europe/Amsterdam",
        term_start="2025-03-05",
        term_months=12,
        billing_cycle_months=1,
    )
    ledger.buy_seats("acme", seat_type=PRO, quantity=2, effective_at="2025-03-05")
    grace = {"user": "grace", "email": GRACE.email, "name": GRACE.name}
    ledger.add_user("acme", **grace, seats=[PRO], account_access=True, **at)
    ann = {"user": "ann", "email": "ann@acme.example", "name": "Ann"}
    ledger.add_user("acme", **ann, seats=[PRO], actor="user:grace", **at)


def test_the_directory_is_the_same_caught_up_and_rebuilt(
    database: str, ledger: CommandService
) -> None:
    open_acme(ledger)
    caught_up = directory(database)
    assert [row[1:] for row in caught_up] == [
        (*GRACE[:2], GRACE.email.casefold(), GRACE.name),
        ("ann", "ann@acme.example", "ann@acme.example", "Ann"),
    ]
    assert rebuild(database).error is None
    assert directory(database) == caught_up
    assert {item.status for item in verify(database, full=True).rows} == {"same"}


def directory(conninfo: str) -> list[tuple[object, ...]]:
    with ConnectedReader(conninfo):
        pass
    with psycopg.connect(conninfo, autocommit=True) as connection:
        generations.use(connection, generations.served(connection).number)
        return connection.execute(
            "SELECT user_no, user_key, email, folded_email, name "
            "FROM user_directory ORDER BY user_no"
        ).fetchall()


# -- erased ------------------------------------------------------------------------


def everything(conninfo: str) -> str:
    """Every text of every table of the store and of the projections, as one."""
    with psycopg.connect(conninfo) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname = 'ledger' OR schemaname LIKE 'projection%'"
        ).fetchall()
        result = [
            connection.execute(f"SELECT string_agg(t::text, E'\n') FROM {table} AS t")
            for (table,) in tables
        ]
        states = connection.execute(
            "SELECT convert_from(state, 'UTF8') FROM ledger.stored_events"
        )
        return "\n".join(
            str(row) for item in (*result, states) for row in item.fetchall()
        )


def digests(conninfo: str) -> dict[str, object]:
    rebuilt = rebuild(conninfo)
    assert rebuilt.error is None
    return {name: (item.rows, item.digest) for name, item in rebuilt.tables.items()}


def without_seat(ledger: CommandService) -> None:
    open_acme(ledger)
    ledger.unassign_seat("acme", user="grace", seat_type=PRO, effective_at="2025-04-01")


def test_an_erased_person_stands_in_no_table_and_no_other_digest_changes(
    database: str, ledger: CommandService
) -> None:
    without_seat(ledger)
    before = digests(database)
    result = ledger.erase_user("acme", user="grace", reason="asked for")
    (erasure,) = result.events
    label = erased(erasure.event.originator_id).user_key
    assert installation.forget(database).tables
    for text in (*GRACE, "hopper"):
        assert text.lower() not in everything(database).lower()
    caught_up = directory(database)
    assert [row[1] for row in caught_up] == [label, "ann"]
    assert {item.status for item in verify(database, full=True).rows} == {"same"}
    after = digests(database)
    assert directory(database) == caught_up
    changed = {name for name in before if before[name][1] != after[name][1]}
    assert changed == {"user_directory"}
    with ConnectedReader(database) as reader:
        known_at = reader.knowledge(result.positions[0] - 1)
        question = AccountQuestion(
            reader,
            reader.account("acme", known_at),
            known_at,
            datetime(2025, 3, 20, tzinfo=UTC),
        )
        row = holdings.who(question, parse_seat(f"{PRO}#1"))
    assert row["holder"]["user"] == row["holder"]["name"] == label


def test_an_erased_person_stands_in_no_answer_export_or_report(
    database: str,
    ledger: CommandService,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without_seat(ledger)
    done = ledger.erase_user("acme", user="grace", reason="asked for")
    page = tmp_path / "acme.html"
    query = [
        ["account", "show", "acme"],
        ["seat", "list", "-a", "acme", "--as-of", "2025-03-20"],
        ["seat", "who", f"{PRO}#1", "-a", "acme", "--as-of", "2025-03-20"],
        ["seat", "history", f"{PRO}#1", "-a", "acme", "--known-at", "11"],
        ["user", "list", "-a", "acme", "--known-at", "9"],
        ["user", "find", done.erased],
        ["user", "history", done.erased, "-a", "acme"],
        ["user", "history", str(done.events[0].event.originator_id), "-a", "acme"],
        ["event", "list"],
        ["event", "replay", "-a", "acme"],
        ["report", "-a", "acme", "--period", "2025-03-05", "-o", str(page)],
        *(["export", what] for what in ("journal", "holdings")),
    ]
    whole = ""
    for words in query:
        for form in ("jsonl", "csv", *(["table"] if words[0] != "export" else [])):
            assert main([*words, "--database", database, "--format", form]) == 0
            message = capsys.readouterr()
            whole += message.out + message.err
    whole += page.read_text()
    assert whole.count(done.erased) > 30
    for text in (*GRACE, "hopper"):
        assert text.lower() not in whole.lower()
    for reference in ("grace", GRACE.email):
        words = ["user", "history", reference, "-a", "acme", "--database", database]
        assert main(words) == 1


def test_what_a_killed_rebuild_left_holds_nobody_who_is_erased(
    database: str, ledger: CommandService
) -> None:
    without_seat(ledger)
    with ConnectedReader(database):
        assert rebuild(database).error is None
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE projection.generation SET state = 'building' WHERE state = 'kept'"
        )
    assert "hopper" in everything(database).lower()
    ledger.erase_user("acme", user="grace", reason="asked for")
    assert installation.forget(database).tables
    assert "hopper" not in everything(database).lower()


def test_who_gets_the_key_while_an_erasure_asks_is_not_erased(
    database: str,
    ledger: CommandService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_seat(ledger)

    def meanwhile(*_: object) -> None:
        with CommandService(database) as other:
            other.revoke_hub_access("acme", user="grace", hub="sales")
            other.remove_user("acme", user="grace")
            other.add_user("acme", user="grace", email="g@x.example", name="Another")

    monkeypatch.setattr(user_erase, "_confirm", meanwhile)
    words = ("user", "erase", "grace", "-a", "acme", "--reason", "asked for")
    label = Program(database, tmp_path).json(*words)["erased"]
    assert [row[-1] for row in directory(database)] == [label, "Ann", "Another"]


def test_invoices_figures_and_proofs_stay_bit_for_bit(
    database: str,
    ledger: CommandService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEAT_LEDGER_HOME", str(tmp_path / "home"))
    without_seat(ledger)
    program = Program(database, tmp_path)
    issue = ("invoice", "issue", "INV-1", "-a", "acme", "--period", "2025-03-05")
    price = ("--unit-price", f"{PRO}=90.00", "--currency", "EUR")
    assert program.run(*issue, *price).status == 0
    assert program.run("integrity", "seal").status == 0
    proof = tmp_path / "proof"
    prove = ("integrity", "prove", "5", "--output", proof)
    assert program.run(*prove).status == 0
    known_at = ("--known-at", "12", "--format", "json")
    query = (
        ("invoice", "show", "INV-1", *known_at),
        ("billing", "counts", "-a", "acme", "--mode", "all", *known_at),
        (
            "billing",
            "explain",
            "-a",
            "acme",
            "--period",
            "2025-03-05",
            "--seat-type",
            PRO,
            "--mode",
            "contracted",
            *known_at,
        ),
    )
    before = [program.run(*words) for words in query]
    assert [item.status for item in before] == [0, 0, 0]
    ledger.erase_user("acme", user="grace", reason="asked for")
    assert rebuild(database).error is None
    assert [program.run(*words) for words in query] == before
    assert program.run("invoice", "reproduce", "INV-1").status == 0
    assert program.run("integrity", "verify").status == 0
    assert program.run("integrity", "check-proof", proof).status == 0


def test_a_command_that_named_the_person_is_still_recorded_once(
    database: str, ledger: CommandService
) -> None:
    without_seat(ledger)
    bob = {"user": "bob", "email": "bob@acme.example", "name": "Bob"}
    fields = {**bob, "actor": "user:grace", "idempotency_key": "k-1"}
    first = ledger.add_user("acme", **fields)
    other = ledger.grant_hub_access(
        "acme", user="bob", hub="sales", idempotency_key="k-2"
    )
    ledger.erase_user("acme", user="grace", reason="asked for", idempotency_key="k-3")
    with psycopg.connect(database) as connection:
        stored = dict(
            connection.execute(
                "SELECT command_key, octet_length(digest) FROM ledger.recorded_command "
                "WHERE command_key LIKE 'k-_'"
            ).fetchall()
        )
    assert stored == {"k-1": 0, "k-2": 32, "k-3": 0}
    again = ledger.add_user("acme", **fields)
    assert (again.positions, again.repeated) == (first.positions, True)
    with pytest.raises(CommandRefused) as message:
        ledger.grant_hub_access(
            "acme", user="bob", hub="service", idempotency_key="k-2"
        )
    assert message.value.code == "idempotency_conflict"
    assert other.positions


def test_an_erasure_waits_for_the_seat_wants_a_reason_and_repeats_nothing(
    ledger: CommandService,
) -> None:
    open_acme(ledger)

    def refused(**fields: str) -> str:
        with pytest.raises(CommandRefused) as message:
            ledger.erase_user("acme", **{"reason": "asked for", **fields})
        return message.value.code

    assert refused(user="grace") == "seat_held"
    ledger.unassign_seat("acme", user="grace", seat_type=PRO)
    assert refused(user="grace", reason="") == "reason_required"
    first = ledger.erase_user("acme", user="Grace.hopper@acme.example", reason="so")
    assert refused(user="grace") == "user_not_found"
    for reference in (first.erased, str(first.events[0].event.originator_id)):
        again = ledger.erase_user("acme", user=reference, reason="again")
        assert (again.positions, again.erased) == ((), first.erased)
    with pytest.raises(CommandRefused) as message:
        ledger.reverse("acme", entry=first.positions[0], reason="regretted")
    assert message.value.code == "not_reversible"


def test_an_earlier_holder_of_a_key_is_erased_by_id_and_the_key_lives_on(
    ledger: CommandService,
) -> None:
    without_seat(ledger)
    first = ledger.accounts.workspaces["acme"].resolve("grace", datetime.now(UTC))
    ledger.revoke_hub_access("acme", user="grace", hub="sales")
    ledger.remove_user("acme", user="grace")
    again = {"user": "grace", "email": "grace@other.example", "name": "Grace"}
    second = ledger.add_user("acme", **again).events[0].event.originator_id
    done = ledger.erase_user("acme", user=str(first.id), reason="asked for")
    assert done.events[0].event.originator_id == first.id
    assert ledger.accounts.stored.load_user(second).person.name == "Grace"


def test_an_event_in_plain_reads_erased_though_it_stays(
    database: str, ledger: CommandService
) -> None:
    without_seat(ledger)
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE ledger.stored_events DISABLE TRIGGER USER")
        connection.execute("DELETE FROM ledger.person_key")
        position, her, state = connection.execute(
            "SELECT notification_id, originator_id, state FROM ledger.stored_events "
            "WHERE topic = 'UserAdded' ORDER BY notification_id LIMIT 1"
        ).fetchone()
        text = {**json.loads(state), **GRACE._asdict(), "v": 1}
        del text["nonce"], text["sealed"]
        connection.execute(
            "UPDATE ledger.stored_events SET state = %s WHERE notification_id = %s",
            [json.dumps(text, separators=(",", ":")).encode(), position],
        )
    with CommandService(database) as fresh:
        assert fresh.accounts.stored.load_user(her).person == GRACE
        assert fresh.plain_entry(her) == position
        result = fresh.erase_user("acme", user=str(her), reason="asked for")
        assert fresh.accounts.stored.load_user(her).person.name == result.erased
    assert directory(database)[0][1] == result.erased
    assert rebuild(database).error is None
    assert directory(database)[0][1] == result.erased


def persons_listed(conninfo: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What doctor says of the keys, in short."""
    main(["doctor", "--database", conninfo, "--format", "json"])
    rows = json.loads(capsys.readouterr().out)["rows"]
    (result,) = [row["found"] for row in rows if row["check"] == "persons"]
    return re.sub(r".*: |\.$", "", result)


def test_a_key_that_a_backup_brings_back_opens_nothing(
    database: str, ledger: CommandService, capsys: pytest.CaptureFixture[str]
) -> None:
    without_seat(ledger)
    with psycopg.connect(database, autocommit=True) as connection:
        stored = connection.execute("SELECT user_id, key FROM ledger.person_key")
        stored = stored.fetchall()
        done = ledger.erase_user("acme", user="grace", reason="asked for")
        for row in stored:
            connection.execute(
                "INSERT INTO ledger.person_key VALUES (%s, %s) ON CONFLICT DO NOTHING",
                row,
            )
        assert rebuild(database).error is None
        assert directory(database)[0][1] == done.erased
        assert persons_listed(database, capsys) == f"{done.erased} of acme"
        ledger.erase_user("acme", user=done.erased, reason="restored from a backup")
        assert persons_listed(database, capsys) == "2 users, 1 of them erased"
        connection.execute("DELETE FROM ledger.person_key")
        assert persons_listed(database, capsys) == "their keys are missing"


def test_without_its_secret_a_repeated_key_is_refused_and_nothing_doubled(
    database: str, ledger: CommandService
) -> None:
    open_acme(ledger)
    buying = {"seat_type": PRO, "quantity": 1, "idempotency_key": "k-1"}
    ledger.buy_seats("acme", **buying)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("DELETE FROM ledger.digest_key")
    with CommandService(database) as fresh, pytest.raises(SchemaMismatch):
        fresh.buy_seats("acme", **buying)
    schema.migrate(database)
    with CommandService(database) as fresh:
        with pytest.raises(CommandRefused) as message:
            fresh.buy_seats("acme", **buying)
        assert message.value.code == "idempotency_conflict"
        assert fresh.buy_seats("acme", **{**buying, "idempotency_key": "k-2"}).positions
