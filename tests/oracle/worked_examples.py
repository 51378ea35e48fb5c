"""The worked examples of the rules, as commands and as questions with their answers.

They are data: anything that executes commands and answers questions can be held to
them. Times without an offset are local times of the account.

A step may have a label; `known_at` in a question means "knowing what was recorded up to
the end of the step with this label", and `"entry": "@label"` in a command means the
last position that the labelled step recorded.

Questions (`ask`), what they are about (`of`), and what is compared:

- `count`: period or window (`from`, `until`), seat_type, mode, granularity, price ->
  the keys of a row of `billing counts`; None when there must be no row;
- `periods`: rows of `billing periods`, the first so many, with the keys given;
- `who`: seat, as_of -> the user's key, or None;
- `history`: seat -> (user, held_from, held_until) of each holding;
- `totals`: seat_type, as_of -> keys of the totals;
- `renewal`: as_of -> number, date and instant of the next renewal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PRO = "sales/professional"
ACCOUNT = "e"
Command = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """A command, the code with which it must be refused, or a label for what it did."""

    command: Command
    code: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Question:
    """What is asked, and what must be answered."""

    ask: str
    of: dict[str, Any]
    answer: Any
    known_at: str | None = None


@dataclass(frozen=True)
class Example:
    """One worked example."""

    name: str
    steps: list[Step]
    questions: list[Question] = field(default_factory=list)


def opened(**facts: Any) -> Step:
    """Account E: a year from 5 March 2025, monthly, Amsterdam."""
    command = {
        "op": "open_account",
        "account": ACCOUNT,
        "name": "E",
        "time_zone": "Europe/Amsterdam",
        "term_start": "2025-03-05",
        "term_months": 12,
        "billing_cycle_months": 1,
    }
    return Step(command | facts)


def do(
    op: str,
    at: str | None,
    code: str | None = None,
    label: str | None = None,
    **of: Any,
) -> Step:
    """An operation at a time."""
    command = {"op": op, "account": ACCOUNT, **of}
    if at is not None:
        command["effective_at"] = at
    return Step(command, code, label)


def bought(quantity: int, at: str) -> Step:
    return do("buy_seats", at, seat_type=PRO, quantity=quantity)


def reduced(quantity: int, at: str, code: str | None = None) -> Step:
    return do("reduce_seats", at, code, seat_type=PRO, quantity=quantity)


def added(at: str, *users: str) -> list[Step]:
    return [
        do("add_user", at, user=user, email=f"{user}@e.example", name=user.title())
        for user in users
    ]


def assigned(at: str, *users: str, code: str | None = None) -> list[Step]:
    return [do("assign_seat", at, code, user=user, seat_type=PRO) for user in users]


def unassigned(at: str, *users: str, label: str | None = None) -> list[Step]:
    return [
        do("unassign_seat", at, label=label, user=user, seat_type=PRO) for user in users
    ]


def line(op: str, user: str, at: str | None = None) -> Command:
    """A line of a batch."""
    command = {"op": op, "user": user, "seat_type": PRO}
    return command if at is None else command | {"effective_at": at}


def people(first: int, last: int) -> list[str]:
    return [f"u{n}" for n in range(first, last + 1)]


def count(
    answer: dict[str, Any] | None,
    period: str | None = None,
    known_at: str | None = None,
    **of: Any,
) -> Question:
    """A figure; by default contracted, by the day, at 90.00 a seat and period."""
    facts = {"period": period, "seat_type": PRO, "mode": "contracted"}
    facts |= {"granularity": "day", "price": "90.00"}
    return Question("count", facts | of, answer, known_at)


def mode(name: str, granularity: str | None, exact: str, amount: str) -> Question:
    return count(
        {"quantity_exact": exact, "amount": amount},
        "2025-06-01",
        mode=name,
        granularity=granularity,
        price="18.00",
    )


def who(answer: str | None, as_of: str, number: int = 1, **known_at: str) -> Question:
    facts = {"seat": f"{PRO}#{number}", "as_of": as_of}
    return Question("who", facts, answer, known_at.get("known_at"))


def totals(as_of: str, **answer: int) -> Question:
    return Question("totals", {"as_of": as_of, "seat_type": PRO}, answer)


def periods(*rows: dict[str, Any]) -> Question:
    return Question("periods", {"first": len(rows)}, list(rows))


TERM = [
    ("2025-03-05", 31),
    ("2025-04-05", 30),
    ("2025-05-05", 31),
    ("2025-06-05", 30),
    ("2025-07-05", 31),
    ("2025-08-05", 31),
    ("2025-09-05", 30),
    ("2025-10-05", 31),
    ("2025-11-05", 30),
    ("2025-12-05", 31),
    ("2026-01-05", 31),
    ("2026-02-05", 28),
]
TEN = [
    opened(),
    bought(10, "2025-03-05 00:00"),
    *added("2025-03-05 00:00", *people(1, 10)),
    *assigned("2025-03-05 00:00", *people(1, 10)),
]
FOUR_LEFT = [*TEN, *unassigned("2025-06-18 14:00", *people(1, 4))]
JUNE = [
    opened(time_zone="UTC", term_start="2025-01-01"),
    bought(20, "2025-01-01"),
    *added("2025-01-01", *people(1, 22)),
    *assigned("2025-05-20 09:00", *people(1, 10)),
    *assigned("2025-06-13 12:00", *people(11, 16)),
    *unassigned("2025-06-16 12:00", *people(1, 8)),
    *assigned("2025-06-21 12:00", *people(17, 21)),
    *assigned("2025-06-26 12:00", *people(22, 22)),
]
ONE_SEAT = [
    opened(time_zone="UTC", term_start="2025-01-01"),
    bought(1, "2025-01-01"),
    *added("2025-01-01", "a", "b"),
]
LEFT = [
    *ONE_SEAT,
    Step(assigned("2025-06-01", "a")[0].command, label="invoice"),
    *unassigned("2025-06-16", "a", label="late"),
]
TRUE_DATE = do(
    "batch",
    None,
    label="true",
    reason="left five days later",
    commands=[
        {"op": "reverse", "entry": "@late"},
        line("unassign_seat", "a", "2025-06-21"),
    ],
)
EVERY_MODE = (
    ("peak", None),
    ("snapshot_end", None),
    ("start_plus_rises", "day"),
    ("start_plus_rises", "second"),
    ("time_weighted", None),
    ("day_peak", None),
    ("day_touch", None),
    ("distinct", None),
)


def weighted(amount: str, known_at: str | None = None) -> Question:
    return count(
        {"amount": amount},
        "2025-06-01",
        known_at,
        mode="time_weighted",
        granularity=None,
        price="30.00",
    )


EXAMPLES = [
    Example(
        "E01 twelve periods of ten",
        FOUR_LEFT,
        [
            periods(*({"period": day, "days": days} for day, days in TERM)),
            *(
                count({"days": days, "quantity_exact": "10/1", "amount": "900.00"}, day)
                for day, days in TERM
            ),
            totals("2025-06-18 13:59", purchased=10, assigned=10, available=0),
            totals("2025-06-18 14:00", purchased=10, assigned=6, available=4),
        ],
    ),
    Example(
        "E02 reduced at the renewal",
        [*FOUR_LEFT, reduced(3, "2025-06-20"), do("renew", "2026-03-05 00:00")],
        [
            totals("2025-06-20", purchased=10, pending_reduction=3),
            totals("2026-03-04 23:59", purchased=10, pending_reduction=3),
            totals("2026-03-05", purchased=7, assigned=6, pending_reduction=0),
            Question(
                "renewal",
                {"as_of": "2025-06-20"},
                {"renewal": 1, "date": "2026-03-05", "at": "2026-03-04T23:00:00Z"},
            ),
            count({"quantity_exact": "10/1", "closing": 10}, "2026-02-05"),
            count(
                {"quantity_exact": "7/1", "amount": "630.00", "opening": 7},
                "2026-03-05",
            ),
        ],
    ),
    Example(
        "E02 cancelled before the renewal",
        [
            *FOUR_LEFT,
            reduced(3, "2025-06-20"),
            do("cancel_reduction", "2026-02-01", seat_type=PRO),
            do("renew", "2026-03-05 00:00"),
        ],
        [count({"quantity_exact": "10/1"}, "2026-03-05")],
    ),
    Example(
        "E02 requested at the renewal",
        [*FOUR_LEFT, reduced(3, "2026-03-05 00:00")],
        [
            count({"quantity_exact": "10/1"}, "2026-03-05"),
            totals("2026-03-05", purchased=10, pending_reduction=3),
            Question(
                "renewal",
                {"as_of": "2026-03-05 00:00"},
                {"renewal": 2, "date": "2027-03-05", "at": "2027-03-04T23:00:00Z"},
            ),
        ],
    ),
    Example(
        "E03 pending seats are kept",
        [
            *TEN[:-1],
            *added("2025-04-01", "u11"),
            reduced(3, "2025-04-02", "not_enough_unassigned"),
            *unassigned("2025-04-03", "u8", "u9"),
            reduced(3, "2025-04-04"),
            *assigned("2025-04-05", "u11", code="reserved_for_reduction"),
        ],
        [totals("2025-04-05", purchased=10, assigned=7, pending_reduction=3)],
    ),
    Example(
        "E04 shares across a change of the clocks",
        [opened(), bought(10, "2025-03-05 00:00"), bought(3, "2025-03-20 10:00")],
        [
            count(
                {
                    "from": "2025-03-04T23:00:00Z",
                    "until": "2025-04-04T22:00:00Z",
                    "days": 31,
                    "seconds": 2_674_800,
                    "opening": 10,
                    "purchased": 3,
                    "retired": 0,
                    "closing": 13,
                    "quantity_exact": "358/31",
                    "amount": "1039.35",
                },
                "2025-03-05",
            ),
            count(
                {"quantity_exact": "8549/743", "amount": "1035.55"},
                "2025-03-05",
                granularity="second",
            ),
        ],
    ),
    Example(
        "E05 a share of a year",
        [opened(billing_cycle_months=12), bought(3, "2025-09-01")],
        [
            count(
                {"quantity_exact": "111/73", "amount": "1642.19"},
                "2025-03-05",
                price="1080.00",
            )
        ],
    ),
    Example(
        "E07 a microsecond before the bound",
        [opened(), bought(1, "2025-04-04 23:59:59.999999")],
        [
            count({"quantity_exact": "1/31", "amount": "2.90"}, "2025-03-05"),
            count({"amount": "0.00"}, "2025-03-05", granularity="second"),
            count({"amount": "90.00"}, "2025-04-05"),
        ],
    ),
    Example(
        "E07 exactly at the bound",
        [opened(), bought(1, "2025-04-05 00:00")],
        [
            count(None, "2025-03-05"),
            count({"opening": 1, "purchased": 0, "amount": "90.00"}, "2025-04-05"),
        ],
    ),
    Example(
        "E08 anchor on the 31st",
        [opened(term_start="2025-01-31")],
        [
            periods(
                {"period": "2025-01-31"},
                {"period": "2025-02-28"},
                {"period": "2025-03-31"},
                {"period": "2025-04-30"},
                {"period": "2025-05-31"},
                {"period": "2025-06-30"},
            )
        ],
    ),
    Example(
        "E08 anchor on the 30th",
        [opened(term_start="2025-01-30")],
        [
            periods(
                {"period": "2025-01-30"},
                {"period": "2025-02-28"},
                {"period": "2025-03-30"},
                {"period": "2025-04-30"},
            )
        ],
    ),
    Example(
        "E12 midnight comes twice",
        [opened(time_zone="America/Havana", term_start="2025-10-02")],
        [
            periods(
                {"until": "2025-11-02T04:00:00Z", "seconds": 2_678_400},
                {"from": "2025-11-02T04:00:00Z", "seconds": 2_595_600},
            )
        ],
    ),
    Example(
        "E13 moved to another zone",
        [
            opened(time_zone="America/Los_Angeles", term_start="2025-05-05"),
            do("set_time_zone", "2025-06-01", time_zone="Europe/Amsterdam"),
        ],
        [
            periods(
                {
                    "period": "2025-05-05",
                    "from": "2025-05-05T07:00:00Z",
                    "until": "2025-06-04T22:00:00Z",
                    "seconds": 2_646_000,
                    "days": 31,
                    "time_zone": "America/Los_Angeles",
                },
                {"from": "2025-06-04T22:00:00Z", "time_zone": "Europe/Amsterdam"},
            )
        ],
    ),
    Example(
        "E15 one June in every mode",
        JUNE,
        [
            mode("contracted", "day", "20/1", "360.00"),
            mode("contracted", "second", "20/1", "360.00"),
            mode("distinct", None, "22/1", "396.00"),
            mode("peak", None, "16/1", "288.00"),
            mode("snapshot_end", None, "14/1", "252.00"),
            mode("start_plus_rises", "day", "68/5", "244.80"),
            mode("start_plus_rises", "second", "27/2", "243.00"),
            mode("day_touch", None, "117/10", "210.60"),
            mode("day_peak", None, "117/10", "210.60"),
            mode("time_weighted", None, "341/30", "204.60"),
            count(
                {"assigned_opening": 10, "assigned_peak": 16, "assigned_closing": 14},
                "2025-06-01",
            ),
        ],
    ),
    Example(
        "E16 twice on one day",
        [
            *ONE_SEAT,
            *assigned("2025-06-27 10:00", "a"),
            *unassigned("2025-06-27 11:00", "a"),
            *assigned("2025-06-27 12:00", "a"),
            *unassigned("2025-06-27 13:00", "a"),
        ],
        [
            mode("day_touch", None, "1/30", "0.60"),
            mode("day_peak", None, "1/30", "0.60"),
            mode("time_weighted", None, "1/360", "0.05"),
            mode("distinct", None, "1/1", "18.00"),
        ],
    ),
    Example(
        "E18 for no time at all",
        [
            *ONE_SEAT,
            *assigned("2025-06-10 10:00:00.000001", "a"),
            *unassigned("2025-06-10 10:00:00.000001", "a"),
        ],
        [
            *(
                mode(name, granularity, "0/1", "0.00")
                for name, granularity in EVERY_MODE
            ),
            who(None, "2025-06-10 10:00:00.000001"),
            Question(
                "history",
                {"seat": f"{PRO}#1"},
                [("a", "2025-06-10T10:00:00.000001Z", "2025-06-10T10:00:00.000001Z")],
            ),
        ],
    ),
    Example(
        "E19 handed over in one batch",
        [
            *ONE_SEAT,
            *assigned("2025-06-01", "a"),
            *assigned("2025-06-20", "b", code="no_free_seat"),
            do(
                "batch",
                "2025-06-20",
                commands=[line("assign_seat", "b"), line("unassign_seat", "a")],
            ),
        ],
        [
            mode("peak", None, "1/1", "18.00"),
            who("a", "2025-06-19 23:59:59.999999"),
            who("b", "2025-06-20"),
        ],
    ),
    Example(
        "E20 handed over at the bound",
        [
            *ONE_SEAT,
            *assigned("2025-05-10", "a"),
            *unassigned("2025-07-01 00:00", "a"),
            *assigned("2025-07-01 00:00", "b"),
        ],
        [
            mode("snapshot_end", None, "1/1", "18.00"),
            mode("peak", None, "1/1", "18.00"),
            count(
                {"quantity_exact": "1/1"}, "2025-07-01", mode="peak", granularity=None
            ),
            count(
                {"quantity_exact": "1/1"},
                "2025-07-01",
                mode="distinct",
                granularity=None,
            ),
        ],
    ),
    Example(
        "E21 the late fact",
        LEFT,
        [
            weighted("30.00", "invoice"),
            weighted("15.00", "late"),
            weighted("15.00"),
            count({"amount": "30.00"}, "2025-06-01", "invoice", price="30.00"),
            count({"amount": "30.00"}, "2025-06-01", "late", price="30.00"),
            who("a", "2025-06-20 12:00", known_at="invoice"),
            who(None, "2025-06-20 12:00", known_at="late"),
        ],
    ),
    Example(
        "E22 the true date",
        [*LEFT, TRUE_DATE],
        [
            weighted("30.00", "invoice"),
            weighted("15.00", "late"),
            weighted("20.00", "true"),
            who(None, "2025-06-20 12:00", known_at="late"),
            who("a", "2025-06-20 12:00", known_at="true"),
        ],
    ),
    Example(
        "E25 a third of a period for three seats",
        [opened(time_zone="UTC", term_start="2025-01-01"), bought(3, "2025-06-21")],
        [
            count(
                {"quantity_exact": "1/1", "amount": "10.00"},
                "2025-06-01",
                price="10.00",
            )
        ],
    ),
    Example(
        "E25 a ratio is not rounded first",
        [opened(), bought(1000, "2025-04-04")],
        [
            count(
                {"quantity_exact": "1000/31", "amount": "290.32"},
                "2025-03-05",
                price="9.00",
            )
        ],
    ),
    Example(
        "E26 a past holding with an end",
        [
            opened(time_zone="UTC", term_start="2025-01-01"),
            bought(1, "2025-01-01"),
            *added("2025-01-01", "ann", "bob"),
            do(
                "batch",
                None,
                commands=[
                    line("assign_seat", "ann", "2025-03-10"),
                    line("unassign_seat", "ann", "2025-03-20"),
                ],
            ),
            *assigned("2025-03-01", "bob", code="no_free_seat"),
            do(
                "batch",
                None,
                commands=[
                    line("assign_seat", "bob", "2025-03-01"),
                    line("unassign_seat", "bob", "2025-03-05"),
                ],
            ),
        ],
        [who("bob", "2025-03-04"), who(None, "2025-03-05"), who("ann", "2025-03-10")],
    ),
    Example(
        "E28 a period across a renewal",
        [
            opened(time_zone="UTC", billing_cycle_months=5),
            bought(10, "2025-03-05"),
            reduced(3, "2025-06-01"),
            do("renew", "2026-03-05"),
        ],
        [
            count(
                {
                    "days": 151,
                    "retired": 3,
                    "closing": 7,
                    "quantity_exact": "1234/151",
                    "quantity": "8.172185430464",
                },
                "2026-01-05",
            )
        ],
    ),
]
