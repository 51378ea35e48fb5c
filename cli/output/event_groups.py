"""Events as people read them: what a command did, in words, on one row.

The events of one command stand beside each other and have one actor, reason and time,
so a seat that was taken from one user and given to another reads as that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from seat_ledger.cli.output.render import Row

_ALIKE = ("account", "recorded_at", "effective_at", "actor", "reason")
_NEAR = 2
"""Among how many events, before and behind, a user or seat is looked for again."""
_RENEWAL = {"ContractRenewed", "SeatRetired"}
_WORDS = re.compile("(?<=[a-z])(?=[A-Z])")


class EventGroup(NamedTuple):
    """Events that one command recorded, in order."""

    events: list[Row]

    @property
    def first(self) -> Row:
        """The first of them, which has what all have in common."""
        return self.events[0]

    @property
    def entries(self) -> str:
        """Their positions."""
        ends = [event["position"] for event in (self.events[0], self.events[-1])]
        return "-".join(str(end) for end in dict.fromkeys(ends))

    @property
    def after(self) -> Any:
        """After when they happened, where they were derived from a dated list (R85)."""
        ends = [event["effective_after"] for event in self.events]
        return min(filter(None, ends), default=None)

    @property
    def reversed_by(self) -> list[int]:
        """Which entries reverse any of them."""
        by = [event["reversed_by"] for event in self.events if event["reversed_by"]]
        return list(dict.fromkeys(by))

    @property
    def action(self) -> str:
        """What they did, in words."""
        return "; ".join(_actions(self.events))


def grouped(events: Iterable[Row]) -> Iterator[EventGroup]:
    """Events in the order of recording, those of a command together.

    A file's lines without a key are recorded together: those that share neither user
    nor seat are taken for commands of their own.
    """
    for run in _runs(events):
        starts = 0
        for at in range(1, len(run) + 1):
            if not _goes_on(run, at):
                yield EventGroup(run[starts:at])
                starts = at


def _runs(events: Iterable[Row]) -> Iterator[list[Row]]:
    """Events beside each other that one command may have recorded."""
    run: list[Row] = []
    for event in events:
        if run and not _alike(run[-1], event):
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def _alike(before: Row, event: Row) -> bool:
    keys = [each["data"].get("idempotency_key") for each in (before, event)]
    is_next = event["position"] - before["position"] == 1
    return (
        is_next
        and keys[0] == keys[1]
        and all(before[name] == event[name] for name in _ALIKE)
    )


def _goes_on(run: list[Row], at: int) -> bool:
    """Whether what stands before a place and what follows are one command's."""
    if run[0]["data"].get("idempotency_key") is not None:
        return at < len(run)
    return any(
        _related(before, event)
        for before in run[max(0, at - _NEAR) : at]
        for event in run[at : at + _NEAR]
    )


def _related(before: Row, event: Row) -> bool:
    """Whether two events share a user or a seat, or are one purchase or renewal."""
    shared = any(before[name] == event[name] is not None for name in ("user", "seat"))
    is_renewal = event["event"] == "SeatRetired" and before["event"] in _RENEWAL
    return shared or is_renewal or _continues(before, event)


def _actions(events: list[Row]) -> Iterator[str]:
    """In words: moves first, then what is left, equal ones counted."""
    left = list(events)
    for assigned in [event for event in events if event["event"] == "SeatAssigned"]:
        taken = _counterpart(assigned, left)
        if taken is not None:
            left.remove(taken)
            left.remove(assigned)
            yield _moved(taken, assigned)
    yield from _in_runs(left)


def _counterpart(assigned: Row, events: list[Row]) -> Row | None:
    """The seat that was taken in the same step, or the user's seat of that hub."""
    taken = [event for event in events if event["event"] == "SeatUnassigned"]
    same_seat = (event for event in taken if event["seat"] == assigned["seat"])
    hub = assigned["seat"].partition("/")[0]
    same_user = (
        event
        for event in taken
        if event["user"] == assigned["user"] and event["seat"].partition("/")[0] == hub
    )
    return next(same_seat, None) or next(same_user, None)


def _moved(taken: Row, assigned: Row) -> str:
    if taken["seat"] == assigned["seat"]:
        return f"{assigned['seat']} went from {taken['user']} to {assigned['user']}"
    return f"{assigned['user']} went from {taken['seat']} to {assigned['seat']}"


def _in_runs(events: list[Row]) -> Iterator[str]:
    """Seats of a type that were bought or retired one after the other, and entries
    that were reversed so, as one.
    """
    run: list[Row] = []
    for event, following in pairwise([*events, None]):
        assert event is not None
        run.append(event)
        if following is None or not _continues(event, following):
            yield _run(run)
            run = []


def _continues(event: Row, following: Row) -> bool:
    if event["event"] == following["event"] == "EntryReversed":
        (entry, holds), (next_entry, next_holds) = (
            (each["data"]["entry"], each["data"]["holds"])
            for each in (event, following)
        )
        return next_entry == entry + 1 and not (holds or next_holds)
    is_run = event["event"] == following["event"] in {"SeatPurchased", "SeatRetired"}
    return is_run and _type_of(event) == _type_of(following)


def _type_of(event: Row) -> str:
    return str(event["seat"]).partition("#")[0]


def _run(run: list[Row]) -> str:
    first, last = run[0], run[-1]
    if len(run) == 1:
        return _IN_WORDS.get(first["event"], _plain)(first)
    if first["event"] == "EntryReversed":
        ends = [event["data"]["entry"] for event in (first, last)]
        return f"entries {ends[0]} to {ends[1]} reversed"
    numbers = [str(event["seat"]).partition("#")[2] for event in (first, last)]
    verb = "bought" if first["event"] == "SeatPurchased" else "retired"
    return f"{len(run)} {_type_of(first)} {verb}, #{numbers[0]} to #{numbers[1]}"


def _plain(event: Row) -> str:
    """The event's name as words, with its data."""
    name = _WORDS.sub(" ", event["event"]).lower()
    about = [event["user"], event["seat"]]
    in_seat = {"seat_type", "number"} if event["seat"] else set()
    fields = [field for field in event["data"].items() if field[0] not in in_seat]
    data = [f"{key} {value}" for key, value in fields if _is_short(value)]
    facts = ", ".join([part for part in about if part] + data)
    return f"{name}: {facts}" if facts else name


def _is_short(value: object) -> bool:
    return isinstance(value, int | str) and len(str(value)) <= 40


def _permissions(event: Row) -> str:
    rights = {"super_admin": "super admin", "account_access": "account access"}
    changes = [
        text if event["data"][name] else f"no {text}"
        for name, text in rights.items()
        if name in event["data"]
    ]
    return f"{event['user']}: {', '.join(changes)}"


def _reversal(event: Row) -> str:
    data = event["data"]
    holds = f", so that entry {data['root']} holds again" if data["holds"] else ""
    return f"entry {data['entry']} reversed{holds}"


def _renamed(event: Row) -> str:
    names = {"user": "key", "email": "e-mail", "name": "name"}
    new = (
        f"{word} {event['data'][name]}"
        for name, word in names.items()
        if event["data"].get(name)
    )
    return f"{event['user']} renamed: {', '.join(new)}"


def _priced(event: Row) -> str:
    data = event["data"]
    return f"{data['seat_type']} costs {data['unit_price']} {data['currency']}"


def _finding(event: Row) -> str:
    """What an audit found, as one line of a list."""
    data = event["data"]
    money = " ".join(filter(None, (data.get("difference"), data.get("currency"))))
    return (
        f"finding {data['finding']} opened: {data['invoice']}, {data['period']}, "
        f"{data['product']}, {data['verdict']}{_with(' by ', money)}"
    )


def _with(words: str, value: Any) -> str:
    """Words and what they introduce; nothing where that is not there."""
    return f"{words}{value}" if value else ""


_IN_WORDS: dict[str, Callable[[Row], str]] = {
    "AccountOpened": lambda event: f"account {event['account']} opened",
    "ContractRenewed": lambda event: f"renewal {event['data']['renewal']}",
    "SeatPurchased": lambda event: f"{event['seat']} bought",
    "SeatRetired": lambda event: f"{event['seat']} retired",
    "SeatAssigned": lambda event: f"{event['seat']} given to {event['user']}",
    "SeatUnassigned": lambda event: f"{event['seat']} taken from {event['user']}",
    "UserAdded": lambda event: f"{event['user']} added",
    "UserRenamed": _renamed,
    "UnassignmentRequested": lambda event: (
        f"{event['user']} to leave {event['seat']} when the period "
        f"{event['data']['period']} ends"
    ),
    "UnassignmentCancelled": lambda event: (
        f"{event['user']} not to leave {event['seat']} after all"
    ),
    "UserRemoved": lambda event: f"{event['user']} removed",
    "UserErased": lambda event: f"{event['user']} erased",
    "HubAccessGranted": lambda e: f"{e['user']} given access to {e['data']['hub']}",
    "HubAccessRevoked": lambda e: f"{e['user']} lost access to {e['data']['hub']}",
    "PermissionsChanged": _permissions,
    "PriceSet": _priced,
    "FindingOpened": _finding,
    "FindingNoted": lambda event: (
        f"finding {event['data']['finding']}: {event['data']['note']}"
        f"{' (disputed)' if event['data'].get('disputed') else ''}"
    ),
    "FindingSettled": lambda event: (
        f"finding {event['data']['finding']} settled"
        f"{_with(' by ', event['data'].get('credited_by'))}"
    ),
    "InvoiceIssued": lambda event: (
        f"invoice {event['data']['invoice']} issued"
        f"{_with(' for the period ', event['data'].get('period'))}"
    ),
    "InvoiceVoided": lambda event: f"invoice {event['data']['invoice']} voided",
    "SeatReductionRequested": lambda event: (
        f"{event['data']['quantity']} {event['data']['seat_type']} to be given up at "
        f"renewal {event['data']['renewal']}"
    ),
    "BillingPolicyChanged": lambda event: (
        f"counted as {event['data']['mode']}"
        f"{_with(' by the ', event['data'].get('granularity'))}"
    ),
    "EntryReversed": _reversal,
}
