"""Audits of invoices that were issued elsewhere: a verdict and a cause for each line.

Lines are put aside on the disk and worked through account by account, some hundreds at
a time, so that a file of any size takes the same memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice

from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.values import DEFAULT_POLICY
from seat_ledger.errors import CommandRefused
from seat_ledger.projections.billing.audit.auditor import Auditor
from seat_ledger.projections.billing.audit.contracts import UNKNOWN, Contract, contracts
from seat_ledger.projections.billing.audit.line_store import Spool
from seat_ledger.projections.billing.audit.lines import (
    AuditedLine,
    BilledDates,
    Written,
    issued_at,
    range_of,
    rule_of,
)
from seat_ledger.projections.billing.audit.matching import Billed
from seat_ledger.projections.billing.audit.summary import Summary, WrongTotal
from seat_ledger.projections.billing.price_book import PriceBook
from seat_ledger.projections.billing.prices import Priced
from seat_ledger.projections.reader import ConnectedReader, Knowledge

__all__ = [
    "AuditedLine",
    "Spool",
    "Summary",
    "Written",
    "WrongTotal",
    "audit",
    "settle",
]

LINES_AT_ONCE = 500
_UTC = ZoneHistory("UTC")


def settle(reader: ConnectedReader, spool: Spool) -> None:
    """Let appends end that could still fall at or before an invoice's issue (R78).

    To be called before "known at" is resolved: the reader may move on to a later head.
    """
    latest = None
    for text in spool.issues():
        issued = issued_at(text, _UTC)
        if isinstance(issued, datetime) and (latest is None or issued > latest):
            latest = issued
    if latest is not None:
        reader.settle(latest + timedelta(hours=14))


def audit(  # noqa: PLR0913, PLR0917  what an audit depends on
    reader: ConnectedReader,
    spool: Spool,
    known_at: Knowledge,
    moment: datetime,
    books: Sequence[PriceBook] = (),
    wrong_totals: Sequence[WrongTotal] = (),
) -> Summary:
    """Hold every line of the spool against the ledger; the rows stand there after.

    `moment` is the instant of what is known. What no line has a price for costs what
    the `books` say, then the recorded prices (R90). `wrong_totals` are what reading the
    file brought to light of its sums. Raises CommandRefused
    (``position_beyond_head``) and InvalidInput, naming the line.
    """
    summary = Summary(wrong_totals)
    for keys in reader.together(spool.accounts()):
        by_key = contracts(reader, keys, known_at)
        _understand(reader, spool, keys, by_key, known_at)
        numbers = [contract.no for contract in by_key.values()]
        how = Priced(books=books).with_book(reader, known_at, numbers)
        auditor = Auditor(reader, spool, by_key, known_at, moment, how)
        of_all = (_billed(auditor, key, by_key.get(key)) for key in keys)
        for billed in _batches(chain.from_iterable(of_all)):
            rows = auditor.judged(billed)
            summary.count(rows)
            spool.add_answers(rows)
        summary.renewal_due |= any(contract.renewal_due for contract in by_key.values())
    return summary


def _batches(billed: Iterator[Billed]) -> Iterator[list[Billed]]:
    while batch := list(islice(billed, LINES_AT_ONCE)):
        yield batch


def _understand(
    reader: ConnectedReader,
    spool: Spool,
    keys: list[str],
    by_key: dict[str, Contract],
    known_at: Knowledge,
) -> None:
    """Say what the accounts' lines mean by their periods and times of issue."""
    spool.forget()
    for key in keys:
        references = spool.references(key)
        while batch := list(islice(references, 2 * LINES_AT_ONCE)):
            spool.mean(_meanings(reader, key, by_key.get(key), batch, known_at))


def _meanings(
    reader: ConnectedReader,
    key: str,
    contract: Contract | None,
    references: list[tuple[str, str, int]],
    known_at: Knowledge,
) -> list[tuple[str, str, str, str | int]]:
    means: list[tuple[str, str, str, str | int]] = []
    instants: list[tuple[str, datetime]] = []
    zones = contract.facts(reader.head).zones if contract else _UTC
    for kind, text, no in references:
        if kind == "period":
            label = _label(contract, text, known_at.position) if contract else None
            means.append((key, kind, text, label or UNKNOWN + text))
            continue
        if kind == "rule":
            rule = _rule(contract, text, known_at.position)
            means.append((key, kind, text, " ".join(filter(None, rule))))
            continue
        issued = _issued(text, zones, no)
        if isinstance(issued, datetime):
            instants.append((text, issued))
        else:
            _check_head(issued, reader.head, no)
            means.append((key, kind, text, min(issued, known_at.position)))
    if instants:
        moments = [instant for _, instant in instants]
        rows = reader.ask("billing/audit", "positions", instants=moments)
        for (text, _), row in zip(
            instants, sorted(rows, key=lambda row: int(row["n"])), strict=True
        ):
            position = min(row["position"], known_at.position)
            means.append((key, "issued", text, position))
    return means


def _label(contract: Contract, text: str, position: int) -> str | None:
    """The label of the period, or the dates, that a text means of an account.

    A month in which no period begins is all its dates (R65).
    """
    for written in dict.fromkeys((text, BilledDates.of_month(text) or text)):
        period = contract.period(written, position)
        if period is not None:
            if period.is_window:
                return range_of(period.label, period.until)
            return period.label.isoformat()
    return None


def _rule(
    contract: Contract | None, text: str, position: int
) -> tuple[str, str | None]:
    """By which rule a line counts that names it, or none, beside a period."""
    reference, mode, granularity = text.split(" ")
    label = _label(contract, reference, position) if contract else None
    period = contract.period(label, position) if contract and label else None
    policy = (period.mode, period.granularity) if period else DEFAULT_POLICY
    return rule_of((mode, granularity), policy)


def _issued(text: str, zones: ZoneHistory, no: int) -> int | datetime:
    try:
        return issued_at(text, zones)
    except CommandRefused as error:
        raise CommandRefused(
            error.code, error.message, try_=error.try_, line=no
        ) from error


def _check_head(position: int, head: int, no: int) -> None:
    if position > head:
        raise CommandRefused(
            "position_beyond_head",
            f"The line was issued at position {position}; the ledger is at {head}.",
            try_="write the instant at which the invoice was issued, or a position up "
            f"to {head}",
            line=no,
        )


def _billed(auditor: Auditor, key: str, contract: Contract | None) -> Iterator[Billed]:
    """An account's lines, from each figure's last one back, then what is missing."""
    yield from auditor.lines(key, contract)
    if contract is not None:
        yield from auditor.missing(key, contract)
