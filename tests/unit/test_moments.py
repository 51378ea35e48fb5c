"""The instant that stands for "now" in an answer."""

from __future__ import annotations

from datetime import UTC, datetime

from seat_ledger.projections.billing import CountsQuery, settled
from seat_ledger.projections.engine.contracts import facts_of
from seat_ledger.projections.reader import AccountQuestion, Knowledge


def test_the_end_of_the_last_period_of_a_term_settles_its_figures() -> None:
    """Also where nothing was recorded since, and no renewal."""
    account = facts_of(
        [
            {
                "position": 1,
                "topic": "AccountOpened",
                "effective_at": datetime(2025, 3, 5, tzinfo=UTC),
                "details": {
                    "account_key": "e",
                    "name": "E",
                    "time_zone": "UTC",
                    "term_start": "2025-03-05",
                    "term_months": 12,
                    "billing_cycle_months": 1,
                },
            }
        ],
        known_at=1,
    )
    knowledge = Knowledge(1, datetime(2026, 2, 10, tzinfo=UTC), is_head=True)
    for day, last in (
        (20, datetime(2026, 3, 5, tzinfo=UTC)),
        (4, knowledge.recorded_at),
    ):
        now = datetime(2026, 3, day, tzinfo=UTC)
        assert (
            settled(AccountQuestion(None, account, knowledge, now), CountsQuery())
            == last
        )
