"""The ledger as its users meet it: each operation is a method; and no SQL.

A command is decided on an account's aggregates as they were when its change number
was read, and appended only if that number has not moved (optimistic concurrency
over the whole account: R30, R33 and R35 span streams). On a conflict the command is
decided again on the new state; after several times it fails (exit 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self
from uuid import UUID

from seat_ledger.commands.execution import CommandExecution, RecordedEvent, Result
from seat_ledger.commands.handler import Caller
from seat_ledger.commands.messages import OPERATIONS, Command, read_command
from seat_ledger.commands.repository import AccountRepository, Settings
from seat_ledger.domain.calendar import ZoneHistory
from seat_ledger.domain.invoice_draft import ComputeInvoice
from seat_ledger.domain.values import account_id

__all__ = ["Caller", "CommandService", "RecordedEvent", "Result"]


class CommandService:
    """The write side over one database.

    Use it as a context manager. Each operation of :data:`OPERATIONS` is a method too,
    which takes the account and the operation's own fields. All of them raise
    CommandRefused, NotFound, InvalidInput, Conflict or Unavailable.
    """

    def __init__(
        self,
        conninfo: str,
        settings: Settings | None = None,
        *,
        set_aside: Mapping[UUID, str] | None = None,
        is_reached: bool = False,
    ) -> None:
        self.accounts = AccountRepository(conninfo, settings, is_reached=is_reached)
        self.accounts.set_aside = set_aside or {}
        self.execution = CommandExecution(self.accounts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self.accounts.close()

    def execute(
        self,
        command: Command | Mapping[str, Any],
        *,
        dry_run: bool = False,
        default_actor: str = "system:import",
        compute_invoice: ComputeInvoice | None = None,
    ) -> Result:
        """Record one command, or say why not. `dry_run` decides and records nothing.

        `default_actor` stands in where the command names none, and is no part of
        what makes two commands the same (R73). `compute_invoice` is asked for the
        figures of an invoice, again when the account moved meanwhile.
        """
        if not isinstance(command, Command):
            command = read_command(command)
        caller = Caller(default_actor, compute_invoice)
        return self.execution.execute(command, caller, dry_run=dry_run)

    def execute_together(
        self, commands: Sequence[tuple[Command, Caller]]
    ) -> list[Result | Exception]:
        """Record commands of different accounts, each on its own, in one append.

        What becomes of each is what :meth:`execute` gives, or raises.
        """
        return self.execution.execute_together(commands)

    def __getattr__(self, name: str) -> Callable[..., Result]:
        """Each operation as a method: ``ledger.buy_seats("acme", quantity=2, …)``."""
        if name not in OPERATIONS:
            raise AttributeError(f"{name} is not an operation")

        def record(
            account: str | None = None,
            *,
            compute_invoice: ComputeInvoice | None = None,
            **facts: Any,
        ) -> Result:
            named = {} if account is None else {"account": account}
            command = {"op": name, **named, **facts}
            return self.execute(command, compute_invoice=compute_invoice)

        record.__doc__ = OPERATIONS[name].__doc__
        return record

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *OPERATIONS]

    def zones_of(
        self, account: str | None, *, load: bool = False
    ) -> ZoneHistory | None:
        """The zones of an account that was worked on; `load` reads one that is not in
        memory, as after a repeated command or an erasure.
        """
        workspace = self.accounts.workspaces.get(account or "")
        current = workspace.account if workspace is not None else None
        if load and account is not None and current is None:
            current = self.accounts.stored.load(account_id(account))
        return current.zones if current is not None else None

    def plain_entry(self, user_id: UUID) -> int | None:
        """Where a user was added in plain text; None where encrypted."""
        return self.accounts.recorder.plain_entry(user_id)
