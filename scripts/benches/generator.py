"""Long histories for the benches of the read side, written straight into the store.

The events are valid ones (R46), written by the mapper that writes every event, in the
order of their effective times over many accounts in many zones. The same arguments
give the same bytes. The store takes about 400 bytes an event with its indexes, the
projections about as much again, and a rebuild twice that while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import psycopg

from seat_ledger.domain import events as said
from seat_ledger.domain.calendar import BillingCalendar, ZoneHistory
from seat_ledger.domain.personal_data import KEY_BYTES, NONCE_BYTES, Person, encrypt
from seat_ledger.domain.values import account_id, fold
from seat_ledger.store.mapper import state_of
from seat_ledger.store.recorder import UserName
from seat_ledger.store.store_status import APPEND_LOCK

BYTES_AN_EVENT = 400
ZONES = (
    "Africa/Johannesburg", "America/Argentina/Buenos_Aires", "America/Chicago",
    "America/Havana", "America/Los_Angeles", "America/New_York",
    "America/Sao_Paulo", "America/St_Johns", "Asia/Dubai", "Asia/Kathmandu",
    "Asia/Kolkata", "Asia/Singapore", "Asia/Tokyo", "Australia/Adelaide",
    "Australia/Sydney", "Europe/Amsterdam", "Europe/London", "Europe/Warsaw",
    "Pacific/Apia", "Pacific/Auckland", "UTC",
)  # fmt: skip
TYPES = ("sales/professional", "sales/starter", "service/professional")
MONTHS = 20
FIRST = date(2024, 1, 1)
_T = TypeVar("_T")


class Written(NamedTuple):
    """One event as the store keeps it."""

    stream: UUID
    version: int
    topic: str
    state: bytes
    at: datetime
    name: UserName | None = None


class Somebody:
    """A user of the generator: present, maybe with access, maybe with a seat."""

    __slots__ = ("held", "hubs", "id", "text", "version")

    def __init__(self, id_: UUID) -> None:
        self.id, self.text, self.version = id_, str(id_), 0
        self.hubs: set[str] = set()
        self.held: dict[str, tuple[str, int]] = {}


class Shop:
    """One account of the generator, kept just well enough to stay valid."""

    def __init__(self, key: str, random: Random) -> None:
        self.key, self.random = key, random
        self.id, self.version, self.renewals, self.users = account_id(self.key), 0, 0, 0
        self.zone = random.choice(ZONES)
        self.term_start = FIRST + timedelta(days=random.randrange(180))
        self.cycle = random.choice((1, 1, 1, 1, 3, 12))
        self.calendar = BillingCalendar(
            self.term_start, 12, self.cycle, ZoneHistory(self.zone)
        )
        self.opens = self.calendar.renewal(0).instant
        self.renews = self.calendar.renewal(1).instant
        self.types = TYPES[: random.choice((1, 2, 2, 3))]
        self.bought = dict.fromkeys(self.types, 0)
        self.free: dict[str, list[int]] = {kind: [] for kind in self.types}
        self.pending = dict.fromkeys(self.types, 0)
        self.people: list[Somebody] = []
        self.holders: dict[str, list[Somebody]] = {}
        self.seats, self.least = 0, 6

    def one_of(self, some: Sequence[_T]) -> _T:
        """Any of them: three times as fast as the library's choice."""
        return some[int(self.random.random() * len(some))]

    def of_account(self, kind: type[Any], at: datetime, **fields: Any) -> Written:
        self.version += 1
        made = kind(
            originator_id=self.id, originator_version=self.version,
            effective_at=at, actor="system:import", **fields,
        )  # fmt: skip
        return Written(self.id, self.version, kind.TOPIC, state_of(made), at)

    def of_user(
        self, who: Somebody, kind: type[Any], at: datetime, **fields: Any
    ) -> Written:
        who.version += 1
        made = kind(
            originator_id=who.id, originator_version=who.version, account=self.id,
            effective_at=at, actor="system:import", **fields,
        )  # fmt: skip
        return Written(who.id, who.version, kind.TOPIC, state_of(made), at)

    def grow(self) -> None:
        """Become an account of one type, 10,000 seats and 3,000 people."""
        self.types, self.seats, self.least = TYPES[:1], 10_000, 3_000

    def opening(self) -> Iterator[Written]:
        yield self.of_account(
            said.AccountOpened, self.opens, account_key=self.key, name=self.key,
            time_zone=self.zone, term_start=self.term_start, term_months=12,
            billing_cycle_months=self.cycle,
        )  # fmt: skip
        for kind in self.types:
            for _ in range(self.seats or self.random.randint(3, 8)):
                yield self.buy(kind, self.opens)

    def buy(self, kind: str, at: datetime) -> Written:
        self.bought[kind] += 1
        self.free[kind].append(self.bought[kind])
        return self.of_account(
            said.SeatPurchased, at, seat_type=kind, number=self.bought[kind]
        )

    def step(self, at: datetime, position: int) -> Iterator[Written]:
        """One to four events of one command; `position` is that of the first."""
        if at < self.opens:
            return
        if self.version == 0:
            yield from self.opening()
            return
        if at >= self.renews:
            yield from self.renew()
            return
        roll = self.random.random()
        kind = self.one_of(self.types)
        if len(self.people) < self.least or roll < 0.05:
            yield self.add(at)
        elif roll < 0.08:
            yield self.buy(kind, at)
        elif roll < 0.085 and len(self.free[kind]) > self.pending[kind]:
            self.pending[kind] += 1
            yield self.of_account(
                said.SeatReductionRequested, at, seat_type=kind, quantity=1,
                renewal=self.renewals + 1,
            )  # fmt: skip
        elif roll < 0.10:
            yield from self.remove(at)
        elif roll < 0.56:
            yield from self.assign(kind, at, position)
        else:
            yield from self.unassign(kind, at)

    def add(self, at: datetime) -> Written:
        who = Somebody(UUID(int=self.random.getrandbits(128), version=4))
        self.users += 1
        self.people.append(who)
        key = self.random.randbytes(KEY_BYTES)
        person = Person(
            f"u{self.users}", f"u{self.users}@{self.key}.example", f"U {self.users}"
        )
        encrypted = encrypt(
            person, key, user_id=who.id, account=self.id,
            nonce=self.random.randbytes(NONCE_BYTES),
        )  # fmt: skip
        made = self.of_user(
            who,
            said.UserAdded,
            at,
            v=2,
            **person._asdict(),
            nonce=encrypted.nonce,
            sealed=encrypted.ciphertext,
        )
        name = UserName(
            who.id, person.user_key, fold(person.user_key), fold(person.email), key
        )
        return made._replace(name=name)

    def remove(self, at: datetime) -> Iterator[Written]:
        who = self.one_of(self.people)
        if who.held:
            return
        for hub in sorted(who.hubs):
            yield self.of_user(who, said.HubAccessRevoked, at, hub=hub)
        self.people.remove(who)
        yield self.of_user(who, said.UserRemoved, at)

    def assign(self, kind: str, at: datetime, position: int) -> Iterator[Written]:
        hub = kind.partition("/")[0]
        who = self.one_of(self.people)
        free = self.free[kind]
        if hub in who.held or len(free) <= self.pending[kind]:
            yield from self.unassign(kind, at)
            return
        if hub not in who.hubs:
            who.hubs.add(hub)
            yield self.of_user(who, said.HubAccessGranted, at, hub=hub)
            position += 1
        number = self.taken(free)
        seat = {"seat_type": kind, "number": number}
        yield self.of_account(said.SeatAssigned, at, user=who.text, **seat)
        if self.random.random() > 0.03:
            self.give(who, hub, kind, number)
            return
        assigned, entry = self.version, position
        names = {"entry": entry, "entry_version": assigned, "holds": False}
        yield self.reversal(at, entry, assigned, names)
        if self.random.random() < 0.3:
            position += 1
            names = {"entry": position, "entry_version": self.version, "holds": True}
            yield self.reversal(at, entry, assigned, names)
            self.give(who, hub, kind, number)
            return
        free.append(number)

    def taken(self, free: list[int]) -> int:
        """A free seat, no longer free."""
        return free.pop(int(self.random.random() * len(free)))

    def reversal(
        self, at: datetime, root: int, root_version: int, names: dict[str, Any]
    ) -> Written:
        return self.of_account(
            said.EntryReversed, at, reason="wrong person", root=root,
            root_version=root_version, **names,
        )  # fmt: skip

    def give(self, who: Somebody, hub: str, kind: str, number: int) -> None:
        who.held[hub] = (kind, number)
        self.holders.setdefault(hub, []).append(who)

    def unassign(self, kind: str, at: datetime) -> Iterator[Written]:
        hub = kind.partition("/")[0]
        holders = self.holders.get(hub)
        if not holders:
            return
        n = self.leaving(holders)
        who, holders[n] = holders[n], holders[-1]
        holders.pop()
        kind, number = who.held.pop(hub)
        self.free[kind].append(number)
        yield self.of_account(
            said.SeatUnassigned, at, user=who.text, seat_type=kind, number=number
        )

    def leaving(self, holders: list[Somebody]) -> int:
        """Which of the holders gives a seat back."""
        return int(self.random.random() * len(holders))

    def renew(self) -> Iterator[Written]:
        at = self.renews
        self.renewals += 1
        self.renews = self.calendar.renewal(self.renewals + 1).instant
        for kind in self.types:
            for number in sorted(self.free[kind], reverse=True)[: self.pending[kind]]:
                self.free[kind].remove(number)
                yield self.of_account(
                    said.SeatRetired, at, seat_type=kind, number=number,
                    renewal=self.renewals,
                )  # fmt: skip
            self.pending[kind] = 0
        yield self.of_account(said.ContractRenewed, at, renewal=self.renewals)


def history(  # noqa: PLR0913  each with a meaning of its own
    events: int,
    accounts: int,
    seed: int = 7,
    *,
    giant: bool = False,
    prefix: str = "shop",
    after: int = 0,
) -> Iterator[Written]:
    """At least `events` events over `accounts` accounts and twenty months.

    They stand behind the position `after`. A `giant` is an account of 10,000 seats.
    """
    random = Random(seed)
    shops = [Shop(f"{prefix}-{number:05}", random) for number in range(accounts)]
    if giant:
        for shop in shops:
            shop.grow()
    at = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)
    step = timedelta(days=30.4 * MONTHS) / max(1, events) * 1.1
    written = 0
    while written < events:
        at += step
        shop = shops[int(random.random() * accounts)]
        for one in shop.step(at, after + written + 1):
            written += 1
            yield one


def head(conninfo: str) -> int:
    """The last position of a store."""
    with psycopg.connect(conninfo) as connection:
        return _last(connection)[0]


def _last(connection: psycopg.Connection[Any]) -> tuple[int, datetime]:
    row = connection.execute(
        "SELECT notification_id, recorded_at FROM ledger.stored_events "
        "ORDER BY notification_id DESC LIMIT 1"
    ).fetchone()
    return row or (0, datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC))


def write(conninfo: str, made: Iterator[Written]) -> int:
    """Append events under the append lock; return the last position."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        position, recorded = _last(connection)
        names = []
        with connection.cursor().copy(
            "COPY ledger.stored_events (originator_id, originator_version, topic, "
            "state, notification_id, recorded_at) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.set_types(["uuid", "int8", "text", "bytea", "int8", "timestamptz"])
            for one in made:
                position += 1
                recorded = max(recorded, one.at + timedelta(seconds=2))
                copy.write_row((*one[:4], position, recorded))
                if one.name is not None:
                    names.append(one.name)
        connection.execute(
            "SELECT setval(pg_get_serial_sequence('ledger.stored_events', "
            "'notification_id'), %s)",
            [position],
        )
        _keep_names(connection, names)
        connection.execute("NOTIFY stored_events")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) ledger.stored_events")
    return position


def _keep_names(connection: psycopg.Connection[Any], names: list[UserName]) -> None:
    """What the write side keeps beside its events, so that it can go on from them."""
    connection.execute(
        "INSERT INTO ledger.account_head (account_id, changes) "
        "SELECT originator_id, 1 FROM ledger.stored_events "
        "WHERE topic = 'AccountOpened' ON CONFLICT DO NOTHING"
    )
    keys = "COPY ledger.person_key (user_id, key) FROM STDIN"
    with connection.cursor().copy(keys) as copy:
        for name in names:
            copy.write_row((name.user_id, name.person_key))
    with connection.cursor().copy(
        "COPY ledger.user_name "
        "(user_id, account_id, user_key, folded_key, folded_email) FROM STDIN"
    ) as copy:
        for name in names:
            account = account_id(
                name.folded_email.partition("@")[2][: -len(".example")]
            )
            texts = name.user_key, name.folded_key, name.folded_email
            copy.write_row((name.user_id, account, *texts))
