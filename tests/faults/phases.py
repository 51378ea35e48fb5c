"""Processes that kill themselves at a given step of a catch-up or a rebuild."""

from __future__ import annotations

import os
import signal
from typing import Any

from seat_ledger.projections.engine import catch_up as catching_up
from seat_ledger.projections.engine import generations
from seat_ledger.projections.engine import rebuild as rebuilding
from seat_ledger.projections.engine import switch as switching
from seat_ledger.projections.lake.bulk import TablesByDuckDB
from seat_ledger.store.connection import connect

_SWITCH = ("inside the switch", "after the switch")
REBUILD = (*(rebuilding.PHASES.keys() - {"compare"}), *_SWITCH)
BY_DUCKDB = (*(rebuilding.PHASES.keys() - {"figures"}), "taking events", *_SWITCH)
CATCH_UP = ("checked", "decoded", "computed", "committed")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def then_die(module: Any, name: str) -> None:
    """Let a function of a module do its work, and die when it is done."""
    original = getattr(module, name)

    def call(*fields: Any, **more: Any) -> None:
        original(*fields, **more)
        die()

    setattr(module, name, call)


def rebuild_by_duckdb(conninfo: str, step: str) -> None:
    """The same with DuckDB beside the server, and a step more."""
    if step == "taking events":
        then_die(TablesByDuckDB, "read")
    rebuild(conninfo, step, TablesByDuckDB)


def rebuild(conninfo: str, step: str, bulk: Any = None) -> None:
    """Rebuild until a phase begins, or the switch is reached."""
    if step == "inside the switch":
        then_die(generations, "serve")
    if step == "after the switch":
        then_die(switching, "_hand_over")

    def at(what: str) -> None:
        if what == rebuilding.PHASES.get(step):
            die()

    rebuilding.rebuild(conninfo, at=at, bulk=bulk)


def catch_up(conninfo: str, step: str) -> None:
    """Catch up until a step is done."""
    if step == "committed":
        then_die(catching_up, "advance")
    else:
        names = {
            "checked": "check_readable",
            "decoded": "decode",
            "computed": "refresh",
        }
        then_die(catching_up, names[step])
    catching_up.BATCH = 7
    with connect(conninfo, autocommit=True) as connection:
        catching_up.catch_up(connection)
