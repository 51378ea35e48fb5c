"""What both aggregates share: a stream of events, applied, pending, and undone.

Applying an event copies facts into state and never refuses. Every application can be
undone, so that a refused command leaves a cached aggregate as it was.

While reversals are applied, ``roots`` holds the entries at the end of their chains:
whoever applies them puts them there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeVar
from uuid import UUID

from seat_ledger.domain.events import EntryReversed, LedgerEvent
from seat_ledger.domain.intervals import Mark
from seat_ledger.domain.values import utc
from seat_ledger.errors import CommandRefused, EntryRef

E = TypeVar("E", bound=LedgerEvent)
Step = Callable[[Any, Any], None]
Steps = tuple[Step, Step]
"""How an entry changes the state when it holds, and when that ends."""


class Act(NamedTuple):
    """What every event of one command carries: when, by whom, why (DOMAIN 2).

    `after` is the other end of the window in which it happened, where it was derived
    (R85).
    """

    at: datetime
    actor: str
    reason: str | None = None
    idempotency_key: str | None = None
    correlation_id: str | None = None
    after: datetime | None = None

    def moved(self, at: datetime) -> Act:
        """The same act, effective at another instant."""
        return self._replace(at=at)


class Aggregate:
    """An event-sourced record: its version, its pending events, its reversals."""

    STEPS: ClassVar[dict[type[LedgerEvent], Steps]]

    def __init__(self, id_: UUID) -> None:
        self.id = id_
        self.key = str(id_)
        self.version = 0
        self.pending: list[LedgerEvent] = []
        self.reversals: dict[int, list[int]] = {}
        self.reversed: dict[int, LedgerEvent] = {}
        self.roots: dict[int, LedgerEvent] = {}

    def collect_events(self) -> Sequence[LedgerEvent]:
        """Hand over the pending events, to be stored."""
        collected, self.pending = self.pending, []
        self.roots.clear()
        return collected

    def apply(self, event: LedgerEvent) -> None:
        """Copy the event's facts into the state."""
        self.version = event.originator_version
        if type(event) is EntryReversed:
            self._apply_reversal(event)
        else:
            self.STEPS.get(type(event), _NO_STEPS)[0](self, event)

    def trigger(self, event_class: type[E], act: Act, **facts: Any) -> E:
        """Record that something happened: apply it, and keep it to be stored."""
        return self.record(event_class, act, facts)

    def record(self, event_class: type[E], act: Act, facts: Mapping[str, Any]) -> E:
        """The same, of facts that are together already."""
        fields = {
            "originator_id": self.id,
            "originator_version": self.version + 1,
            "v": event_class.VERSION,
            "effective_at": act.at,
            "actor": act.actor,
            **facts,
        }
        # What is absent is not stored.
        if act.reason is not None:
            fields["reason"] = act.reason
        if act.idempotency_key is not None:
            fields["idempotency_key"] = act.idempotency_key
        if act.correlation_id is not None:
            fields["correlation_id"] = act.correlation_id
        event = event_class.from_checked(fields)
        self.apply(event)
        self.pending.append(event)
        return event

    def roll_back(self, version: int) -> None:
        """Undo the pending events after `version`: they never happened."""
        while self.version > version:
            event = self.pending.pop()
            if isinstance(event, EntryReversed):
                self._undo_reversal(event)
            else:
                self.undo(event)
            self.version -= 1

    def holds(self, version: int) -> bool:
        """Whether an entry holds: no reversal that holds names it."""
        return not any(map(self.holds, self.reversals.get(version, ())))

    def reverse(
        self, named: LedgerEvent, end: LedgerEvent, act: Act, *, entry: int, root: int
    ) -> None:
        """Reverse an entry, or let it hold again when it is a reversal (R47).

        `end` is the event at the end of the chain of `named`; `entry` and `root` are
        the positions of both. Raises CommandRefused: ``not_reversible``,
        ``already_reversed``, ``reversal_blocked``.
        """
        if named.INSTEAD is not None:
            raise CommandRefused(
                "not_reversible",
                f"Entry {entry} is {named.TOPIC}, which cannot be reversed.",
                try_=named.INSTEAD,
            )
        version = named.originator_version
        if not self.holds(version):
            raise CommandRefused(
                "already_reversed",
                f"Entry {entry} ({named.TOPIC}) has already been reversed.",
                try_="reverse the reversal to restore it",
                blockers=tuple(
                    EntryRef(self.key, reversal)
                    for reversal in self.reversals.get(version, ())
                    if self.holds(reversal)
                ),
            )
        self.check_reversal(end)
        self.roots[end.originator_version] = end
        self.trigger(
            EntryReversed,
            act.moved(utc(end.effective_at)),
            entry=entry,
            entry_version=version,
            root=root,
            root_version=end.originator_version,
            holds=self._holds_after(version, end.originator_version),
            **self.own_facts(),
        )

    def _holds_after(self, named: int, end: int) -> bool:
        """Whether the entry at the end of the chain holds once `named` is reversed."""
        reversing = self.reversals.setdefault(named, [])
        reversing.append(self.version + 1)
        holds = self.holds(end)
        reversing.pop()
        if not reversing:
            del self.reversals[named]
        return holds

    def _apply_reversal(self, event: EntryReversed) -> None:
        self.reversals.setdefault(event.entry_version, []).append(
            event.originator_version
        )
        self._switch(event.root_version, holds=event.holds)

    def _undo_reversal(self, event: EntryReversed) -> None:
        named = self.reversals[event.entry_version]
        named.remove(event.originator_version)
        if not named:
            del self.reversals[event.entry_version]
        self._switch(event.root_version, holds=self.holds(event.root_version))

    def _switch(self, version: int, *, holds: bool) -> None:
        if holds and version in self.reversed:
            self.roots[version] = self.reversed.pop(version)
            self.let_hold(self.roots[version])
        elif not holds and version not in self.reversed:
            self.reversed[version] = self.roots[version]
            self.let_go(self.roots[version])

    def undo(self, event: LedgerEvent) -> None:
        """Undo an event that was only pending."""
        self.let_go(event)

    def settle(self) -> None:
        """What was touched is judged, or needs no judgement: begin anew."""

    def own_facts(self) -> dict[str, Any]:
        """What a reversal in this stream carries besides."""
        return {}

    def check_reversal(self, root: LedgerEvent) -> None:
        """Refuse a reversal that the kind of entry forbids now (R47)."""

    def let_hold(self, event: LedgerEvent) -> None:
        """Let an entry hold. An event without steps changes nothing of the state."""
        self.STEPS.get(type(event), _NO_STEPS)[0](self, event)

    def let_go(self, event: LedgerEvent) -> None:
        """Undo what an entry changed: it no longer holds."""
        self.STEPS.get(type(event), _NO_STEPS)[1](self, event)


def no_step(_: Aggregate, __: LedgerEvent) -> None:
    """Change nothing."""


_NO_STEPS = (no_step, no_step)


def nothing_to_do(message: str) -> CommandRefused:
    """Things are that way already (R27)."""
    return CommandRefused("nothing_to_do", message, try_="leave it as it is")


def blocked(message: str, aggregate: Aggregate, in_way: Mark) -> CommandRefused:
    """A reversal that the timeline does not allow (R42, R47)."""
    return CommandRefused(
        "reversal_blocked",
        message,
        try_="reverse the conflicting entry first",
        blockers=(EntryRef(aggregate.key, in_way.version),),
    )


def mark(event: LedgerEvent) -> Mark:
    """When an entry is effective, and its version."""
    return Mark(utc(event.effective_at), event.originator_version)
