"""Following the store: woken, backed by a poll, connected anew, one at a time."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.projections.engine import follow, generations, installation, status
from seat_ledger.projections.engine.locks import FOLLOW_LOCK
from seat_ledger.projections.engine.rebuild import rebuild
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.connection import connect
from tests.integration.tables import PRO, differences, fill, head
from tests.program import PROGRAM, Program
from tests.support.waiting import (
    AT_MOST,
    end_holder,
    wait_for_end,
    wait_until,
)


class Follower:
    """A follower in a thread, and what it tells."""

    def __init__(self, conninfo: str, poll: float) -> None:
        self.reports: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.stop = threading.Event()
        self.thread = threading.Thread(
            target=follow.follow,
            args=(conninfo, self.stop),
            kwargs={"poll": poll, "notify": self.report},
        )
        self.thread.start()

    def report(self, word: str, **facts: Any) -> None:
        self.reports.put((word, facts))

    def wait(self, word: str, **expected: Any) -> dict[str, Any]:
        """Wait until it tells something."""
        while True:
            text, facts = self.reports.get(timeout=AT_MOST)
            if text == word and expected.items() <= facts.items():
                return facts

    def end(self) -> None:
        self.stop.set()
        wait_for_end([self.thread])


@pytest.fixture
def followers(database: str) -> Iterator[Any]:
    created: list[Follower] = []

    def follow(poll: float) -> Follower:
        created.append(Follower(database, poll))
        return created[-1]

    yield follow
    for item in created:
        item.end()


def test_a_follower_is_woken_by_the_append(
    database: str, ledger: CommandService, followers: Any
) -> None:
    item = followers(3600.0)  # the poll alone would never see it
    item.wait("following")
    fill(ledger, "acme")
    item.wait("caught_up", position=head(database))
    assert differences(database) == []


def test_the_poll_backs_the_notification(
    database: str,
    ledger: CommandService,
    followers: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follow, "CHANNEL", "nobody_notifies_this")
    item = followers(0.05)
    item.wait("following")
    fill(ledger, "acme")
    item.wait("caught_up", position=head(database))


def test_of_two_followers_one_works_and_the_other_takes_over(
    database: str, ledger: CommandService, followers: Any
) -> None:
    item = followers(3600.0)
    item.wait("following")
    other = followers(0.05)
    other.wait("standing_by")
    fill(ledger, "acme")
    item.wait("caught_up", position=head(database))
    item.end()
    other.wait("following")
    ledger.buy_seats("acme", seat_type=PRO, quantity=1)
    other.wait("caught_up", position=head(database))
    assert differences(database) == []


def test_a_follower_connects_anew_and_goes_on_after_a_rebuild(
    database: str, followers: Any
) -> None:
    item = followers(3600.0)
    item.wait("following")
    with psycopg.connect(database, autocommit=True) as connection:
        end_holder(connection, FOLLOW_LOCK)
    item.wait("disconnected")
    item.wait("following")
    assert rebuild(database).error is None
    with CommandService(database) as writer:
        fill(writer, "acme")
    item.wait("caught_up", position=head(database))
    assert differences(database) == []


def test_who_has_worked_for_long_goes_on_after_a_rebuild(
    database: str, ledger: CommandService, followers: Any
) -> None:
    """Statements that were prepared for the tables of before are not used again."""
    fill(ledger, "acme")
    item = followers(3600.0)
    fields = {"seat_type": PRO, "number": 1}
    with ConnectedReader(database) as reader:
        account = reader.account("acme", reader.knowledge())
        for turn in range(24):
            ledger.buy_seats("acme", seat_type=PRO, quantity=1)
            item.wait("caught_up", position=head(database))
            reader.catch_up()
            known_at = reader.knowledge()
            rows = reader.ask(
                "holdings", "life", known_at, account_no=account.no, **fields
            )
            assert rows[0]["purchased_position"] == 2
            if turn % 8 == 7:
                reader.connection.execute("COMMIT")
                assert rebuild(database).error is None
    assert differences(database) == []


def test_a_follower_stopped_by_its_machine_cannot_look_healthy(
    database: str, ledger: CommandService, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, "acme")
    program = Program(database)
    process = subprocess.Popen(
        [PROGRAM, "projection", "run", "--follow"],
        env=program.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert any('"caught_up"' in line for line in process.stderr)
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)  # until it has stopped
        ledger.buy_seats("acme", seat_type=PRO, quantity=1)
        monkeypatch.setattr(status, "STUCK_AFTER", 0.2)
        with connect(database, autocommit=True) as connection:
            row = wait_until(lambda: status_if(connection, "stuck"))
        assert row["followed"] is True
        assert row["lag_events"] == 1
        assert "A follower is running" in row["reason"]
    finally:
        process.send_signal(signal.SIGCONT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(AT_MOST) == 0
    with connect(database, autocommit=True) as connection:
        wait_until(lambda: not installation.status(connection)[0]["followed"])
        assert installation.status(connection)[0]["state"] in {"behind", "current"}


def status_if(connection: psycopg.Connection[Any], state: str) -> dict[str, Any] | None:
    """What the status says of a projection, where that is its state."""
    row = installation.status(connection)[0]
    return row if row["state"] == state else None


def test_nobody_follows_and_nothing_waits(database: str) -> None:
    with connect(database, autocommit=True) as connection:
        row = installation.status(connection)[0]
        served = generations.served(connection)
    assert (row["state"], row["lag_seconds"]) == ("current", 0.0)
    assert served.head == 0


def test_ctrl_c_ends_a_follower_with_130(database: str) -> None:
    process = subprocess.Popen(
        [PROGRAM, "projection", "run", "--follow"],
        env={**os.environ, "SEAT_LEDGER_DATABASE_URL": database},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert '"following"' in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(AT_MOST) == 130
