"""Sealing: the new events' leaves join the tree, and a checkpoint of it is signed.

It runs beside appends, in a transaction of its own. Position order is commit order, so
what stands up to the head is complete, and nothing will come before it any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from seat_ledger.errors import IntegrityFailure, Locked
from seat_ledger.integrity import merkle
from seat_ledger.integrity.note import BadNote, Checkpoint, Signer, open_checkpoint
from seat_ledger.store import seals
from seat_ledger.store.connection import connect
from seat_ledger.store.leaves import FIRST, Connection, crew, spans

SEAL_LOCK = 7365617436
"""Whoever seals holds it to the commit; appends do not."""

PATIENCE = "30s"
"""How long a seal waits for another one."""


class Sealed(NamedTuple):
    """A checkpoint and its note; `added` is how many events it has more."""

    checkpoint: Checkpoint
    note: str
    added: int
    seconds: float


Check = Callable[[Connection, int], None]
"""Looks at the tree of so many events before a checkpoint is signed; may raise."""


def seal(
    conninfo: str,
    signer: Signer,
    *,
    processes: int | None = None,
    check: Check = lambda *_: None,
) -> Sealed | None:
    """Seal the events up to the head; None where there are none.

    Nothing new makes no new checkpoint: the last one is returned. Raises Locked while
    another seal is at work for long, and IntegrityFailure where the kept tree is not
    the one that was signed last.
    """
    began = time.monotonic()
    with (
        connect(conninfo, role="writer", autocommit=True) as connection,
        connection.transaction(),
    ):
        _take_lock(connection)
        kept = seals.checkpoint(connection)
        size, position = (kept.size, kept.position) if kept else (0, FIRST)
        tree = seals.frontier(connection, size)
        if kept is not None:
            _check_continues(kept, tree, signer)
        head, new, now = _ahead(connection, position)
        if new:
            _grow(conninfo, connection, tree, (position, head, new), processes)
        elif kept is None:
            return None
        check(connection, tree.size)
        if not new and kept is not None:
            checkpoint = open_checkpoint(kept.note, signer.verifier)
            return Sealed(checkpoint, kept.note, 0, time.monotonic() - began)
        checkpoint = Checkpoint(signer.name, tree.size, tree.root(), head, now)
        note = signer.sign(checkpoint.text())
        seals.keep(connection, seals.Kept(tree.size, head, note))
    return Sealed(checkpoint, note, tree.size - size, time.monotonic() - began)


def _take_lock(connection: Connection) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [SEAL_LOCK])
    except psycopg.errors.LockNotAvailable as error:
        raise Locked(
            "Another seal is at work.", try_="wait for it; it seals these events too"
        ) from error


def _check_continues(kept: seals.Kept, tree: merkle.Frontier, signer: Signer) -> None:
    """The kept tree is the one that was signed, by this key."""
    try:
        last = open_checkpoint(kept.note, signer.verifier)
    except BadNote as error:
        raise IntegrityFailure(
            f"The last checkpoint of this database cannot be continued: {error}.",
            try_="use the key that sealed it; look with 'seat-ledger integrity verify'",
        ) from error
    if (last.size, last.root) != (tree.size, tree.root()):
        raise IntegrityFailure(
            f"The kept tree of {kept.size:,} events is not the one that was signed. "
            "Nothing is sealed on top of it.",
            try_="seat-ledger integrity verify",
        )


def _ahead(connection: Connection, after: int) -> tuple[int, int, datetime]:
    """The head, about how many events stand before it, and the database's clock."""
    row: Any = connection.execute(
        "SELECT max(notification_id), clock_timestamp() FROM ledger.stored_events "
        "WHERE notification_id > %s",
        [after],
    ).fetchone()
    head = row[0]
    return head or after, head - max(after, 0) if head else 0, row[1]


def _grow(
    conninfo: str,
    connection: Connection,
    tree: merkle.Frontier,
    ahead: tuple[int, int, int],
    processes: int | None,
) -> None:
    """Add the leaves of the events ahead to the tree and to its tiles."""
    after, head, new = ahead
    writer = seals.TileWriter(connection, tree.size)
    with crew(conninfo, new, processes) as workers:
        wanted = spans(connection, after, head, tree.size)
        for hashed in workers.hash(span for span, _ in wanted):
            writer.append(hashed)
            hashed.feed(tree, 0, hashed.events)
    writer.close()
