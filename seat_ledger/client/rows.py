"""The rows of each question, as frozen models.

Written by `scripts/reference` from what the commands declare.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import Field

from seat_ledger.client.documents import Frozen


class AccountAdviseRow(Frozen):
    """A row of `account advise`."""

    account: str
    seat_type: str
    purchased: int
    assigned: int
    available: int
    pending_reduction: int | None = None
    idle_days: int | None = None
    most_held: int | None = None
    reduce_by: int | None = None
    renewal: dt.date | None = None
    reduce_before: dt.datetime | None = None
    unit_price: Decimal | None = None
    currency: str | None = None
    amount_until_renewal: Decimal | None = None
    saved_per_period: Decimal | None = None
    saved_per_term: Decimal | None = None
    assigned_least: int | None = None
    assigned_most: int | None = None
    most_held_least: int | None = None
    most_held_most: int | None = None
    reduce_by_least: int | None = None
    reduce_by_most: int | None = None


class AccountAttentionRow(Frozen):
    """A row of `account attention`."""

    kind: str
    account: str | None = None
    count: int
    accounts: int
    amount: Decimal | None = None
    currency: str | None = None
    at: dt.datetime | None = None
    date: dt.date | None = None


class AccountListRow(Frozen):
    """A row of `account list`."""

    account: str
    name: str
    time_zone: str
    term_start: dt.date
    purchased: int
    assigned: int
    available: int
    next_renewal: dt.datetime | None = None
    renewal_due: bool | None = None
    closed_at: dt.datetime | None = None
    assigned_least: int | None = None
    assigned_most: int | None = None
    renewal_date: dt.date | None = None


class AccountRenewalsRow(Frozen):
    """A row of `account renewals`."""

    account: str
    name: str
    renewal: int
    date: dt.date
    instant: dt.datetime
    in_days: int
    purchased: int | None = None
    assigned: int | None = None
    available: int | None = None
    pending_reduction: int | None = None
    renewal_due: bool
    assigned_least: int | None = None
    assigned_most: int | None = None
    to_renew: int
    unit_price: Decimal | None = None
    currency: str | None = None
    amount: Decimal | None = None
    not_priced: int | None = None
    renewal_lines: tuple[dict[str, Any], ...] | None = None


class NextRenewal(Frozen):
    """What a row has as `next_renewal`."""

    number: int | None = None
    date: dt.date | None = None
    instant: dt.datetime | None = None


class SeatTotals(Frozen):
    """What a row has as `seat_totals`."""

    seat_type: str
    purchased: int
    assigned: int
    available: int
    pending_reduction: int
    assigned_least: int
    assigned_most: int


class AccountShowRow(Frozen):
    """A row of `account show`."""

    account: str
    name: str
    opened_at: dt.datetime
    time_zone: str
    term_start: dt.date
    term_months: int | None = None
    billing_cycle_months: int | None = None
    renewals_processed: int | None = None
    next_renewal: NextRenewal | None = None
    renewal_due: bool
    closed_at: dt.datetime | None = None
    contract_changes: tuple[dict[str, Any], ...] | None = None
    totals: tuple[SeatTotals, ...]
    pending_unassignments: tuple[dict[str, Any], ...] | None = None
    windows: tuple[dict[str, Any], ...] | None = None


class BillingCompareRow(Frozen):
    """A row of `billing compare`."""

    account: str
    period: dt.date | None = None
    seat_type: str
    mode: str
    granularity: str | None = None
    quantity_before: Decimal | None = None
    quantity_after: Decimal | None = None
    difference: Decimal | None = None
    difference_exact: Fraction | None = None
    amount_before: Decimal | None = None
    amount_after: Decimal | None = None
    amount_difference: Decimal | None = None
    currency: str | None = None
    entries: tuple[int, ...]
    forecast: bool | None = None
    quantity_before_least: Decimal | None = None
    quantity_before_most: Decimal | None = None
    quantity_after_least: Decimal | None = None
    quantity_after_most: Decimal | None = None
    price_for: str | None = None
    complete: bool | None = None


class BillingCountsRow(Frozen):
    """A row of `billing counts`."""

    account: str
    seat_type: str
    period: dt.date | None = None
    from_: dt.datetime = Field(alias="from")
    until: dt.datetime
    days: int | None = None
    seconds: int | None = None
    complete: bool
    mode: str
    granularity: str | None = None
    opening: int
    purchased: int
    retired: int
    closing: int
    quantity: Decimal
    quantity_exact: Fraction
    assigned_opening: int | None = None
    assigned_peak: int | None = None
    assigned_closing: int | None = None
    idle_seat_days: int | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    forecast: bool | None = None
    price_for: str | None = None
    currency: str | None = None
    price_source: str | None = None
    price_entry: int | None = None
    price_since: str | None = None
    price_parts: tuple[dict[str, Any], ...] | None = None
    quantity_least: Decimal | None = None
    quantity_most: Decimal | None = None
    assigned_opening_least: int | None = None
    assigned_opening_most: int | None = None
    assigned_peak_least: int | None = None
    assigned_peak_most: int | None = None
    assigned_closing_least: int | None = None
    assigned_closing_most: int | None = None
    idle_seat_days_least: int | None = None
    idle_seat_days_most: int | None = None
    amount_least: Decimal | None = None
    amount_most: Decimal | None = None


class Closing(Frozen):
    """What a row has as `closing`."""

    actor: str | None = None
    reason: str | None = None
    recorded_at: dt.datetime | None = None


class BillingExplainRow(Frozen):
    """A row of `billing explain`."""

    seat: str | None = None
    user: str | None = None
    from_: dt.datetime | None = Field(alias="from")
    until: dt.datetime | None = None
    opened_by: int | None = None
    closed_by: int | None = None
    quantity: Decimal | None = None
    quantity_exact: Fraction | None = None
    amount: Decimal | None = None
    actor: str | None = None
    reason: str | None = None
    recorded_at: dt.datetime | None = None
    opened_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    closing: Closing | None = None
    at: dt.datetime | None = None
    date: dt.date | None = None
    dates: int | None = None
    held_after: dt.datetime | None = None
    until_after: dt.datetime | None = None
    at_after: dt.datetime | None = None


class EntryAct(Frozen):
    """Who recorded an entry, why and when."""

    position: int
    actor: str
    reason: str | None = None
    recorded_at: dt.datetime


class BillingIdleRow(Frozen):
    """A row of `billing idle`."""

    seat: str
    seat_type: str
    from_: dt.datetime = Field(alias="from")
    until: dt.datetime | None = None
    idle_days: int
    last_user: str | None = None
    freed_by: EntryAct | None = None
    next_user: str | None = None
    taken_by: EntryAct | None = None
    purchased_by: EntryAct
    idle_since: dt.datetime | None = None
    unit_price: Decimal | None = None
    currency: str | None = None
    amount: Decimal | None = None
    renewal: dt.date | None = None
    days_until_renewal: int | None = None
    amount_until_renewal: Decimal | None = None
    from_after: dt.datetime | None = None
    until_after: dt.datetime | None = None
    idle_days_least: int | None = None
    idle_days_most: int | None = None


class BillingPeriodsRow(Frozen):
    """A row of `billing periods`."""

    period: dt.date
    from_: dt.datetime = Field(alias="from")
    until: dt.datetime
    days: int
    seconds: int
    time_zone: str


class BillingPolicyRow(Frozen):
    """A row of `billing policy`."""

    account: str
    from_: dt.datetime = Field(alias="from")
    mode: str
    granularity: str | None = None
    entry: int | None = None


class CatalogueListRow(Frozen):
    """A row of `catalogue list`."""

    seat_type: str
    hub: str
    exclusive: bool
    state: str
    effective_at: dt.datetime | None = None
    recorded_at: dt.datetime | None = None
    position: int | None = None
    actor: str | None = None
    reason: str | None = None


class EventListRow(Frozen):
    """A row of `event list`."""

    position: int
    recorded_at: dt.datetime
    effective_at: dt.datetime
    event: str
    account: str | None = None
    user: str | None = None
    seat: str | None = None
    actor: str
    reason: str | None = None
    reversed_by: int | None = None
    data: dict[str, Any]
    effective_after: dt.datetime | None = None


class EventReplayRow(Frozen):
    """A row of `event replay`."""

    position: int
    recorded_at: dt.datetime
    effective_at: dt.datetime
    event: str
    account: str | None = None
    user: str | None = None
    seat: str | None = None
    actor: str
    reason: str | None = None
    reversed_by: int | None = None
    data: dict[str, Any]
    effective_after: dt.datetime | None = None
    totals: tuple[SeatTotals, ...] | None = None


class EventShowRow(Frozen):
    """A row of `event show`."""

    position: int
    recorded_at: dt.datetime
    effective_at: dt.datetime
    event: str
    account: str | None = None
    user: str | None = None
    seat: str | None = None
    actor: str
    reason: str | None = None
    reversed_by: int | None = None
    data: dict[str, Any]
    effective_after: dt.datetime | None = None


class FindingListRow(Frozen):
    """A row of `finding list`."""

    account: str | None = None
    finding: int | None = None
    state: str | None = None
    invoice: str | None = None
    period: str | None = None
    seat_type: str | None = None
    verdict: str | None = None
    cause: str | None = None
    invoiced_quantity: Decimal | None = None
    ledger_quantity: Decimal | None = None
    difference: Decimal | None = None
    currency: str | None = None
    owed_by: str | None = None
    credited_by: str | None = None
    settled_because: str | None = None
    notes: tuple[dict[str, Any], ...] | None = None
    known_at: int | None = None
    position: int | None = None
    recorded_at: dt.datetime | None = None
    actor: str | None = None


class InvoiceAuditRow(Frozen):
    """A row of `invoice audit`."""

    invoice: str | None = None
    account: str
    period: str | None = None
    seat_type: str
    invoiced_quantity: Decimal
    ledger_quantity: Decimal
    ledger_quantity_at_issue: Decimal
    invoiced_amount: Decimal | None = None
    ledger_amount: Decimal | None = None
    difference: Decimal | None = None
    verdict: str
    cause: str
    events: tuple[int, ...]
    line: int | None = None
    issued_position: int | None = None
    mode: str | None = None
    granularity: str | None = None
    unit_price: Decimal | None = None
    currency: str | None = None
    complete: bool | None = None
    ledger_quantity_least: Decimal | None = None
    ledger_quantity_most: Decimal | None = None
    within_windows: bool | None = None
    dates_billed_twice: int | None = None


class InvoiceListRow(Frozen):
    """A row of `invoice list`."""

    invoice: str
    account: str
    period: dt.date | None = None
    from_: dt.datetime | None = Field(alias="from")
    until: dt.datetime | None = None
    mode: str | None = None
    granularity: str | None = None
    lines: int | None = None
    currency: str | None = None
    amount: Decimal | None = None
    voided: int | None = None
    corrections: int | None = None
    cut_off: int | None = None
    position: int
    issued_at: dt.datetime | None = None
    recorded_at: dt.datetime
    actor: str | None = None
    reason: str | None = None


class InvoiceReproduceRow(Frozen):
    """A row of `invoice reproduce`."""

    kind: str
    period: dt.date | None = None
    seat_type: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    quantity_exact: Fraction | None = None
    entries: tuple[int, ...]
    voids: str | None = None
    quantity_least: Decimal | None = None
    quantity_most: Decimal | None = None


class InvoiceShowRow(Frozen):
    """A row of `invoice show`."""

    kind: str
    period: dt.date | None = None
    seat_type: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    quantity_exact: Fraction | None = None
    entries: tuple[int, ...]
    voids: str | None = None
    quantity_least: Decimal | None = None
    quantity_most: Decimal | None = None


class PriceHistoryRow(Frozen):
    """A row of `price history`."""

    account: str | None = None
    seat_type: str
    unit_price: Decimal
    currency: str
    from_: dt.datetime | None = Field(alias="from")
    first_date: dt.date | None = None
    until: dt.datetime | None = None
    position: int
    recorded_at: dt.datetime
    actor: str | None = None
    reason: str | None = None
    from_date: dt.date | None = None
    until_date: dt.date | None = None


class PriceListRow(Frozen):
    """A row of `price list`."""

    account: str | None = None
    seat_type: str
    unit_price: Decimal
    currency: str
    from_: dt.datetime | None = Field(alias="from")
    first_date: dt.date | None = None
    until: dt.datetime | None = None
    position: int | None = None
    recorded_at: dt.datetime | None = None
    actor: str | None = None
    reason: str | None = None
    from_date: dt.date | None = None
    until_date: dt.date | None = None


class ProjectionStatusRow(Frozen):
    """A row of `projection status`."""

    projection: str
    version: str | None = None
    checkpoint: int
    head: int
    lag_events: int
    lag_seconds: float
    state: str
    generation: int
    followed: bool
    stuck_at: int | None = None
    stuck_since: dt.datetime | None = None
    reason: str | None = None


class CalledThen(Frozen):
    """What a row has as `called_then`."""

    user: str
    email: str | None = None
    name: str | None = None


class SeatHistoryRow(Frozen):
    """A row of `seat history`."""

    seat: str
    user: str
    email: str | None = None
    name: str | None = None
    kind: str | None = None
    held_from: dt.datetime | None = None
    held_until: dt.datetime | None = None
    held_after: dt.datetime | None = None
    until_after: dt.datetime | None = None
    assigned_by: EntryAct | None = None
    unassigned_by: EntryAct | None = None
    reversed: bool
    unassignment_due: dt.datetime | None = None
    called_then: CalledThen | None = None


class SeatHolder(Frozen):
    """What a row has as `holder`."""

    user: str
    email: str | None = None
    name: str | None = None
    kind: str | None = None
    held_from: dt.datetime
    held_until: dt.datetime | None = None
    held_after: dt.datetime | None = None
    until_after: dt.datetime | None = None
    assigned_by: EntryAct
    unassigned_by: EntryAct | None = None
    unassignment_due: dt.datetime | None = None
    called_then: CalledThen | None = None


class SeatListRow(Frozen):
    """A row of `seat list`."""

    seat: str
    seat_type: str
    holder: SeatHolder | None = None
    purchased_at: dt.datetime
    retires_at: dt.datetime | None = None
    windows: tuple[dict[str, Any], ...] | None = None


class SeatWhoRow(Frozen):
    """A row of `seat who`."""

    account: str
    seat: str
    purchased: bool
    holder: SeatHolder | None = None
    windows: tuple[dict[str, Any], ...] | None = None


class Because(Frozen):
    """What a row has as `because`."""

    code: str
    seat: str | None = None
    position: int | None = None


class UserAccessRow(Frozen):
    """A row of `user access`."""

    account: str
    user: str
    seat_type: str
    allowed: bool
    because: Because
    windows: tuple[dict[str, Any], ...] | None = None


class UserFindRow(Frozen):
    """A row of `user find`."""

    account: str
    user: str
    email: str | None = None
    name: str | None = None
    kind: str | None = None
    id: str
    added_at: dt.datetime
    removed_at: dt.datetime | None = None
    super_admin: bool
    account_access: bool
    hubs: tuple[str, ...]
    seats: tuple[str, ...]
    windows: tuple[dict[str, Any], ...] | None = None


class UserHistoryRow(Frozen):
    """A row of `user history`."""

    seat: str
    user: str
    email: str | None = None
    name: str | None = None
    kind: str | None = None
    held_from: dt.datetime | None = None
    held_until: dt.datetime | None = None
    held_after: dt.datetime | None = None
    until_after: dt.datetime | None = None
    assigned_by: EntryAct | None = None
    unassigned_by: EntryAct | None = None
    reversed: bool
    unassignment_due: dt.datetime | None = None
    called_then: CalledThen | None = None


class UserListRow(Frozen):
    """A row of `user list`."""

    account: str
    user: str
    email: str | None = None
    name: str | None = None
    kind: str | None = None
    id: str
    added_at: dt.datetime
    removed_at: dt.datetime | None = None
    super_admin: bool
    account_access: bool
    hubs: tuple[str, ...]
    seats: tuple[str, ...]
    windows: tuple[dict[str, Any], ...] | None = None
