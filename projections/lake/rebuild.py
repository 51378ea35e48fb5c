"""All tables rebuilt from a lake: bucket by bucket, without the database."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, Self

from seat_ledger import __version__
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused, IntegrityFailure
from seat_ledger.projections.lake.engine import TABLES, Engine
from seat_ledger.projections.lake.layout import BUCKETS, Lake, Manifest, Segment
from seat_ledger.projections.lake.output import (
    replacing,
    result_name,
    writing,
    writing_into,
)
from seat_ledger.store.processes import end_with_parent

AT_ONCE = 160_000
"""About how many events are in memory: buckets are put together up to so many."""
STAY_OPEN = 40
"""So many files of a journal stay open: of a lake of 40 million events all."""
_GOLDEN = 157
"""Odd, so that no two buckets change places; 0.613 of them."""


class BucketShare(NamedTuple):
    """What one process does: some buckets of a lake, as known at a position."""

    place: str
    manifest: Manifest
    output: str
    share: tuple[int, int]
    known_at: int
    buckets: tuple[int, ...]


class Done(NamedTuple):
    """What a share came to."""

    buckets: int
    events: int
    rows: dict[str, int]
    files: list[str]
    cpu_seconds: float
    peak_mib: float


MapShares = Callable[[Sequence[BucketShare]], Sequence[Done]]
"""Does shares elsewhere."""


class Rebuilt(NamedTuple):
    """What a rebuild came to; `share` is I/N where it was one of several."""

    ledger: str
    manifest: int
    known_at: int
    share: str
    buckets: int
    events: int
    rows: dict[str, int]
    files: list[str]
    seconds: float
    cpu_seconds: float
    peak_mib: float


def buckets_of(index: int, count: int) -> tuple[int, ...]:
    """The buckets of the share `index` of `count`, from 1: the same for every lake.

    Accounts that were opened each so many positions after the one before have numbers
    that are alike; their buckets are spread by the golden ratio.
    """
    return tuple(
        bucket
        for bucket in range(BUCKETS)
        if bucket * _GOLDEN % BUCKETS * count // BUCKETS == index - 1
    )


def divided(
    manifest: Manifest, buckets: Sequence[int], workers: int
) -> list[tuple[int, ...]]:
    """Buckets as so many parts, of about as many events each."""
    events = _events_of(manifest, buckets)
    parts: list[list[int]] = [[] for _ in range(workers)]
    totals = [0] * workers
    for bucket in sorted(buckets, key=lambda bucket: -events[bucket]):
        least = totals.index(min(totals))
        parts[least].append(bucket)
        totals[least] += events[bucket]
    return [tuple(sorted(part)) for part in parts]


def position_known(manifest: Manifest, known_at: int | None) -> int:
    """The position to compute as known at. Raises CommandRefused beyond the lake's."""
    if known_at is not None and known_at > manifest.head:
        raise CommandRefused(
            "position_beyond_head",
            f"The lake is at position {manifest.head}; {known_at} is beyond it.",
            try_="export again, or omit --known-at to use all that is in the lake",
        )
    return manifest.head if known_at is None else known_at


def rebuild_from(  # noqa: PLR0913  what may be asked for
    lake: Lake,
    manifest: Manifest,
    output: Path,
    *,
    known_at: int | None = None,
    share: tuple[int, int] = (1, 1),
    workers: int = 1,
    map_shares: MapShares | None = None,
) -> Rebuilt:
    """Compute every table of a share of the lake into Parquet files.

    `workers` are processes here, or tasks that `map_shares` hands out. Each table is a
    folder of `output`. The result is written last, as
    ``result-I-of-N.json``: without it nothing there counts. Raises IntegrityFailure
    where a check fails, Locked while another rebuild writes there. Of the files, each
    share checks every N-th whole: all results together say that all files are as they
    were signed.
    """
    began = time.monotonic()
    position = position_known(manifest, known_at)
    run = {
        "program": __version__,
        "ledger": manifest.ledger,
        "manifest": manifest.number,
        "known_at": position,
        "shares": share[1],
    }
    with writing(output):
        for name in TABLES:
            (output / name).mkdir(parents=True, exist_ok=True)
    with writing_into(output, share, run):
        check_as_exported(lake, manifest.segments[share[0] - 1 :: share[1]])
        shares = [
            BucketShare(lake.place, manifest, str(output), share, position, part)
            for part in divided(manifest, buckets_of(*share), workers)
        ]
        done = list(map_shares(shares) if map_shares else computed(shares, workers))
        rebuilt = _rebuilt(manifest, position, share, done, began)
        document = {**rebuilt._asdict(), "program": __version__}
        with replacing(output / result_name(share), share) as file:
            file.write(json.dumps(document, indent=1).encode())
    return rebuilt


def _rebuilt(
    manifest: Manifest,
    position: int,
    share: tuple[int, int],
    done: Sequence[Done],
    began: float,
) -> Rebuilt:
    """What the parts of a share came to together."""
    return Rebuilt(
        manifest.ledger,
        manifest.number,
        position,
        f"{share[0]}/{share[1]}",
        sum(part.buckets for part in done),
        sum(part.events for part in done),
        {name: sum(part.rows[name] for part in done) for name in TABLES},
        sorted(file for part in done for file in part.files),
        round(time.monotonic() - began, 3),
        round(sum(part.cpu_seconds for part in done), 3),
        round(max(part.peak_mib for part in done), 1),
    )


def computed(shares: Sequence[BucketShare], workers: int) -> Iterator[Done]:
    """Do shares, in as many processes."""
    if workers == 1:
        yield from map(compute, shares)
        return
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, initializer=end_with_parent) as pool:
        yield from pool.map(compute, shares)


def compute(share: BucketShare) -> Done:
    """Do one share, in this process."""
    began = time.process_time()
    rows, files = dict.fromkeys(TABLES, 0), list[str]()
    groups, events = 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for numbers, engine in engines(share, scratch):
            groups += len(numbers)
            events += engine.events
            for name, table in engine.compute():
                rows[name] += len(table)
                files.append(_write(share, name, numbers, table))
            engine.check()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Done(groups, events, rows, files, time.process_time() - began, peak)


def engines(share: BucketShare, scratch: str) -> Iterator[tuple[list[int], Engine]]:
    """An engine that has loaded some buckets of a share, again and again."""
    lake, manifest = Lake(share.place), share.manifest
    engine = Engine(share.known_at, manifest.seat_types, scratch=scratch)
    with Journal(lake, manifest) as journal:
        for numbers in together(manifest, share.buckets):
            engine.load(journal.of(numbers, engine.schema.names))
            yield numbers, engine
    engine.close()


def check_as_exported(lake: Lake, segments: Iterable[Segment]) -> None:
    """Check every byte of some files by the digests of the signed manifest.

    What Arrow checks as it reads, whoever changes a file can write anew. Raises
    IntegrityFailure for the first that is another.
    """
    for segment in segments:
        if change := lake.change_of(segment):
            raise not_as_exported(lake, segment, f"it has {change}")


def not_as_exported(lake: Lake, segment: Segment, reason: str) -> IntegrityFailure:
    """What a file that was changed is answered with."""
    return IntegrityFailure(
        f"{segment.name} of the lake {lake.place} is not as it was exported: {reason}.",
        try_=f"seat-ledger lake verify {as_word(lake.place)}; then restore it "
        "from a backup, or export into an empty folder",
    )


class Journal:
    """The journal of a lake, read by buckets.

    Of an open file Arrow keeps what is in it: 4.6 MiB, or 6 ms to learn it again.
    """

    def __init__(self, lake: Lake, manifest: Manifest) -> None:
        self.lake, self.manifest = lake, manifest
        self.open: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def _file(self, segment: Segment) -> Iterator[Any]:
        """A file that stays open, or of very many one that is opened each time."""
        file = self.open.get(segment.name)
        if file is not None:
            yield file
        elif len(self.open) < STAY_OPEN:
            yield self.open.setdefault(segment.name, self._opened(segment))
        else:
            with self._opened(segment) as file:
                yield file

    def _opened(self, segment: Segment) -> Any:
        from pyarrow import parquet  # noqa: PLC0415  an extra

        file = self.lake.open(segment.name)
        if file.size() != segment.size:
            reason = f"it has {counted(file.size(), 'byte')}"
            raise not_as_exported(self.lake, segment, reason)
        with self._reading(segment):
            return parquet.ParquetFile(file, page_checksum_verification=True)

    @contextmanager
    def _reading(self, segment: Segment) -> Iterator[None]:
        """What Arrow cannot read is a file that was changed."""
        try:
            yield
        except (ValueError, OSError, IndexError) as error:
            reason = f"{error}".partition("\n")[0].rstrip(".")
            raise not_as_exported(self.lake, segment, reason) from error

    def __exit__(self, *_: object) -> None:
        for file in self.open.values():
            file.close(force=True)  # it was opened by somebody else

    def of(self, buckets: Sequence[int], columns: Sequence[str] | None = None) -> Any:
        """The events of some buckets, as an Arrow table; all columns, or some."""
        import pyarrow as pa  # noqa: PLC0415

        selected = set(buckets)
        tables = []
        for segment in self.manifest.segments:
            groups = [
                group
                for group, (bucket, _) in enumerate(segment.buckets)
                if bucket in selected
            ]
            if groups:
                with self._file(segment) as file, self._reading(segment):
                    tables.append(
                        file.read_row_groups(groups, columns=columns, use_threads=False)
                    )
        if tables:
            return pa.concat_tables(tables)
        for segment in self.manifest.segments[:1]:
            with self._file(segment) as file:
                return file.schema_arrow.empty_table()
        return None

    def each(self, columns: Sequence[str]) -> Iterator[Any]:
        """Some columns of all events, an Arrow table for each bucket of a segment."""
        for segment in self.manifest.segments:
            yield from self._row_groups(segment, columns)

    def _row_groups(self, segment: Segment, columns: Sequence[str]) -> Iterator[Any]:
        with self._file(segment) as file:
            for group in range(len(segment.buckets)):
                with self._reading(segment):
                    table = file.read_row_group(
                        group, columns=columns, use_threads=False
                    )
                yield table

    def last(self, column: str, of: str, limit: Any) -> Any:
        """The highest `column` of the events whose `of` is at most a limit; both of
        them never decrease with positions. None where there is none.
        """
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.compute as pc  # noqa: PLC0415

        highest = None
        for segment in reversed(self.manifest.segments):
            for rows in self._row_groups(segment, [column, of]):
                within = pc.less_equal(rows[of], pa.scalar(limit, rows[of].type))
                top = pc.max(rows[column].filter(within)).as_py()
                if top is not None and (highest is None or top > highest):
                    highest = top
            if highest is not None:
                break
        return highest


def together(manifest: Manifest, buckets: Sequence[int]) -> Iterator[list[int]]:
    """Buckets put together up to so many events; those with none are left out."""
    together: list[int] = []
    total = 0
    for bucket, count in _events_of(manifest, buckets).items():
        if together and total + count > AT_ONCE:
            yield together
            together, total = [], 0
        if count:
            together.append(bucket)
            total += count
    if together:
        yield together


def _events_of(manifest: Manifest, buckets: Sequence[int]) -> dict[int, int]:
    """How many events each of some buckets has."""
    events = dict.fromkeys(buckets, 0)
    for segment in manifest.segments:
        for bucket, count in segment.buckets:
            if bucket in events:
                events[bucket] += count
    return events


def _write(share: BucketShare, name: str, buckets: Sequence[int], table: Any) -> str:
    """Write the rows of some buckets; return the file's name in the output."""
    from pyarrow import parquet  # noqa: PLC0415

    file = f"{name}/{buckets[0]:03d}-{buckets[-1]:03d}.parquet"
    target = Path(share.output) / file
    with replacing(target, share.share) as opened:
        parquet.write_table(table, opened, compression="zstd", write_page_checksum=True)
    return file
