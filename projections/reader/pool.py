"""Readers kept open for a server: read only, one to a question, fresh for each.

Between questions a reader holds no transaction, so that neither a rebuild nor VACUUM
waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

import psycopg

from seat_ledger.errors import LedgerError, Unavailable
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store import schema
from seat_ledger.store.connection import explained, is_refusal

LONGEST_QUESTION = "30s"
LONGEST_LOCK = "5s"
"""How long a question waits for a table that somebody holds."""
LONGEST_WAIT = 3.0
LONGEST_PAUSE = "60s"
"""How long an answer that nobody reads on may hold a snapshot, and a rebuild up."""
PATIENCE = 20.0
"""Seconds that a question waits for a reader."""
_LIMITS = {
    "statement_timeout": LONGEST_QUESTION,
    "lock_timeout": LONGEST_LOCK,
    "idle_in_transaction_session_timeout": LONGEST_PAUSE,
}
_LIMIT = """
SELECT pg_catalog.set_config(limits.name, limits.most, false)
  FROM unnest(%(names)s::text[], %(most)s::text[]) AS limits(name, most)
  JOIN pg_catalog.pg_settings AS present ON present.name = limits.name
 WHERE present.setting = '0'
    OR present.setting::bigint * interval '1 ms' > limits.most::interval
"""


class Behind(LedgerError):
    """The tables have not reached that moment yet."""

    code = "projections_behind"
    exit_code = 12


class Busy(Unavailable):
    """Too many answers are being given at once: ask again in a moment."""

    code = "busy"


class PooledReader(ConnectedReader):
    """A reader that is used again and again, and never writes.

    `CATCHES_UP` brings the tables up to the store's head before each question, as the
    role that may; else somebody else does.
    """

    CATCHES_UP: ClassVar[bool] = False
    MAY_SHARE: ClassVar[bool] = False

    def __init__(self, conninfo: str) -> None:
        super().__init__(
            conninfo, catch_up=self.CATCHES_UP, read_only=not self.CATCHES_UP
        )
        schema.check(self.connection)

    def _prepare(self) -> None:
        """Set limits before anything is read: a stricter one of the login stays."""
        self.connection.execute(
            _LIMIT, {"names": list(_LIMITS), "most": list(_LIMITS.values())}
        )

    def renew(self) -> bool:
        """Stay on what is served now; false if that is another set of tables."""
        before = self.generation
        self._pin(first_catch_up=True)
        return self.generation == before

    def release(self) -> None:
        """Hold nothing."""
        self.connection.execute("COMMIT")

    def _pin(self, *, first_catch_up: bool) -> None:
        super()._pin(first_catch_up=first_catch_up and self.CATCHES_UP)

    def _wait_for_appends(self, instant: datetime) -> None:
        """Let the appends in flight end, and the tables reach them (R78)."""
        super()._wait_for_appends(instant)
        goal, until = self.store_head, time.monotonic() + LONGEST_WAIT
        while self.head < goal:
            if time.monotonic() > until:
                raise Behind(
                    f"The tables are at position {self.head}, the store at {goal}: "
                    "not all that was known at that moment is available yet.",
                    try_="try again, name a position, or run 'seat-ledger projection "
                    "run'",
                )
            self.release()
            time.sleep(0.05)
            self._pin(first_catch_up=False)


class CurrentReader(PooledReader):
    """One whose answers know all that was recorded before they were asked for."""

    CATCHES_UP: ClassVar[bool] = True

    def _prepare(self) -> None:
        """Set no limit: catching up takes as long as it takes."""


R = TypeVar("R", bound=PooledReader)


class ReaderPool(Generic[R]):
    """At most `size` readers at once; who comes later waits, `patience` seconds.

    Raises Busy, Unavailable.
    """

    def __init__(
        self,
        conninfo: str,
        size: int = 4,
        *,
        reader: type[R],
        patience: float = PATIENCE,
    ) -> None:
        self.conninfo = conninfo
        self.patience = patience
        self._make = reader
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[R] = []
        self._is_closed = False

    @contextmanager
    def reader(self) -> Iterator[R]:
        """Borrow a reader that is on what is served now."""
        if not self._free.acquire(timeout=self.patience):
            raise Busy
        try:
            yield from self._lent()
        finally:
            self._free.release()

    def _lent(self) -> Iterator[R]:
        reader = self._take()
        try:
            yield reader
        except LedgerError:
            self._give_back(reader)
            raise
        except BaseException as error:
            reader.connection.close()
            self._explain(error)
            raise
        self._give_back(reader)

    def _give_back(self, reader: R) -> None:
        """Keep a reader, if it is still well: its answer was given, or was no."""
        if self._is_closed:
            reader.connection.close()
            return
        try:
            reader.release()  # what its names mean is kept, and what is prepared
            self._idle.append(reader)
        except psycopg.Error:
            reader.connection.close()

    def _take(self) -> R:
        """The reader that rested last, if it still answers; else a new one."""
        while self._idle:
            reader = self._idle.pop()
            try:
                if reader.renew():
                    return reader
            except (psycopg.Error, LedgerError) as error:
                reader.connection.close()
                if is_refusal(error):  # another reader would wait as long
                    self._explain(error)
            reader.connection.close()
        try:
            return self._make(self.conninfo)
        except psycopg.Error as error:
            self._explain(error)
            raise

    def _explain(self, error: BaseException) -> None:
        """Raise in words what the database said, if it is no fault of the program."""
        explanation = explained(self.conninfo, error)
        if explanation is not None:
            raise explanation from error

    def close(self) -> None:
        """Close what rests, and what is given back after this."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().connection.close()
