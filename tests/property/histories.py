"""Random histories: commands that are often accepted, at instants that often meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from tests.oracle.books import Book
from tests.oracle.dates import FAR
from tests.oracle.entries import Entry
from tests.oracle.oracle import Oracle
from tests.oracle.timeline import Interval

ZONES = {
    "Europe/Amsterdam": "2025-01-31",
    "America/Havana": "2025-01-02",
    "Asia/Beirut": "2024-12-30",
    "America/St_Johns": "2006-10-29",
    "Pacific/Apia": "2011-11-30",
    "Australia/Lord_Howe": "2025-02-28",
    "America/Los_Angeles": "2025-01-05",
    "Africa/Cairo": "2024-02-29",
    "UTC": "2025-03-05",
}
TYPES = ("sales/professional", "sales/starter", "service/enterprise")
KEYS = ("ann", "bob", "cas", "dee")
US = timedelta(microseconds=1)
TOGETHER = (0.0, 0.0, 0.6, 0.9)
"""How often, by history, a command falls on the instant of the one before it."""
FIRST: tuple[dict[str, Any], ...] = (
    {"op": "buy_seats", "seat_type": TYPES[0], "quantity": 3},
    {"op": "add_user", "user": "ann", "email": "ann@x.example", "name": "Ann"},
    {"op": "add_user", "user": "bob", "email": "bob@x.example", "name": "Bob"},
    {"op": "buy_seats", "seat_type": TYPES[2], "quantity": 2},
)


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def opening(random: Random, account: str) -> dict[str, Any]:
    zone = random.choice(list(ZONES))
    return {
        "op": "open_account",
        "account": account,
        "name": account,
        "time_zone": zone,
        "term_start": ZONES[zone],
        "term_months": random.choice([1, 2, 5, 12]),
        "billing_cycle_months": random.choice([1, 1, 2, 3]),
    }


class Author:
    """Writes one account's history, looking at what the oracle knows."""

    def __init__(self, random: Random, account: str, oracle: Oracle) -> None:
        self.random, self.account, self.oracle = random, account, oracle
        self.keys: list[str] = []
        self.commands = 0
        self.together = random.choice(TOGETHER)

    @property
    def book(self) -> Book:
        return self.oracle.books[self.account]

    def instants(self) -> list[datetime]:
        """A small pool, so that entries meet: bounds, renewals, others' instants."""
        opened, contract = self.dated()[0], self.book.contract()
        days = timedelta(days=9, hours=7)
        pool = [opened.at + n * days for n in range(8)]
        for number in (1, 2):
            renewal = contract.renewal(number)
            if renewal == FAR:  # the account ends before it
                continue
            pool += [renewal - US, renewal, renewal + timedelta(days=3)]
        second = contract.zones.bound(list(islice(contract.first_days(), 2))[1])[0]
        pool += [second, second - US]
        pool += [e.at for e in self.dated()[-4:]]
        return pool

    def dated(self) -> list[Entry]:
        """The entries that somebody dates; erasures have the store's own time."""
        return [e for e in self.book.entries if e.topic != "UserErased"]

    def open_holdings(self) -> list[Interval]:
        return [h for h in self.book.timeline().holdings if h.ends == FAR]

    def when(self) -> str:
        early = self.random.random() < 0.02
        instant = self.random.choice(self.instants())
        latest = max(e.at for e in self.dated())
        if self.random.random() < self.together:
            return _text(self.dated()[-1].at)
        if self.random.random() < 0.5:
            after = timedelta(hours=self.random.choice([0, 5]))
            instant = max(instant, latest + after)
        if early:
            instant = self.dated()[0].at - timedelta(days=1)
        return _text(instant)

    def command(self) -> dict[str, Any]:
        """The next command."""
        self.commands += 1
        random = self.random
        roll = random.random()
        if self.commands <= len(FIRST):
            command = dict(FIRST[self.commands - 1])
            command["effective_at"] = _text(self.book.contract().start())
        elif roll < 0.10:
            lines = [self.line() for _ in range(random.randint(2, 4))]
            for line in lines:
                if random.random() < 0.6:
                    line.pop("effective_at", None)
            command = {"op": "batch", "commands": lines, "effective_at": self.when()}
            command["reason"] = "together"
        elif roll < 0.14:
            command = {"op": "renew", "effective_at": self.when()}
        elif roll < 0.17:
            zone = random.choice(list(ZONES))
            command = {"op": "set_time_zone", "time_zone": zone}
            command["effective_at"] = self.when()
        elif roll < 0.21:
            command = self.erase()
        elif roll < 0.24:
            command = self.change()
            command["effective_at"] = self.when()
        else:
            command = self.line()
        command["account"] = self.account
        if random.random() < 0.3:
            key = f"k{self.commands}"
            self.keys.append(key)
            command["idempotency_key"] = key
        if random.random() < 0.1:
            command["actor"] = f"user:{random.choice(KEYS)}"
        return command

    def line(self) -> dict[str, Any]:
        random = self.random
        operations = ["assign"] * 3 + ["unassign"] * 2 + ["buy", "add", "reduce"]
        operations += ["cancel", "grant", "revoke", "remove", "permit", "keep"]
        operations += ["rename", "reverse", "reverse", "reverse"]
        operations += ["close"] * (random.random() < 0.2)
        operation = random.choice(operations)
        line = getattr(self, operation)()
        if line["op"] != "reverse":
            line["effective_at"] = self.when()
        return line

    def any_user(self) -> str:
        members = [person.key for person in self.book.people()]
        key = self.random.choice(members * 3 + list(KEYS))
        return f"{key.upper()}@X.example" if self.random.random() < 0.1 else key

    def any_type(self) -> str:
        return self.random.choice(TYPES[:1] * 3 + TYPES)

    def buy(self) -> dict[str, Any]:
        quantity = self.random.randint(1, 3)
        return {"op": "buy_seats", "seat_type": self.any_type(), "quantity": quantity}

    def add(self) -> dict[str, Any]:
        random, key = self.random, self.random.choice(KEYS)
        line = {"op": "add_user", "user": key, "name": key.title()}
        line["email"] = f"{random.choice([key, key, 'ann'])}@x.example"
        if random.random() < 0.2:
            line["kind"] = "service"
            if random.random() < 0.5:
                del line["email"]
        if random.random() < 0.3:
            line["seats"] = random.sample(TYPES, random.randint(1, 2))
            line["buy_if_needed"] = random.random() < 0.5
        if random.random() < 0.2:
            line["super_admin"] = True
        if random.random() < 0.3:
            line["account_access"] = True
        return line

    def assign(self) -> dict[str, Any]:
        random, seat_type = self.random, self.any_type()
        line = {"op": "assign_seat", "user": self.any_user(), "seat_type": seat_type}
        if random.random() < 0.2:
            line["seat"] = f"{seat_type}#{random.randint(1, 5)}"
        elif random.random() < 0.3:
            line["buy_if_needed"] = True
        return line

    def unassign(self) -> dict[str, Any]:
        held = self.open_holdings()
        if held and self.random.random() < 0.8:
            holding = self.random.choice(held)
            user, seat_type = holding.person.key, holding.seat_type
            line = {"op": "unassign_seat", "user": user, "seat_type": seat_type}
            if self.random.random() < 0.3:
                line["at_period_end"] = True
            return line
        return {
            "op": "unassign_seat",
            "user": self.any_user(),
            "seat_type": self.any_type(),
        }

    def keep(self) -> dict[str, Any]:
        """Cancel an unassignment, mostly of somebody who holds a seat."""
        held = self.open_holdings()
        if held and self.random.random() < 0.8:
            holding = self.random.choice(held)
            user, seat_type = holding.person.key, holding.seat_type
        else:
            user, seat_type = self.any_user(), self.any_type()
        return {"op": "cancel_unassignment", "user": user, "seat_type": seat_type}

    def rename(self) -> dict[str, Any]:
        random = self.random
        line = {"op": "rename_user", "user": self.any_user()}
        if random.random() < 0.5:
            line["new_user"] = random.choice((*KEYS, "eva"))
        if random.random() < 0.5:
            line["email"] = f"{random.choice((*KEYS, 'eva'))}@x.example"
        if len(line) == 2 or random.random() < 0.3:
            line["name"] = random.choice(("Eva", "Ann"))
        return line

    def reduce(self) -> dict[str, Any]:
        quantity = self.random.randint(1, 2)
        return {
            "op": "reduce_seats",
            "seat_type": self.any_type(),
            "quantity": quantity,
        }

    def cancel(self) -> dict[str, Any]:
        return {"op": "cancel_reduction", "seat_type": self.any_type()}

    def grant(self) -> dict[str, Any]:
        hub = self.random.choice(("sales", "service"))
        return {"op": "grant_hub_access", "user": self.any_user(), "hub": hub}

    def revoke(self) -> dict[str, Any]:
        hub = self.random.choice(("sales", "sales", "service"))
        return {"op": "revoke_hub_access", "user": self.any_user(), "hub": hub}

    def remove(self) -> dict[str, Any]:
        return {"op": "remove_user", "user": self.any_user()}

    def erase(self) -> dict[str, Any]:
        """Mostly of somebody without a seat, sometimes of somebody erased already."""
        holders = [holding.person for holding in self.open_holdings()]
        free = [p.key for p in self.book.people() if p not in holders]
        user = self.any_user()
        if free and self.random.random() < 0.8:
            user = self.random.choice(free)
        command = {"op": "erase_user", "user": user}
        if self.random.random() < 0.9:
            command["reason"] = "requested"
        return command

    def change(self) -> dict[str, Any]:
        """Other lengths or another anchor, mostly from the next renewal on."""
        random = self.random
        number = self.book.renewals() + random.choice([0, 1, 1, 1, 2])
        command: dict[str, Any] = {"op": "change_contract", "renewal": max(1, number)}
        if random.random() < 0.5:
            command["term_months"] = random.choice([1, 2, 3, 12])
        if random.random() < 0.5:
            command["billing_cycle_months"] = random.choice([1, 2, 5])
        if len(command) == 2 or random.random() < 0.3:
            day = self.dated()[0]["term_start"]
            year = day.year + random.choice([0, 0, 1])
            command["anchor"] = (
                f"{year}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
            )
        return command

    def close(self) -> dict[str, Any]:
        line: dict[str, Any] = {"op": "close_account"}
        if self.random.random() < 0.7:
            line["end_holdings"] = True
        return line

    def permit(self) -> dict[str, Any]:
        name = self.random.choice(("super_admin", "account_access"))
        return {
            "op": "set_permissions",
            "user": self.any_user(),
            name: self.random.random() < 0.7,
        }

    def reverse(self) -> dict[str, Any]:
        random = self.random
        line: dict[str, Any] = {"op": "reverse"}
        if random.random() < 0.95:
            line["reason"] = "wrong"
        if self.keys and random.random() < 0.2:
            line["entry_key"] = random.choice(self.keys)
        else:
            likely = [
                e.position
                for e in self.book.entries
                if e.topic not in ("AccountOpened", "ContractRenewed")
            ]
            recent = likely[-6:] or [1]
            line["entry"] = random.choice(recent + likely)
        return line
