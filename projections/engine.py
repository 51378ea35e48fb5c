"""The engine's doors: what other rooms call to keep the projections."""

from __future__ import annotations

from uuid import UUID

import psycopg

from projections import persons
from projections.catalogue import TOPICS
from projections.catch_up import catch_up
from projections.generation import install
from projections.locks import APPEND_LOCK
from projections.status import aside, made_at, status
from seat_ledger.store.connection import connect

__all__ = [
    "APPEND_LOCK",
    "TOPICS",
    "aside",
    "catch_up",
    "forget",
    "install",
    "made_at",
    "status",
]


def forget(conninfo: str, user_id: UUID) -> bool:
    """Take an erased person out of every table at once; False without the right to.

    Catching up does it too, but not in the tables that a rebuild left behind.
    """
    with connect(conninfo, role="projector", autocommit=True) as connection:
        try:
            persons.forget(connection, user_id)
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True
