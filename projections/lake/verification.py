"""A lake verified: its files against the signed manifest, its rows against the store's,
and the served tables against what it computes.

Signature and digests prove that nobody changed a file since it was exported; the nodes
of the tree, that the segments are of just the events that were sealed. That the events
were decoded rightly proves only decoding them again from the stored rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from seat_ledger.domain.wording import counted
from seat_ledger.errors import IntegrityFailure, NotFound
from seat_ledger.integrity.merkle import Frontier, full_subtrees
from seat_ledger.integrity.note import Checkpoint, Verifier
from seat_ledger.projections.engine.registry import BY_NAME
from seat_ledger.projections.engine.seat_types import CATALOGUE
from seat_ledger.projections.engine.set_aside import EVERYTHING
from seat_ledger.projections.engine.snapshot import pin
from seat_ledger.projections.engine.sql_files import filled, part, queries
from seat_ledger.projections.engine.verify import TABLE
from seat_ledger.projections.lake.columns import rows_by_bucket
from seat_ledger.projections.lake.definitions import tables
from seat_ledger.projections.lake.engine import TABLES, Engine
from seat_ledger.projections.lake.export import journal_rows
from seat_ledger.projections.lake.later import removed, witnessed
from seat_ledger.projections.lake.layout import (
    BUCKETS,
    Lake,
    Manifest,
    Segment,
    check_format,
    open_manifest,
)
from seat_ledger.projections.lake.rebuild import BucketShare, Journal, engines
from seat_ledger.projections.lake.served import compared_with_served
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.connection import connect

LAKE = "the lake"


class LakeVerdict(NamedTuple):
    """What became of one comparison: ``same`` or ``differs``."""

    subject: str
    check: str
    status: str
    compared: int
    difference: str | None = None

    def document(self) -> dict[str, Any]:
        """As people and files get it."""
        document = self._asdict()
        document["found"] = document.pop("difference")
        return document


def _verdict(
    subject: str, check: str, compared: int, difference: str | None
) -> LakeVerdict:
    status = "same" if difference is None else "differs"
    return LakeVerdict(subject, check, status, compared, difference)


# -- segments -------------------------------------------------------------------------


def verify_segments(
    lake: Lake, verifier: Verifier, places: Sequence[Path] = ()
) -> tuple[Manifest, list[LakeVerdict]]:
    """Hold every file against the newest manifest, and that against the sealed tree
    and the checkpoints of witnesses.

    Needs no database. Raises IntegrityFailure where the manifest itself does not hold.
    """
    manifest, checkpoint = open_manifest(lake, verifier)
    tree = _tree(manifest, checkpoint) or removed(lake, manifest)
    verdicts = [_verdict("manifest", "sealed tree", manifest.events, tree)]
    for place in places:
        compared, difference = witnessed(checkpoint, verifier, place)
        verdicts.append(
            _verdict(f"witness {place}", "checkpoints", compared, difference)
        )
    for segment in manifest.segments:
        difference = _changed(lake, segment)
        verdicts.append(
            _verdict(segment.name, "every byte", segment.events, difference)
        )
    return manifest, verdicts


def _tree(manifest: Manifest, checkpoint: Checkpoint) -> str | None:
    """Why the segments are not those of the sealed tree."""
    tree = Frontier()
    position = 0
    for segment in manifest.segments:
        subtrees = full_subtrees(segment.first_leaf, segment.until_leaf)
        if segment.first_leaf != tree.size or len(subtrees) != len(segment.nodes):
            return f"{segment.name} does not follow the segment before it"
        if segment.first_position <= position:
            return f"{segment.name} does not begin behind position {position}"
        if sum(events for _, events in segment.buckets) != segment.events:
            return f"{segment.name} has not as many events as its leaves"
        for (level, _), node in zip(subtrees, segment.nodes, strict=True):
            tree.add(bytes.fromhex(node), level)
        position = segment.until_position
    if (tree.size, position) != (manifest.events, manifest.head):
        return f"the segments end at position {position}, not at {manifest.head}"
    if (tree.size, tree.root()) != (checkpoint.size, checkpoint.root):
        return "the segments do not lead to the signed root"
    return None


def _changed(lake: Lake, segment: Segment) -> str | None:
    try:
        change = lake.change_of(segment)
    except (NotFound, IntegrityFailure) as error:
        return error.message.rstrip(".")
    return change and f"its bytes are not those that were exported: {change}"


# -- decoded again --------------------------------------------------------------------


def verify_decoding(conninfo: str, lake: Lake, manifest: Manifest) -> list[LakeVerdict]:
    """Decode every event again from the stored rows, and compare segment by segment.

    Raises SchemaMismatch for a lake of an earlier format.
    """
    check_format(lake, manifest)
    decoded = filled(
        b"(SELECT * FROM ({rows}) AS decoded ({names}))",
        rows=part(BY_NAME["journal"].decoded),
        names=part(", ".join(tables()["journal"])),
    )
    with connect(conninfo, role="projector", autocommit=True) as connection:
        pin(connection)
        return [
            _decoding(connection, lake, manifest, segment, decoded)
            for segment in manifest.segments
        ]


def _decoding(
    connection: Connection[Any],
    lake: Lake,
    manifest: Manifest,
    segment: Segment,
    decoded: bytes,
) -> LakeVerdict:
    after, until = segment.first_position - 1, segment.until_position
    scope = {**EVERYTHING, **CATALOGUE}
    rows = journal_rows(connection, after, until, decoded, scope)
    compared, difference = 0, None
    with Journal(lake, manifest._replace(segments=(segment,))) as journal:
        for bucket, table in rows_by_bucket(rows):
            compared += len(table)
            stored = journal.of([bucket])
            if stored is None or not stored.equals(table.cast(stored.schema)):
                difference = difference or _first_apart(bucket, stored, table)
    if compared != segment.events and difference is None:
        difference = (
            f"{counted(segment.events, 'event')} in the lake, {compared:,} decoded"
        )
    return _verdict(segment.name, "decoded again", compared, difference)


def _first_apart(bucket: int, stored: Any, table: Any) -> str:
    lake_rows = stored.to_pylist() if stored is not None else []
    by_position = {row["position"]: row for row in lake_rows}
    for row in table.to_pylist():
        other = by_position.get(row["position"])
        if other is None:
            return f"position {row['position']} is not in the lake"
        for name, value in row.items():
            if other[name] != value:
                return (
                    f"position {row['position']}: {name} is {other[name]}, decoded "
                    f"{value}"
                )
    return f"bucket {bucket} has more events in the lake"


# -- served ---------------------------------------------------------------------------


class ServedVerdict(NamedTuple):
    """Every table's comparison, and of how many accounts something was recorded since
    the export.
    """

    verdicts: list[LakeVerdict]
    changed: int


def verify_served(
    reader: ConnectedReader, lake: Lake, manifest: Manifest
) -> ServedVerdict:
    """Compute every table from the lake, and compare it with the served one, both ways.

    Accounts of which something was recorded since the export are left out: a new export
    has them. Raises IntegrityFailure where the lake is ahead of the tables.
    """
    if manifest.head > reader.head:
        raise IntegrityFailure(
            f"The lake is at position {manifest.head}, the served tables at "
            f"{reader.head}.",
            try_="seat-ledger projection status",
        )
    comparison = _Served(reader, manifest)
    share = BucketShare(
        lake.place, manifest, "", (1, 1), manifest.head, tuple(range(BUCKETS))
    )
    with tempfile.TemporaryDirectory() as scratch:
        for _, engine in engines(share, scratch):
            comparison.compare(engine)
    comparison.look_beyond()
    verdicts = [
        _verdict(
            name, "every row", comparison.compared[name], comparison.different.get(name)
        )
        for name in TABLES
    ]
    return ServedVerdict(verdicts, len(comparison.changed))


class _Served:
    """The served tables, asked for the accounts that the engine has."""

    def __init__(self, reader: ConnectedReader, manifest: Manifest) -> None:
        self.connection = reader.connection
        self.compared = dict.fromkeys(TABLES, 0)
        self.different: dict[str, str] = {}
        self.accounts: set[int] = set()
        rows = self.connection.execute(
            queries("lake", "export.sql")["changed"], {"after": manifest.head}
        ).fetchall()
        self.changed = {row[0] for row in rows}
        self.changed |= {account.account_no for account in reader.aside}

    def compare(self, engine: Engine) -> None:
        """Compare every table of the accounts that are loaded."""
        numbers = {
            row["account_no"] for row in engine.dicts("SELECT account_no FROM account")
        } - self.changed
        self.accounts |= numbers
        for name, _ in engine.compute():
            compared, difference = compared_with_served(
                self.connection, engine, name, sorted(numbers), fresh=LAKE
            )
            self.compared[name] += compared
            if difference is not None:
                self.different.setdefault(name, f"{name}: {difference}")

    def look_beyond(self) -> None:
        """Whether a table has rows of accounts that the lake does not know."""
        numbers = sorted(self.accounts | self.changed)
        for name in TABLES:
            statement = filled(
                b"SELECT account_no FROM {table} "
                b"WHERE account_no <> ALL (%(numbers)s::bigint[]) LIMIT 1",
                table=part(name),
            )
            row = self.connection.execute(statement, {"numbers": numbers}).fetchone()
            if row is not None and name not in self.different:
                self.different[name] = (
                    f"{name}: only {TABLE} has the account number {row[0]}"
                )
