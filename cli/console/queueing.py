"""How many are answered at once: a lane for pages, another for downloads.

Who waits for a turn occupies no thread and no connection, so that a lane that is full
slows the others by nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from seat_ledger.projections.reader.pool import Busy

T = TypeVar("T")


class Lane:
    """At most `size` turns at once, each with a thread of its own.

    At most `queue` wait, in order, `patience` seconds each. Raises Busy.
    """

    def __init__(self, size: int, queue: int, patience: float) -> None:
        self.queue, self.patience = queue, patience
        self._size = size
        self._turns = asyncio.Semaphore(size)
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it."""
        await self._take()
        try:
            yield
        finally:
            self._turns.release()

    async def _take(self) -> None:
        if self._waiting >= self.queue:
            raise Busy
        self._waiting += 1
        try:
            await asyncio.wait_for(self._turns.acquire(), self.patience)
        except TimeoutError:
            raise Busy from None
        finally:
            self._waiting -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in a thread of this lane; only who has a turn may."""
        return await to_thread.run_sync(work, limiter=self._threads())

    def _threads(self) -> CapacityLimiter:
        """The lane's threads, made where an event loop runs."""
        if not hasattr(self, "_limiter"):
            self._limiter = CapacityLimiter(self._size)
        return self._limiter
