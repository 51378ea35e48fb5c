"""Questions in many parts, answered by two connections that see the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import takewhile
from threading import Event
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from seat_ledger.errors import LedgerError
from seat_ledger.projections.engine.snapshot import plan_by_accounts, settle
from seat_ledger.store.connection import Role, connect

Connection = psycopg.Connection[Any]
T = TypeVar("T")
P = TypeVar("P")


def shared(
    first: Connection,
    second: Connection | None,
    parts: Sequence[P],
    work: Callable[[Connection, P], Iterable[T]],
) -> Iterator[T]:
    """What `work` finds of each part: every other one on the second connection, where
    there is one; of those all rows come last.
    """
    if second is None:
        for part in parts:
            yield from work(first, part)
        return
    stopped = Event()

    def beside() -> list[T]:
        unstopped = takewhile(lambda _: not stopped.is_set(), parts[1::2])
        return [row for part in unstopped for row in work(second, part)]

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(beside)
        try:
            for part in parts[::2]:
                yield from work(first, part)
            yield from others.result()
        except BaseException:
            stopped.set()  # a cancel that comes between two statements ends neither
            with suppress(psycopg.Error):
                second.cancel_safe(timeout=5)
            raise


@contextmanager
def second_connection(
    conninfo: str, first: Connection, role: Role, generation: int
) -> Iterator[Connection | None]:
    """Another connection in the snapshot of one that only reads.

    None where there is none to be had: the first may write, and see what nobody else
    does, or the server has no room for another.
    """
    row = first.execute(
        "SELECT CASE WHEN current_setting('transaction_read_only')::boolean "
        "THEN pg_export_snapshot() END"
    ).fetchone()
    snapshot = row and row[0]
    second = None
    if snapshot is not None:
        with suppress(LedgerError):
            second = connect(conninfo, role=role, autocommit=True)
    if second is None:
        yield None
        return
    with second:
        plan_by_accounts(second)
        second.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        second.execute(
            sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot))
        )
        settle(second, generation)
        yield second
