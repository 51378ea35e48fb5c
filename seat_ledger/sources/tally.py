"""What became of the rows of a file: each is counted once (R82)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from seat_ledger.domain.wording import counted


@dataclass
class RowTally:
    """Rows read, and what became of their entries: mapped, ignored, or refused."""

    rows: int = 0
    entries: int = 0
    mapped: int = 0
    refused: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """The tally as people read it, a line for each reason."""
        if not self.rows and not self.refused:
            return [
                "0 rows read: the file has none. An export that failed looks the same "
                "as one of nothing."
            ]
        several = self.entries > self.rows
        entries = (
            f", {counted(self.entries, 'entry', 'entries')} in them" if several else ""
        )
        ignored = sum(self.ignored.values())
        first = (
            f"{self.rows:,} {'row' if self.rows == 1 else 'rows'} read{entries}: "
            f"{self.mapped:,} mapped, {ignored:,} ignored, {self.refused:,} refused."
        )
        reasons = sorted(self.ignored.items(), key=lambda item: (-item[1], item[0]))
        return [first, *(f"  ignored {n:,}: {reason}" for reason, n in reasons)]
