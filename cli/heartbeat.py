"""Signs of life of a long run: a spinner on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.render import is_plain, say

EVERY = 30.0


@contextmanager
def heartbeat(doing: str) -> Iterator[None]:
    """Show that something is still being done."""
    if sys.stderr.isatty() and not is_plain():
        from rich.console import Console  # noqa: PLC0415

        with Console(stderr=True).status(f"{doing} …"):
            yield
        return
    done = threading.Event()
    began = time.monotonic()

    def beat() -> None:
        while not done.wait(EVERY):
            say(f"{doing}: {time.monotonic() - began:.0f} s so far.")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
