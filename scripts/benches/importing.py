"""An import as a process of its own, which says what it took."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import psycopg

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.files import import_file


def main(conninfo: str, file: str, workers: str) -> None:
    recorded = 0
    with CommandService(conninfo) as ledger, Path(file).open("rb") as lines:
        before, started = time.process_time(), time.perf_counter()
        for outcome in import_file(ledger, lines, workers=int(workers)):
            assert outcome.outcome == "recorded", outcome
            recorded += 1
        seconds = time.perf_counter() - started
        cpu = time.process_time() - before
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += used.ru_utime + used.ru_stime
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT count(*) FROM ledger.stored_events").fetchone()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {"seconds": seconds, "peak": peak, "recorded": recorded, "total": row[0]}
    print(json.dumps({**figures, "client_cpu_us": round(cpu / recorded * 1e6, 1)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
