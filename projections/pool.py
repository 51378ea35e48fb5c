"""Readers kept open for a server: read only, one to a question, fresh for each.

Between questions a reader holds no transaction, so that neither a rebuild nor VACUUM
waits for it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg

from projections.reader import AccountFacts, Knowledge, Reader, Row
from seat_ledger.errors import LedgerError, NotFound, Unavailable
from seat_ledger.store import schema
from seat_ledger.store.connection import unavailable
from seat_ledger.values import shown

LONGEST_QUESTION = "30s"
LONGEST_WAIT = 3.0
LONGEST_PAUSE = "60s"
"""How long an answer that nobody reads on may hold a snapshot, and a rebuild up."""
PATIENCE = 20.0
"""Seconds that a question waits for a reader."""
_HIDDEN = re.compile(r"user-([0-9]{1,18})", re.ASCII)
_EMAIL = re.compile(r"[^\s<>@]+@[^\s<>@]+")


class Behind(LedgerError):
    """The tables have not reached that moment yet."""

    code = "projections_behind"
    exit_code = 12


_LOST = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout)


class Busy(Unavailable):
    """Too many answers are being given at once: ask again in a moment."""

    code = "busy"


class PooledReader(Reader):
    """A reader that is used again and again, and never writes."""

    def __init__(self, conninfo: str) -> None:
        super().__init__(conninfo, catch_up=False, read_only=True)
        self.connection.execute(f"SET statement_timeout = '{LONGEST_QUESTION}'")
        self.connection.execute(
            f"SET idle_in_transaction_session_timeout = '{LONGEST_PAUSE}'"
        )
        schema.check(self.connection)

    def renew(self) -> bool:
        """Stay on what is served now; false if that is another set of tables."""
        before = self.generation
        self._pin(catch_up=False)
        return self.generation == before

    def rest(self) -> None:
        """Hold nothing."""
        self.connection.execute("COMMIT")

    def _pin(self, *, catch_up: bool) -> None:  # noqa: ARG002  somebody else does
        super()._pin(catch_up=False)

    def _wait_for_appends(self, instant: datetime) -> None:
        """Let the appends in flight end, and the tables reach them (R78)."""
        super()._wait_for_appends(instant)
        wanted, until = self.store_head, time.monotonic() + LONGEST_WAIT
        while self.head < wanted:
            if time.monotonic() > until:
                raise Behind(
                    f"The tables are at position {self.head}, the store at {wanted}: "
                    "what was known at that moment is not all there yet.",
                    try_="ask again, name a position, or run 'projection run'",
                )
            self.rest()
            time.sleep(0.05)
            self._pin(catch_up=False)


class RedactedReader(PooledReader):
    """A reader that tells nobody's key, e-mail or name.

    A person is ``user-`` and the position of the event that added them.
    """

    def people(self, user_nos: Iterable[int]) -> dict[int, Row]:
        """A number in place of key, e-mail and name."""
        return {
            number: {"user": f"user-{number}", "email": None, "name": None}
            for number in set(user_nos)
        }

    def actors(self, actors: Iterable[str]) -> dict[str, str]:
        """Users among the actors by their numbers."""
        stored = set(actors)
        ids = [actor[5:] for actor in stored if actor.startswith("user:")]
        rows = self.ask("users", "actors", user_ids=ids) if ids else []
        numbers = {f"user:{row['user_id']}": row["user_no"] for row in rows}
        return {
            actor: f"user:user-{numbers[actor]}" if actor in numbers else actor
            for actor in stored
        }

    def acts(self, positions: Iterable[int | None]) -> dict[int | None, Row | None]:
        """Acts, with e-mail addresses in reasons hidden."""
        return {
            position: act and {**act, "reason": hide_emails(act["reason"])}
            for position, act in super().acts(positions).items()
        }

    def users_called(
        self, account: AccountFacts, reference: str, known: Knowledge
    ) -> list[Row]:
        """The user of a number, if it is one of the account."""
        found = _HIDDEN.fullmatch(reference)
        rows = (
            self.ask("users", "memberships", known, user_nos=[int(found[1])])
            if found and self._is_of(account, int(found[1]))
            else []
        )
        if not rows:
            raise NotFound(
                "user_not_found",
                f"{account.key} has no user {shown(reference)}.",
                try_="names are hidden here: write user- and a number",
            )
        return rows

    def _is_of(self, account: AccountFacts, user_no: int) -> bool:
        rows = self.ask("users", "account_of", user_nos=[user_no])
        return any(row["account_no"] == account.no for row in rows)


def hide_emails(text: str | None) -> str | None:
    """A free text without e-mail addresses."""
    return None if text is None else _EMAIL.sub("…", text)


class Pool:
    """At most `size` readers at once; who comes later waits, `patience` seconds.

    Raises Busy, Unavailable.
    """

    def __init__(
        self,
        conninfo: str,
        size: int = 4,
        *,
        redact: bool = False,
        patience: float = PATIENCE,
    ) -> None:
        self.conninfo = conninfo
        self.patience = patience
        self.redact = redact
        self._make: type[PooledReader] = RedactedReader if redact else PooledReader
        self._free = threading.BoundedSemaphore(size)
        self._idle: list[PooledReader] = []

    @contextmanager
    def reader(self) -> Iterator[PooledReader]:
        """Borrow a reader that is on what is served now."""
        if not self._free.acquire(timeout=self.patience):
            raise Busy
        try:
            yield from self._lent()
        finally:
            self._free.release()

    def _lent(self) -> Iterator[PooledReader]:
        found = self._take()
        try:
            yield found
        except _LOST as error:
            found.connection.close()
            raise unavailable(self.conninfo, error) from error
        except LedgerError:
            self._give_back(found)
            raise
        except BaseException:
            found.connection.close()
            raise
        self._give_back(found)

    def _give_back(self, reader: PooledReader) -> None:
        """Keep a reader, if it is still well: its answer was given, or was no."""
        try:
            reader.rest()  # what its names mean is kept, and what is prepared
            self._idle.append(reader)
        except psycopg.Error:
            reader.connection.close()

    def _take(self) -> PooledReader:
        """The reader that rested last, if it still answers; else a new one."""
        while self._idle:
            reader = self._idle.pop()
            try:
                if reader.renew():
                    return reader
            except (psycopg.Error, LedgerError):
                pass
            reader.connection.close()
        try:
            return self._make(self.conninfo)
        except _LOST as error:
            raise unavailable(self.conninfo, error) from error

    def close(self) -> None:
        """Close what rests."""
        while self._idle:
            self._idle.pop().connection.close()
