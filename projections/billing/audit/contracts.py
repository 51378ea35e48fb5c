"""Some accounts' contracts, and each of them as it was known at any position."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter

from seat_ledger.domain.calendar import TZDATA_VERSION, BillingPeriod
from seat_ledger.domain.values import FOREVER, account_id
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound
from seat_ledger.projections.billing import labelled, window
from seat_ledger.projections.billing.audit.lines import BilledDates, Span
from seat_ledger.projections.billing.invoices import in_bounds_of_issue
from seat_ledger.projections.engine.contracts import facts_of
from seat_ledger.projections.periods import PeriodRow, row_of
from seat_ledger.projections.periods.contract import AccountFacts
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row

UNKNOWN = "?"
"""Marks a label that is no period of its account."""

_POLICY = "BillingPolicyChanged"
_REVERSIBLE = {_POLICY, "ContractChanged", "AccountClosed"}


class Contract:
    """What was said of one account's contract, and when it became known."""

    def __init__(
        self, rows: list[Row], reversals: list[Row], invoices: list[Row]
    ) -> None:
        self.rows, self.reversals, self.invoices = rows, reversals, invoices
        self.turns = sorted(row["position"] for row in (*rows, *reversals))
        self.renewal_due = False
        self._retained = {
            row["details"]["period"]: row["details"]
            for row in sorted(invoices, key=itemgetter("position"))
            if row["details"]
        }
        self._facts: dict[int, AccountFacts] = {}
        self._windows: dict[Span, int] = {}
        self._periods: dict[tuple[int, str | Span], PeriodRow | None] = {}

    @property
    def no(self) -> int:
        """The account's number: the position of its opening."""
        position: int = self.rows[0]["position"]
        return position

    def state(self, position: int) -> int:
        """Which of its states the contract was in, as known at a position."""
        return bisect_right(self.turns, position)

    def facts(self, position: int) -> AccountFacts:
        """The account as known at a position."""
        state = self.state(position)
        if state not in self._facts:
            reversed_ = self._reversed(position)
            rows = [
                {**row, "reversed": row["position"] in reversed_} for row in self.rows
            ]
            self._facts[state] = facts_of(rows, position)
        return self._facts[state]

    def period(self, label: str | Span, position: int) -> PeriodRow | None:
        """The period of a label, or some dates, as known at a position, or None.

        Dates that are no period of the account are one of their own, while it runs:
        what is billed for them is held against what the ledger has in them (R65). Dates
        outside the calendar are none.
        """
        if isinstance(label, str) and label.startswith(UNKNOWN):
            return None
        key = (self.state(position), label)
        if key not in self._periods:
            facts = self.facts(position)
            try:
                period = self._row(facts, label) if facts.is_known else None
            except (NotFound, CommandRefused, InvalidInput) as error:
                self.renewal_due |= error.code == "renewal_due"
                period = None
            self._periods[key] = period
        return self._periods[key]

    def retains(self, period: PeriodRow) -> bool:
        """Whether a period has bounds that the tables do not have: it was invoiced with
        other zone data, or is dates of the bill's own.
        """
        return period.is_window or period.label.isoformat() in self._retained

    def _row(self, facts: AccountFacts, label: str | Span) -> PeriodRow:
        if not isinstance(label, str):
            return self._window(facts, label)
        dates = BilledDates.written(label)
        if dates.span is not None and not is_period(facts, dates):
            return self._window(facts, dates.span)
        period: BillingPeriod = labelled(facts, dates.label)
        details = self._retained.get(period.label.isoformat())
        return row_of(facts, in_bounds_of_issue(period, details) if details else period)

    def _window(self, facts: AccountFacts, span: Span) -> PeriodRow:
        number = self._windows.setdefault(span, -1 - len(self._windows))
        return row_of(facts, own_dates(facts, span))._replace(period_no=number)

    def currency(self, position: int) -> str | None:
        """The currency of the account's own invoices, where they have but one."""
        currencies = {
            str(row["currency"]) for row in self.invoices if row["position"] <= position
        }
        return currencies.pop() if len(currencies) == 1 else None

    def between(self, since: int, until: int, *topics: str) -> Iterator[int]:
        """The entries of some kinds in ``(since, upto]``, reversals of policies too."""
        rows = list(self.rows)
        if _POLICY in topics:
            rows += self.reversals
        for row in rows:
            if since < row["position"] <= until and row.get("topic", _POLICY) in topics:
                yield row["position"]

    def _reversed(self, position: int) -> set[int]:
        """Its policies that did not hold: the last reversal decides (DOMAIN 2)."""
        holds = {
            row["root"]: row["holds"]
            for row in self.reversals
            if row["position"] <= position
        }
        return {root for root, held in holds.items() if not held}


def contracts(
    reader: ConnectedReader, keys: Iterable[str], known_at: Knowledge
) -> dict[str, Contract]:
    """The contracts of some accounts by key; what was never opened is left out.

    A period that was invoiced, as known, keeps the bounds that it was issued with.
    """
    ids = [account_id(key) for key in keys]
    rows = reader.ask("billing/audit", "contracts", account_ids=ids)
    account_of = {
        row["position"]: row["account_no"]
        for row in rows
        if row["topic"] in _REVERSIBLE
    }
    reversals: dict[int, list[Row]] = {}
    if account_of:
        for row in reader.ask("billing/audit", "reversals", roots=list(account_of)):
            reversals.setdefault(account_of[row["root"]], []).append(row)
    invoices: dict[int, list[Row]] = {}
    numbers = list({row["account_no"] for row in rows})
    for row in reader.ask(
        "billing/audit", "invoices", account_nos=numbers, tzdata=TZDATA_VERSION
    ):
        if row["position"] > known_at.position:
            row["details"] = None
        invoices.setdefault(row["account_no"], []).append(row)
    by_key = {}
    for number, of_account in groupby(rows, key=itemgetter("account_no")):
        contract = Contract(
            list(of_account), reversals.get(number, []), invoices.get(number, [])
        )
        by_key[contract.rows[0]["details"]["account_key"]] = contract
    return by_key


def is_period(facts: AccountFacts, dates: BilledDates) -> bool:
    """Whether the first and the last date of a bill are those of a period.

    Raises CommandRefused (``renewal_due``), InvalidInput.
    """
    assert dates.last is not None
    try:
        period = labelled(facts, dates.label)
    except NotFound:
        return False
    return _ends_on(facts, period, dates.last)


def own_dates(facts: AccountFacts, span: Span) -> BillingPeriod:
    """The dates of a bill as if they were a period, where the account runs in them.

    Raises NotFound, CommandRefused (``renewal_due``), InvalidInput.
    """
    dated = window(facts, *span)
    closed_at = facts.calendar.closed_at or FOREVER
    if dated.ends <= facts.opened_at or dated.starts >= closed_at:
        raise NotFound("unknown_period", f"{facts.key} does not run then.")
    if dated.ends > facts.calendar.renewal(facts.renewals + 1).instant:
        raise CommandRefused("renewal_due", f"{facts.key} waits for a renewal.")
    return dated


def _ends_on(facts: AccountFacts, period: BillingPeriod, last: date) -> bool:
    """Whether a bill that names this date as the last one means the period.

    Vendors write its last date, or the next period's first; of an account that was
    closed within it, also as it would have ended.
    """
    whole = facts.calendar.bound(period.index + 1).day
    return last in {
        end - timedelta(days=n) for end in (period.until, whole) for n in (0, 1)
    }
