"""What an audit comes to: how many lines of each verdict, and what they add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import fields_of
from seat_ledger.projections.billing.audit.verdict import ZERO, money
from seat_ledger.projections.reader import Row

VERDICTS = ("match", "over", "under", "missing", "unexpected")
CAUSES = ("wrong_at_issue", "corrected_later", "not_known_at_issue")


class Audited(NamedTuple):
    """An account's first and last period in the file, and how much was found."""

    first: str
    last: str
    findings: int


class WrongTotal(NamedTuple):
    """A line of the file that sums others and is wrong: what it says, and their sum."""

    line: int
    amount: Fraction
    added: Fraction

    def fields(self) -> Row:
        """What a document has of it."""
        named = Currency.named(None)
        return {
            "line": self.line,
            "amount": money(self.amount, named),
            "added_amount": money(self.added, named),
        }


class Summary:
    """Counted row by row; `renewal_due` where a period waits for one (R38).

    `within_windows` are the findings that may be none: what was invoiced lies between
    what windows leave open of the ledger's figure (R89). `wrong_totals` are lines of
    the file that sum others, and do not add up.
    """

    def __init__(self, wrong_totals: Sequence[WrongTotal] = ()) -> None:
        self.wrong_totals = list(wrong_totals)
        self.verdicts: Counter[str] = Counter(dict.fromkeys(VERDICTS, 0))
        self.causes: Counter[str] = Counter(dict.fromkeys(CAUSES, 0))
        self.sums: dict[str | None, list[Fraction]] = {}
        self.not_priced: Counter[str | None] = Counter()
        self.incomplete = 0
        self.within_windows = 0
        self.accounts: dict[str, Audited] = {}
        self.renewal_due = False

    def count(self, rows: Iterable[Row]) -> None:
        """Add some rows of the answer."""
        for row in rows:
            self.verdicts[row["verdict"]] += 1
            if row["cause"] != "none":
                self.causes[row["cause"]] += 1
            self.incomplete += row["complete"] is False
            self.within_windows += row["within_windows"]
            if row["complete"] is not None:
                self._count_account(row)
            sums = self.sums.setdefault(row["currency"], [ZERO, ZERO])
            sums[0] += Fraction(row["invoiced_amount"])
            if row["ledger_amount"] is None:
                self.not_priced[row["currency"]] += 1
            else:
                sums[1] += Fraction(row["ledger_amount"])

    def _count_account(self, row: Row) -> None:
        label, is_finding = row["period"], row["verdict"] != "match"
        seen = self.accounts.get(row["account"], Audited(label, label, 0))
        self.accounts[row["account"]] = Audited(
            min(seen.first, label), max(seen.last, label), seen.findings + is_finding
        )

    @property
    def lines(self) -> int:
        """How many lines the file has."""
        return self.verdicts.total() - self.verdicts["missing"]

    @property
    def unpriced(self) -> int:
        """How many rows are not priced: what the ledger bills for them is unknown."""
        return self.not_priced.total()

    @property
    def findings(self) -> int:
        """How many rows are not a match."""
        return self.verdicts.total() - self.verdicts["match"]

    def totals(self) -> list[dict[str, Any]]:
        """What was invoiced, what the ledger bills, and the difference, by currency.

        What is not priced is in no amount: `not_priced` says of how many rows (R93).
        """
        rows = []
        for code in sorted(self.sums, key=lambda code: code or ""):
            invoiced, ledger = self.sums[code]
            currency = Currency.named(code)
            rows.append(
                {
                    "currency": code,
                    "invoiced_amount": money(invoiced, currency),
                    "ledger_amount": money(ledger, currency),
                    "difference": money(invoiced - ledger, currency),
                    "not_priced": self.not_priced[code],
                }
            )
        return rows

    def document(self) -> dict[str, Any]:
        """What stands in the document beside the rows."""
        return {
            **fields_of(self, "lines", "findings"),
            "verdicts": dict(self.verdicts),
            "causes": dict(self.causes),
            "totals": self.totals(),
            "wrong_totals": [total.fields() for total in self.wrong_totals],
            **fields_of(self, "unpriced", "incomplete", "within_windows"),
        }
