"""Buckets handed out: each once, and as much to one as to another."""

from __future__ import annotations

import itertools

import pytest

from seat_ledger.projections.lake.layout import BUCKETS, Manifest, Segment
from seat_ledger.projections.lake.rebuild import buckets_of, divided

COUNTS = (1, 2, 3, 7, 8, 16, 64, 256)


@pytest.mark.parametrize("count", COUNTS)
def test_each_bucket_is_of_one_share(count: int) -> None:
    shares = [buckets_of(index, count) for index in range(1, count + 1)]
    assert sorted(itertools.chain(*shares)) == [*range(BUCKETS)]
    sizes = {len(share) for share in shares}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("count", [2, 3, 7, 8, 16])
@pytest.mark.parametrize("apart", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("accounts", [64, 2_000])
def test_accounts_opened_so_many_positions_apart_are_spread(
    accounts: int, apart: int, count: int
) -> None:
    """As an import opens them: an account's number is a position. Few are spread too,
    whose buckets lie side by side.
    """
    numbers = [7 + apart * n for n in range(accounts)]
    shares = [set(buckets_of(index, count)) for index in range(1, count + 1)]
    loads = [sum(no % BUCKETS in share for no in numbers) for share in shares]
    assert max(loads) <= 2 * len(numbers) / count
    assert min(loads) >= len(numbers) / count / 2


def manifest_of(events: dict[int, int]) -> Manifest:
    buckets = tuple(events.items())
    total = sum(events.values())
    segment = Segment("", "", 0, total, 1, total, 0, "", (), buckets)
    return Manifest(1, "", "", total, total, 256, "", "", {}, (), (segment,))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_have_as_many_events_each(workers: int) -> None:
    events = {bucket: 1 + bucket % 7 for bucket in range(0, BUCKETS, 2)}
    whole = range(BUCKETS)
    parts = divided(manifest_of(events), whole, workers)
    assert sorted(itertools.chain(*parts)) == [*whole]
    loads = [sum(events.get(bucket, 0) for bucket in part) for part in parts]
    assert max(loads) - min(loads) <= max(events.values())
