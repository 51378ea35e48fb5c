"""Trying again: on a conflict a command is decided again on the new state."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TypeVar

from seat_ledger.errors import (
    Conflict,
    DatabaseRefused,
    LedgerError,
    OutcomeUnknown,
    Unavailable,
)

TRIES_WITHOUT_SERVER = 3
"""How often at most, while the database cannot be reached."""

T = TypeVar("T")


class Retry:
    """Repeats an attempt after a conflict, or a lost connection, a few times.

    `pause` gives the seconds to wait after a failure and the number of attempts
    before it. `is_unknown` says that one attempt may have been recorded though its
    connection was lost.
    """

    def __init__(
        self,
        tries: int,
        pause: Callable[[LedgerError, int], float],
        *,
        is_unknown: bool = False,
    ) -> None:
        self.tries, self.pause = tries, pause
        self.is_unknown = is_unknown

    def run(self, attempt: Callable[[], T]) -> T:
        """What the first attempt that succeeds gives. Raises the last one's error."""
        for number in itertools.count():
            try:
                return attempt()
            except DatabaseRefused:  # after a wait, and why it would refuse again
                raise
            except (Conflict, Unavailable) as error:
                self.is_unknown |= isinstance(error, OutcomeUnknown)
                away = isinstance(error, Unavailable)
                if number + 1 >= (TRIES_WITHOUT_SERVER if away else self.tries):
                    raise
                time.sleep(self.pause(error, number))
        raise AssertionError("the last attempt returns or raises")
