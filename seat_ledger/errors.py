"""What can go wrong, each with a stable code, an exit status and a way out.

One root, :class:`LedgerError`, and a branch for each kind of answer a caller may
want to tell apart. A message says what was asked and what stands in the way;
``try_`` names the next thing to do.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any, NamedTuple


class EntryRef(NamedTuple):
    """An entry named by its stream and its version there.

    Aggregates know entries this way; the application turns such references into
    positions before a person sees them.
    """

    stream: str
    version: int


class LedgerError(Exception):
    """The ledger could not do what was asked."""

    code: str = "ledger_error"
    exit_code: int = 1
    wrote_nothing: bool = False
    """Whether it is certain that the command that failed left nothing."""

    def __init__(
        self,
        message: str | None = None,
        *,
        try_: str | None = None,
        **details: Any,
    ) -> None:
        self.message = message or (self.__doc__ or "").strip()
        self.try_ = try_
        self.details = details
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_raised, (type(self), self.args, self.__dict__)


def _as_raised(
    kind: type[LedgerError], args: tuple[Any, ...], state: dict[str, Any]
) -> LedgerError:
    """An error of another process, as it was raised there."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInput(LedgerError):
    """The input cannot be read as what it should be."""

    code = "invalid_input"
    exit_code = 2


class MissingExtra(LedgerError):
    """A package that this needs is not installed."""

    code = "missing_extra"


class CommandRefused(LedgerError):
    """A rule of the ledger refuses the command.

    ``code`` is an attribute of the instance here: one of the words of
    :data:`REFUSALS`. ``blockers`` are the entries that stand in the way.
    """

    code = "refused"

    def __init__(
        self,
        code: str,
        message: str,
        *,
        try_: str | None = None,
        blockers: tuple[EntryRef, ...] = (),
        lines: tuple[int, ...] = (),
        **details: Any,
    ) -> None:
        if code not in REFUSALS:
            raise ValueError(f"{code} is not a refusal code")
        super().__init__(message, try_=try_, **details)
        self.code = code
        self.blockers = blockers
        self.lines = lines


class NotFound(CommandRefused):
    """What was named is not in the ledger."""


class Conflict(LedgerError):
    """Somebody else changed the account first; nothing was written."""

    code = "conflict"
    exit_code = 4


class IntegrityFailure(LedgerError):
    """The record disagrees with itself."""

    code = "integrity_failure"
    exit_code = 3


class NotComputed(LedgerError):
    """The figures of an invoice could not be computed, or not sealed.

    Code, exit status and the way out are those of the cause. It is a failure of the
    command alone, which left no trace: what comes after it can be recorded.
    """

    def __init__(self, cause: LedgerError) -> None:
        super().__init__(cause.message, try_=cause.try_, **cause.details)
        self.code, self.exit_code = cause.code, cause.exit_code


class DamagedStream(IntegrityFailure):
    """An event of a stream cannot be read, or does not follow the one before it.

    `stream` and `version` in the details name it (R74).
    """


class Unavailable(LedgerError):
    """The database cannot be reached."""

    code = "database_unreachable"
    exit_code = 10


class OutcomeUnknown(Unavailable):
    """The connection was lost while a command was being committed."""

    code = "outcome_unknown"


class DatabaseRefused(Unavailable):
    """The database rejected the operation: a time limit, a full disk."""

    code = "database_refused"
    exit_code = 1


class NotAllowed(LedgerError):
    """The login may not do this in the database."""

    code = "not_allowed"


class Locked(LedgerError):
    """Another run holds the lock."""

    code = "locked"
    exit_code = 11


class SchemaMismatch(LedgerError):
    """The database's schema or projections are of another version than the program."""

    code = "schema_mismatch"
    exit_code = 12


class LinesRefused(LedgerError):
    """Lines of a file were refused; those before and after them are recorded."""

    code = "lines_refused"


class OutputClosed(LedgerError):
    """Whoever read the output went away before the work was done."""

    code = "output_closed"


class OutputNotWritten(LedgerError):
    """Standard output cannot be written: a full disk, or no permission."""

    code = "output_not_written"


class SystemRefused(LedgerError):
    """The operating system refused something: no space, no permission."""

    code = "system_refused"


REFUSALS: dict[str, str] = {
    "account_exists": "an account with this key already exists",
    "account_closed": "the account ended before that time (R97)",
    "account_set_aside": "one of the account's events cannot be read (R74)",
    "account_not_found": "there is no account with this key",
    "already_reversed": "the entry has already been reversed",
    "access_overlap": "the user would have access to one hub twice at once (R46 c)",
    "access_revoked": "the access ends before the holding does (R25)",
    "ambiguous_time": "the local time occurs twice (R11)",
    "ambiguous_user": "the name means two users, by key or by e-mail (R35)",
    "before_term": "effective before the opening, or a purchase before the term (R39)",
    "cancellation_exists": "the reduction already has a later cancellation (R18)",
    "effective_in_future": "effective more than five minutes in the future (R12)",
    "anchor_too_late": "the anchor is a cycle or more after the renewal (R96)",
    "contract_change_order": "the contract changes at a later renewal already (R96)",
    "email_taken": "another present user has this e-mail (R35)",
    "entry_not_found": "there is no entry at this position or under this key",
    "finding_not_found": "the account has no finding of this number (R93)",
    "finding_settled": "the finding is settled already (R93)",
    "exclusivity_fixed": "the hub's first type fixed how many seats a user holds (R81)",
    "expected_refusal": "the line was accepted, but should have been refused",
    "hub_access_held": "the user still has access to a hub (R31)",
    "hub_seat_held": "the user holds another seat of that hub (R23)",
    "idempotency_conflict": "the key was used for a different command (R73)",
    "invoice_currency": "a correction belongs to an invoice in another currency (R43)",
    "invoice_not_found": "no known invoice has this number",
    "invoice_not_issued": "the invoice was not issued yet at that time (R94)",
    "invoice_number_taken": "another invoice already has this number (R64)",
    "invoice_voided": "the invoice is already voided (R94)",
    "invalid_email": "not an e-mail address",
    "key_reserved": "the key stands for an erased user",
    "lake_file_missing": "the lake has not a file that its manifest names",
    "missing_type": "the list names nobody of a type that it covers (R83)",
    "no_free_seat": "no seat of the type is free for the whole time (R24, R26)",
    "no_lake": "there is no lake in that place",
    "no_pending_reduction": "no reduction of the type is pending at that time (R18)",
    "no_pending_unassignment": "no unassignment is pending at that time (R98)",
    "no_seat_held": "the user has no open-ended holding of the type then (R27)",
    "nonexistent_time": "the local time does not exist (R11)",
    "not_enough_unassigned": "fewer unassigned seats than the reduction needs (R19)",
    "not_confirmed": "the confirmation was declined",
    "not_permitted": "the actor has no permission for account access (R36)",
    "not_reversible": "entries of this kind cannot be reversed (R47)",
    "key_missing": "the key that sealed this ledger is not on this machine",
    "not_sealed": "the event is in no checkpoint yet",
    "nothing_sealed": "there is no checkpoint, or no key, to check with",
    "nothing_to_correct": "an invoice of corrections alone would have no line (R100)",
    "nothing_to_do": "nothing would change (R27)",
    "period_invoiced": "an invoiced period would change (R09, R47, R50)",
    "period_already_invoiced": "the period has already been invoiced (R64)",
    "period_not_ended": "only a period that has ended can be invoiced (R64)",
    "position_beyond_head": "the ledger does not reach this position yet (R78)",
    "price_missing": "a seat type to be billed has no price (R43, R64)",
    "reason_required": "a reversal or an erasure needs a reason (R40)",
    "renewal_due": "the period is beyond the recorded renewals (R38)",
    "renewal_processed": "the renewal has already been processed (R37)",
    "recorded_after_closing": "seats were bought after the account's end (R97)",
    "reserved_for_reduction": "a pending reduction needs the free seats (R20)",
    "reversal_blocked": "the timeline would not be valid afterwards (R42, R47)",
    "seat_held": "the user still holds a seat (R27, R31), or is to be erased",
    "seat_not_found": "no seat of this number was bought",
    "seat_not_under_contract": "the seat is not under contract throughout (R24)",
    "seat_taken": "somebody else holds the seat for part of that time (R24)",
    "seat_type_exists": "the catalogue already has this seat type (R80)",
    "seat_type_withdrawn": "the seat type is withdrawn: no more of it is bought (R80)",
    "snapshot_not_whole": "the list itself shows that it is incomplete (R83)",
    "super_admin_seats": "a super admin cannot be added with seats (R34)",
    "timeline_invalid": "the timeline would not be valid (R46)",
    "token_not_found": "there is no token with this id",
    "subscription_not_found": "there is no subscription with this id",
    "too_many_events": "the command would record more events than one append holds",
    "too_many_lines": "the batch has too many lines about one user",
    "unassignment_carried_out": "the unassignment has been carried out (R98)",
    "unassignment_pending": "the user is to be unassigned already (R98)",
    "unknown_actor": "the actor is not a present user of the account (R36)",
    "unknown_hub": "the catalogue has no such hub",
    "unknown_period": "the account has no billing period with this label",
    "unknown_seat_type": "the catalogue has no such seat type",
    "unknown_time_zone": "there is no time zone with this name",
    "user_erased": "the user was erased and has no name any more (R95)",
    "user_key_taken": "a present user has this key (R35)",
    "user_not_found": "the account never had a user with this key or e-mail",
    "user_not_present": "the user does not belong to the account at that time",
    "vanished": "too many holders are missing from the list (R83)",
    "zone_change_order": "a later zone change is already recorded (R09)",
}
"""Every code of a refusal by rule, with its meaning."""


_PREFERRED_REASONS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


_FULL = (errno.ENOSPC, errno.EDQUOT)


def way_out(error: Exception, otherwise: str, place: str = "there") -> str:
    """What to do about what the system refused: make room where there is none left."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return f"free some space {place}, then repeat the command"
    return otherwise


def system_reason(error: OSError) -> str:
    """Why the operating system refused something, in a few words.

    A failure to copy a tree carries one reason for each of its files: the one that
    explains the others is chosen.
    """
    if error.errno in _PREFERRED_REASONS:  # whatever a library says beside it
        return os.strerror(error.errno)
    if error.strerror:
        return error.strerror
    numbers = [int(n) for n in re.findall(r"\[Errno (\d+)\]", str(error))]
    chosen = [n for n in _PREFERRED_REASONS if n in numbers] + numbers
    return os.strerror(chosen[0]) if chosen else type(error).__name__
