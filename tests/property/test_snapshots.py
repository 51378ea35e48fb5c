"""Dated lists of true histories: what is derived of them contains what happened.

On the pure core, without a database. `SEAT_LEDGER_EXAMPLES=250` draws 2,000 for each.
"""

from __future__ import annotations

import os
import random

import pytest

from seat_ledger.domain.values import FOREVER
from tests.support.nightly import NightlyLedger, TrueHistory

HISTORIES = int(os.environ.get("SEAT_LEDGER_EXAMPLES", "60"))
SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("is_dated", [False, True])
def test_r85_true_starts_and_ends_lie_inside_the_windows(
    seed: int, is_dated: bool
) -> None:
    """Rows may say since when; no more seats are bought than were held at once."""
    rng = random.Random(seed)
    derived_holdings = 0
    for _ in range(HISTORIES):
        history, ledger = TrueHistory.drawn(rng), NightlyLedger()
        nights = [n for n in range(history.nights) if rng.random() < 0.8]
        for night in nights:
            at = history.night(night)
            since = history.since(at) if is_dated else None
            ledger.observe(at, history.holders(at), since)
        for derived in ledger.holdings():
            derived_holdings += 1
            seen = [
                history.night(n)
                for n in nights
                if derived.starts <= history.night(n) < derived.ends
            ]
            first, last = seen[0], seen[-1]
            (began,) = [
                h.starts
                for h in history.holdings
                if h.user == derived.user and h.starts <= first < h.ends
            ]
            (ended,) = [
                h.ends
                for h in history.holdings
                if h.user == derived.user and h.starts <= last < h.ends
            ]
            if is_dated and derived.starts_after is None:
                assert derived.starts == began
            else:
                assert derived.starts_after is not None
                assert derived.starts_after < began <= derived.starts
            if derived.ends is not FOREVER:
                assert derived.ends_after is not None
                assert derived.ends_after < ended <= derived.ends
        moments = [h.starts for h in history.holdings]
        most = max((len(history.holders(at)) for at in moments), default=0)
        assert ledger.bought() <= most
    assert derived_holdings > HISTORIES


@pytest.mark.parametrize("seed", SEEDS)
def test_r88_after_the_log_a_list_finds_exactly_the_lines_that_were_lost(
    seed: int,
) -> None:
    rng = random.Random(1000 + seed)
    lost_lines = 0
    for _ in range(HISTORIES):
        history, ledger = TrueHistory.drawn(rng), NightlyLedger()
        log = list(history.log())
        # The last change of some users was lost: nothing after it contradicts it.
        last = {user: n for n, (_, _, user) in enumerate(log)}
        lost = {n for n in last.values() if rng.random() < 0.3}
        for n, line in enumerate(log):
            if n not in lost:
                ledger.record(*line)
        at = history.night(history.nights)
        changes = ledger.compare(at, history.holders(at)).changes
        result = {(c.user, c.change) for c in changes if c.user is not None}
        word = {"assign_seat": "assigned", "unassign_seat": "unassigned"}
        assert result == {(log[n][2], word[log[n][1]]) for n in lost}
        ledger.observe(at, history.holders(at))
        assert ledger.compare(at, history.holders(at)).changes == []
        lost_lines += len(lost)
    assert lost_lines > HISTORIES


@pytest.mark.parametrize("seed", SEEDS)
def test_r87_exact_lines_that_arrive_later_take_the_place_of_what_was_derived(
    seed: int,
) -> None:
    """Lists first, then the whole log: what is left are the true holdings."""
    rng = random.Random(2000 + seed)
    for _ in range(HISTORIES // 5):
        history, ledger = TrueHistory.drawn(rng), NightlyLedger()
        for night in range(history.nights):
            at = history.night(night)
            ledger.observe(at, history.holders(at))
        for line in history.log():
            ledger.record(*line)
        exact = {(h.user, h.starts, h.ends) for h in history.holdings}
        assert {(h.user, h.starts, h.ends) for h in ledger.holdings()} == exact
