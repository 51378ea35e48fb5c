"""The questions of the command line, as methods.

Written by `scripts/reference` from what the commands declare.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

from seat_ledger.client.documents import AnyRow, BillFile, Document, Moment, R
from seat_ledger.client.rows import (
    AccountAdviseRow,
    AccountAttentionRow,
    AccountListRow,
    AccountRenewalsRow,
    AccountShowRow,
    BillingCompareRow,
    BillingCountsRow,
    BillingExplainRow,
    BillingIdleRow,
    BillingPeriodsRow,
    BillingPolicyRow,
    CatalogueListRow,
    EventListRow,
    EventReplayRow,
    EventShowRow,
    FindingListRow,
    InvoiceAuditRow,
    InvoiceListRow,
    InvoiceReproduceRow,
    InvoiceShowRow,
    PriceHistoryRow,
    PriceListRow,
    ProjectionStatusRow,
    SeatHistoryRow,
    SeatListRow,
    SeatWhoRow,
    UserAccessRow,
    UserFindRow,
    UserHistoryRow,
    UserListRow,
)
from seat_ledger.client.threads import InThreads, in_thread


class Questions(ABC):
    """Every question of the command line, by its words."""

    @abstractmethod
    def _ask(
        self, words: str, row: type[R], params: Mapping[str, object]
    ) -> Document[R]:
        """Ask a question by its words."""

    @abstractmethod
    def _audit(
        self, file: BillFile, row: type[R], params: Mapping[str, object]
    ) -> Document[R]:
        """Hold a file's lines against the ledger."""

    def account_advise(
        self,
        *,
        account: str | None = None,
        idle_for: int | None = None,
        unit_price: Sequence[str] = (),
        currency: str | None = None,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[AccountAdviseRow]:
        """Which seats to give up, by when, and what that saves.

        A seat can go at a renewal, if it is asked for before. The most seats that
        were held at once in the days before are kept.

        :param account: Only this account.
        :param idle_for: Only seats that nobody has needed for this many days.
        :param unit_price: The price of one seat of a type for one whole period; can
            be repeated.
        :param currency: The currency that amounts are rounded to, such as EUR (ISO
            4217).
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "account advise",
            AccountAdviseRow,
            {
                "account": account,
                "idle_for": idle_for,
                "unit_price": unit_price,
                "currency": currency,
                "as_of": as_of,
                "known_at": known_at,
            },
        )

    def account_attention(
        self,
        *,
        account: str | None = None,
        kind: Literal["due", "near", "idle", "finding", "late", "list"] | None = None,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[AccountAttentionRow]:
        """What needs attention: renewals, unused seats, findings, late facts.

        The amount of unused seats is their cost for one billing period. A list of
        holders is overdue after twice the interval between the last two, or 35 days
        after the only one.

        :param account: Only this account.
        :param kind: List the accounts with this kind, one per row.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "account attention",
            AccountAttentionRow,
            {"account": account, "kind": kind, "as_of": as_of, "known_at": known_at},
        )

    def account_list(
        self, *, as_of: Moment | None = None, known_at: Moment | int | None = None
    ) -> Document[AccountListRow]:
        """Every account, with its totals.

        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "account list", AccountListRow, {"as_of": as_of, "known_at": known_at}
        )

    def account_renewals(
        self,
        *,
        account: str | None = None,
        within: str | None = None,
        unit_price: Sequence[str] = (),
        currency: str | None = None,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[AccountRenewalsRow]:
        """When contracts renew, the next first, how many seats, and at what cost.

        What is to be given up has to be asked for before the renewal's instant.

        :param account: Only this account.
        :param within: Only renewals within this time: 90d, 6w, 3mo or 1y.
        :param unit_price: The price of one seat of a type for one whole period; can
            be repeated.
        :param currency: The currency that amounts are rounded to, such as EUR (ISO
            4217).
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "account renewals",
            AccountRenewalsRow,
            {
                "account": account,
                "within": within,
                "unit_price": unit_price,
                "currency": currency,
                "as_of": as_of,
                "known_at": known_at,
            },
        )

    def account_show(
        self,
        account: str,
        *,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[AccountShowRow]:
        """One account: contract, next renewal and what is pending for it, totals.

        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "account show",
            AccountShowRow,
            {"account": account, "as_of": as_of, "known_at": known_at},
        )

    def billing_compare(
        self,
        *,
        account: str,
        known_at: Sequence[Moment | int] = (),
        period: str | None = None,
        from_: Moment | None = None,
        until: Moment | None = None,
        term: bool = False,
        mode: str | None = None,
        granularity: Literal["day", "second"] | None = None,
        unit_price: Sequence[str] = (),
        price_for: Literal["period", "window"] | None = None,
        currency: str | None = None,
    ) -> Document[BillingCompareRow]:
        """Which figures differ between two states of knowledge, and because of what.

        :param account: The account's key.
        :param known_at: The two states of knowledge to compare; give it twice.
        :param period: A billing period, by its first date or by the month it begins
            in.
        :param from_: The first date of a window.
        :param until: The end of the window, itself excluded.
        :param term: Every period of the current term.
        :param mode: A counting mode, or 'all'; without it the account's policy
            applies.
        :param granularity: Count by whole local days or by the second, where the mode
            has both.
        :param unit_price: The price of one seat for one whole period; can be
            repeated. The type may be omitted if the answer has only one.
        :param price_for: What a price covers: one billing period (a window over
            several is then priced period by period), or the whole window.
        :param currency: The currency that amounts are rounded to, such as EUR (ISO
            4217).
        """
        return self._ask(
            "billing compare",
            BillingCompareRow,
            {
                "account": account,
                "known_at": known_at,
                "period": period,
                "from": from_,
                "until": until,
                "term": term,
                "mode": mode,
                "granularity": granularity,
                "unit_price": unit_price,
                "price_for": price_for,
                "currency": currency,
            },
        )

    def billing_counts(
        self,
        *,
        account: str | None = None,
        all: bool = False,
        period: str | None = None,
        from_: Moment | None = None,
        until: Moment | None = None,
        term: bool = False,
        mode: str | None = None,
        granularity: Literal["day", "second"] | None = None,
        unit_price: Sequence[str] = (),
        price_for: Literal["period", "window"] | None = None,
        currency: str | None = None,
        year: int | None = None,
        by: Literal["month", "quarter", "type", "account"] | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[BillingCountsRow]:
        """Billable seats per period, by the account's rule, and what they cost.

        :param account: One account.
        :param all: All accounts.
        :param period: A billing period, by its first date or by the month it begins
            in.
        :param from_: The first date of a window.
        :param until: The end of the window, itself excluded.
        :param term: Every period of the current term.
        :param mode: A counting mode, or 'all'; without it the account's policy
            applies.
        :param granularity: Count by whole local days or by the second, where the mode
            has both.
        :param unit_price: The price of one seat for one whole period; can be
            repeated. The type may be omitted if the answer has only one.
        :param price_for: What a price covers: one billing period (a window over
            several is then priced period by period), or the whole window.
        :param currency: The currency that amounts are rounded to, such as EUR (ISO
            4217).
        :param year: Every period that has begun, and began in that year.
        :param by: Add up what the figures cost, by the period's month or quarter, by
            type or account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "billing counts",
            BillingCountsRow,
            {
                "account": account,
                "all": all,
                "period": period,
                "from": from_,
                "until": until,
                "term": term,
                "mode": mode,
                "granularity": granularity,
                "unit_price": unit_price,
                "price_for": price_for,
                "currency": currency,
                "year": year,
                "by": by,
                "known_at": known_at,
            },
        )

    def billing_explain(
        self,
        *,
        account: str,
        seat_type: str,
        period: str | None = None,
        from_: Moment | None = None,
        until: Moment | None = None,
        mode: str | None = None,
        granularity: Literal["day", "second"] | None = None,
        unit_price: Sequence[str] = (),
        price_for: Literal["period", "window"] | None = None,
        currency: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[BillingExplainRow]:
        """Break a figure down into its parts: seats, users, times and entries.

        :param account: The account's key.
        :param period: A billing period, by its first date or by the month it begins
            in.
        :param from_: The first date of a window.
        :param until: The end of the window, itself excluded.
        :param seat_type: The seat type of the figure.
        :param mode: A counting mode; without it the account's policy applies.
        :param granularity: Count by whole local days or by the second, where the mode
            has both.
        :param unit_price: The price of one seat for one whole period; can be
            repeated. The type may be omitted if the answer has only one.
        :param price_for: What a price covers: one billing period (a window over
            several is then priced period by period), or the whole window.
        :param currency: The currency that amounts are rounded to, such as EUR (ISO
            4217).
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "billing explain",
            BillingExplainRow,
            {
                "account": account,
                "period": period,
                "from": from_,
                "until": until,
                "seat_type": seat_type,
                "mode": mode,
                "granularity": granularity,
                "unit_price": unit_price,
                "price_for": price_for,
                "currency": currency,
                "known_at": known_at,
            },
        )

    def billing_idle(
        self,
        *,
        account: str,
        period: str | None = None,
        from_: Moment | None = None,
        until: Moment | None = None,
        as_of: Moment | None = None,
        unit_price: Sequence[str] = (),
        currency: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[BillingIdleRow]:
        """Seats paid for and held by nobody: since when, who freed them, and the cost.

        At a moment, or (--period, from) every idle interval in a period. With a
        price, at a moment: what each has cost, and will cost until the renewal at
        which it can go.

        :param account: The account's key.
        :param period: A billing period, by its first date or by the month it begins
            in.
        :param from_: The first date of a window.
        :param until: The end of the window, itself excluded.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param unit_price: The price of one seat for one whole period; can be
            repeated. The type may be omitted if the answer has only one.
        :param currency: The currency that amounts are rounded to, such as EUR (ISO
            4217).
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "billing idle",
            BillingIdleRow,
            {
                "account": account,
                "period": period,
                "from": from_,
                "until": until,
                "as_of": as_of,
                "unit_price": unit_price,
                "currency": currency,
                "known_at": known_at,
            },
        )

    def billing_periods(
        self, *, account: str, known_at: Moment | int | None = None
    ) -> Document[BillingPeriodsRow]:
        """The billing periods of an account.

        :param account: The account's key.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "billing periods",
            BillingPeriodsRow,
            {"account": account, "known_at": known_at},
        )

    def billing_policy(
        self, *, account: str, known_at: Moment | int | None = None
    ) -> Document[BillingPolicyRow]:
        """The rules that an account's periods are counted by, and since when.

        :param account: The account's key.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "billing policy",
            BillingPolicyRow,
            {"account": account, "known_at": known_at},
        )

    def catalogue_list(
        self, *, known_at: Moment | int | None = None
    ) -> Document[CatalogueListRow]:
        """The seat types of the ledger, offered or withdrawn.

        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask("catalogue list", CatalogueListRow, {"known_at": known_at})

    def event_list(
        self,
        *,
        account: str | None = None,
        user: str | None = None,
        seat: str | None = None,
        type: Sequence[
            Literal[
                "AccountClosed",
                "AccountOpened",
                "BillingPolicyChanged",
                "ContractChanged",
                "ContractRenewed",
                "EntryReversed",
                "FindingNoted",
                "FindingOpened",
                "FindingSettled",
                "HubAccessGranted",
                "HubAccessRevoked",
                "InvoiceIssued",
                "InvoiceVoided",
                "PermissionsChanged",
                "PriceSet",
                "SeatAssigned",
                "SeatPurchased",
                "SeatReductionCancelled",
                "SeatReductionRequested",
                "SeatRetired",
                "SeatTypeAdded",
                "SeatTypeWithdrawn",
                "SeatUnassigned",
                "SnapshotObserved",
                "TimeZoneChanged",
                "UnassignmentCancelled",
                "UnassignmentRequested",
                "UserAdded",
                "UserErased",
                "UserRemoved",
                "UserRenamed",
            ]
        ] = (),
        actor: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        during: str | None = None,
        clock: Literal["effective", "recorded"] | None = None,
        from_position: int | None = None,
        until_position: int | None = None,
        limit: int | None = None,
        last: int | None = None,
        reverse: bool = False,
        late: bool = False,
        known_at: Moment | int | None = None,
    ) -> Document[EventListRow]:
        """Events in the order of recording; a table shows those of a command together.

        :param account: Only this account.
        :param user: Only about this user.
        :param seat: Only about this seat, or HUB/TIER for its type.
        :param type: Only events of this type, such as SeatAssigned; can be repeated.
        :param actor: Only by this user, or by system:NAME.
        :param since: From this moment on.
        :param until: Before this moment, itself excluded.
        :param during: Within a time such as 'last march', 2026 or 2026-03..2026-05.
        :param clock: By which of the two times since, until and during select.
        :param from_position: Start at this position.
        :param until_position: Up to this position.
        :param limit: At most N events.
        :param last: Only the last N events.
        :param reverse: The last event first.
        :param late: Only events recorded after something with a later effective time.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "event list",
            EventListRow,
            {
                "account": account,
                "user": user,
                "seat": seat,
                "type": type,
                "actor": actor,
                "since": since,
                "until": until,
                "during": during,
                "clock": clock,
                "from_position": from_position,
                "until_position": until_position,
                "limit": limit,
                "last": last,
                "reverse": reverse,
                "late": late,
                "known_at": known_at,
            },
        )

    def event_replay(
        self,
        *,
        account: str,
        until: Moment | None = None,
        order: Literal["position", "effective"] | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[EventReplayRow]:
        """Events one by one, with the totals as of each, as known after it.

        :param account: The account's key.
        :param until: Stop at this position or moment.
        :param order: Sort by position (order of recording) or by effective time.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "event replay",
            EventReplayRow,
            {"account": account, "until": until, "order": order, "known_at": known_at},
        )

    def event_show(
        self,
        position: int,
        *,
        account: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[EventShowRow]:
        """One event, with both clocks, its data, and what reversed it.

        :param account: Only this account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "event show",
            EventShowRow,
            {"position": position, "account": account, "known_at": known_at},
        )

    def export(
        self,
        what: Literal["journal", "holdings", "counts", "periods"],
        *,
        account: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[AnyRow]:
        """Export a whole table: one row per line, with the same columns throughout.

        CSV is for spreadsheets: a text that could be taken for a formula gets an
        apostrophe. JSON Lines and Parquet hold every value exactly.

        :param account: Only this account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "export", AnyRow, {"what": what, "account": account, "known_at": known_at}
        )

    def finding_list(
        self,
        *,
        account: str | None = None,
        all: bool = False,
        known_at: Moment | int | None = None,
    ) -> Document[FindingListRow]:
        """The findings that were kept; settled ones are listed apart.

        :param account: Only this account.
        :param all: Include settled findings.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "finding list",
            FindingListRow,
            {"account": account, "all": all, "known_at": known_at},
        )

    def invoice_audit(
        self,
        file: BillFile,
        *,
        findings: bool = False,
        column: Sequence[str] = (),
        set_: Sequence[str] = (),
        alias: Sequence[str] = (),
        date_format: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[InvoiceAuditRow]:
        """Check the lines of a file of invoices (CSV, .xlsx) against the ledger.

        The file has the columns account, invoice, issued_at, period, seat_type,
        quantity, unit_price and amount, and optionally mode, granularity and
        currency, or other names that vendors give them; issued_at is an instant or a
        position. A period is its first date, its month, or a range of dates that must
        be the ledger's, such as a quarter's. Of a workbook the sheet that names the
        columns is read. Lines of totals are checked and left out. Exits with 3 if a
        line does not match. What no line has a price for costs what the price book
        says.

        :param findings: Only what does not match: a sentence each, by cause, with who
            owes whom.
        :param column: What the file calls one of our columns, as in amount='Net sum'.
        :param set_: What every line has that the file has no column for, as in
            account=acme.
        :param alias: What the file calls an account or a seat type, as in 'Acme
            B.V.=acme'.
        :param date_format: How the file writes dates, as in DD.MM.YYYY, also in
            ranges; dates as in 2026-03-31, and those of a workbook's cells, are read
            beside it.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._audit(
            file,
            InvoiceAuditRow,
            {
                "findings": findings,
                "column": column,
                "set": set_,
                "alias": alias,
                "date_format": date_format,
                "known_at": known_at,
            },
        )

    def invoice_list(
        self, *, account: str | None = None, known_at: Moment | int | None = None
    ) -> Document[InvoiceListRow]:
        """Invoices in the order of recording, with the number of their corrections.

        :param account: Only this account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "invoice list", InvoiceListRow, {"account": account, "known_at": known_at}
        )

    def invoice_reproduce(
        self,
        invoice: str,
        *,
        account: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[InvoiceReproduceRow]:
        """Compute an invoice again from what was known then; exit 3 if it differs.

        With format json the document is that of 'invoice show', byte for byte, if
        both agree.

        :param account: Only this account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "invoice reproduce",
            InvoiceReproduceRow,
            {"invoice": invoice, "account": account, "known_at": known_at},
        )

    def invoice_show(
        self,
        invoice: str,
        *,
        account: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[InvoiceShowRow]:
        """An invoice as it was recorded.

        :param account: Only this account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "invoice show",
            InvoiceShowRow,
            {"invoice": invoice, "account": account, "known_at": known_at},
        )

    def price_history(
        self, *, account: str | None = None, known_at: Moment | int | None = None
    ) -> Document[PriceHistoryRow]:
        """Every recorded price, and until when it held.

        :param account: Only this account.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "price history", PriceHistoryRow, {"account": account, "known_at": known_at}
        )

    def price_list(
        self,
        *,
        account: str | None = None,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[PriceListRow]:
        """The prices in force: of one account, with those for all, or of every account.

        :param account: Only this account.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "price list",
            PriceListRow,
            {"account": account, "as_of": as_of, "known_at": known_at},
        )

    def projection_status(self) -> Document[ProjectionStatusRow]:
        """Show how far the projections are; exit 3 if an event cannot be read.

        An unreadable event sets its account aside; one without an account stops the
        projections.
        """
        return self._ask("projection status", ProjectionStatusRow, {})

    def seat_history(
        self,
        seat: str,
        *,
        account: str,
        as_of: Moment | None = None,
        with_reversed: bool = False,
        known_at: Moment | int | None = None,
    ) -> Document[SeatHistoryRow]:
        """Everybody who ever held a seat, in order.

        :param account: The account's key.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param with_reversed: Include what was reversed.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "seat history",
            SeatHistoryRow,
            {
                "seat": seat,
                "account": account,
                "as_of": as_of,
                "with_reversed": with_reversed,
                "known_at": known_at,
            },
        )

    def seat_list(
        self,
        *,
        account: str,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[SeatListRow]:
        """Every seat under contract at a moment, with its holder, and the totals.

        :param account: The account's key.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "seat list",
            SeatListRow,
            {"account": account, "as_of": as_of, "known_at": known_at},
        )

    def seat_who(
        self,
        seat: str | None = None,
        *,
        account: str,
        user: str | None = None,
        as_of: Moment | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        during: str | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[SeatWhoRow]:
        """Who held a seat at a moment or in a stretch of time, who gave it, and why.

        :param user: Show the seats of this user instead.
        :param account: The account's key.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param since: From this moment on.
        :param until: Before this moment, itself excluded.
        :param during: Within a time such as 'last march', 2026 or 2026-03..2026-05.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "seat who",
            SeatWhoRow,
            {
                "seat": seat,
                "user": user,
                "account": account,
                "as_of": as_of,
                "since": since,
                "until": until,
                "during": during,
                "known_at": known_at,
            },
        )

    def user_access(
        self,
        user: str,
        seat_type: str,
        *,
        account: str,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[UserAccessRow]:
        """Whether a user could use paid features at a moment, and why.

        :param account: The account's key.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "user access",
            UserAccessRow,
            {
                "user": user,
                "seat_type": seat_type,
                "account": account,
                "as_of": as_of,
                "known_at": known_at,
            },
        )

    def user_find(
        self,
        text: str,
        *,
        account: str | None = None,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[UserFindRow]:
        """Find users of all accounts, or of one, by a part of key, e-mail or name.

        :param account: Only this account.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "user find",
            UserFindRow,
            {"text": text, "account": account, "as_of": as_of, "known_at": known_at},
        )

    def user_history(
        self,
        user: str,
        *,
        account: str,
        as_of: Moment | None = None,
        with_reversed: bool = False,
        known_at: Moment | int | None = None,
    ) -> Document[UserHistoryRow]:
        """Every seat that a user held, in order, also of earlier users with that key.

        :param account: The account's key.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param with_reversed: Include what was reversed.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "user history",
            UserHistoryRow,
            {
                "user": user,
                "account": account,
                "as_of": as_of,
                "with_reversed": with_reversed,
                "known_at": known_at,
            },
        )

    def user_list(
        self,
        *,
        account: str,
        as_of: Moment | None = None,
        known_at: Moment | int | None = None,
    ) -> Document[UserListRow]:
        """Every user present at a moment.

        :param account: The account's key.
        :param as_of: The moment to answer for; by default now. See 'seat-ledger help
            time'.
        :param known_at: Use only what was known then: a position or a moment.
        """
        return self._ask(
            "user list",
            UserListRow,
            {"account": account, "as_of": as_of, "known_at": known_at},
        )


class AsyncQuestions(InThreads):
    """The methods of :class:`Questions`, to be awaited."""

    account_advise = in_thread(Questions.account_advise)
    account_attention = in_thread(Questions.account_attention)
    account_list = in_thread(Questions.account_list)
    account_renewals = in_thread(Questions.account_renewals)
    account_show = in_thread(Questions.account_show)
    billing_compare = in_thread(Questions.billing_compare)
    billing_counts = in_thread(Questions.billing_counts)
    billing_explain = in_thread(Questions.billing_explain)
    billing_idle = in_thread(Questions.billing_idle)
    billing_periods = in_thread(Questions.billing_periods)
    billing_policy = in_thread(Questions.billing_policy)
    catalogue_list = in_thread(Questions.catalogue_list)
    event_list = in_thread(Questions.event_list)
    event_replay = in_thread(Questions.event_replay)
    event_show = in_thread(Questions.event_show)
    export = in_thread(Questions.export)
    finding_list = in_thread(Questions.finding_list)
    invoice_audit = in_thread(Questions.invoice_audit)
    invoice_list = in_thread(Questions.invoice_list)
    invoice_reproduce = in_thread(Questions.invoice_reproduce)
    invoice_show = in_thread(Questions.invoice_show)
    price_history = in_thread(Questions.price_history)
    price_list = in_thread(Questions.price_list)
    projection_status = in_thread(Questions.projection_status)
    seat_history = in_thread(Questions.seat_history)
    seat_list = in_thread(Questions.seat_list)
    seat_who = in_thread(Questions.seat_who)
    user_access = in_thread(Questions.user_access)
    user_find = in_thread(Questions.user_find)
    user_history = in_thread(Questions.user_history)
    user_list = in_thread(Questions.user_list)
