"""What questions cost: who held a seat, in the database, and counts as a command."""

from __future__ import annotations

import subprocess
import time
from datetime import timedelta
from random import Random
from typing import Any

from scripts.benches.stores import BIN, ready
from seat_ledger.projections.reader import ConnectedReader

ASKED = 2_000
PERIOD = "2025-06"
MODES = (
    "contracted", "peak", "snapshot_end", "start_plus_rises", "time_weighted",
    "day_peak", "day_touch", "distinct", "all",
)  # fmt: skip


def bench_questions(conninfo: str, events: int) -> dict[str, Any]:
    """Who held a seat at a moment, now and as known before, in the database."""
    ready(conninfo, events)
    random = Random(5)
    figures: dict[str, Any] = {"events": events}
    with ConnectedReader(conninfo) as reader:
        seats = reader.connection.execute(
            "SELECT account_no, seat_type::text, number, purchased_at FROM seat "
            "ORDER BY hashint8(account_no * 1000 + number) LIMIT %s",
            [ASKED],
        ).fetchall()
        for name, earlier in (("who", False), ("who_known_at", True)):
            took = sorted(_ask(reader, random, seat, earlier) for seat in seats)
            figures[f"{name}_p50_ms"] = round(took[len(took) // 2], 3)
            figures[f"{name}_p99_ms"] = round(took[int(len(took) * 0.99)], 3)
    return figures


def _ask(reader: ConnectedReader, random: Random, seat: Any, earlier: bool) -> float:
    """Milliseconds to learn who held a seat at a moment."""
    account_no, seat_type, number, bought = seat
    position = random.randrange(reader.head // 2, reader.head) if earlier else None
    known = reader.knowledge(position)
    at = bought + timedelta(days=random.randrange(300))
    began = time.perf_counter()
    rows = reader.ask(
        "holdings", "of_seat", known, account_no=account_no, seat_type=seat_type,
        number=number,
    )  # fmt: skip
    live = [row for row in rows if _held_at(row, at)]
    took = (time.perf_counter() - began) * 1000
    assert len(live) <= 1
    return took


def _held_at(row: dict[str, Any], at: Any) -> bool:
    if row["reversed"] or row["held_from"] is None or row["held_from"] > at:
        return False
    return row["held_until"] is None or row["held_until"] > at


def bench_counts(conninfo: str, events: int) -> dict[str, Any]:
    """`billing counts --all` for a month: whole processes, rows discarded."""
    ready(conninfo, events)
    figures: dict[str, Any] = {"events": events, "period": PERIOD}
    figures["default_seconds"] = _counted(conninfo)
    for mode in MODES:
        figures[f"{mode}_seconds"] = _counted(conninfo, "--mode", mode)
    with ConnectedReader(conninfo) as reader:
        head = reader.head
    for name, position in (("known_at", head - 1), ("known_at_half", head // 2)):
        figures[f"{name}_seconds"] = _counted(conninfo, "--known-at", str(position))
    return figures


def _counted(conninfo: str, *options: str) -> float:
    command = [BIN / "seat-ledger", "--database", conninfo, "billing", "counts"]
    command += ["--all", "--period", PERIOD, "--format", "jsonl", *options]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return round(time.perf_counter() - began, 2)


BENCHES = {"questions": bench_questions, "counts": bench_counts}
EVENTS = {"questions": 400_000, "counts": 400_000}
