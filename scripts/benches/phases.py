"""Where the CPU time of a rebuild goes: each task of it, client and server apart."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.benches.rebuilding import ENGINES
from scripts.benches.stores import filled
from seat_ledger.projections.engine import rebuild as rebuilding
from seat_ledger.projections.engine.checks import CHECKS
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.engine.worker_pool import WorkerPool
from seat_ledger.projections.lake import bulk

_INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX (\w+)")
_TASKS: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
_LOCK = threading.Lock()


def bench_phases(conninfo: str, events: int) -> dict[str, Any]:
    """µs an event of each task of a rebuild: of the client, and of the server.

    Each engine in a process of its own; what is not a task of a worker (the switch,
    start-up) is not in it.
    """
    filled(conninfo, events)
    return {"events": events, **{engine: _of(conninfo, engine) for engine in ENGINES}}


def _of(conninfo: str, engine: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benches.phases", conninfo, engine]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


class _MeasuredPool(WorkerPool):
    def begin(self, work: Callable[..., Any], *params: Any) -> Any:
        return super().begin(_measured(work, params), *params)

    def beside(self, work: Callable[..., Any], *params: Any) -> Any:
        return super().beside(_measured(work, params), *params)


def _measured(work: Callable[..., Any], params: tuple[Any, ...]) -> Callable[..., Any]:
    def do(connection: Any, *arguments: Any) -> Any:
        backend = connection.info.backend_pid
        client, server = time.thread_time(), _used(backend)
        try:
            return work(connection, *arguments)
        finally:
            client, server = time.thread_time() - client, _used(backend) - server
            with _LOCK:
                task = _TASKS[_name(work, params)]
                task[0] += client
                task[1] += server

    return do


def _used(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _name(work: Callable[..., Any], params: tuple[Any, ...]) -> str:
    name = work.__name__.strip("_")
    if name == "execute":
        match = _INDEX.search(params[0].decode())
        return f"index {match[1]}" if match else name
    if name == "decode":
        return f"decode {params[2][0].name}"
    if name == "first_finding":
        checks = queries("engine", "checks.sql")
        return next(c.name for c in CHECKS if checks[c.name] == params[0])
    if name == "timed":
        return _name(params[0], params[1:])
    if name in {"table_digest", "analyze"} or isinstance(work, type(_name)):
        first = params[0] if params and isinstance(params[0], str) else ""
        return f"{name} {first}".strip()
    return name


def _main(conninfo: str, engine: str) -> None:
    rebuilding.WorkerPool = _MeasuredPool  # type: ignore[misc]
    maker = bulk.TablesByDuckDB if engine == "duckdb" else None
    began = time.process_time()
    result = rebuilding.rebuild(conninfo, bulk=maker)
    if result.error is not None:
        raise SystemExit(str(result.error))
    events = result.events

    def us(seconds: float) -> float:
        return round(seconds / events * 1e6, 2)

    tasks = sorted(_TASKS.items(), key=lambda item: -sum(item[1]))
    figures = {
        "seconds": round(result.seconds, 2),
        "client_us": us(time.process_time() - began),
        "server_us": us(sum(server for _, (_, server) in tasks)),
        "tasks": {name: [us(client), us(server)] for name, (client, server) in tasks},
    }
    print(json.dumps(figures))


BENCHES = {"phases": bench_phases}
EVENTS = {"phases": 1_000_000}

if __name__ == "__main__":
    _main(*sys.argv[1:])
