"""Recording from Python: ``SeatLedger``, and ``AsyncSeatLedger`` for event loops."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

from seat_ledger.cli.api import wording
from seat_ledger.cli.options.arguments import as_json, command_of
from seat_ledger.cli.options.invoice_seal import sealing
from seat_ledger.cli.options.session import closed, default_actor, session_of
from seat_ledger.cli.options.writing import clock_of, recorded_answer
from seat_ledger.cli.output.render import document, to_json
from seat_ledger.client.documents import Recording
from seat_ledger.client.operations import AsyncOperations, Operations
from seat_ledger.client.threads import in_thread
from seat_ledger.projections.billing.invoice_computation import Drafting

_ASIDE_AGE = 5.0
"""Seconds after which is looked again which accounts are set aside (R74)."""


class SeatLedger(Operations):
    """The write side of a ledger: each operation is a method.

    Open it with :meth:`open`, and close it, or use it as a context manager. It is safe
    in threads: commands of one object are recorded one after the other. For more at a
    time open several; each keeps the accounts that it works on in memory. All methods
    raise CommandRefused, NotFound, InvalidInput, Conflict or Unavailable.
    """

    def __init__(self, url: str | None = None, *, actor: str | None = None) -> None:
        self._session = session_of(url)
        self._actor = actor or default_actor()
        self._drafting: Drafting | None = None
        self._lock = threading.RLock()
        self._is_closed = False
        self._looked_at = time.monotonic()
        self._service = self._session.ledger()

    @classmethod
    def open(cls, url: str | None = None, *, actor: str | None = None) -> Self:
        """Open the ledger in a PostgreSQL, or in the embedded one.

        `url` names a database with the ledger's schema (``seat-ledger db migrate``
        makes it); without it SEAT_LEDGER_DATABASE_URL does, else the embedded server is
        started, and its schema made at first use. `actor` acts where a command names
        nobody: by default ``system:`` and the login name (R36). Raises Unavailable,
        SchemaMismatch.
        """
        return cls(url, actor=actor)

    def __enter__(self) -> Self:
        """Return the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let what is being recorded end, and let go of the database."""
        with self._lock:
            self._is_closed = True
            self._service.close()
            if self._drafting is not None:
                self._drafting.__exit__()
                self._drafting = None

    def execute(
        self, command: Mapping[str, Any], *, dry_run: bool = False
    ) -> Recording:
        """Record a command as it stands in a command file (CLI 4).

        `dry_run` decides it, and records nothing.
        """
        fields = as_json(command)
        with (
            self._lock,
            self._session.in_words(),
            wording.naming(wording.fields()),
        ):
            if self._is_closed:
                raise closed("ledger", "SeatLedger")
            self._look_aside()
            result = self._service.execute(
                fields,
                dry_run=dry_run,
                default_actor=self._actor,
                compute_invoice=self._compute(fields, dry_run),
            )
            zones = clock_of(self._service, fields.get("account"), result)
        answer = recorded_answer(fields, result, dry_run, zones)
        return Recording.model_validate_json(to_json(document(answer)))

    def _compute(self, fields: Mapping[str, Any], dry_run: bool) -> Any:
        """What computes an invoice, where one is to be issued."""
        if fields.get("op") != "issue_invoice":
            return None
        if self._drafting is None:
            self._drafting = Drafting(self._session.reader)
        if dry_run:
            return self._drafting
        return sealing(self._session, self._drafting, serves=True)

    def _look_aside(self) -> None:
        now = time.monotonic()
        if now - self._looked_at > _ASIDE_AGE:
            self._service.accounts.set_aside = self._session.set_aside()
            self._looked_at = now

    def _record(
        self, op: str, account: str | None, dry_run: bool, fields: dict[str, Any]
    ) -> Recording:
        return self.execute(command_of(op, account, fields), dry_run=dry_run)


class AsyncSeatLedger(AsyncOperations):
    """The same for an event loop: commands are recorded in a thread.

    A task that is cancelled while its command is being recorded does not take it back:
    repeat it with the same idempotency key, which records it once (R73).
    """

    @classmethod
    async def open(cls, url: str | None = None, *, actor: str | None = None) -> Self:
        """Open the ledger as :meth:`SeatLedger.open` does."""
        return cls(await asyncio.to_thread(SeatLedger.open, url, actor=actor))

    async def __aenter__(self) -> Self:
        """Return the ledger itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    close = in_thread(SeatLedger.close)
    execute = in_thread(SeatLedger.execute)
