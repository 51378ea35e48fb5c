"""SIGKILL of the client at random moments: what was acknowledged is there, all of it.

The short form is part of scripts/test; the long one is
``scripts/test -m long -s tests/faults/test_kills.py``.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from random import Random
from signal import SIGKILL
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file
from seat_ledger.integrity import service
from seat_ledger.integrity.keys import Keys, read_public
from seat_ledger.projections.engine import installation
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.engine.verify import verify
from seat_ledger.store.connection import connect
from tests.conftest import TEMPLATE, _database
from tests.faults import acts
from tests.integration.tables import wait_for_the_killed
from tests.support.waiting import wait_until

TURNS = 25
"""Kills in one database; then a fresh one, so that each check stays quick."""

LONGEST = {"append": 0.12, "import": 0.07, "invoice": 0.1, "catch-up": 0.12}
LONGEST |= {"rebuild": 0.4, "seal": 0.2}
"""The latest moment of a kill after the first act, in seconds."""

EVENTS = """
SELECT convert_from(state, 'UTF8')::jsonb ->> 'idempotency_key',
       array_agg(notification_id ORDER BY notification_id),
       array_agg(topic ORDER BY topic), count(DISTINCT recorded_at)
  FROM ledger.stored_events
 WHERE notification_id > %(before)s
 GROUP BY 1
"""
COMMANDS = """
SELECT command_key, positions
  FROM ledger.recorded_command
 WHERE command_key LIKE %(turn)s || '-%%'
"""
UNMATCHED = """
SELECT (SELECT count(*) FROM ledger.stored_events
         WHERE topic = 'UserAdded')
       - (SELECT count(*) FROM ledger.user_name) AS names,
       (SELECT count(*) FROM ledger.stored_events
         WHERE topic = 'InvoiceIssued')
       - (SELECT count(*) FROM ledger.invoice_number) AS invoices
"""


class Book:
    """One database, and what was seen in it."""

    def __init__(self, conninfo: str, folder: Path, random: Random) -> None:
        self.conninfo, self.folder, self.random = conninfo, folder, random
        self.connection = psycopg.connect(conninfo, autocommit=True)
        self.seen: Counter[str] = Counter()

    def kill(self, act: str, turn: int) -> None:
        """Let a process work, kill it at some moment, and look what is there."""
        if act in {"catch-up", "rebuild"}:
            self.import_all(turn)
        before = self.head()
        message = self.folder / f"told-{turn}"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.faults.acts"])
        process = context.Process(
            target=acts.work, args=(act, self.conninfo, turn, message)
        )
        process.start()
        acts_first = self.random.choice([0, 0, 1, 3, 6])
        if act in {"catch-up", "rebuild"}:
            acts_first = 0

        def has_begun() -> bool:
            ended = not process.is_alive()
            acts = message.read_bytes().count(b"\n") if message.exists() else 0
            assert acts > acts_first or not ended
            return acts > acts_first

        wait_until(has_begun, every=0.001)
        time.sleep(self.random.uniform(0, LONGEST[act]))
        process.kill()
        process.join()
        self.wait_until_alone()
        lines = [json.loads(line) for line in message.read_text().splitlines()]
        assert process.exitcode in (0, -SIGKILL)
        self.seen["kills"] += process.exitcode == -SIGKILL
        acknowledged = dict(line for line in lines if isinstance(line, list))
        self.seen["acknowledged"] += len(acknowledged)
        if act in {"catch-up", "rebuild"}:
            self.look_at_tables()
        elif act == "seal":
            self.look_at_seals(acknowledged.get("sealed", [0])[0])
        else:
            self.look_at_events(turn, before, acknowledged)
            self.repeat(act, turn, acknowledged)
            self.look_at_events(turn, before, acknowledged, again=True)

    def head(self) -> int:
        row = self.connection.execute(
            "SELECT coalesce(max(notification_id), 0) FROM ledger.stored_events"
        ).fetchone()
        return row[0]

    def wait_until_alone(self) -> None:
        """A server process may still end what the killed client had begun."""
        wait_for_the_killed(self.conninfo, {self.connection.info.backend_pid})

    def import_all(self, turn: int) -> list[Any]:
        written, _ = acts.lines(turn)
        with CommandService(self.conninfo) as ledger:
            outcomes = list(import_file(ledger, written))
        assert not [outcome for outcome in outcomes if outcome.code]
        return outcomes

    def look_at_events(
        self,
        turn: int,
        before: int,
        acknowledged: dict[str, list[int]],
        *,
        again: bool = False,
    ) -> None:
        """Each command of the turn is whole or absent; the acknowledged are there."""
        _, expected = acts.lines(turn)
        expected |= {
            command["idempotency_key"]: topics
            for _, (command, topics) in zip(
                range(len(acknowledged) + 2), acts.commands(turn), strict=False
            )
        }
        recorded = dict(
            self.connection.execute(COMMANDS, {"turn": str(turn)}).fetchall()
        )
        stored = {}
        for key, positions, topics, instants in self.connection.execute(
            EVENTS, {"before": before}
        ):
            stored[key] = positions
            assert positions == list(range(positions[0], positions[-1] + 1))
            assert topics in (expected.get(key), ["InvoiceIssued"])
            assert instants == 1
        assert stored == recorded
        for key, positions in acknowledged.items():
            assert recorded[key] == positions
        if not again:
            unasked = len(recorded) - len(acknowledged)
            self.seen["whole though not acknowledged"] += unasked
        row = self.connection.execute(UNMATCHED).fetchone()
        assert row == (0, 0)

    def repeat(self, act: str, turn: int, acknowledged: dict[str, list[int]]) -> None:
        """The same again repeats what was acknowledged, and does the rest once."""
        if act == "import":
            keys = list(acts.lines(turn)[1])
            again = [(keys[item.line - 1], item) for item in self.import_all(turn)]
            message = {key: item.positions for key, item in again}
        elif act == "append":
            last = len(acknowledged)
            several = itertools.islice(acts.commands(turn), max(0, last - 1), last + 1)
            with CommandService(self.conninfo) as ledger:
                again = [(c["idempotency_key"], ledger.execute(c)) for c, _ in several]
            message = {key: item.positions for key, item in again}
        else:
            return
        for key, positions in message.items():
            assert list(positions) == acknowledged.get(key, list(positions))

    def look_at_tables(self) -> None:
        """The served tables are right as they were left, and can go on from there."""
        result = verify(self.conninfo, full=True)
        assert [row for row in result.rows if row.status != "same"] == []
        with connect(self.conninfo, autocommit=True) as connection:
            assert installation.catch_up(connection).checkpoint == self.head()

    def look_at_seals(self, size: int) -> None:
        """The events are as sealed, here and elsewhere, up to the acknowledged one."""
        place = self.folder / "kept"
        public = (self.folder / "key.pub").read_text().strip()
        service.seal(self.conninfo, Keys(self.folder / "key").signer(), [place])
        result = service.verify(
            self.conninfo,
            read_public(public),
            [place],
            processes=1,
        )
        assert result.findings == []
        assert result.sealed == result.events >= size

    def end(self) -> None:
        """The next rebuild cleans up whatever a killed one left."""
        assert rebuild(self.conninfo).error is None
        schemas = self.connection.execute(
            "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^projection_[0-9]+$'"
        ).fetchone()
        assert schemas == (2,)
        self.connection.close()


@contextmanager
def fresh(server: str) -> Any:
    yield from _database(server, TEMPLATE)


@pytest.mark.parametrize("kills", [30, pytest.param(2_000, marks=pytest.mark.long)])
def test_nothing_that_was_acknowledged_is_lost(
    server: str, tmp_path: Path, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()
    random, began = Random(kills), time.monotonic()
    for block in itertools.count():
        if seen["kills"] >= kills:
            break
        folder = tmp_path / str(block)
        folder.mkdir()
        with fresh(server) as conninfo:
            book = Book(conninfo, folder, random)
            for turn, act in zip(
                range(TURNS), itertools.cycle(acts.ACTS), strict=False
            ):
                if seen["kills"] + book.seen["kills"] < kills:
                    book.kill(act, turn)
            book.end()
            seen += book.seen
    message = ", ".join(f"{number:,} {what}" for what, number in seen.items())
    with capsys.disabled():
        print(f"\n{message}; nothing lost, {time.monotonic() - began:.0f} s")
