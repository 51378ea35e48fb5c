"""The header of each command's CSV: the same whatever the data (CLI 2).

A name with a dot is a value inside a nested one; what has keys of its own in each row,
such as an event's data, is one cell of JSON. A test holds these against the rows.
"""

from __future__ import annotations


def _within(prefix: str, names: str) -> str:
    """The names of what is nested, as a header has them."""
    return " ".join(f"{prefix}.{name}" for name in names.split())


def _ends(names: str) -> str:
    """The names of the least and the most of each figure (R89)."""
    return " ".join(f"{name}_least {name}_most" for name in names.split())


_ACT = "position actor reason recorded_at"
_ENTRY = "position recorded_at effective_at event account user seat actor reason"
_EVENT = f"{_ENTRY} reversed_by data effective_after"
_HELD = (
    "user email name kind held_from held_until held_after until_after "
    f"{_within('assigned_by', _ACT)} {_within('unassigned_by', _ACT)}"
)
_THEN = _within("called_then", "user email name")
_HOLDER = f"{_HELD} unassignment_due {_THEN}"
_USER = (
    "account user email name kind id added_at removed_at super_admin "
    "account_access hubs seats windows"
)
_LINE = (
    "kind period seat_type quantity unit_price amount quantity_exact entries voids "
    f"{_ends('quantity')}"
)
_PRICE = (
    "account seat_type unit_price currency from first_date until position recorded_at "
    "actor reason from_date until_date"
)
_HEADERS = {
    "account list": (
        "account name time_zone term_start purchased assigned available "
        "next_renewal renewal_due closed_at assigned_least assigned_most renewal_date"
    ),
    "account advise": (
        "account seat_type purchased assigned available pending_reduction idle_days "
        "most_held reduce_by renewal reduce_before unit_price currency "
        "amount_until_renewal saved_per_period saved_per_term assigned_least "
        f"assigned_most {_ends('most_held')} {_ends('reduce_by')}"
    ),
    "account attention": "kind account count accounts amount currency at date",
    "account renewals": (
        "account name renewal date instant in_days purchased assigned available "
        "pending_reduction renewal_due assigned_least assigned_most to_renew "
        "unit_price currency amount not_priced renewal_lines"
    ),
    "account let-read": "login account is_new",
    "account readers": "login account granted_at granted_by works",
    "account show": (
        "account name opened_at time_zone term_start term_months "
        "billing_cycle_months renewals_processed "
        f"{_within('next_renewal', 'number date instant')} renewal_due closed_at "
        "contract_changes totals pending_unassignments windows"
    ),
    "account stop-reading": "login account could",
    "billing compare": (
        "account period seat_type mode granularity quantity_before quantity_after "
        "difference difference_exact amount_before amount_after amount_difference "
        "currency entries forecast quantity_before_least quantity_before_most "
        "quantity_after_least quantity_after_most price_for complete"
    ),
    "billing counts": (
        "account seat_type period from until days seconds complete mode granularity "
        "opening purchased retired closing quantity quantity_exact assigned_opening "
        "assigned_peak assigned_closing idle_seat_days unit_price amount "
        "forecast price_for currency price_source price_entry price_since price_parts "
        f"{_ends('quantity assigned_opening assigned_peak')} "
        f"{_ends('assigned_closing idle_seat_days amount')}"
    ),
    "billing explain": (
        "seat user from until opened_by closed_by quantity quantity_exact amount "
        "actor reason recorded_at opened_at closed_at "
        f"{_within('closing', 'actor reason recorded_at')} at date dates "
        "held_after until_after at_after"
    ),
    "billing idle": (
        f"seat seat_type from until idle_days last_user {_within('freed_by', _ACT)} "
        f"next_user {_within('taken_by', _ACT)} {_within('purchased_by', _ACT)} "
        "idle_since unit_price currency amount renewal days_until_renewal "
        f"amount_until_renewal from_after until_after {_ends('idle_days')}"
    ),
    "billing periods": "period from until days seconds time_zone",
    "billing policy": "account from mode granularity entry",
    "db migrate": "applied",
    "db start": "running url",
    "db status": "kind running home initialised pid server schema program",
    "db stop": "stopped",
    "doctor": "check ok found try",
    "export": "export rows file",
    "event list": _EVENT,
    "event replay": f"{_EVENT} totals",
    "event show": _EVENT,
    "finding list": (
        "account finding state invoice period seat_type verdict cause "
        "invoiced_quantity ledger_quantity difference currency owed_by credited_by "
        "settled_because notes known_at position recorded_at actor"
    ),
    "invoice audit": (
        "invoice account period seat_type invoiced_quantity ledger_quantity "
        "ledger_quantity_at_issue invoiced_amount ledger_amount difference verdict "
        "cause events line issued_position mode granularity unit_price currency "
        f"complete {_ends('ledger_quantity')} within_windows dates_billed_twice"
    ),
    "invoice list": (
        "invoice account period from until mode granularity lines currency amount "
        "voided corrections cut_off position issued_at recorded_at actor reason"
    ),
    "invoice reproduce": _LINE,
    "invoice show": _LINE,
    "integrity check-proof": (
        "holds origin events sealed_at root position stream version topic "
        "recorded_at state earlier_events"
    ),
    "integrity seal": "added events position root sealed_at seconds checkpoint",
    "integrity verify": "kind position events found",
    "catalogue list": (
        "seat_type hub exclusive state effective_at recorded_at position actor reason"
    ),
    "import": "line op outcome positions code message",
    "lake export": ("manifest events files new_files bytes new_bytes removed_files"),
    "lake rebuild": "projection rows folder",
    "lake status": "file from_position until_position events bytes buckets sha256",
    "lake verify": "subject check status compared found",
    "price history": _PRICE,
    "price list": _PRICE,
    "projection rebuild": "projection rows digest seconds status reason",
    "projection resume": "account from_position outcome position reason",
    "projection run": "checkpoint head before",
    "projection status": (
        "projection version checkpoint head lag_events lag_seconds state generation "
        "followed stuck_at stuck_since reason"
    ),
    "projection verify": "projection check status compared found",
    "report": "report manifest",
    "seat history": f"seat {_HELD} reversed unassignment_due {_THEN}",
    "seat list": (
        f"seat seat_type {_within('holder', _HOLDER)} purchased_at retires_at windows"
    ),
    "seat who": f"account seat purchased {_within('holder', _HOLDER)} windows",
    "snapshot": (
        "account user seat_type change count effective_after effective_at outcome "
        "positions code message try"
    ),
    "source check": "name kind fits reads problem",
    "source compare": (
        "account source file taken_at age_seconds allowed_seconds too_old holders "
        "differences changes outcome code message"
    ),
    "source list": "name kind title",
    "subscription add": "subscription_id secret url position",
    "subscription list": (
        "subscription_id url state position behind dead_letters attempts last_error "
        "delivered_at created_at created_by"
    ),
    "subscription pause": "subscription_id state",
    "subscription replay": "subscription_id position",
    "subscription resume": "subscription_id state",
    "token create": "token_id token actor role accounts ends_at",
    "token list": (
        "token_id actor role accounts created_at created_by ends_at revoked_at state"
    ),
    "token revoke": "token_id revoked",
    "user access": (
        f"account user seat_type allowed {_within('because', 'code seat position')} "
        "windows"
    ),
    "user find": _USER,
    "user history": f"seat {_HELD} reversed unassignment_due {_THEN}",
    "user list": _USER,
}
HEADERS = {command: tuple(names.split()) for command, names in _HEADERS.items()}
"""By the words of a command. Writing commands all have :data:`RECORDED`."""

RECORDED = tuple(f"{_ENTRY} data".split())
RENEWED = ("account", "renewals", "retired", "positions", "error", "unassigned")
"""Of 'account renew --due': a row for each account."""

_DECIMALS = (
    "added_amount amount amount_after amount_before amount_difference amount_least "
    "amount_most amount_until_renewal difference invoiced_amount invoiced_quantity "
    "ledger_amount ledger_quantity ledger_quantity_at_issue ledger_quantity_least "
    "ledger_quantity_most owed_amount quantity quantity_after "
    "quantity_after_least quantity_after_most quantity_before "
    "quantity_before_least quantity_before_most quantity_least quantity_most "
    "saved_per_period saved_per_term unit_price"
)
DECIMALS = frozenset(_DECIMALS.split())
"""Columns whose texts are decimal numbers, money among them."""
_DATES = (
    "anchor date first first_after first_date from_date period renewal renewal_date "
    "term_start until_date"
)
DATES = frozenset(_DATES.split())
"""Columns whose texts are local dates, as a rule."""


def header_of(command: str) -> tuple[str, ...]:
    """The header of a command's rows; empty where they have no fixed one."""
    return HEADERS.get(command, ())
