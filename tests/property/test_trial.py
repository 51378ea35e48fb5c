"""What is tried says what recording it then says, line by line (R101)."""

from __future__ import annotations

import itertools
import os
import re
from collections import Counter
from functools import partial
from random import Random
from typing import Any

import orjson
import psycopg
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file, try_file
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.projections.billing.invoice_computation import Drafting
from seat_ledger.projections.reader import ConnectedReader
from tests.oracle.oracle import Oracle
from tests.property.histories import TYPES, Author, opening

EXAMPLES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "9"))
numbers = itertools.count(1)
NOW = re.compile(r"(?<=: it is ).+?(?= now)|(?<=clock it is )\S+ [^.]+(\.\d+)?")


def history(ledger: CommandService, random: Random, head: int) -> list[dict[str, Any]]:
    """Commands of a random history, refused ones with them; some come twice."""
    oracle = Oracle()
    oracle.head = head
    account = f"t{next(numbers)}"
    author = Author(random, account, oracle)
    now = ledger.accounts.recorder.heads_of([])[1].now()
    script = [opening(random, account)]
    commands = (author.command() for _ in range(40))
    for command in itertools.chain(script[:1], commands):
        if command["op"] == "erase_user":
            continue
        if command is not script[0]:
            script.append(command)
        oracle.run(command, now)
        if random.random() < 0.1:
            script.append(random.choice(script))
        if random.random() < 0.2:
            script.append(invoice(account, random))
    return script


def invoice(account: str, random: Random) -> dict[str, Any]:
    """An invoice of some month of a history, or of corrections alone."""
    month = {"period": f"{random.choice([2025, 2026])}-{random.randint(1, 12):02}"}
    of = random.choice([month, month, {"corrections_only": True}])
    prices = {name: "90.00" for name in TYPES if random.random() < 0.9}
    fields = {"unit_prices": prices, "currency": "EUR", **of}
    number = f"{account}-{next(numbers)}"
    return {"op": "issue_invoice", "account": account, "invoice": number, **fields}


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
    invoices: list[tuple[str, str | None]] = []

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
        list(import_file(ledger, lines[:known_at], keep_going=True))
        chunk = random.choice([1, 3, 2000])
        before = count(database)
        options = {"keep_going": True, "chunk": chunk, "compute_invoice": drafting}
        tried = list(try_file(ledger, lines, compute_after=drafting.after, **options))
        assert count(database) == before
        recorded = list(import_file(ledger, lines, **options))
        assert [*map(as_recorded, tried)] == [*map(as_recorded, recorded)]
        compared.append(len(tried))
        invoices.extend(
            (outcome.outcome, outcome.code)
            for outcome, command in zip(recorded, script, strict=True)
            if command["op"] == "issue_invoice"
        )

    reader = partial(ConnectedReader, database, patient=True)
    with CommandService(database) as ledger, Drafting(reader) as drafting:
        compare()
    print(f"{sum(compared)} lines tried, no difference")
    assert sum(compared) > 30 * EXAMPLES
    assert {"recorded", "refused"} <= {outcome for outcome, _ in invoices}
    print(Counter(invoices))
