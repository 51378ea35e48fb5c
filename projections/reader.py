"""Questions to the ledger: one connection, caught up, and everything it can be asked.

Rows are dictionaries with the keys of CLI 5, in their order; instants are aware
datetimes in UTC, and an open end is None. Every question takes what is known (a
:class:`Knowledge`), so that an answer with a fixed position never changes (R41).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from projections import catch_up as catching_up
from projections.contracts import AccountFacts, Row, facts_of
from projections.locks import APPEND_LOCK
from projections.pinning import pin
from projections.queries import question
from seat_ledger.errors import CommandRefused, NotFound
from seat_ledger.store.connection import become, connect, sees_store, unavailable
from seat_ledger.store.wrapping import Secret, open_wrapping
from seat_ledger.values import account_id, as_word, fold_email, shown

__all__ = ["AccountFacts", "Knowledge", "Reader", "Row", "no_such_account", "utc"]


_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def no_such_account(key: str) -> NotFound:
    """What is said of an account that is not there, or may not be seen."""
    return NotFound(
        "account_not_found",
        f"There is no account {shown(key)}.",
        try_="look with 'seat-ledger account list'",
    )


class Knowledge(NamedTuple):
    """Up to which position is known, when that was recorded, and if it is the head.

    `upto` is the instant that was named, that of the position where one was named, and
    None for now: what is asked with it never changes (R78).
    """

    position: int
    recorded_at: datetime | None
    is_head: bool
    upto: datetime | None = None

    def moment(self, now: datetime) -> datetime:
        """The instant that stands for "now" in an answer: that of the knowledge."""
        return now if self.upto is None else min(self.upto, now)


class Reader:
    """A connection for questions. `catch_up=False` answers from the tables as they are.

    With `read_only` the connection can write nothing, and acts as the reader's role
    where the database has it. `patient` catches up however much is missing. Raises
    Unavailable, SchemaMismatch or IntegrityFailure.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        catch_up: bool = True,
        read_only: bool = False,
        patient: bool = False,
    ) -> None:
        self.conninfo = conninfo
        self.patient = patient
        self.connection: psycopg.Connection[Any] = connect(conninfo, autocommit=True)
        try:
            if read_only:
                self.connection.execute("SET default_transaction_read_only = on")
            acts = become(self.connection, "reader")
            open_wrapping(self.connection)
            self.sees_store = acts or sees_store(self.connection)
            self._pin(catch_up=catch_up)
        except BaseException:
            self.connection.close()
            raise

    def catch_up(self) -> None:
        """Bring the tables up to the store's head as it is now."""
        self.connection.execute("COMMIT")
        self._pin(catch_up=True)

    def _pin(self, *, catch_up: bool) -> None:
        """Stay on what is served now: one snapshot for all the questions."""
        if catch_up and self.sees_store:
            become(self.connection, "projector")
            catching_up.catch_up(self.connection, patient=self.patient)
            become(self.connection, "reader")
        found = pin(self.connection, sees_store=self.sees_store)
        self.generation = found.number
        self.head = found.checkpoint
        self.store_head = found.head

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self.connection.close()

    # -- asking -------------------------------------------------------------------

    def ask(
        self, room: str, name: str, known: Knowledge | None = None, **given: Any
    ) -> list[Row]:
        """The rows of a named question of a room's ``queries.sql``.

        With `known` it is asked as known then; from the kept tables where that is
        their checkpoint.
        """
        return list(self.stream(room, name, known, **given))

    def stream(
        self, room: str, name: str, known: Knowledge | None = None, **given: Any
    ) -> Iterator[Row]:
        """The same, row by row."""
        kept = known is not None and known.position == self.head
        if known is not None:
            given["known"] = known.position
        try:
            with self.connection.cursor(row_factory=dict_row) as cursor:
                yield from cursor.execute(question(room, name, kept=kept), given)
        except psycopg.OperationalError as error:
            raise unavailable(self.conninfo, error) from error

    def database_now(self) -> datetime:
        """The database's clock."""
        row = self.connection.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        found: datetime = row[0]
        return found.astimezone(UTC)

    # -- what is known ------------------------------------------------------------

    def knowledge(self, known_at: int | datetime | None = None) -> Knowledge:
        """Resolve "known at": a position, an instant, or nothing for the head (R78).

        Raises CommandRefused (``position_beyond_head``).
        """
        if known_at is None:
            return self._known(self.head, is_head=True)
        if isinstance(known_at, datetime):
            return self._known_at_instant(known_at)
        if known_at > self.head:
            raise CommandRefused(
                "position_beyond_head",
                f"The ledger is at position {self.head}; {known_at} lies beyond.",
                try_="leave --known-at out to ask with all that is known",
            )
        found = self._known(known_at, is_head=known_at == self.head)
        return found._replace(upto=found.recorded_at)

    def _known(self, position: int, *, is_head: bool) -> Knowledge:
        rows = self.ask("journal", "knowledge", position=position)
        recorded_at = utc(rows[0]["recorded_at"]) if rows else None
        return Knowledge(position, recorded_at, is_head)

    def _known_at_instant(self, instant: datetime) -> Knowledge:
        row = self.ask("journal", "last_at", instant=instant)[0]
        if not row["passed"]:
            self._wait_for_appends(instant)
            row = self.ask("journal", "last_at", instant=instant)[0]
        found = self._known(row["position"], is_head=not row["passed"])
        return found._replace(upto=instant)

    def _wait_for_appends(self, instant: datetime) -> None:
        """Let every append end that is in flight: it could fall at the instant.

        That it is answered for is noted, so that none falls there later either, even
        if the clock steps back. A standby can note nothing.
        """
        self.connection.execute("COMMIT")
        row = self.connection.execute(
            "SELECT pg_catalog.pg_is_in_recovery()"
        ).fetchone()
        is_standby = row is not None and row[0]
        with self.connection.transaction():
            if not is_standby:
                self.connection.execute("SET TRANSACTION READ WRITE")
            self.connection.execute(
                "SELECT pg_catalog.pg_advisory_xact_lock_shared(%s)", [APPEND_LOCK]
            )
            if not is_standby:
                self.connection.execute("SELECT ledger.note_answered(%s)", [instant])
        self._pin(catch_up=True)

    # -- accounts -------------------------------------------------------------------

    def account(self, key: str, known: Knowledge) -> AccountFacts:
        """An account by its key. Raises NotFound (``account_not_found``)."""
        rows = self.ask("accounts", "contract", account_id=account_id(key))
        if not rows:
            raise no_such_account(key)
        account_no = rows[0]["account_no"]
        return facts_of(rows, known.position, self._reversed(known, [account_no]))

    def accounts(self, known: Knowledge) -> list[AccountFacts]:
        """Every account that is known, by key."""
        rows = self.ask("accounts", "contracts", known)
        by_no = groupby(rows, key=lambda row: row["account_no"])
        contracts = [list(said) for _, said in by_no]
        reversed_ = self._reversed(known, [said[0]["account_no"] for said in contracts])
        found = [facts_of(said, known.position, reversed_) for said in contracts]
        return sorted(found, key=lambda account: account.key)

    def account_keys(self, account_nos: Iterable[int]) -> dict[int, str]:
        """The keys of accounts by their numbers."""
        wanted = list(set(account_nos))
        rows = self.ask("accounts", "keys", account_nos=wanted) if wanted else []
        return {row["account_no"]: row["account_key"] for row in rows}

    def _reversed(self, known: Knowledge, account_nos: list[int]) -> set[int]:
        rows = self.ask("accounts", "policies_reversed", known, account_nos=account_nos)
        return {row["position"] for row in rows}

    # -- people ---------------------------------------------------------------------

    def people(self, user_nos: Iterable[int]) -> dict[int, Row]:
        """Key, e-mail and name of users."""
        wanted = list(set(user_nos))
        rows = self.ask("users", "people", user_nos=wanted) if wanted else []
        return {
            row["user_no"]: {
                "user": row["user_key"],
                "email": row["email"],
                "name": row["name"],
            }
            for row in rows
        }

    def actors(self, actors: Iterable[str]) -> dict[str, str]:
        """How stored actors are shown: a user of the account by key (DOMAIN 2)."""
        stored = set(actors)
        ids = {actor: UUID(actor[5:]) for actor in stored if actor.startswith("user:")}
        rows = self.ask("users", "actors", user_ids=list(ids.values())) if ids else []
        keys = {row["user_id"]: row["user_key"] for row in rows}
        return {
            actor: f"user:{keys[ids[actor]]}" if actor in ids else actor
            for actor in stored
        }

    def acts(self, positions: Iterable[int | None]) -> dict[int | None, Row | None]:
        """Who recorded entries, why and when, by position; None for no entry."""
        wanted = [position for position in positions if position is not None]
        rows = self.ask("journal", "acts", positions=wanted) if wanted else []
        shown_as = self.actors(row["actor"] for row in rows)
        acts: dict[int | None, Row | None] = {
            row["position"]: {
                "position": row["position"],
                "actor": shown_as[row["actor"]],
                "reason": row["reason"],
                "recorded_at": utc(row["recorded_at"]),
            }
            for row in rows
        }
        acts[None] = None
        return acts

    def users_called(
        self, account: AccountFacts, reference: str, known: Knowledge
    ) -> list[Row]:
        """Every holder of a key, or else of an e-mail, in order (R35).

        Rows have `user_no`, `added_at` and `removed_at`. Raises NotFound
        (``user_not_found``) when nobody was ever called so, at any position.
        """
        called = self.ask(
            "users",
            "called",
            account_no=account.no,
            reference=Secret(reference),
            folded=Secret(fold_email(reference)),
            id=reference if _ID.fullmatch(reference) else None,
        )
        by_key = [row["user_no"] for row in called if row["by_key"]]
        ids = by_key or [row["user_no"] for row in called]
        if not ids:
            raise NotFound(
                "user_not_found",
                f"{account.key} has no user {shown(reference)}.",
                try_=f"seat-ledger user list --account {as_word(account.key)}",
            )
        return self.ask("users", "memberships", known, user_nos=ids)

    def user_at(
        self, account: AccountFacts, reference: str, as_of: datetime, known: Knowledge
    ) -> Row | None:
        """The user so called who was present, else the last one before (R35)."""
        before = [
            row
            for row in self.users_called(account, reference, known)
            if row["added_at"] <= as_of
        ]
        present = [row for row in before if _contains(row, as_of)]
        found = present or before
        return found[-1] if found else None


def _contains(row: Row, as_of: datetime) -> bool:
    return row["removed_at"] is None or row["removed_at"] > as_of


def utc(instant: Any) -> Any:
    """The same instant in UTC; None stays None."""
    return None if instant is None else instant.astimezone(UTC)
