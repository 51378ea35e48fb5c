"""COPY's binary form, whole columns at a time: out of arrays, and into rows."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""What such a stream begins with."""

END = b"\xff\xff"
"""What it ends with."""

WIDTHS = {"smallint": 2, "integer": 4, "bigint": 8, "timestamp with time zone": 8}
EPOCH = 946_684_800_000_000
"""The microseconds from 1970 to 2000, from which PostgreSQL counts instants."""

_DIGITS = 10
"""So many digits of 10,000 has a numeric as it is sent; leading zeros are dropped."""

_ARRAY_HEAD = 20


def columns_of(pieces: Iterable[bytes], widths: Sequence[int]) -> Iterator[list[Any]]:
    """Each row of a COPY whose columns are arrays without nulls, as numpy arrays.

    `widths` are the bytes of an element of each. A row of nulls has no columns.
    """
    import numpy as np  # noqa: PLC0415  an extra

    stream = b"".join(pieces)
    place = len(HEAD)
    while stream[place : place + 2] != END:
        place += 2
        columns = []
        for width in widths:
            (size,) = struct.unpack_from("!i", stream, place)
            place += 4
            if size >= 0:
                element = np.dtype([("size", ">i4"), ("value", f">i{width}")])
                count = (size - _ARRAY_HEAD) // element.itemsize
                elements = np.frombuffer(stream, element, count, place + _ARRAY_HEAD)
                columns.append(elements["value"].astype(f"i{width}"))
                place += size
        if columns:
            yield columns


def rows_of(table: Any, types: Mapping[str, str]) -> bytes:
    """The rows of an Arrow table as COPY takes them, for columns of these types.

    Without head and end.
    """
    import numpy as np  # noqa: PLC0415

    count = len(table)
    if not count:
        return b""
    fields = [_field(table.column(name), kind) for name, kind in types.items()]
    kinds: list[Any] = [("fields", ">i2")]
    for at, (values, _) in enumerate(fields):
        kinds += [(f"size{at}", ">i4"), (f"value{at}", values.dtype)]
    rows = np.empty(count, np.dtype(kinds))
    rows["fields"] = len(fields)
    flat = rows.view("u1").reshape(count, -1)
    sent = np.ones(flat.shape, bool) if any(n is not None for _, n in fields) else None
    place = 2
    for at, (values, nulls) in enumerate(fields):
        size = values.dtype.itemsize
        rows[f"value{at}"] = values
        rows[f"size{at}"] = size
        if sent is not None and nulls is not None:
            rows[f"size{at}"][nulls] = -1
            sent[nulls, place + 4 : place + 4 + size] = False
        place += 4 + size
    return bytes((flat if sent is None else flat[sent]).tobytes())


def _field(column: Any, kind: str) -> tuple[Any, Any]:
    """A column's values as they are sent, and which are null."""
    import pyarrow as pa  # noqa: PLC0415

    column = column.combine_chunks()
    nulls = None
    if column.null_count:
        nulls = column.is_null().to_numpy(zero_copy_only=False)
    if kind == "numeric":
        return _numeric(column), nulls
    if kind == "boolean":
        values = column.cast(pa.int8()).fill_null(0).to_numpy(zero_copy_only=False)
        return values.astype("i1"), nulls
    values = column.cast(pa.int64()).fill_null(0).to_numpy()
    if kind.startswith("timestamp"):
        values = values - EPOCH
    return values.astype(f">i{WIDTHS[kind]}"), nulls


def _numeric(column: Any) -> Any:
    """Whole numbers as numerics: digits of 10,000, the highest first."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    column = column.cast(pa.decimal128(38, 0)).fill_null(0)
    halves = np.frombuffer(column.buffers()[1], "u8").reshape(-1, 2)
    halves = halves[column.offset : column.offset + len(column)]
    values = halves[:, 0]
    if halves[:, 1].any():
        signed = halves[:, 1].astype("i8").astype(object)
        values = values.astype(object) + (signed << 64)
    negative = values < 0
    values = abs(values) if negative.any() else values
    sent = np.empty(
        len(values),
        np.dtype([("head", ">i2", 4), ("digits", ">i2", _DIGITS)]),
    )
    sent["head"] = (_DIGITS, _DIGITS - 1, 0, 0)
    sent["head"][:, 2] = np.where(negative, 0x4000, 0)
    for at in reversed(range(_DIGITS)):
        sent["digits"][:, at] = (values % 10_000).astype("i2")
        values = values // 10_000  # as objects they have no divmod
    return sent
