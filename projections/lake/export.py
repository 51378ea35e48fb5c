"""The journal brought out into a lake: whole segments once, and a tail.

A segment ends where a full subtree of the sealed tree does, and is made once. Behind
the last whole one stands a tail, made anew each time. What is not sealed is not
exported.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import tuple_row

from seat_ledger.domain.calendar import TZDATA_VERSION
from seat_ledger.domain.values import iso
from seat_ledger.domain.wording import counted
from seat_ledger.errors import IntegrityFailure, Locked
from seat_ledger.integrity import merkle, tiles
from seat_ledger.integrity.hashing import TILE
from seat_ledger.integrity.note import Checkpoint, Signer
from seat_ledger.projections.engine.registry import versions
from seat_ledger.projections.engine.sql_files import filled, part, queries
from seat_ledger.projections.lake.columns import (
    COLUMNS,
    rows_by_bucket,
    write_segment,
)
from seat_ledger.projections.lake.layout import (
    FORMAT,
    WORKSHOP,
    Lake,
    Manifest,
    Segment,
    exported_from_here,
    open_manifest,
    remember,
    superseded,
)
from seat_ledger.projections.reader import AccountSetAside, ConnectedReader
from seat_ledger.store.connection import connect

LAKE_LOCK = 7365617437
"""Whoever exports holds it: one at a time of each ledger."""

SEGMENT_EVENTS = 1 << 24
"""A whole segment has so many: about 250 MB. A power of two, of at least a tile."""


class Exported(NamedTuple):
    """What an export did: the manifest, and the files that are new.

    `missing` is the number of a manifest that was exported from here and that the lake
    had no more; 0 for none.
    """

    manifest: Manifest
    new: tuple[Segment, ...]
    removed: int
    missing: int


def export_to(
    reader: ConnectedReader,
    lake: Lake,
    signer: Signer,
    sealed: tuple[Checkpoint, str],
    *,
    segment_events: int | None = None,
) -> Exported:
    """Bring a lake up to a checkpoint of the sealed tree.

    `reader` is caught up at least that far. Nothing new makes no new manifest. Raises
    AccountSetAside where the journal has not every event (R74), Locked while somebody
    else exports, IntegrityFailure where the lake is another ledger's, or ahead.
    """
    if reader.aside:
        raise AccountSetAside(*reader.aside)
    with connect(reader.conninfo, role="writer", autocommit=True) as store:
        row = store.execute("SELECT pg_try_advisory_lock(%s)", [LAKE_LOCK]).fetchone()
        if not (row and row[0]):
            raise Locked("Another process is exporting.", try_="wait for it")
        return _Export(reader, store, lake, signer, sealed, segment_events)()


class _Export:
    """One run."""

    def __init__(  # noqa: PLR0913, PLR0917  what one run is of
        self,
        reader: ConnectedReader,
        store: Connection[Any],
        lake: Lake,
        signer: Signer,
        sealed: tuple[Checkpoint, str],
        segment_events: int | None,
    ) -> None:
        self.reader, self.store = reader, store
        self.lake, self.signer = lake, signer
        self.checkpoint, self.note = sealed
        self.journal = _segment_version()
        self.last = self._last()
        self.number = self.last.number if self.last else 0
        self.from_here = exported_from_here(lake, str(self.checkpoint.ledger))
        self.whole = segment_events or SEGMENT_EVENTS
        if self.last is not None:
            self.whole = self.last.segment_events

    def _last(self) -> Manifest | None:
        """The manifest that this one follows. Raises IntegrityFailure."""
        if not self.lake.numbers():
            return None
        manifest, checkpoint = open_manifest(self.lake, self.signer.verifier)
        if manifest.ledger != str(self.checkpoint.ledger):
            raise IntegrityFailure(
                f"The lake {self.lake.place} is of the ledger {manifest.ledger}; this "
                f"is {self.checkpoint.ledger}.",
                try_="export each ledger into a place of its own",
            )
        if checkpoint.size > self.checkpoint.size or self._has_left(checkpoint):
            sealed = counted(checkpoint.size, "sealed event")
            raise IntegrityFailure(
                f"The lake {self.lake.place} has {sealed}, and this ledger does not "
                "go on from there: an older or changed database is in place.",
                try_="seat-ledger integrity verify",
            )
        return manifest

    def _has_left(self, checkpoint: Checkpoint) -> bool:
        tree = tiles.frontier(self.store, checkpoint.size)
        return tree.root() != checkpoint.root

    def __call__(self) -> Exported:
        self.lake.clear_workshop()
        staying = self._staying()
        selected = list(self._missing(len(staying)))
        same = self.last is not None and len(staying) == len(self.last.segments)
        missing = self.from_here if self.from_here > self.number else 0
        if self.last is not None and same and not selected and not missing:
            return Exported(self.last, (), 0, 0)
        new = tuple(self._write(*bounds) for bounds in selected)
        manifest = self._manifest((*staying, *new))
        self.lake.add(manifest, self.signer)
        remember(self.lake, manifest)
        current = [manifest] + ([self.last] if self.last else [])
        dropped = superseded(self.lake, current)
        for name in dropped:
            self.lake.remove(name)
        return Exported(manifest, new, len(dropped), missing)

    def _staying(self) -> list[Segment]:
        """The segments that stay: whole ones in front, a tail with nothing behind."""
        staying: list[Segment] = []
        for segment in self.last.segments if self.last else ():
            is_whole = segment.events == self.whole
            is_end = segment.until_leaf == self.checkpoint.size
            if segment.journal != self.journal or not (is_whole or is_end):
                break
            if not self.lake.exists(segment.name):
                break
            staying.append(segment)
        return staying

    def _missing(self, staying: int) -> Iterator[tuple[int, int]]:
        """The leaves of each segment that is to be made."""
        for first in range(staying * self.whole, self.checkpoint.size, self.whole):
            yield first, min(first + self.whole, self.checkpoint.size)

    def _position(self, leaves: int) -> int:
        """The position of the last of so many leaves."""
        if not leaves:
            return 0
        if leaves == self.checkpoint.size and self.checkpoint.position is not None:
            return self.checkpoint.position
        number, at = divmod(leaves - 1, TILE)
        for row in tiles.rows_between(self.store, 0, number, number):
            if row.start <= at < row.start + row.length:
                return row.labels()[at - row.start]
        raise tiles.damaged(f"tile {number} of level 0 is incomplete.")

    def _write(self, first: int, until: int) -> Segment:
        """Make a segment and bring it in. Raises IntegrityFailure, and LedgerError
        where the place has no room for it.
        """
        try:
            return self._written(first, until)
        except OSError as error:
            raise self.lake.unreachable(error) from error

    def _written(self, first: int, until: int) -> Segment:
        after, last = self._position(first), self._position(until)
        name = f"journal/{after + 1:012d}-{last:012d}.{self.journal}.parquet"
        with tempfile.TemporaryDirectory(
            prefix=WORKSHOP, dir=self.lake.workshop
        ) as folder:
            local = Path(folder) / "segment.parquet"
            rows = journal_rows(self.reader.connection, after, last)
            buckets = write_segment(local, rows_by_bucket(rows))
            events = sum(count for _, count in buckets)
            if events != until - first:
                raise IntegrityFailure(
                    f"The journal has {counted(events, 'event')} from position "
                    f"{after + 1} to {last}; "
                    f"{counted(until - first, 'is', 'are')} sealed there. "
                    "Nothing was exported.",
                    try_="seat-ledger integrity verify; seat-ledger projection verify "
                    "--full",
                )
            self.lake.put(local, name)
        size, sha256 = self.lake.digest(name)
        nodes = tiles.nodes(
            self.store,
            [
                (index << level, index + 1 << level)
                for level, index in merkle.full_subtrees(first, until)
            ],
        )
        return Segment(
            name, self.journal, first, until, after + 1, last, size, sha256,
            tuple(node.hex() for node in nodes), buckets,
        )  # fmt: skip

    def _manifest(self, segments: tuple[Segment, ...]) -> Manifest:
        position = self.checkpoint.position or 0
        with self.reader.connection.cursor(row_factory=tuple_row) as cursor:
            types = cursor.execute(
                queries("lake", "export.sql")["seat_types"],
                {"until_position": position},
            ).fetchall()
            row = cursor.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        return Manifest(
            max(self.number, self.from_here) + 1,
            str(self.checkpoint.ledger),
            iso(row[0]),
            position,
            self.checkpoint.size,
            self.whole,
            self.note,
            TZDATA_VERSION,
            versions(),
            tuple((int(no), str(name)) for no, name in types),
            segments,
        )


def _segment_version() -> str:
    """By what a segment is made, as its name says it: how events are decoded, and what
    of them is brought out.
    """
    text = queries("lake", "export.sql")["journal"]
    whole = f"{FORMAT} {versions()['journal']} {COLUMNS}".encode() + text
    return hashlib.sha256(whole).hexdigest()[:8]


def journal_rows(
    connection: Connection[Any],
    after: int,
    until: int,
    rows: bytes = b"journal",
    scope: Mapping[str, Any] = {},
) -> Iterator[bytes]:
    """The journal of some positions as CSV, by bucket, in the order of a segment.

    `rows` is the table, or a query for such rows, with the parameters of its `scope`.
    """
    statement = filled(
        b"COPY ({selected}) TO STDOUT (FORMAT csv, HEADER true)",
        selected=part(
            filled(queries("lake", "export.sql")["journal"], rows=part(rows))
        ),
    )
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SET LOCAL TimeZone TO 'UTC'")
        cursor.execute("SET LOCAL DateStyle TO 'ISO, YMD'")
        params = {**scope, "after": after, "until_position": until}
        with cursor.copy(statement, params) as copy:
            for block in copy:
                yield bytes(block)
