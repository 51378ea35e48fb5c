"""Signs of life of a long run: a spinner on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from seat_ledger.cli.output.render import is_plain, print_message

EVERY = 30.0


@contextmanager
def heartbeat(doing: str) -> Iterator[Callable[[str], None]]:
    """Show that something is still being done; call what is given to say what."""
    if sys.stderr.isatty() and not is_plain():
        from rich.console import Console  # noqa: PLC0415
        from rich.markup import escape  # noqa: PLC0415

        with Console(stderr=True).status(f"{doing} …") as status:
            yield lambda what: status.update(f"{doing}: {escape(what)} …")
        return
    done, now = threading.Event(), [doing]
    began = time.monotonic()

    def beat() -> None:
        while not done.wait(EVERY):
            print_message(f"{now[0]}: {time.monotonic() - began:.0f} s so far.")

    def update(what: str) -> None:
        now[0] = f"{doing}: {what}"

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield update
    finally:
        done.set()
        thread.join()
