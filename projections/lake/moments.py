"""When each position of a lake was recorded: by that, issues of invoices are placed."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from seat_ledger.projections.lake.layout import Manifest
from seat_ledger.projections.lake.rebuild import Journal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 1 << 20
_UNUSED = (1 << 63) - 1


class Moments:
    """Eight bytes a position, in a file without a name."""

    def __init__(self, journal: Journal, manifest: Manifest) -> None:
        import numpy as np  # noqa: PLC0415  an extra

        self.first = manifest.segments[0].first_position if manifest.segments else 1
        self.file = tempfile.TemporaryFile()  # noqa: SIM115  closed with this
        positions = max(0, manifest.head - self.first + 1)
        self.file.truncate(8 * positions)
        self._moments: Any = np.zeros(0, "i8")
        if positions:
            self._moments = np.memmap(self.file, "i8", "r+", shape=(positions,))
            self._fill(journal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        del self._moments
        self.file.close()

    def _fill(self, journal: Journal) -> None:
        """Note all events; positions that have none go with the next that has."""
        import numpy as np  # noqa: PLC0415

        for table in journal.each(["position", "recorded_at"]):
            at = table["position"].to_numpy() - self.first
            self._moments[at] = table["recorded_at"].cast("int64").to_numpy()
        following = _UNUSED
        for end in range(len(self._moments), 0, -_AT_ONCE):
            part = self._moments[max(0, end - _AT_ONCE) : end]
            part[part == 0] = _UNUSED
            part[-1] = min(part[-1], following)
            part[::-1] = np.minimum.accumulate(part[::-1])
            following = part[0]

    def last(self, instant: datetime) -> int:
        """The last position recorded at or before an instant; 0 for none (R78)."""
        micros = (instant - _EPOCH) // _MICROSECOND
        before = int(self._moments.searchsorted(micros, "right"))
        return self.first + before - 1 if before else 0
