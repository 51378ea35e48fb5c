"""Random histories in zones of every kind, given to the store and to the oracle.

Midnights are skipped or come twice, dates are skipped, offsets are no whole hours;
instants lie at, just before and just after local midnights.
"""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from seat_ledger.commands.service import CommandService
from seat_ledger.errors import CommandRefused
from tests.oracle.dates import first_instant
from tests.oracle.entries import Entry
from tests.oracle.oracle import Oracle

COMMANDS = 26
ZONES = {
    "Africa/Cairo": "2025-04-10",  # 25 April has no midnight
    "America/Havana": "2025-10-05",  # 2 November has two
    "America/Los_Angeles": "2025-10-20",
    "America/St_Johns": "2006-10-05",  # 29 October: back over midnight
    "Asia/Beirut": "2025-03-15",  # 30 March has no midnight
    "Asia/Kathmandu": "2025-03-05",
    "Asia/Kolkata": "2025-01-31",
    "Australia/Lord_Howe": "2025-03-20",  # half an hour back
    "Europe/Amsterdam": "2025-03-05",
    "Pacific/Apia": "2011-12-05",  # 30 December does not exist
    "UTC": "2024-02-29",
}
PRO, STARTER = "sales/professional", "sales/starter"
USERS = ("ann", "bob", "cas", "dee")
US = timedelta(microseconds=1)
numbers = itertools.count(1)


class History:
    """One account in the store, told to the oracle too; it writes its own commands.

    One that is `settled` changes neither policy nor zone, and waits to be told on.
    """

    def __init__(
        self, ledger: CommandService, random: Random, *, settled: bool = False
    ) -> None:
        self.ledger, self.random, self.oracle = ledger, random, Oracle()
        self.settled = settled
        self.together = random.choice([0, 0, 0.7])
        self.account = f"c{next(numbers)}"
        self.zone = random.choice(list(ZONES))
        self.start = date.fromisoformat(ZONES[self.zone])
        self.script: list[dict[str, Any]] = []
        self.now = self.at(0)
        self.run(
            {
                "op": "open_account",
                "name": "C",
                "time_zone": self.zone,
                "term_start": self.start.isoformat(),
                "term_months": random.choice([2, 5, 12]),
                "billing_cycle_months": random.choice([1, 1, 2]),
            }
        )
        self.run(self.buy(3, 0))
        for user in USERS:
            self.run(
                {
                    "op": "add_user",
                    "user": user,
                    "email": f"{user}@x.example",
                    "name": user,
                    "effective_at": text(self.at(0)),
                }
            )
        self.go_on(0 if settled else COMMANDS)

    def go_on(self, commands: int) -> None:
        for _ in range(commands):
            if self.random.random() >= self.together:
                self.now += timedelta(hours=self.random.choice([0, 0, 1, 30, 90]))
            self.run(self.command())

    def at(self, days: int) -> datetime:
        return first_instant(self.start + timedelta(days=days), self.zone)

    def buy(self, quantity: int, days: int) -> dict[str, Any]:
        expected = {"seat_type": PRO, "quantity": quantity}
        return {"op": "buy_seats", **expected, "effective_at": text(self.at(days))}

    def when(self) -> str:
        """Now, or a local midnight soon after, or not quite."""
        random = self.random
        if random.random() < self.together:  # many things at one instant
            return text(self.now)
        days = (self.now - self.at(0)) // timedelta(days=1) + random.choice([0, 1, 2])
        midnight = max(self.now, self.at(days))
        near = midnight + random.choice([timedelta(), US, timedelta(hours=7)])
        instant = random.choice([self.now, near, near])
        self.now = instant
        if random.random() < (0.5 if self.settled else 0.2):  # late
            instant = self.at(random.randrange(1, 40))
            instant += random.choice([-US, timedelta(), timedelta(minutes=90)])
        return text(instant)

    def command(self) -> dict[str, Any]:
        random = self.random
        user, seat_type = random.choice(USERS), random.choice([PRO, PRO, PRO, STARTER])
        held = {"user": user, "seat_type": seat_type, "effective_at": self.when()}
        kind = random.choice(
            ["assign"] * 5 + ["unassign"] * 5 + ["batch", "buy", "reduce", "renew"]
            + ["reverse", "reverse", *([] if self.settled else ["policy", "zone"])]
        )  # fmt: skip
        if kind in {"assign", "unassign"}:
            more = {"buy_if_needed": True} if kind == "assign" else {}
            return {"op": f"{kind}_seat", **held, **more}
        at = {"effective_at": held["effective_at"]}
        several = {"seat_type": seat_type, "quantity": random.randint(1, 2), **at}
        if kind == "batch":
            lines = [
                {"op": "unassign_seat", "user": user, "seat_type": seat_type},
                {
                    "op": "assign_seat",
                    "user": random.choice([user, *USERS]),
                    "seat_type": random.choice([PRO, STARTER]),
                    "buy_if_needed": True,
                },
            ]
            return {"op": "batch", "commands": lines, **at}
        if kind == "reverse":
            entries = self.oracle.books[self.account].entries
            if self.settled:
                entries = [e for e in entries if e.topic != "BillingPolicyChanged"]
            entry = random.choice(entries[-8:]).position
            return {"op": "reverse", "entry": entry, "reason": "wrong"}
        return {
            "buy": {"op": "buy_seats", **several},
            "reduce": {"op": "reduce_seats", **several},
            "renew": {"op": "renew", **at},
            "policy": {"op": "set_billing_policy", "mode": random.choice(MODES), **at},
            "zone": {"op": "set_time_zone", "time_zone": "Asia/Kolkata", **at},
        }[kind]

    def run(self, command: dict[str, Any]) -> None:
        """Give the command to both; what the oracle refuses the product does too."""
        command = {"account": self.account, **command}
        self.script.append(command)
        expected = self.oracle.execute(command)
        result, refused = self.attempt(command)
        assert expected.accepted == (refused is None), self.message(f"{refused}")
        if result is None:
            return
        recorded = [*result.due, *result.events]
        assert len(recorded) == len(expected.entries), self.message("other entries")
        theirs = sorted(recorded, key=_signature)
        ours = sorted(expected.entries, key=_model_signature)
        positions = {id(e): r.position for e, r in zip(ours, theirs, strict=True)}
        self.oracle.recorded([positions[id(entry)] for entry in expected.entries])

    def attempt(self, command: dict[str, Any]) -> tuple[Any, CommandRefused | None]:
        try:
            return self.ledger.execute(command), None
        except CommandRefused as refused:
            return None, refused

    def message(self, what: str) -> str:
        return "\n".join([what, self.zone, *map(str, self.script)])


MODES = ("peak", "day_touch", "contracted", "time_weighted")


def _signature(recorded: Any) -> tuple[Any, ...]:
    event = recorded.event
    seat = getattr(event, "seat_type", ""), getattr(event, "number", 0)
    person = recorded.user if seat[1] == 0 or hasattr(event, "user") else ""
    return recorded.topic, event.effective_at, *seat, person or ""


def _model_signature(entry: Entry) -> tuple[Any, ...]:
    fields = entry.fields
    seat = fields.get("seat_type", ""), fields.get("number", 0)
    person = fields["user"].key if "user" in fields else ""
    return entry.topic, entry.at, *seat, person


def text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
