"""The commands of a file: recorded, or only tried."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from seat_ledger.commands.service import CommandService
from seat_ledger.importing.importer import import_lines
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.importing.trial import try_lines

MOST_CHUNKS = 4
"""As many times as many lines are recorded together where workers share them."""


def import_file(
    service: CommandService,
    lines: Iterable[bytes | None],
    *,
    workers: int = 1,
    **options: Any,
) -> Generator[LineOutcome]:
    """Record the commands of a file; see :mod:`seat_ledger.importing.importer`.

    With several `workers`, so many other processes decide the lines, each those of
    its own accounts: see :mod:`seat_ledger.importing.sharing`. Raises InvalidInput
    where there are fewer than one.
    """
    chunk = service.accounts.settings.import_chunk
    if workers == 1:
        return import_lines(service.execution, lines, **{"chunk": chunk, **options})
    options.setdefault("chunk", chunk * min(workers, MOST_CHUNKS))
    from seat_ledger.importing.sharing import share_lines  # noqa: PLC0415

    return share_lines(service.execution, lines, workers=workers, **options)


def try_file(
    service: CommandService, lines: Iterable[bytes | None], **options: Any
) -> Generator[LineOutcome]:
    """What would become of the commands of a file; nothing is recorded (R101)."""
    options.setdefault("chunk", service.accounts.settings.import_chunk)
    return try_lines(service.accounts, lines, **options)
