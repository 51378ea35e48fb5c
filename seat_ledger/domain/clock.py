"""The one place that asks the system what time it is.

Rules about "now" use the database's clock (R12, R36); this module answers only
where no database is asked: to name log files, and to carry the database's clock
forward between two questions to it.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The system's present instant, in UTC."""
    return datetime.now(UTC)


class CarriedClock:
    """The database's clock, read once and carried forward by a monotonic clock.

    A bulk import asks the database for the time once a chunk, not once a command.
    `least` is what the clock may have stepped back from: it is never before that.
    """

    def __init__(self, clock: datetime, least: datetime) -> None:
        self._base, self._least = clock, least
        self._started = time.monotonic_ns()

    def now(self) -> datetime:
        """The database's present instant, as far as known here."""
        elapsed = timedelta(0, 0, (time.monotonic_ns() - self._started) // 1000)
        return max(self._base + elapsed, self._least)
