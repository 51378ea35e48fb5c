"""What is tried says what recording it then says, line by line (R101)."""

from __future__ import annotations

import itertools
import os
import re
from random import Random
from typing import Any

import orjson
import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seat_ledger.application import CommandService
from seat_ledger.importing.lines import LineOutcome
from tests.oracle.oracle import Oracle
from tests.property.histories import Author, opening

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "9"))
numbers = itertools.count(1)
NOW = re.compile(r"(?<=: it is ).+?(?= now)")


def history(ledger: CommandService, random: Random, head: int) -> list[dict[str, Any]]:
    """Commands of a random history, refused ones with them; some come twice."""
    oracle = Oracle()
    oracle.head = head
    account = f"t{next(numbers)}"
    author = Author(random, account, oracle)
    now = ledger.accounts.recorder.heads_of([])[1].now()
    script = [opening(random, account)]
    for command in itertools.chain(script, (author.command() for _ in range(40))):
        if command["op"] == "erase_user":
            continue
        if command is not script[0]:
            script.append(command)
        oracle.run(command, now)
        if random.random() < 0.1:
            script.append(random.choice(script))
    return script


def count(conninfo: str) -> tuple[Any, ...]:
    """How much is recorded, and where the store's next position stands."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT (SELECT count(*) FROM ledger.stored_events), "
            "(SELECT count(*) FROM ledger.recorded_command), "
            "(SELECT count(*) FROM ledger.user_name), "
            "(SELECT count(*) FROM ledger.snapshots), "
            "(SELECT last_value FROM ledger.stored_events_notification_id_seq)"
        ).fetchone()
    assert row is not None
    return row


def as_recorded(outcome: LineOutcome) -> LineOutcome:
    """What a tried line's outcome has in common with the recorded one's."""
    word = outcome.outcome.replace("would_record", "recorded")
    message = outcome.message and NOW.sub("now", outcome.message)
    return outcome._replace(outcome=word, positions=(), message=message)


def test_what_is_tried_is_what_is_recorded(database: str) -> None:
    compared = []

    @settings(
        max_examples=EXAMPLES,
        database=None,
        derandomize=os.environ.get("SEAT_LEDGER_EXAMPLES") is None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(st.randoms(use_true_random=False))
    def compare(random: Random) -> None:
        before = count(database)
        script = history(ledger, random, before[4] if before[0] else 0)
        lines = [orjson.dumps(command) for command in script]
        known_at = random.randint(0, len(lines) // 2)
        list(ledger.import_lines(lines[:known_at], keep_going=True))
        chunk = random.choice([1, 3, 2000])
        before = count(database)
        tried = list(ledger.try_lines(lines, keep_going=True, chunk=chunk))
        assert count(database) == before
        recorded = list(ledger.import_lines(lines, keep_going=True, chunk=chunk))
        assert [*map(as_recorded, tried)] == [*map(as_recorded, recorded)]
        compared.append(len(tried))

    with CommandService(database) as ledger:
        compare()
    print(f"{sum(compared)} lines tried, no difference")
    assert sum(compared) > 30 * EXAMPLES
