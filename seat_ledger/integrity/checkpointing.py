"""Sealing: the new events' leaves join the tree, and a checkpoint of it is signed.

It runs beside appends, in a transaction of its own. Position order is commit order, so
what stands up to the head is complete, and nothing will come before it any more.

How far the ledger is sealed is read from the last signed note alone. The kept hashes
must lead to its root, or nothing is signed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from seat_ledger.domain.wording import counted
from seat_ledger.errors import IntegrityFailure, Locked
from seat_ledger.integrity import merkle, tiles
from seat_ledger.integrity.hashing import FIRST, Connection, advance, crew, spans
from seat_ledger.integrity.note import (
    BadNote,
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
)
from seat_ledger.integrity.tiles import REBUILD, StoredCheckpoint
from seat_ledger.store import schema
from seat_ledger.store.connection import connect

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


Check = Callable[[Connection, Checkpoint | None], None]
"""Looks at the last checkpoint of the database before another is signed; may raise."""


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
        ledger = schema.ledger_id(connection)
        stored = tiles.last_checkpoint(connection)
        last = open_stored(stored, signer.verifier, ledger) if stored else None
        tree = _tree_of(connection, last)
        check(connection, last)
        if last is not None:
            _check_count(connection, last)
        position = last.position if last and last.position is not None else FIRST
        head, new, now = _ahead(connection, position)
        if not new:
            if stored is None or last is None:
                return None
            return Sealed(last, stored.note, 0, time.monotonic() - began)
        _grow(conninfo, connection, tree, (position, head, new), processes)
        checkpoint = Checkpoint(signer.name, tree.size, tree.root(), head, now, ledger)
        note = signer.sign(checkpoint.text())
        if not tiles.keep_checkpoint(
            connection, StoredCheckpoint(tree.size, head, note)
        ):
            raise tiles.damaged(
                "the size column of another checkpoint is "
                f"{counted(tree.size, 'event')}."
            )
    size = last.size if last else 0
    return Sealed(checkpoint, note, tree.size - size, time.monotonic() - began)


def open_stored(
    stored: StoredCheckpoint, verifier: Verifier, ledger: UUID
) -> Checkpoint:
    """The checkpoint of a row, by its signed note. Raises IntegrityFailure."""
    try:
        checkpoint = open_checkpoint(stored.note, verifier)
    except BadNote as error:
        raise IntegrityFailure(
            "The last checkpoint of this database was not signed by the key "
            f"{verifier.label}: {error}.",
            try_="use the key that sealed it (--key, --public-key); see 'seat-ledger "
            "integrity verify'. Where somebody forged it: " + REBUILD,
        ) from error
    if checkpoint.ledger not in {None, ledger}:
        raise IntegrityFailure(
            f"The database identifies itself as ledger {ledger}, but was sealed as "
            f"ledger {checkpoint.ledger}.",
            try_="restore the table ledger.identity from a backup",
        )
    if (stored.size, stored.position) != (checkpoint.size, checkpoint.position):
        raise tiles.damaged(
            f"a row says {counted(stored.size, 'event')} up to position "
            f"{stored.position}; its signed note says {checkpoint.size:,} up to "
            f"{checkpoint.position}."
        )
    return checkpoint


def _take_lock(connection: Connection) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [PATIENCE])
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [SEAL_LOCK])
    except psycopg.errors.LockNotAvailable as error:
        raise Locked(
            "Another process is sealing.", try_="wait for it; it seals these events too"
        ) from error


def _tree_of(connection: Connection, last: Checkpoint | None) -> merkle.Frontier:
    """The kept tree of the last checkpoint, which must be the one that was signed."""
    if last is None:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM ledger.sealed_tile)"
        ).fetchone()
        if row is not None and row[0]:
            raise tiles.damaged("there are hashes, but no checkpoint of them.")
        return merkle.Frontier()
    tree = tiles.frontier(connection, last.size)
    if last.root != tree.root():
        raise tiles.damaged(
            f"the stored tree of {counted(last.size, 'event')} is not the one that was "
            "signed. Nothing is sealed on top of it."
        )
    return tree


def _check_count(connection: Connection, last: Checkpoint) -> None:
    """As many events stand there as were sealed, whatever each of them says now.

    One that was moved behind the last position would be sealed a second time.
    """
    count = tiles.count_until(connection, last.position)
    if count != last.size:
        raise IntegrityFailure(
            f"{counted(last.size, 'event is', 'events are')} sealed, up to position "
            f"{last.position}, and {counted(count, 'is', 'are')} stored there: some "
            "were removed, moved or inserted. Nothing was sealed.",
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
    if head is None:
        return after, 0, row[1]
    return head, max(1, head - max(after, 0)), row[1]


def _grow(
    conninfo: str,
    connection: Connection,
    tree: merkle.Frontier,
    ahead: tuple[int, int, int],
    processes: int | None,
) -> None:
    """Add the leaves of the events ahead to the tree and to its tiles."""
    after, head, new = ahead
    writer = tiles.TileWriter(connection, tree.size)
    with crew(conninfo, new, processes) as workers:
        selected = spans(connection, after, head, tree.size)
        for hashed in workers.hash(span for span, _ in selected):
            writer.append(hashed)
            hashed.feed(tree, 0, hashed.events)
    writer.close()


# -- made anew ----------------------------------------------------------------------


def rebuild_tiles(
    conninfo: str,
    verifier: Verifier,
    notes: Sequence[str],
    *,
    processes: int | None = None,
) -> Checkpoint | None:
    """Make the tiles anew from the events, and hold them against every signed root.

    `notes` are kept elsewhere; those that the database lacks come back, and rows that
    no note bears out go. Nothing is changed unless the events lead to every root.
    Where no checkpoint is left anywhere, hashes without one go, and None is returned.
    Raises IntegrityFailure. For the owner of the tables.
    """
    with (
        connect(conninfo, role="owner", autocommit=True) as connection,
        connection.transaction(),
    ):
        _take_lock(connection)
        ledger = schema.ledger_id(connection)
        rows = tiles.checkpoints(connection)
        signed = _signed([row.note for row in rows] + list(notes), verifier, ledger)
        if not rows and not notes:
            tiles.replace_all(connection, [])
            return None
        if not signed:
            raise IntegrityFailure(
                f"There is no checkpoint that the key {verifier.label} signed for "
                "this ledger, so there is nothing to check the events against.",
                try_="name the key that sealed it, and a --witness that keeps its "
                "checkpoints",
            )
        last = max(signed, key=lambda checkpoint: checkpoint.size)
        by_size = {
            checkpoint.size: StoredCheckpoint(
                checkpoint.size, checkpoint.position or 0, note
            )
            for checkpoint, note in signed.items()
        }
        tiles.replace_all(connection, [by_size[size] for size in sorted(by_size)])
        _fill(conninfo, connection, sorted(signed), processes)
    return last


def _signed(
    notes: Sequence[str], verifier: Verifier, ledger: UUID
) -> dict[Checkpoint, str]:
    """The checkpoints of this ledger that the key signed, each with its note."""
    signed = {}
    for note in notes:
        try:
            signed[open_checkpoint(note, verifier, ledger)] = note
        except BadNote:
            continue
    return signed


def _fill(
    conninfo: str,
    connection: Connection,
    signed: Sequence[Checkpoint],
    processes: int | None,
) -> None:
    """Write the tiles of the events up to the last checkpoint; hold every root."""
    last = max(signed, key=lambda checkpoint: checkpoint.size)
    tree, roots = merkle.Frontier(), dict[int, bytes]()
    sizes = sorted({checkpoint.size for checkpoint in signed})
    writer = tiles.TileWriter(connection, 0)
    with crew(conninfo, last.size, processes) as workers:
        selected = spans(connection, FIRST, last.position or 0, 0)
        for hashed in workers.hash(span for span, _ in selected):
            writer.append(hashed)
            advance(tree, hashed, sizes, roots)
    writer.close()
    for checkpoint in signed:
        if roots.get(checkpoint.size) != checkpoint.root or tree.size != last.size:
            raise IntegrityFailure(
                "The events do not lead to the signed checkpoint of "
                f"{counted(checkpoint.size, 'event')}, up to position "
                f"{checkpoint.position}: events were altered, or are missing. The "
                "stored hashes were left as they are.",
                try_="seat-ledger integrity verify",
            )
