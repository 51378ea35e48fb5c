"""Violations in words: which refusal a violation is, and what a person is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from seat_ledger import commands as asked
from seat_ledger import timeline
from seat_ledger.commands import Operation
from seat_ledger.errors import CommandRefused, EntryRef
from seat_ledger.timeline import Interval, Violation
from seat_ledger.values import FOREVER, iso
from seat_ledger.workspace import Workspace

_CODES = {
    timeline.SEAT_OVERLAP: "seat_taken",
    timeline.OUTSIDE_LIFE: "seat_not_under_contract",
    timeline.HUB_OVERLAP: "hub_seat_held",
    timeline.OUTSIDE_ACCESS: "access_revoked",
    timeline.ACCESS_OVERLAP: "access_overlap",
    timeline.OUTSIDE_MEMBERSHIP: "user_not_present",
    timeline.PERMISSION_OUTSIDE: "user_not_present",
    timeline.DANGLING: "timeline_invalid",
    timeline.REDUCTION_SHORT: "reserved_for_reduction",
    timeline.KEY_SHARED: "user_key_taken",
    timeline.EMAIL_SHARED: "email_taken",
}

_TOLD = {
    timeline.SEAT_OVERLAP: "{subject} would have two holders at {at}",
    timeline.OUTSIDE_LIFE: "{user} would hold {subject} outside its contract",
    timeline.HUB_OVERLAP: "{user} would hold two seats of one hub at {at} ({subject})",
    timeline.OUTSIDE_ACCESS: "{user} would hold {subject} without access to its hub "
    "all the time",
    timeline.ACCESS_OVERLAP: "{user} would have access to {subject} twice at {at}",
    timeline.OUTSIDE_MEMBERSHIP: "{user} would have access to {subject} while not a "
    "user of the account",
    timeline.PERMISSION_OUTSIDE: "{user} has a change of permissions at {at} that "
    "would lie outside the membership",
    timeline.DANGLING: "an ending at {at} would end nothing",
    timeline.REDUCTION_SHORT: "fewer seats of {subject} would be unassigned at {at} "
    "than pending reductions need",
    timeline.KEY_SHARED: "two users would be called {subject} at {at}",
    timeline.EMAIL_SHARED: "two users would have the e-mail {subject} at {at}",
}

_TRY = {
    "seat_taken": "leave the seat out to get a free one, or unassign first",
    "hub_seat_held": "unassign the seat and assign the other in one batch",
    "reserved_for_reduction": "add --buy-if-needed, or cancel the reduction",
    "not_enough_unassigned": "unassign seats first, or reduce by fewer",
    "seat_held": "unassign the seat first",
    "hub_access_held": "revoke all hub access first",
    "reversal_blocked": "reverse the entries that stand in the way in the same batch",
}


def code_of(
    violation: Violation, operations: Sequence[Operation], *, holds_seat: bool
) -> str:
    """The refusal code of a violation, seen from what was asked.

    `holds_seat`: whether the user concerned holds a seat without an end.
    """
    kinds = {type(operation) for operation in operations}
    kind = violation.kind
    if kinds == {asked.Reverse}:
        return "reversal_blocked"
    if kind == timeline.REDUCTION_SHORT and asked.ReduceSeats in kinds:
        return "not_enough_unassigned"
    if kind == timeline.OUTSIDE_ACCESS and asked.RevokeHubAccess in kinds:
        return "seat_held"
    if kind == timeline.OUTSIDE_MEMBERSHIP and asked.RemoveUser in kinds:
        return "seat_held" if holds_seat else "hub_access_held"
    if kind == timeline.PERMISSION_OUTSIDE and asked.RemoveUser in kinds:
        return "timeline_invalid"
    return _CODES[kind]


def explain(
    violation: Violation,
    operations: Sequence[Operation],
    workspace: Workspace,
    new: Collection[EntryRef],
) -> CommandRefused:
    """A violation as the refusal of what was asked; `new` are the command's own."""
    user, account = violation.user, workspace.account
    held = account.held.get(user, {}) if account is not None and user else {}
    holds_seat = any(some and some[-1].ends is FOREVER for some in held.values())
    code = code_of(violation, operations, holds_seat=holds_seat)
    told = _TOLD[violation.kind].format(
        subject=violation.subject,
        at=iso(violation.at),
        user=workspace.user(user).user_key if user else "the user",
    )
    where = f" in {account.account_key}" if account is not None else ""
    asked_for = " and ".join(dict.fromkeys(op.OP for op in operations))
    return CommandRefused(
        code,
        f"{asked_for}{where}: {told}.",
        try_=_TRY.get(code),
        blockers=tuple(entry for entry in violation.entries if entry not in new),
    )


def name_holders(error: CommandRefused, workspace: Workspace) -> None:
    """Say who holds the seats that stand in the way, by key."""
    holders: Sequence[Interval] = error.details.pop("holders", ())
    if holders:
        told = ", ".join(_held(held, workspace) for held in holders)
        error.message += f" In the way: {told}."
        error.args = (error.message,)


def _held(held: Interval, workspace: Workspace) -> str:
    until = "on" if held.ends is FOREVER else f"until {iso(held.ends)}"
    key = workspace.user(held.user).user_key
    return f"{key} holds {held.subject} from {iso(held.starts)} {until}"
