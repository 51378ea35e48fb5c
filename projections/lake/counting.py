"""Figures of very many accounts, as known earlier, counted by DuckDB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seat_ledger.projections.engine.beside import account_bounds, position_ranges
from seat_ledger.projections.engine.rebuild import EVENTS_AT_ONCE
from seat_ledger.projections.lake.bulk import NoRoom, TablesByDuckDB, available
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row


def counted_by_duckdb(
    reader: ConnectedReader, selected: Sequence[PeriodRow], known_at: Knowledge
) -> list[Row] | None:
    """The figures of some periods, knowing the events up to a position.

    None where DuckDB is not installed or has no room.
    """
    if not available():
        return None
    try:
        return list(_counted(reader, selected, known_at.position))
    except NoRoom:
        return None


def _counted(
    reader: ConnectedReader, selected: Sequence[PeriodRow], known_at: int
) -> Iterator[Row]:
    connection, names = reader.connection, reader.types.names
    bounds = account_bounds(connection, 1 + known_at // EVENTS_AT_ONCE)
    with TablesByDuckDB(bounds, known_at) as beside:
        for positions in position_ranges(known_at):
            beside.read(connection, *positions)
        by_account = sorted(selected, key=lambda period: period.account_no)
        for share in beside.shares:
            last = bounds[share + 1]
            periods = [p for p in by_account if bounds[share] < p.account_no <= last]
            if periods:
                for figure in beside.count(share, periods):
                    figure["seat_type"] = names[figure["seat_type"]]
                    yield figure
