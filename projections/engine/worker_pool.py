"""Connections that share the work of a rebuild."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine.generations import Connection
from seat_ledger.store.connection import become, connect

_SETTINGS = {
    "work_mem": "256MB",
    "maintenance_work_mem": "384MB",
    "synchronous_commit": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "0",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "hash_mem_multiplier": "2",
    "random_page_cost": "4",
    "default_statistics_target": "30",
    "client_connection_check_interval": "2s",
}
_SETTINGS_OF_SUPERUSERS = {"wal_compression": "off"}
"""Index builds log whole pages; compressing them takes longer than the build."""


_NICENESS = 10


def _step_aside(connection: Connection) -> None:
    """Let everybody else go first, on a server of this machine.

    A rebuild takes all the processor time that it gets; who appends or asks meanwhile
    should not have to wait for it. Each process of a server is a session of its own,
    and where Linux groups processes by session (autogroup) only the group's niceness
    tells against others. Where that is not to be had, or where the number means
    another process here than on the server, nothing changes.
    """
    info = connection.info
    if not info.host.startswith("/"):
        return
    backend = info.backend_pid
    with suppress(OSError):
        title = Path(f"/proc/{backend}/cmdline").read_bytes()
        serves = f" {info.user} {info.dbname} [local]".encode()
        if title.startswith(b"postgres: ") and serves in title:
            now = os.getpriority(os.PRIO_PROCESS, backend)
            os.setpriority(os.PRIO_PROCESS, backend, max(now, _NICENESS))
            Path(f"/proc/{backend}/autogroup").write_text(f"{_NICENESS}", "ascii")


def _step_aside_too() -> None:
    """Let the rest of this process and its neighbours go before the calling thread."""
    if sys.platform == "linux":  # elsewhere this is of the whole process
        with suppress(OSError):
            now = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, 0, max(now, _NICENESS))


class WorkerPool:
    """Connections that work side by side, each with a thread to wait for it."""

    def __init__(self, conninfo: str, number: int, size: int) -> None:
        self.conninfo, self.number, self.size = conninfo, number, size

    def __enter__(self) -> Self:
        self.connections = [self._connect() for _ in range(self.size)]
        self.aside = self._connect()
        self.free = list(self.connections)
        self.pool = ThreadPoolExecutor(self.size, initializer=_step_aside_too)
        self.pool_aside = ThreadPoolExecutor(1, initializer=_step_aside_too)
        return self

    def _connect(self) -> Connection:
        connection = connect(self.conninfo, autocommit=True)
        for name, value in _SETTINGS_OF_SUPERUSERS.items():
            connection.execute(
                "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s "
                "AND has_parameter_privilege(name, 'SET')",
                [value, name],
            )
        _step_aside(connection)
        become(connection, "projector")
        for name, value in _SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        generations.use(connection, self.number)
        return connection

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            for connection in (*self.connections, self.aside):
                connection.cancel_safe(timeout=5)
        self.pool.shutdown(cancel_futures=True)
        self.pool_aside.shutdown(cancel_futures=True)
        for connection in (*self.connections, self.aside):
            connection.close()

    def begin(self, work: Callable[..., Any], *params: Any) -> Future[Any]:
        """Let the next free worker do something, in a transaction of its own."""

        def do() -> Any:
            connection = self.free.pop()
            try:
                with connection.transaction():
                    return work(connection, *params)
            finally:
                self.free.append(connection)

        return self.pool.submit(do)

    def beside(self, work: Callable[..., Any], *params: Any) -> Future[Any]:
        """Do something beside the workers: what the client itself is busy with."""

        def do() -> Any:
            with self.aside.transaction():
                return work(self.aside, *params)

        return self.pool_aside.submit(do)

    def run(self, work: Callable[..., Any], *params: Any) -> Any:
        """Let one worker do something, and wait."""
        return self.begin(work, *params).result()

    def each(
        self, work: Callable[..., Any], params: Sequence[tuple[Any, ...]]
    ) -> list[Any]:
        """Let the workers share something, and wait for all."""
        waiting = [self.begin(work, *task) for task in params]
        return [task.result() for task in waiting]
