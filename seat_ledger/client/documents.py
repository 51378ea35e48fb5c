"""What the ledger answers a Python program: documents, frozen, with both clocks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

Moment = str | date | datetime
"""When: an instant, or what people write, such as ``2026-03-14`` or ``last march``.

A date, and a datetime without offset, are on the account's own clock (R11).
"""
BillFile = str | os.PathLike[str] | bytes
"""A file of invoice lines (CSV or .xlsx): its path, or its content."""
R = TypeVar("R", bound="Frozen")


class Frozen(BaseModel):
    """A result: it never changes, and ignores keys that are added later."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class AnyRow(Frozen):
    """A row whose keys are those of the table that was named."""

    model_config = ConfigDict(frozen=True, extra="allow")


class KnownAt(Frozen):
    """Up to which position an answer uses what is known, and when that was recorded."""

    position: int | None
    recorded_at: datetime | None


class Document(Frozen, Generic[R]):
    """An answer: its rows, for which moment it is, and what was known (R41).

    `renewal_due` says that a renewal waits to be processed (R38), `store_head` how far
    the store is where the answer is not that far, `set_aside` of which accounts an
    event cannot be read (R74). `beside` is what else the command's document has.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    schema_version: int
    as_of: datetime | None
    known_at: KnownAt
    rows: tuple[R, ...]
    renewal_due: bool = False
    store_head: int | None = None
    set_aside: tuple[dict[str, Any], ...] = ()

    @property
    def beside(self) -> Mapping[str, Any]:
        """What stands beside the rows, such as the totals of a list of seats."""
        return dict(self.model_extra or {})


class RecordedEntry(Frozen):
    """An event as it was recorded; a dry run has neither position nor instant."""

    position: int | None
    recorded_at: datetime | None
    effective_at: datetime
    event: str
    account: str | None
    user: str | None
    seat: str | None
    actor: str
    reason: str | None
    data: dict[str, Any]


class Recording(Frozen):
    """What a command recorded: its entries, renewals that were due first among them.

    `positions` are those of the command's own entries. `repeated` says that it was
    recorded before under its idempotency key, and `dry_run` that nothing was.
    """

    rows: tuple[RecordedEntry, ...]
    positions: tuple[int, ...]
    repeated: bool
    dry_run: bool
