"""The benches of the read side: figures as ratios to a floor within one run.

The floor is the time in which psycopg reads the same events, the stored columns, by
binary COPY; beside it stands the eventsourcing library's own ProjectionRunner, keeping
one table of holdings over a sample of the same events. Those of `SHARED` work on one
store: what one filled, the next ones find.
"""

from __future__ import annotations

from scripts.benches import asking, catching_up, rebuilding
from scripts.benches.stores import BIN, filled, ready, rebuilt

__all__ = ["BENCHES", "BIN", "EVENTS", "SHARED", "filled", "ready", "rebuilt"]

BENCHES = {
    "rebuild": rebuilding.bench_rebuild,
    **asking.BENCHES,
    **catching_up.BENCHES,
    "scaling": rebuilding.bench_scaling,
}
SHARED = ("rebuild", "questions", "counts", "follow", "catchup")
EVENTS = {**rebuilding.EVENTS, **asking.EVENTS, **catching_up.EVENTS}
"""For a quick look; the real figures are taken with --events 4000000."""
