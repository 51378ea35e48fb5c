"""The engine's doors: what other rooms call to keep the projections."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from seat_ledger.errors import NotAllowed
from seat_ledger.projections.engine import generations, user_directory
from seat_ledger.projections.engine.catch_up import catch_up
from seat_ledger.projections.engine.locks import APPEND_LOCK
from seat_ledger.projections.engine.registry import TOPICS
from seat_ledger.projections.engine.statistics import remove_personal
from seat_ledger.projections.engine.status import (
    MOST_UNSEALED,
    LastSeal,
    aside,
    last_seal,
    served_times,
    status,
)
from seat_ledger.store.connection import connect, hides_rows, not_allowed
from seat_ledger.store.statistics import waiting_at_most

__all__ = [
    "APPEND_LOCK",
    "MOST_UNSEALED",
    "TOPICS",
    "Forgotten",
    "LastSeal",
    "aside",
    "catch_up",
    "forget",
    "install",
    "last_seal",
    "served_times",
    "status",
]


def install(conninfo: str) -> bool:
    """Make the first, empty generation; return whether there was none.

    Generations that are there are kept from copying persons into the statistics. Raises
    NotAllowed for a login that may not make projections.
    """
    try:
        is_new = generations.install(conninfo)
        if not is_new:
            generations.renew_own(conninfo)
            remove_personal(conninfo)
    except psycopg.errors.InsufficientPrivilege as error:
        raise NotAllowed(
            "The projections are unchanged: this login may not build them.",
            try_="run 'seat-ledger db migrate' as a member of seat_ledger_projector",
        ) from error
    return is_new


class Forgotten(NamedTuple):
    """Whether the tables hold nobody who is erased, and their files neither."""

    tables: bool
    files: bool


def forget(conninfo: str) -> Forgotten:
    """Take everybody who is erased out of every generation's tables, and their files.

    Catching up takes them out of the tables; their files it leaves to VACUUM.
    """
    with connect(conninfo, role="projector", autocommit=True) as connection:
        try:
            with waiting_at_most(connection, "1s"):
                everywhere = any(
                    user_directory.forget(connection, patient=True)
                    for _ in range(_TRIES)
                )
        except psycopg.errors.InsufficientPrivilege as error:
            if hides_rows(error):
                raise not_allowed(error) from error
            return Forgotten(tables=False, files=False)
        files = user_directory.rewrite(connection)
        return Forgotten(tables=True, files=everywhere and files)


_TRIES = 5
