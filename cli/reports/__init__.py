"""Reports to pass on: one file that says what was asked, answered and known.

``of_audit`` and ``of_account`` say what stands in a report, ``page`` and ``workbook``
how it looks, ``written`` puts it on the disk with its manifest, whole or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from seat_ledger.cli.output.files import check_target, need

if TYPE_CHECKING:
    from jinja2 import Environment

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


def page_templates() -> Environment:
    """The pages of reports, in which no text is taken for a tag."""
    from jinja2 import (  # noqa: PLC0415  an extra
        Environment,
        PackageLoader,
        StrictUndefined,
    )

    from seat_ledger.cli.output.render import harmless_in_page  # noqa: PLC0415

    return Environment(
        loader=PackageLoader("seat_ledger.cli.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=harmless_in_page,
    )
