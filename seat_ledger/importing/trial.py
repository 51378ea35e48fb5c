"""A file of commands, tried before it is recorded (R101).

It is the same import, by the same code, on a store that remembers what would be
appended and appends nothing. Positions go on from the store's last, as they would if
nobody else recorded anything meanwhile, so that a line may reverse what a line before
it would record. Nothing is left: no event, no number, no key.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from seat_ledger.commands.execution import CommandExecution
from seat_ledger.commands.messages import Command
from seat_ledger.commands.repository import AccountRepository, Prepared
from seat_ledger.commands.unit_of_work import UnitOfWork
from seat_ledger.domain.account import Account
from seat_ledger.domain.calendar import TZDATA_VERSION
from seat_ledger.domain.clock import CarriedClock
from seat_ledger.domain.events import LedgerEvent
from seat_ledger.domain.head import Head
from seat_ledger.domain.invoice_draft import (
    NO_PERIOD,
    ComputeInvoice,
    InvoiceDraft,
    InvoiceRequest,
)
from seat_ledger.domain.seat_types import CATALOGUE_ID
from seat_ledger.domain.snapshot import WrittenSnapshot
from seat_ledger.domain.values import account_id
from seat_ledger.errors import Unavailable
from seat_ledger.importing.importer import import_lines
from seat_ledger.importing.lines import LineOutcome
from seat_ledger.store.bulk import Decided
from seat_ledger.store.mapper import state_of
from seat_ledger.store.recorder import Appended, LedgerRecorder
from seat_ledger.store.tried_events import TriedEvent

if TYPE_CHECKING:
    from seat_ledger.store.settings import Settings

ComputeAfter = Callable[[InvoiceRequest, Sequence[TriedEvent]], InvoiceDraft | None]
"""Computes the figures as if events were recorded as well; None where it cannot."""

_IN_MEMORY = 16 << 20
_HEAD = struct.Struct("!16sqH")
_DERIVED_KEY = "lines:"
"""How the key of a line without one of its own begins: no other line names it."""


def try_lines(
    accounts: AccountRepository,
    lines: Iterable[bytes | None],
    *,
    compute_invoice: ComputeInvoice | None = None,
    compute_after: ComputeAfter | None = None,
    **options: Any,
) -> Generator[LineOutcome]:
    """What would become of each line of a file if it were recorded now (R101).

    `accounts` say over which database; `compute_after` computes an invoice of an
    account that lines before it would change. Outcomes are ``would_record``,
    ``repeated`` and ``refused``; none has positions.
    """
    trial = Trial(accounts.conninfo, accounts.settings)
    trial.set_aside = accounts.set_aside
    trial.compute_invoice, trial.compute_after = compute_invoice, compute_after
    with closing(trial):
        outcomes = import_lines(
            CommandExecution(trial),
            lines,
            compute_invoice=trial.invoice_draft,
            **options,
        )
        for outcome in outcomes:
            word = outcome.outcome
            yield outcome._replace(
                outcome="would_record" if word == "recorded" else word, positions=()
            )


class EventSpool:
    """Events by position, from one position on: on the disk where they are many.

    The file has no name. Of persons it holds what the store would: encrypted texts,
    the keys to which stay in memory.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self._file: IO[bytes] = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._offsets = array("Q", [0])
        self._streams: dict[UUID, tuple[int, array[int]]] = {}

    @property
    def following(self) -> int:
        """The position of the next event."""
        return self.first + len(self._offsets) - 1

    def add(self, event: LedgerEvent) -> None:
        """Take in the next event."""
        stream, version = event.originator_id, event.originator_version
        topic = event.TOPIC.encode()
        record = _HEAD.pack(stream.bytes, version, len(topic)) + topic + state_of(event)
        _, positions = self._streams.setdefault(stream, (version, array("Q")))
        positions.append(self.following)
        self._file.seek(self._offsets[-1])
        self._file.write(record)
        self._offsets.append(self._offsets[-1] + len(record))

    def at(self, position: int) -> StoredEvent | None:
        """The event at a position, where it is one of these."""
        place = position - self.first
        if not 0 <= place < len(self._offsets) - 1:
            return None
        starts, ends = self._offsets[place], self._offsets[place + 1]
        self._file.seek(starts)
        record = self._file.read(ends - starts)
        stream, version, length = _HEAD.unpack_from(record)
        topic = record[_HEAD.size : _HEAD.size + length].decode()
        return StoredEvent(
            UUID(bytes=stream), version, topic, record[_HEAD.size + length :]
        )

    def position_of(self, stream: UUID, version: int) -> int | None:
        """Where the event of a stream's version is, where it is one of these."""
        first, positions = self._streams.get(stream, (0, ()))
        place = version - first
        return positions[place] if 0 <= place < len(positions) else None

    def close(self) -> None:
        """Forget all of them."""
        self._file.close()


class _Remembered(NamedTuple):
    """What a command would have recorded: its digest and its positions."""

    digest: bytes
    positions: tuple[int, ...]


class TrialRecorder(LedgerRecorder):
    """The store with what the lines before would have added to it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.spool = EventSpool((self.max_notification_id() or 0) + 1)
        self.heads: dict[UUID, Head] = {}
        self._positions: dict[UUID, array[int]] = {}
        self._commands: dict[tuple[UUID, str], _Remembered] = {}
        self._invoices: set[str] = set()
        self._person_keys: dict[UUID, bytes] = {}

    def remember(self, decided: Sequence[Decided]) -> list[tuple[int, ...]]:
        """Take in what would be appended; return the positions of each one's own."""
        return [self._remember(*item) for item in decided]

    def _remember(self, append: Any, events: Sequence[LedgerEvent]) -> tuple[int, ...]:
        first = self.spool.following
        for event in events:
            self.spool.add(event)
        positions = tuple(range(first + append.due, self.spool.following))
        of_account = self._positions.setdefault(append.account_id, array("Q"))
        of_account.extend(range(first, self.spool.following))
        self.heads[append.account_id] = append.next
        if not append.command_key.startswith(_DERIVED_KEY):
            key = append.account_id, append.command_key
            self._commands[key] = _Remembered(append.digest, positions)
        if append.invoice is not None:
            self._invoices.add(append.invoice)
        for user in append.new_users:
            self._person_keys[user.user_id] = user.person_key
        return positions

    def tried_events(self, account: UUID) -> list[TriedEvent]:
        """What lines would have recorded in an account, and in the ledger's own stream,
        by position.
        """
        streams = (self._positions.get(id_, ()) for id_ in (account, CATALOGUE_ID))
        placed = ((at, self.spool.at(at)) for at in sorted(chain(*streams)))
        return [
            TriedEvent(
                at,
                UUID(str(event.originator_id)),
                event.originator_version,
                event.topic,
                event.state,
            )
            for at, event in placed
            if event is not None
        ]

    def heads_of(
        self, accounts: Sequence[UUID]
    ) -> tuple[dict[UUID, Head], CarriedClock, bytes]:
        """Where accounts would be."""
        heads, clock, digest_key = super().heads_of(accounts)
        moved = {id_: self.heads[id_] for id_ in accounts if id_ in self.heads}
        return heads | moved, clock, digest_key

    def recorded_commands(
        self, accounts: Sequence[UUID], keys: Sequence[str]
    ) -> dict[int, tuple[bytes, tuple[int, ...]]]:
        """Which commands are recorded, or would be."""
        stored = super().recorded_commands(accounts, keys)
        for place, key in enumerate(zip(accounts, keys, strict=True), start=1):
            if key in self._commands:
                stored[place] = self._commands[key]
        return stored

    def at_position(self, position: int) -> StoredEvent | None:
        """The event at a position."""
        return self.spool.at(position) or super().at_position(position)

    def positions_of(
        self, entries: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], int]:
        """The positions of entries that are named by stream and version."""
        positions = super().positions_of(entries)
        for stream, version in entries:
            position = self.spool.position_of(UUID(stream), version)
            if position is not None:
                positions[stream, version] = position
        return positions

    def entry(self, stream: UUID, version: int) -> StoredEvent:
        """The event of a stream's version."""
        position = self.spool.position_of(stream, version)
        event = None if position is None else self.spool.at(position)
        return event or super().entry(stream, version)

    def person_key(self, user_id: UUID) -> bytes | None:
        """The key that opens a user's key, e-mail and name."""
        return self._person_keys.get(user_id) or super().person_key(user_id)

    def has_invoice(self, invoice: str) -> bool:
        """Whether an invoice has this number, or would have it."""
        return invoice in self._invoices or super().has_invoice(invoice)

    def head_of(self, account_id: UUID) -> tuple[Head, int]:
        """Where an account would be, and its last position."""
        if account_id in self.heads:
            return self.heads[account_id], self.spool.following - 1
        return super().head_of(account_id)


class Trial(AccountRepository):
    """Accounts as the lines before would leave them: these stay in memory."""

    recorder: TrialRecorder
    is_cut_off = False
    compute_invoice: ComputeInvoice | None = None
    compute_after: ComputeAfter | None = None

    def __init__(self, conninfo: str, settings: Settings) -> None:
        super().__init__(conninfo, settings, TrialRecorder)

    def append(self, command: Prepared) -> Appended:
        """Remember a command instead of appending it."""
        return Appended(self.recorder.remember([command.decided])[0], None)

    def append_many(self, decided: Sequence[Decided]) -> list[tuple[int, ...]]:
        """Remember commands instead of appending them."""
        return self.recorder.remember(decided)

    def shed(self) -> None:
        """Drop nothing: what changed stands nowhere else."""

    def snapshot_due(self, account: Account | None) -> WrittenSnapshot | None:
        """Keep no snapshot of what is not recorded."""

    def forget(self) -> None:
        """Drop what is in memory: where lines changed it, nothing can be decided on."""
        super().forget()
        self.is_cut_off = bool(self.recorder.heads)

    def workspace(self, command: Command) -> UnitOfWork:
        """The workspace of a command's account. Raises Unavailable after a failure."""
        if self.is_cut_off:
            raise Unavailable(
                "The trial was cut off: what the lines before would have recorded is "
                "lost with it. Nothing was recorded.",
                try_="try the file again",
            )
        return super().workspace(command)

    def close(self) -> None:
        """Let go of the store, and of what was remembered."""
        self.recorder.spool.close()
        super().close()

    def invoice_draft(self, request: InvoiceRequest) -> InvoiceDraft:
        """The figures of an invoice, with what the lines before would have recorded.

        Without figures, where those cannot be had, the invoice is judged but for its
        prices.
        """
        events = self.recorder.tried_events(account_id(request.account))
        if not events and self.compute_invoice is not None:
            return self.compute_invoice(request)
        if events and self.compute_after is not None:
            draft = self.compute_after(request, events)
            if draft is not None:
                return draft
        account = self.workspaces[request.account].account
        assert account is not None
        bounds = NO_PERIOD
        if request.period is not None:
            period = account.calendar.period_named(request.period.isoformat())
            assert period is not None
            mode, granularity = account.billing.policy_at(period.starts)
            bounds = (period.label, period.starts, period.ends, mode, granularity)
        return InvoiceDraft(
            *bounds,
            self.recorder.spool.following - 1,
            TZDATA_VERSION,
            "0" * 64,
            (),
            trial=True,
        )
