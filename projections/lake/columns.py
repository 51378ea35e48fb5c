"""The journal's columns in a lake: out of PostgreSQL as CSV, into Parquet, and back."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

COLUMNS = {
    "bucket": "int16", "account_no": "int64", "position": "int64",
    "recorded_at": "instant", "effective_at": "instant", "effective_after": "instant",
    "user_no": "int64", "version": "int64", "topic": "string", "seat_type": "int32",
    "number": "int32", "quantity": "int32", "renewal": "int32", "request": "int64",
    "entry": "int64", "root": "int64", "holds": "bool", "super_admin": "bool",
    "account_access": "bool", "hub": "string", "actor_no": "int64", "details": "string",
}  # fmt: skip
"""The columns of a segment, in order, and their types."""

_BLOCK = 1 << 20
_REPEATED = ["bucket", "topic", "hub", "details", "seat_type", "number"]
"""What a bucket has few of: each once in a dictionary."""

_AS_IT_IS = {"recorded_at", "effective_at", "user_no"}
"""What zstd makes smaller than a packing would: instants that share their digits, and
users who come again. Other whole numbers are packed as differences."""

_LEVEL = 6
"""Of zstd: a twentieth smaller than by its default, for 0.2 µs an event."""


def arrow_types() -> dict[str, Any]:
    """The types as Arrow has them; instants are microseconds in UTC."""
    import pyarrow as pa  # noqa: PLC0415  an extra

    named = {"instant": pa.timestamp("us", "UTC"), "bool": pa.bool_()}
    return {
        name: named.get(kind) or getattr(pa, kind)() for name, kind in COLUMNS.items()
    }


class _Blocks(io.RawIOBase):
    """Pieces of bytes as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._remaining = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._remaining], len(self._remaining)
        while length < size or size < 0:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            length += len(piece)
        whole = b"".join(parts)
        block, self._remaining = (
            (whole, b"") if size < 0 else (whole[:size], whole[size:])
        )
        return block


def record_batches(
    pieces: Iterable[bytes], types: Mapping[str, Any] | None = None
) -> Iterator[Any]:
    """Record batches from CSV with a head: of the journal, or of the types given."""
    from pyarrow import csv  # noqa: PLC0415

    reader = csv.open_csv(
        _Blocks(pieces),
        read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=False),
        convert_options=csv.ConvertOptions(
            column_types=arrow_types() if types is None else types,
            true_values=["t"],
            false_values=["f"],
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    yield from reader


def rows_by_bucket(pieces: Iterable[bytes]) -> Iterator[tuple[int, Any]]:
    """Each bucket with its rows, from CSV in order of the buckets."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    bucket: int | None = None
    waiting: list[Any] = []
    for batch in record_batches(pieces):
        runs = pc.run_end_encode(batch.column("bucket"))
        start = 0
        for number, end in zip(
            runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True
        ):
            if waiting and number != bucket:
                yield bucket or 0, pa.Table.from_batches(waiting)
                waiting = []
            bucket = number
            waiting.append(batch.slice(start, end - start))
            start = end
    if waiting:
        yield bucket or 0, pa.Table.from_batches(waiting)


def write_segment(
    path: Path, buckets: Iterable[tuple[int, Any]]
) -> tuple[tuple[int, int], ...]:
    """Write a segment, a row group a bucket; return which, and of how many events."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    schema = pa.schema(list(arrow_types().items()))
    packed = [
        name
        for name, kind in COLUMNS.items()
        if ("int" in kind or kind == "instant") and name not in {*_REPEATED, *_AS_IT_IS}
    ]
    counts = []
    with parquet.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_LEVEL,
        use_dictionary=_REPEATED,
        column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        write_page_checksum=True,
        store_schema=False,
    ) as writer:
        for bucket, table in buckets:
            writer.write_table(table.cast(schema), row_group_size=max(1, len(table)))
            counts.append((bucket, len(table)))
    return tuple(counts)
