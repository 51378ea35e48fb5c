"""Position order is commit order on every write path, so that no reader skips.

Each test holds one append up at its very COMMIT, with its positions given out, and
lets another try to overtake it.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from eventsourcing.persistence import StoredEvent

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.projections.engine import installation
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.connection import connect
from seat_ledger.store.datastore import LedgerDatastore
from seat_ledger.store.recorder import LedgerRecorder
from seat_ledger.store.store_status import APPEND_LOCK
from tests.drafts import PRO, computed
from tests.integration.tables import head
from tests.support.waiting import wait_for_end, wait_until

GATE = 4711
HELD_UP = f"""
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared({GATE});
    RETURN NULL;
END;
$$;
CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON ledger.stored_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate();
"""
WAITING = """
SELECT count(*) FILTER (WHERE objid = %(gate)s),
       count(*) FILTER (WHERE classid::bigint << 32 | objid::bigint = %(append)s)
  FROM pg_locks
 WHERE locktype = 'advisory'
   AND NOT granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def command(conninfo: str, account: str) -> None:
    with CommandService(conninfo) as ledger:
        ledger.buy_seats(account, seat_type=PRO, quantity=2, effective_at="2025-04-01")


def imported(conninfo: str, account: str) -> None:
    line = {"op": "buy_seats", "account": account, "seat_type": PRO, "quantity": 1}
    lines = [json.dumps({**line, "effective_at": "2025-04-01"}).encode()] * 3
    with CommandService(conninfo) as ledger:
        outcomes = list(import_file(ledger, lines))
    assert [outcome.code for outcome in outcomes] == [None] * 3


def invoiced(conninfo: str, account: str) -> None:
    with CommandService(conninfo) as ledger:
        ledger.issue_invoice(
            account,
            compute_invoice=computed(conninfo),
            invoice=f"INV-{account}",
            period="2025-03-05",
            unit_prices={PRO: "90.00"},
            currency="EUR",
            effective_at="2025-12-05",
        )


def bare(conninfo: str, _: str) -> None:
    """The library's own call, without a command."""
    datastore = LedgerDatastore(conninfo)
    LedgerRecorder(datastore).insert_events([StoredEvent(uuid4(), 1, "Bare", b"{}")])
    datastore.close()


PATHS: dict[str, Callable[[str, str], None]] = {
    "command": command,
    "import": imported,
    "invoice": invoiced,
    "bare": bare,
}


@pytest.fixture
def gated(database: str) -> Iterator[tuple[str, psycopg.Connection]]:
    """A store whose appends wait at their COMMIT while the gate is shut."""
    with CommandService(database) as ledger:
        for account in ("first", "second"):
            ledger.open_account(
                account,
                name=account,
                time_zone="UTC",
                term_start="2025-03-05",
                term_months=12,
                billing_cycle_months=1,
            )
    with psycopg.connect(database, autocommit=True) as gate:
        gate.execute(HELD_UP)
        gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield database, gate


def wait_for(gate: psycopg.Connection, expected: tuple[int, int]) -> None:
    fields = {"gate": GATE, "append": APPEND_LOCK}
    wait_until(lambda: gate.execute(WAITING, fields).fetchone() == expected)


@pytest.mark.parametrize(
    ("item", "other"), list(itertools.product(PATHS, PATHS)), ids=lambda name: name
)
def test_no_append_overtakes_another(
    gated: tuple[str, psycopg.Connection], item: str, other: str
) -> None:
    conninfo, gate = gated
    before = head(conninfo)
    first = threading.Thread(target=PATHS[item], args=(conninfo, "first"))
    first.start()
    wait_for(gate, (1, 0))  # it has its positions, and is about to commit
    second = threading.Thread(target=PATHS[other], args=(conninfo, "second"))
    second.start()
    wait_for(gate, (1, 1))  # the other has none: it waits for the append lock
    assert head(conninfo) == before
    gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])
    wait_for_end([first, second])
    rows = gate.execute(
        "SELECT xmin::text::bigint FROM ledger.stored_events "
        "WHERE notification_id > %s ORDER BY notification_id",
        [before],
    ).fetchall()
    transactions = [xmin for (xmin,) in rows]
    assert transactions == sorted(transactions)
    assert len(set(transactions)) == 2


@pytest.mark.parametrize("path", ["command", "import", "invoice"])
def test_a_reader_that_tails_the_store_skips_nothing(
    gated: tuple[str, psycopg.Connection], path: str
) -> None:
    conninfo, gate = gated
    first = threading.Thread(target=PATHS[path], args=(conninfo, "first"))
    first.start()
    wait_for(gate, (1, 0))
    second = threading.Thread(target=PATHS[path], args=(conninfo, "second"))
    second.start()
    wait_for(gate, (1, 1))
    with connect(conninfo, autocommit=True) as connection:
        early = installation.catch_up(connection).checkpoint
        gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])
        wait_for_end([first, second])
        late = installation.catch_up(connection).checkpoint
    assert early < late == head(conninfo)
    counted = gate.execute(
        "SELECT (SELECT count(*) FROM ledger.stored_events), "
        "(SELECT count(*) FROM projection.journal)"
    ).fetchone()
    assert counted[0] == counted[1]


@pytest.mark.parametrize("path", ["command", "import", "invoice"])
def test_r78_an_instant_waits_for_an_append_that_could_still_fall_before_it(
    gated: tuple[str, psycopg.Connection], path: str
) -> None:
    conninfo, gate = gated
    before = head(conninfo)
    appending = threading.Thread(target=PATHS[path], args=(conninfo, "first"))
    appending.start()
    wait_for(gate, (1, 0))
    answers: list[int] = []
    (instant,) = gate.execute("SELECT clock_timestamp()").fetchone()

    def ask() -> None:
        with ConnectedReader(conninfo) as reader:
            answers.append(reader.knowledge(instant).position)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for(gate, (1, 1))  # the question waits, as nothing later is recorded yet
    assert answers == []
    gate.execute("SELECT pg_advisory_unlock(%s)", [GATE])
    wait_for_end([appending, asking])
    command(conninfo, "second")
    ask()
    assert answers[0] == answers[1] > before
