"""Reports to pass on: one file that says what was asked, answered and known.

``of_audit`` and ``of_account`` say what stands in a report, ``page`` and ``workbook``
how it looks, ``written`` puts it on the disk with its manifest, whole or not at all.
"""

from __future__ import annotations

from pathlib import Path

from seat_ledger.cli.output.files import check_target, need

_NEEDS = {".html": "jinja2", ".xlsx": "xlsxwriter"}


def check(path: Path) -> None:
    """Make sure that a report can be written there, before anything is computed.

    Raises InvalidInput, MissingExtra.
    """
    kind = path.suffix.lower()
    check_target(path, "A report", *_NEEDS)
    need(_NEEDS[kind], "reports", f"A report as {kind}")
    from seat_ledger.cli.reports.written import MANIFEST, manifest_at  # noqa: PLC0415

    manifest_at(path.with_name(MANIFEST))
