"""Commands that run until they are stopped, and how that is done: in one way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopping(threading.Event):
    """Set by the first Ctrl-C or SIGTERM; the second one ends at once."""

    was_interrupted = False

    def receive(self, number: int, _frame: Any) -> None:
        """Take a signal. Raises KeyboardInterrupt where it is the second."""
        if self.is_set():
            raise KeyboardInterrupt
        self.was_interrupted = number == signal.SIGINT
        self.set()


@contextmanager
def stopped_by_signals() -> Iterator[Stopping]:
    """Have the event set by the first signal; who is at work asks it, and ends whole.

    In a thread that gets no signals it is never set.
    """
    stopping = Stopping()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = [signal.signal(number, stopping.receive) for number in numbers]
    try:
        yield stopping
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def until_stopped() -> Iterator[Stopping]:
    """Run until the event is set: every loop of a command that has no end asks it.

    SIGTERM is a service's ordinary end; after Ctrl-C raises KeyboardInterrupt.
    """
    with stopped_by_signals() as stopping:
        yield stopping
    if stopping.was_interrupted:
        raise KeyboardInterrupt
