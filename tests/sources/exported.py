"""The exports of this folder, each in its vendor's shape, read as a mapping says."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from seat_ledger.sources.conversion import Conversion
from seat_ledger.sources.holders import HolderList, read_holders
from seat_ledger.sources.mapping import SourceMapping, read_mapping
from seat_ledger.sources.reading import SourceReader
from seat_ledger.sources.shipped import shipped_mapping, shipped_text

EXPORTS = Path(__file__).parent / "exports"


def export_of(name: str) -> Path:
    """The export that shows what a shipped mapping reads."""
    (path,) = [
        file for file in EXPORTS.glob(f"{name}.*") if ".expected" not in file.name
    ]
    return path


def changed(name: str, *replacements: tuple[str, str]) -> SourceMapping:
    """A shipped mapping with some of its text replaced."""
    text = shipped_text(name)
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return read_mapping(text, name)


def source_reader(
    content: bytes | str, mapping: SourceMapping | str, **options: Any
) -> SourceReader:
    """A reader of some content."""
    if isinstance(content, str):
        content = content.encode()
    read = shipped_mapping(mapping) if isinstance(mapping, str) else mapping
    return SourceReader(io.BytesIO(content), read, **options)


def converted(
    content: bytes | str,
    mapping: SourceMapping | str,
    account: str | None = "acme",
    **options: Any,
) -> list[dict[str, Any]]:
    """The commands of a log."""
    reader = source_reader(content, mapping, **options)
    conversion = Conversion(reader, "log", account=account)
    return [json.loads(line) for line in conversion.lines()]


def listed(
    content: bytes | str,
    mapping: SourceMapping | str,
    account: str | None = "acme",
    **options: Any,
) -> HolderList:
    """The holders of a list."""
    reader = source_reader(content, mapping, **options)
    return read_holders(reader, "list", account=account)


def lines_of_list(read: HolderList) -> list[dict[str, Any]]:
    """A list of holders as lines to compare, and what else it says as the last one.

    No shipped mapping says who is a service (R99): everybody is a person.
    """
    assert not any(holder.is_service for holder in read.holders)
    holders = [
        {**holder._asdict(), "pool": str(holder.pool.seat_type)}
        for holder in read.holders
    ]
    for holder in holders:
        del holder["is_service"]
    pools = {
        name: {pool.seat_type: count for pool, count in getattr(read, name).items()}
        for name in ("unnamed", "purchased", "remaining")
    }
    doubts = [doubt.message for doubt in read.doubts]
    return [*holders, {**pools, "taken_at": read.taken_at, "doubts": doubts}]
