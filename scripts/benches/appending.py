"""An appender in a process of its own, as appenders are: commands one by one.

``python -m scripts.benches.appending`` appends to the database of the environment until
its standard input ends, at most a hundred a second, and prints the latencies in
milliseconds as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.benches.stores import PRO, this_month
from seat_ledger.commands.service import CommandService

PAUSE = 0.01
_DATABASE = "SEAT_LEDGER_DATABASE_URL"


@contextmanager
def appending(conninfo: str) -> Iterator[dict[str, float]]:
    """Append while something runs; the latencies are there when it has ended."""
    found: dict[str, float] = {}
    command = [sys.executable, "-m", "scripts.benches.appending"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, _DATABASE: conninfo},
    ) as process:
        try:
            yield found
        finally:
            told, _ = process.communicate()
            found.update(json.loads(told))


def appended(conninfo: str) -> dict[str, float]:
    """Append until the input ends; latencies in milliseconds."""
    ended = threading.Event()
    waiting = threading.Thread(target=lambda: (sys.stdin.read(), ended.set()))
    waiting.start()
    took: list[float] = []
    with CommandService(conninfo) as ledger:
        key = f"clock-{time.time_ns()}"
        ledger.open_account(
            key, name=key, time_zone="UTC", term_start=this_month(), term_months=12,
            billing_cycle_months=1,
        )  # fmt: skip
        while not ended.is_set():
            began = time.perf_counter()
            ledger.buy_seats(key, seat_type=PRO, quantity=1)
            took.append((time.perf_counter() - began) * 1000)
            ended.wait(PAUSE)
    took.sort()
    return {"p50": took[len(took) // 2], "p999": took[int(len(took) * 0.999)]}


if __name__ == "__main__":
    print(json.dumps(appended(os.environ[_DATABASE])))
