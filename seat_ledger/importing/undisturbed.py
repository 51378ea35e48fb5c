"""How a process works that has much in memory, and little of it garbage."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def undisturbed() -> Iterator[None]:
    """Look for garbage seldom: the many entries in memory are none.

    And let the thread that writes have its turn at once when the server answers.
    """
    usual, turn = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(500_000, 20, 50)
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        sys.setswitchinterval(turn)
