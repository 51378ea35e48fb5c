"""What Prometheus asks of a server: its own answers, and how far the tables are.

Answers are counted by address, which is one of those that are described; nothing that
somebody sent is a label, so no person is in it.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from seat_ledger.cli.output.metrics import ANSWER_HELP, ledger_text

disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
MEDIA_TYPE = CONTENT_TYPE_LATEST
OTHER = "other"
_COUNT, _SECONDS = ANSWER_HELP
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Measures:
    """Counts the answers of a server; safe in threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            _COUNT.removesuffix("_total"),
            ANSWER_HELP[_COUNT],
            ("address", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            _SECONDS,
            ANSWER_HELP[_SECONDS],
            ("address",),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def count(self, address: str, status: int, seconds: float) -> None:
        """Count an answer, by an address that is described, or else `OTHER`."""
        self._answers.labels(address, str(status)).inc()
        self._seconds.labels(address).observe(seconds)

    def text(self, ledger: dict[str, float]) -> str:
        """Every figure, with those of the ledger."""
        return generate_latest(self._registry).decode() + ledger_text(ledger)
