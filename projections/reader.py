"""Questions to the ledger: one connection, caught up, and everything it can be asked.

Rows are dictionaries with the keys of CLI 5, in their order; instants are aware
datetimes in UTC, and an open end is None. Every question takes what is known (a
:class:`Knowledge`), so that an answer with a fixed position never changes (R41).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from projections import engine
from projections.queries import queries
from seat_ledger.calendar import BillingCalendar, ZoneChange, ZoneHistory
from seat_ledger.errors import CommandRefused, NotFound
from seat_ledger.store.connection import connect, unavailable
from seat_ledger.values import account_id, shown

Row = dict[str, Any]


class Knowledge(NamedTuple):
    """Up to which position is known, when that was recorded, and if it is the head."""

    position: int
    recorded_at: datetime | None
    is_head: bool


class AccountFacts(NamedTuple):
    """An account as known: its contract and its calendar.

    `known` is false before its opening was recorded: nothing was known then (R79).
    """

    id: UUID
    key: str
    name: str
    known: bool
    opened_at: datetime
    opened_position: int
    calendar: BillingCalendar
    renewals: int

    @property
    def zones(self) -> ZoneHistory:
        """The account's time zones."""
        return self.calendar.zones

    @property
    def time_zone(self) -> str:
        """The zone in force last."""
        return self.calendar.zones.current

    def renewal_due(self, now: datetime) -> bool:
        """Whether a renewal's instant has passed that is not recorded (R38)."""
        return self.calendar.renewal(self.renewals + 1).instant <= now


class Reader:
    """A connection for questions. `catch_up=False` answers from the tables as they are.

    Raises Unavailable, SchemaMismatch or IntegrityFailure.
    """

    def __init__(self, conninfo: str, *, catch_up: bool = True) -> None:
        self.conninfo = conninfo
        self.connection: psycopg.Connection[Any] = connect(conninfo, autocommit=True)
        try:
            reached = engine.progress(self.connection).checkpoint
            self.head = engine.catch_up(self.connection) if catch_up else reached
        except BaseException:
            self.connection.close()
            raise

    def catch_up(self) -> None:
        """Bring the tables up to the store's head as it is now."""
        self.head = engine.catch_up(self.connection)

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

    def ask(self, room: str, name: str, **given: Any) -> list[Row]:
        """The rows of a named query of a room's ``queries.sql``."""
        sql = queries(room, "queries.sql")[name]
        try:
            with self.connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(sql, given).fetchall()
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
        return self._known(known_at, is_head=known_at == self.head)

    def _known(self, position: int, *, is_head: bool) -> Knowledge:
        row = self.ask("accounts", "knowledge", position=position)[0]
        return Knowledge(position, utc(row["recorded_at"]), is_head)

    def _known_at_instant(self, instant: datetime) -> Knowledge:
        row = self.ask("accounts", "last_at", instant=instant)[0]
        if not row["passed"]:
            self._wait_for_appends()
            self.head = engine.catch_up(self.connection)
            row = self.ask("accounts", "last_at", instant=instant)[0]
        position = row["position"] or 0
        return self._known(position, is_head=not row["passed"])

    def _wait_for_appends(self) -> None:
        """Let every append end that is in flight: it could fall at the instant."""
        with self.connection.transaction():
            self.connection.execute(
                "SELECT pg_advisory_xact_lock_shared(%s)", [engine.APPEND_LOCK]
            )

    # -- accounts -------------------------------------------------------------------

    def account(self, key: str, known: Knowledge) -> AccountFacts:
        """An account by its key. Raises NotFound (``account_not_found``)."""
        rows = self.ask("accounts", "contract", account_id=account_id(key))
        if not rows:
            raise NotFound(
                "account_not_found",
                f"There is no account {shown(key)}.",
                try_="look with 'seat-ledger account list'",
            )
        return _facts(account_id(key), rows, known.position)

    def accounts(self, known: Knowledge) -> list[AccountFacts]:
        """Every account that is known, by key."""
        rows = self.ask("accounts", "contracts", known=known.position)
        by_id: dict[UUID, list[Row]] = {}
        for row in rows:
            by_id.setdefault(row["account_id"], []).append(row)
        found = [_facts(id_, said, known.position) for id_, said in by_id.items()]
        return sorted(found, key=lambda account: account.key)

    # -- people ---------------------------------------------------------------------

    def people(self, user_ids: Iterable[UUID]) -> dict[UUID, Row]:
        """Key, e-mail and name of users; a person who was erased has none of them."""
        wanted = list(set(user_ids))
        found = {
            row["user_id"]: {
                "user": row["user_key"],
                "email": row["email"],
                "name": row["name"],
            }
            for row in (self.ask("users", "people", user_ids=wanted) if wanted else ())
        }
        for user_id in wanted:
            if user_id not in found:
                erased = f"erased-{str(user_id)[:8]}"
                found[user_id] = {"user": erased, "email": None, "name": None}
        return found

    def actors(self, actors: Iterable[str]) -> dict[str, str]:
        """How stored actors are shown: a user of the account by key (DOMAIN 2)."""
        stored = set(actors)
        ids = {actor: UUID(actor[5:]) for actor in stored if actor.startswith("user:")}
        people = self.people(ids.values())
        return {
            actor: f"user:{people[ids[actor]]['user']}" if actor in ids else actor
            for actor in stored
        }

    def acts(self, positions: Iterable[int | None]) -> dict[int | None, Row | None]:
        """Who recorded entries, why and when, by position; None for no entry."""
        wanted = [position for position in positions if position is not None]
        rows = self.ask("holdings", "acts", positions=wanted) if wanted else []
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

        Rows have `user_id`, `added_at` and `removed_at`. Raises NotFound
        (``user_not_found``) when nobody was ever called so, at any position.
        """
        called = self.ask("users", "called", account_id=account.id, reference=reference)
        by_key = [row["user_id"] for row in called if row["by_key"]]
        ids = by_key or [row["user_id"] for row in called]
        if not ids:
            raise NotFound(
                "user_not_found",
                f"{account.key} has no user {shown(reference)}.",
                try_=f"look with 'seat-ledger user list --account {account.key}'",
            )
        return self.ask("users", "memberships", known=known.position, user_ids=ids)

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


def _facts(id_: UUID, rows: Sequence[Row], known: int) -> AccountFacts:
    opened = rows[0]
    said = opened["data"]
    later = [row for row in rows[1:] if row["position"] <= known]
    zones = ZoneHistory(
        said["time_zone"],
        tuple(
            ZoneChange(row["effective_at"].astimezone(UTC), row["data"]["time_zone"])
            for row in sorted(
                (row for row in later if row["topic"] == "TimeZoneChanged"),
                key=lambda row: (row["effective_at"], row["position"]),
            )
        ),
    )
    calendar = BillingCalendar(
        datetime.fromisoformat(said["term_start"]).date(),
        said["term_months"],
        said["billing_cycle_months"],
        zones,
    )
    return AccountFacts(
        id_,
        said["account_key"],
        said["name"],
        opened["position"] <= known,
        opened["effective_at"].astimezone(UTC),
        opened["position"],
        calendar,
        sum(1 for row in later if row["topic"] == "ContractRenewed"),
    )


def utc(instant: Any) -> Any:
    """The same instant in UTC; None stays None."""
    return None if instant is None else instant.astimezone(UTC)
