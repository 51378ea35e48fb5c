"""What counts as an e-mail address: its syntax, and nothing more.

The address is kept as it was given (R35 compares without case).
"""

from __future__ import annotations

import re

from seat_ledger.domain.values import check_text, shown
from seat_ledger.errors import CommandRefused

_PLAIN = re.compile(
    r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@"
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,60}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}"
)
"""Addresses that need no closer look; all others are asked of the library."""


def check_email(address: str) -> None:
    """Check an address's syntax. Raises CommandRefused (``invalid_email``)."""
    check_text(address, "e-mail")
    if len(address) <= 64 and _PLAIN.fullmatch(address):
        return
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        validate_email(
            address,
            check_deliverability=False,
            test_environment=True,
            globally_deliverable=False,
        )
    except EmailNotValidError as error:
        raise CommandRefused(
            "invalid_email",
            f"{shown(address)} is not an e-mail address: {error}",
            try_="write an address such as ann@acme.example",
        ) from error
