"""Catching up beside a server, over a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from seat_ledger.cli.options.session import options_of
from seat_ledger.errors import LedgerError

PAUSE = 5.0
"""Seconds until catching up is tried again, after what waiting may mend."""

options_of_serving = options_of(
    click.option(
        "--redact",
        is_flag=True,
        help="Hide keys, e-mails and names of people, and every text that may contain "
        "one.",
    ),
    click.option(
        "--catch-up/--no-catch-up",
        default=True,
        show_default=True,
        help="Keep the projections up to date, over a separate connection.",
    ),
)
"""The options of every server: what it shows, and whether it keeps the tables up."""


@contextmanager
def catching_up(conninfo: str, log: Any, is_enabled: bool) -> Iterator[None]:
    """Follow the store beside a server, where that is wanted and allowed."""
    from seat_ledger.projections.engine import follow  # noqa: PLC0415  a server needs it

    if not is_enabled or not follow.may_follow(conninfo):
        log(
            "as_they_are",
            reason="this login may not update the projections, or --no-catch-up is set",
        )
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(
        target=_follow, args=(conninfo, log, stop), name="catch-up", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)


def _follow(conninfo: str, log: Any, stop: threading.Event) -> None:
    """Follow until `stop`; what ends it is told once, and tried again.

    A restore or a migration makes what was missing, and pages say how far it is.
    """
    from seat_ledger.projections.engine.follow import follow  # noqa: PLC0415
    from seat_ledger.store.connection import explained  # noqa: PLC0415

    reason = ""
    while not stop.is_set():
        try:
            follow(conninfo, stop, poll=1.0, notify=log)
        except Exception as error:
            expected = error if isinstance(error, LedgerError) else None
            failure = expected or explained(conninfo, error)
            if failure is None:
                raise
            if failure.message != reason:
                log("catch_up_stopped", reason=failure.message, hint=failure.try_)
            reason = failure.message
            stop.wait(PAUSE)
