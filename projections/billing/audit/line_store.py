"""Invoice lines and answers on the disk: a file of any size takes the same memory.

It is a temporary database without a name; the system removes it when it is closed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple, Self

from seat_ledger.domain.values import iso
from seat_ledger.errors import LedgerError
from seat_ledger.projections.billing.audit.lines import (
    AuditedLine,
    BilledShare,
    Written,
)
from seat_ledger.projections.engine.sql_files import queries
from seat_ledger.projections.reader import Row

_SQL = {
    name: sql.decode() for name, sql in queries("billing/audit", "spool.sql").items()
}
_BEHIND = 1 << 40
"""The place of what is missing: behind every line."""

_SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -24000")


class DiskFull(LedgerError):
    """The lines of the file could not be put aside on the disk."""

    code = "disk_full"


FigureName = tuple[str, str, str | None]
"""A figure of an account's type in an answer: its period, and its rule."""


class OwedLines(NamedTuple):
    """The first line to which a figure is owed, its invoice, and how many there are."""

    line: int
    invoice: str
    lines: int


class Spool:
    """The lines of one file, and what was found of them; on the disk, or in memory."""

    def __init__(self, *, in_memory: bool = False) -> None:
        place = ":memory:" if in_memory else ""
        self.database = sqlite3.connect(place, isolation_level=None)
        self.database.row_factory = sqlite3.Row
        for setting in _SETTINGS:
            self.database.execute(f"PRAGMA {setting}")
        if in_memory:  # what is sorted too
            self.database.execute("PRAGMA temp_store = MEMORY")
        self.database.executescript(_SQL["tables"])
        self.missing = count()

    def __enter__(self) -> Self:
        """Return the spool itself."""
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        """Remove the file. Raises DiskFull where that is what went wrong."""
        self.database.close()
        if isinstance(error, sqlite3.OperationalError):
            raise DiskFull(
                f"The lines could not be stored on disk: {error}.",
                try_="free some space in the folder for temporary files, or name "
                "another with TMPDIR",
            ) from error

    def _ask(self, name: str, **params: Any) -> Iterator[sqlite3.Row]:
        yield from self.database.execute(_SQL[name], params)

    def keep(self, lines: Iterable[AuditedLine]) -> int:
        """Put the lines aside; return how many."""
        rows = (_flat(line) for line in lines)
        self.database.execute("BEGIN")
        inserted = self.database.executemany(_SQL["keep"], rows).rowcount
        self.database.execute("COMMIT")
        self.database.execute(_SQL["indexes"])
        return max(inserted, 0)

    def lines_as_read(self) -> Iterator[AuditedLine]:
        """The lines in the order of the file."""
        yield from map(_line, self._ask("lines_as_read"))

    def accounts(self) -> Iterator[str]:
        """The accounts of the file, by key."""
        for row in self._ask("accounts"):
            yield row["account"]

    def issues(self) -> Iterator[str]:
        """Every way in which the file says when an invoice was issued."""
        for row in self._ask("issues"):
            yield row["issued"]

    def references(self, account: str) -> Iterator[tuple[str, str, int]]:
        """Its lines' words for periods, issues and rules, with a line of each."""
        for row in self._ask("references", account=account):
            yield row["kind"], row["reference"], row["no"]

    def forget(self) -> None:
        """Forget what other accounts' lines mean."""
        self.database.execute(_SQL["forget"])

    def mean(self, meanings: Iterable[tuple[str, str, str, Any]]) -> None:
        """Say what some accounts' periods and times of issue stand for."""
        self.database.execute("BEGIN")
        self.database.executemany(_SQL["mean"], meanings)
        self.database.execute("COMMIT")

    def lines(self, account: str) -> Iterator[tuple[AuditedLine, Row]]:
        """An account's lines: of one figure and rule together, from the last back.

        Beside each its `label`, `position` of issue and `rule` as they were understood,
        and how many lines bill its figure (`of_figure`), and in the same invoice
        (`of_invoice`).
        """
        for row in self._ask("lines", account=account):
            yield _line(row), {key: row[key] for key in _PLACE}

    def of_figure(self, line: AuditedLine, place: Row) -> Iterator[BilledShare]:
        """What the lines of a line's figure bill, from the last, by invoice."""
        yield from self._parts("of_figure", line, place)

    def of_invoice(self, line: AuditedLine, place: Row) -> Iterator[BilledShare]:
        """The same of the line's invoice alone."""
        alone = {"position": place["position"], "invoice": line.invoice}
        yield from self._parts("of_invoice", line, place, **alone)

    def _parts(
        self, name: str, line: AuditedLine, place: Row, **params: Any
    ) -> Iterator[BilledShare]:
        same = {"account": line.account, "seat_type": line.seat_type}
        figure = {"label": place["label"], "rule": place["rule"]}
        for row in self._ask(name, **same, **figure, **params):
            invoice = row["position"], row["invoice"]
            yield BilledShare(
                invoice,
                Written(row["quantity"]),
                Written(row["unit_price"]),
                Written(row["amount"]),
                bool(row["corrects"]),
            )

    def places(self, account: str) -> int:
        """The most places that an account's amounts without a currency need."""
        return max(int(row["places"]) for row in self._ask("places", account=account))

    def invoiced(self, account: str) -> list[Row]:
        """The periods of an account that were invoiced, each with its first invoice."""
        return [dict(row) for row in self._ask("invoiced", account=account)]

    def billed(self, account: str) -> Iterator[tuple[str, str]]:
        """What an account was billed for, by label and seat type, as it was issued."""
        for row in self._ask("billed", account=account):
            yield row["label"], row["seat_type"]

    def price(self, account: str, seat_type: str) -> tuple[str | None, str | None]:
        """What a type costs by another line of the account, and the currency."""
        params = {"account": account, "seat_type": seat_type}
        for row in self._ask("price", **params):
            return row["unit_price"], row["currency"]
        for row in self._ask("currency", account=account):
            return None, row["currency"]
        return None, None

    def add_answers(self, rows: Iterable[Row]) -> None:
        """Keep rows of the answer; those without a line stand behind the others."""
        values = [
            (
                row["line"] or _BEHIND,
                row["account"],
                0 if row["line"] else next(self.missing),
                row["verdict"] != "match",
                json.dumps(row, default=_plain, ensure_ascii=False),
            )
            for row in rows
        ]
        self.database.execute("BEGIN")
        self.database.executemany(_SQL["add_answer"], values)
        self.database.execute("COMMIT")

    def answers(self, *, findings: bool = False) -> Iterator[Row]:
        """The rows of the answer in order; or those alone that are findings."""
        for row in self._ask("answers", findings=int(findings)):
            yield json.loads(row["document"])

    def owed_lines(self, account: str, seat_type: str) -> dict[FigureName, OwedLines]:
        """To which lines of an account's type its figures are owed."""
        rows = self._ask("owed_lines", account=account, seat_type=seat_type)
        return {
            (row["period"], row["mode"], row["granularity"]): OwedLines(
                row["line"], row["invoice"], row["lines"]
            )
            for row in rows
        }


_PLACE = ("label", "position", "rule", "of_figure", "of_invoice")


def _flat(line: AuditedLine) -> tuple[Any, ...]:
    return tuple(cell.text if isinstance(cell, Written) else cell for cell in line)


def _line(row: sqlite3.Row) -> AuditedLine:
    written = {
        name: Written(row[name]) for name in ("quantity", "unit_price", "amount")
    }
    cells: Row = {
        name: row[name] for name in AuditedLine._fields if name not in written
    }
    cells["corrects"] = bool(cells["corrects"])
    return AuditedLine(**{**cells, **written})


def _plain(value: Any) -> str:
    return iso(value)
