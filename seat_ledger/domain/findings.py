"""The findings of audits that an account keeps: opened, noted, settled (R93).

A finding is of one line of one invoice. The same audit again opens nothing twice: not
while the finding is open, and not after it was settled at the same difference.
"""

from __future__ import annotations

from typing import NamedTuple

from seat_ledger.domain.events import (
    FindingOpened,
    FindingSettled,
)
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused, NotFound

Line = tuple[str, str, str, int]
"""Of which line a finding is: invoice, period, product, and which of several such."""


class RegisteredFinding(NamedTuple):
    """A finding, numbered in its account from 1; `settled` by this version's entry."""

    number: int
    line: Line
    difference: str | None
    settled: int | None = None


class FindingRegister:
    """The findings of one account, in the order of opening."""

    def __init__(self) -> None:
        self.findings: list[RegisteredFinding] = []

    def is_registered(self, line: Line, difference: str | None) -> bool:
        """Whether the same audit again has nothing to open."""
        mine = [finding for finding in self.findings if finding.line == line]
        return any(
            finding.settled is None or finding.difference == difference
            for finding in mine
        )

    def check_open(self, account: str, number: int) -> None:
        """Refuse a finding that is not there, or is settled.

        Raises NotFound (``finding_not_found``), CommandRefused (``finding_settled``).
        """
        try_ = f"seat-ledger finding list --account {as_word(account)} --all"
        if not 1 <= number <= len(self.findings):
            count = counted(len(self.findings), "finding was", "findings were")
            raise NotFound(
                "finding_not_found",
                f"{account} has no finding {number}; {count} ever opened.",
                try_=try_,
            )
        if self.findings[number - 1].settled is not None:
            raise CommandRefused(
                "finding_settled",
                f"Finding {number} of {account} is already settled.",
                try_=try_,
            )

    # -- letting entries hold, and not ------------------------------------------

    def opened(self, event: FindingOpened) -> None:
        """Keep a finding."""
        line = event.invoice, event.period, event.product, event.nth
        self.findings.append(RegisteredFinding(event.finding, line, event.difference))

    def not_opened(self, _: FindingOpened) -> None:
        """Drop the last finding: it was only pending."""
        self.findings.pop()

    def settled(self, event: FindingSettled) -> None:
        """Settle a finding."""
        self._settle(event, event.originator_version)

    def not_settled(self, event: FindingSettled) -> None:
        """Open a finding again: that it is settled was only pending."""
        self._settle(event, None)

    def _settle(self, event: FindingSettled, by: int | None) -> None:
        place = event.finding - 1
        self.findings[place] = self.findings[place]._replace(settled=by)
