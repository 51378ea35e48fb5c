"""Processes that work for another one, and end with it."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait


def end_with_parent() -> None:
    """Let this process end once the one that started it has, killed or not.

    A pool's processes wait for work on a pipe that they hold open themselves.
    """
    parent = parent_process()
    if parent is not None:
        watch = threading.Thread(
            target=_end_after, args=(parent.sentinel,), name="parent", daemon=True
        )
        watch.start()


def _end_after(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
