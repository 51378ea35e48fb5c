"""served == rebuilt == oracle, at every position of random histories (R71)."""

from __future__ import annotations

import os
from datetime import timedelta
from random import Random
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine import rebuild as rebuilding
from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
from tests.integration.tables import differences, digests, head
from tests.property.comparison import Comparison
from tests.property.histories import opening
from tests.support.places import is_newest

HISTORIES = max(1, int(os.environ.get("SEAT_LEDGER_EXAMPLES", "40")) // 40)
COMMANDS = [26, pytest.param(80, marks=pytest.mark.long)]


class Clipped:
    """A store that ends at a position: what its head was once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.head = 0
        original = generations.served

        def served(connection: Any, **options: Any) -> Any:
            result = original(connection, **options)
            return result._replace(head=min(result.head, self.head))

        def keep(_: Any, __: int, *___: Any) -> int:
            return self.head

        monkeypatch.setattr(generations, "served", served)
        monkeypatch.setattr(rebuilding, "switch", keep)


@pytest.mark.both_versions
@pytest.mark.parametrize("commands", COMMANDS)
def test_r71_served_equals_rebuilt_equals_the_oracle_at_every_position(
    database: str, monkeypatch: pytest.MonkeyPatch, commands: int
) -> None:
    clipped = Clipped(monkeypatch)
    if not is_newest(database):
        commands //= 2
    for seed in range(HISTORIES):
        random = Random(seed)
        before = head(database)
        with CommandService(database) as ledger:
            comparison = Comparison(ledger, random)
            comparison.step(opening(random, comparison.account))
            while len(comparison.script) < commands:
                comparison.step(comparison.author.command())
        ends = ends_of_commands(database)
        added = [e.position for e in comparison.book.entries if e.topic == "UserAdded"]
        for position in range(before + 1, head(database) + 1):
            clipped.head = position
            with ConnectedReader(database) as reader:  # catches up by this one event
                known_at = reader.knowledge()
                assert (known_at.position, known_at.is_head) == (position, True)
                at = random.choice(comparison.book.entries).at
                at -= random.choice([timedelta(), timedelta(microseconds=1)])
                account = reader.account(comparison.account, known_at)
                question = AccountQuestion(reader, account, known_at, at)
                comparison.same_seats(question)
                if position >= max(added):  # before, some of them are unheard of
                    comparison.same_users(question)
                comparison.same_billing(reader, account, known_at)
            rebuilt = rebuilding.rebuild(database, workers=1)
            # Between the events of one command the rules may be broken for a moment;
            # a rebuild never stops there, so its checks may find what is no fault.
            if rebuilt.error is None:
                digested = {name: each.digest for name, each in rebuilt.tables.items()}
                assert digested == digests(database), comparison.message(
                    f"at {position}"
                )
            else:
                assert position not in ends, rebuilt.error.message
        assert rebuilt.error is None
        assert differences(database) == []


def ends_of_commands(conninfo: str) -> set[int]:
    """The last position of each command."""
    with psycopg.connect(conninfo) as connection:
        rows = connection.execute(
            "SELECT positions[cardinality(positions)] FROM ledger.recorded_command"
        ).fetchall()
    return {position for (position,) in rows}
