"""A file of invoice lines that is sent to be audited: held in memory, read, and gone.

What is read, and how large it may be, is as on the console's page for the same.
"""

from __future__ import annotations

import io
from pathlib import Path

from starlette.requests import Request

from seat_ledger.cli.api.bodies import body_of, media_type_of
from seat_ledger.cli.api.problems import HttpProblem
from seat_ledger.cli.console.uploads import MOST_BYTES, MOST_ROWS, too_large, typed
from seat_ledger.cli.inputs.invoice_file import BillSource

WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA_TYPES = ("text/csv", WORKBOOK)


async def received(request: Request) -> BillSource:
    """The file of a request. Raises HttpProblem, InvalidInput."""
    if media_type_of(request) not in MEDIA_TYPES:
        raise HttpProblem(
            415,
            "unsupported_media_type",
            "A file of invoice lines is CSV or a workbook.",
            try_=f"send 'Content-Type: text/csv', or {WORKBOOK}",
        )
    content = await body_of(request, MOST_BYTES, too_large().try_)
    return BillSource(Path(typed("file", content)), io.BytesIO(content), MOST_ROWS)
