"""Violations in words: which refusal a violation is, and its message."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seat_ledger.commands import messages
from seat_ledger.commands.messages import Operation
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.domain import validity
from seat_ledger.domain.account_contract import MOST_NAMED
from seat_ledger.domain.intervals import Interval
from seat_ledger.domain.validity import Violation
from seat_ledger.domain.values import FOREVER, iso
from seat_ledger.domain.wording import enumerated
from seat_ledger.errors import CommandRefused, EntryRef

_CODES = {
    validity.SEAT_OVERLAP: "seat_taken",
    validity.OUTSIDE_LIFE: "seat_not_under_contract",
    validity.HUB_OVERLAP: "hub_seat_held",
    validity.OUTSIDE_ACCESS: "access_revoked",
    validity.ACCESS_OVERLAP: "access_overlap",
    validity.OUTSIDE_MEMBERSHIP: "user_not_present",
    validity.PERMISSION_OUTSIDE: "user_not_present",
    validity.DANGLING: "timeline_invalid",
    validity.REDUCTION_SHORT: "reserved_for_reduction",
    validity.KEY_SHARED: "user_key_taken",
    validity.EMAIL_SHARED: "email_taken",
}

_MESSAGES = {
    validity.SEAT_OVERLAP: "{subject} would be held by {user} and {other} at {at}",
    validity.OUTSIDE_LIFE: "{user} would hold {subject} outside its contract",
    validity.HUB_OVERLAP: "{user} would hold two seats of one hub at {at}: {subject} "
    "and {other}",
    validity.OUTSIDE_ACCESS: "{user} would hold {subject} without having access to "
    "its hub throughout",
    validity.ACCESS_OVERLAP: "{user} would have access to {subject} twice at {at}",
    validity.OUTSIDE_MEMBERSHIP: "{user} would have access to {subject} while not a "
    "user of the account",
    validity.PERMISSION_OUTSIDE: "{user} has a change of permissions or name at {at} "
    "that would lie outside the membership",
    validity.DANGLING: "something would end at {at} that never began",
    validity.REDUCTION_SHORT: (
        "pending reductions need {needed} unassigned {subject} at {at}, but only "
        "{left} would be left"
    ),
    validity.KEY_SHARED: "two users would have the key {subject} at {at}",
    validity.EMAIL_SHARED: "two users would have the e-mail {subject} at {at}",
}

_TRY = {
    "access_overlap": "reverse the later access in the same batch (event reverse)",
    "access_revoked": "reverse the revocation in the same batch, or end the holding "
    "before it",
    "email_taken": "use this person's own e-mail, or remove the other user first",
    "hub_access_held": "revoke all hub access first",
    "hub_seat_held": "unassign the seat and assign the other in one batch",
    "not_enough_unassigned": "unassign seats first, or reduce by fewer",
    "reserved_for_reduction": "add --buy-if-needed, or cancel the reduction",
    "reversal_blocked": "reverse the conflicting entries in the same batch",
    "seat_held": "unassign the seat first",
    "seat_not_under_contract": "choose a seat that is under contract throughout, or "
    "leave the seat out",
    "seat_taken": "omit the seat to get a free one, or unassign first",
    "timeline_invalid": "reverse the conflicting entries in the same batch",
    "user_key_taken": "use another key, or remove the present user first",
    "user_not_present": "give an effective time at which the user is present",
}


def code_of(
    violation: Violation, operations: Sequence[Operation], *, holds_seat: bool
) -> str:
    """The refusal code of a violation, seen from what was asked.

    `holds_seat`: whether the user concerned holds a seat without an end.
    """
    kinds = {type(operation) for operation in operations}
    kind = violation.kind
    if kinds == {messages.Reverse}:
        return "reversal_blocked"
    if kind == validity.REDUCTION_SHORT and messages.ReduceSeats in kinds:
        return "not_enough_unassigned"
    if kind == validity.OUTSIDE_ACCESS and messages.RevokeHubAccess in kinds:
        return "seat_held"
    if kind == validity.OUTSIDE_MEMBERSHIP and messages.RemoveUser in kinds:
        return "seat_held" if holds_seat else "hub_access_held"
    if kind == validity.PERMISSION_OUTSIDE and messages.RemoveUser in kinds:
        return "timeline_invalid"
    return _CODES[kind]


def explain(
    violation: Violation,
    operations: Sequence[Operation],
    workspace: UnitOfWork,
    new: Collection[EntryRef],
) -> CommandRefused:
    """A violation as the refusal of what was asked; `new` are the command's own."""
    account = workspace.account
    open_ended = _open_ended(violation.user, workspace)
    code = code_of(violation, operations, holds_seat=bool(open_ended))
    where = f" in {account.account_key}" if account is not None else ""
    request = enumerated(dict.fromkeys(op.OP for op in operations))
    message, entries = _message(violation, workspace), violation.entries
    holdings: tuple[Interval, ...] = ()
    if violation.kind == validity.REDUCTION_SHORT:
        entries = entries[: len(entries) - len(violation.holdings)]
        if code != "reserved_for_reduction":
            short = min(violation.needed - violation.left, MOST_NAMED)
            holdings = violation.holdings[:short]
    elif code == "seat_held" and violation.kind == validity.OUTSIDE_MEMBERSHIP:
        message = f"{_called(violation.user, workspace)} still holds a seat"
        entries, holdings = (), open_ended[:MOST_NAMED]
    if account is not None:
        entries += tuple(EntryRef(account.key, held.opened) for held in holdings)
    return CommandRefused(
        code,
        f"{request}{where}: {message}.{_in_the_way(holdings, workspace)}",
        try_=_TRY.get(code),
        blockers=tuple(entry for entry in entries if entry not in new) or entries,
        subject=violation.subject,
    )


def _message(violation: Violation, workspace: UnitOfWork) -> str:
    """What would be wrong, in words."""
    other = violation.other
    if violation.kind == validity.SEAT_OVERLAP:
        other = _called(violation.other, workspace)
    return _MESSAGES[violation.kind].format(
        subject=violation.subject,
        at=iso(violation.at),
        user=_called(violation.user, workspace),
        other=other,
        needed=violation.needed,
        left=violation.left,
    )


def _called(user: str | None, workspace: UnitOfWork) -> str:
    return workspace.user(user).user_key if user else "the user"


def _open_ended(user: str | None, workspace: UnitOfWork) -> tuple[Interval, ...]:
    """The holdings of a user that have no end."""
    account = workspace.account
    if account is None or user is None:
        return ()
    return tuple(
        holding
        for holdings in account.held.get(user, {}).values()
        for holding in holdings
        if holding.ends is FOREVER
    )


def name_holders(error: CommandRefused, workspace: UnitOfWork) -> None:
    """Say who holds the seats that stand in the way, by key."""
    holders: Sequence[Interval] = error.details.pop("holders", ())
    error.message += _in_the_way(holders, workspace)
    error.args = (error.message,)


def _in_the_way(holdings: Sequence[Interval], workspace: UnitOfWork) -> str:
    if not holdings:
        return ""
    holders = ", ".join(_held(held, workspace) for held in holdings)
    return f" Blocked by: {holders}."


def _held(held: Interval, workspace: UnitOfWork) -> str:
    until = "on" if held.ends is FOREVER else f"until {iso(held.ends)}"
    key = _called(held.user, workspace)
    return f"{key} holds {held.subject} from {iso(held.starts)} {until}"
