"""The result of a rebuild, as people and files get it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seat_ledger.domain.values import fields_of
from seat_ledger.errors import LedgerError
from seat_ledger.projections.engine.checks import digest_of
from seat_ledger.projections.engine.registry import BY_NAME, PROJECTIONS
from seat_ledger.projections.engine.set_aside import SetAside

POSTGRESQL = "postgresql"
"""The engine that computes everything where no other is asked to."""


class BuiltTable(NamedTuple):
    """What became of one projection: ``ok``, ``error`` or ``skipped``."""

    projection: str
    rows: int
    digest: str | None
    seconds: float
    status: str
    reason: str | None = None

    def document(self) -> dict[str, Any]:
        """As people and files get it."""
        return {**self._asdict(), "seconds": round(self.seconds, 3)}


TableReporter = Callable[[BuiltTable], None]


@dataclass
class RebuildResult:
    """A rebuild, whole or failed; `document()` is what ``run_results.json`` holds."""

    generation: int = 0
    ceiling: int = 0
    events: int = 0
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    switched: bool = False
    handed_over: int = 0
    engine: str = POSTGRESQL
    compared: int = 0
    phases: dict[str, float] = field(default_factory=dict)
    tables: dict[str, BuiltTable] = field(default_factory=dict)
    aside: list[SetAside] = field(default_factory=list)
    resumed: list[SetAside] = field(default_factory=list)
    error: LedgerError | None = None

    def fail(self, error: LedgerError, report: TableReporter) -> None:
        """Note what ended the rebuild, at the projection where it did."""
        self.error = error
        name = str(error.details.get("projection", ""))
        table = self.tables.get(name) or BuiltTable(name, 0, None, 0.0, "skipped")
        if name in BY_NAME and table.status != "error":
            self.tables[name] = table._replace(status="error", reason=error.message)
            report(self.tables[name])

    def document(self) -> dict[str, Any]:
        """The whole outcome as plain values."""
        rows = [
            self.tables.get(
                projection.name, BuiltTable(projection.name, 0, None, 0.0, "skipped")
            )
            for projection in PROJECTIONS
        ]
        per_second = self.events / self.seconds if self.seconds else 0.0
        whole = "".join(row.digest or "" for row in rows)
        error = self.error
        return {
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(per_second),
            "ceiling": self.ceiling,
            "digest": digest_of([whole]) if error is None else None,
            **fields_of(self, "generation", "switched", "handed_over"),
            "engine": self.engine,
            "accounts_compared": self.compared,
            "phases": {name: round(took, 3) for name, took in self.phases.items()},
            "set_aside": [account.document() for account in self.aside],
            "resumed": [account.account_key for account in self.resumed],
            "rows": [row.document() for row in rows],
            "error": None if error is None else self._error_document(error),
        }

    def _error_document(self, error: LedgerError) -> dict[str, Any]:
        """What ended the rebuild: with a reason, and where there is one a position."""
        table = self.tables.get(str(error.details.get("projection", "")))
        reason = (table and table.reason) or error.message
        document = {"code": error.code, "message": error.message, "reason": reason}
        return {**document, **error.details}
