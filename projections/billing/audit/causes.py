"""The entries behind a finding: what changed since, or what makes up the figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.billing.audit.figures import CONTRACT
from seat_ledger.projections.billing.intervals import CountedInterval, Reversal, changes
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import Knowledge, Reader, Row, utc

_TOPICS = {
    True: ["SeatPurchased", "SeatRetired"],
    False: ["SeatAssigned", "SeatUnassigned"],
}


class CauseQuery(NamedTuple):
    """Which figure, since which position, and which entries can touch it."""

    period: PeriodRow
    seat_type: str
    family: str
    issued: int


def own(
    reader: Reader, questions: Sequence[CauseQuery], known: Knowledge
) -> list[list[int]]:
    """The entries that open and close the parts of each figure (R63)."""
    found: list[list[int]] = [[] for _ in questions]
    for kind, some in _by_family(questions):
        name = "own_contract" if kind == CONTRACT else "own_held"
        given = _arrays(some)
        del given["issued"]
        for row in reader.ask("billing/audit", name, known, **given):
            found[row["n"]] = row["entries"]
    return found


def since(
    reader: Reader, questions: Sequence[CauseQuery], known: Knowledge
) -> list[list[int]]:
    """What was recorded after issue, up to what is known, and changes each figure.

    Of each seat that was touched since, the intervals are compared as known then and
    now.
    """
    found: list[list[int]] = [[] for _ in questions]
    for kind, some in _by_family(questions):
        given = _arrays(some)
        del given["starts"]
        recorded: dict[int, list[Row]] = {n: [] for n, _ in some}
        for row in reader.ask(
            "billing/audit",
            "recorded_since",
            topics=_TOPICS[kind == CONTRACT],
            upto=known.position,
            **given,
        ):
            recorded[row["n"]].append(row)
        states = _states(reader, kind, dict(some), recorded, known)
        for n, one in some:
            turned = [
                Reversal(row["position"], row["root"])
                for row in recorded[n]
                if row["root"] is not None
            ]
            within = (one.period.starts, one.period.ends)
            was, now = (states.get((n, at), []) for at in (one.issued, known.position))
            found[n] = sorted(changes(was, now, turned, within, one.issued))
    return found


def _states(
    reader: Reader,
    kind: str,
    questions: dict[int, CauseQuery],
    recorded: dict[int, list[Row]],
    known: Knowledge,
) -> dict[tuple[int, int], list[CountedInterval]]:
    """The intervals of the seats that were touched, as known at issue and now."""
    asked = [
        (n, number, position)
        for n, rows in recorded.items()
        for number in sorted({row["number"] for row in rows})
        for position in {questions[n].issued, known.position}
    ]
    given: dict[str, Any] = {
        "ns": [n for n, _, _ in asked],
        "account_nos": [questions[n].period.account_no for n, _, _ in asked],
        "seat_types": [questions[n].seat_type for n, _, _ in asked],
        "numbers": [number for _, number, _ in asked],
        "knowns": [position for _, _, position in asked],
    }
    name = "lives_known" if kind == CONTRACT else "held_known"
    states: dict[tuple[int, int], list[CountedInterval]] = {}
    for row in reader.ask("billing/audit", name, **given) if asked else ():
        one = questions[row["n"]]
        found = CountedInterval(
            one.seat_type,
            row["number"],
            row["user_no"],
            utc(row["since"]),
            utc(row["until"]) or FOREVER,
            row["opened"],
            row["closed"],
        )
        states.setdefault((row["n"], row["known"]), []).append(found)
    return states


def _by_family(
    questions: Sequence[CauseQuery],
) -> Iterable[tuple[str, list[tuple[int, CauseQuery]]]]:
    kinds = dict.fromkeys(one.family for one in questions)
    for kind in kinds:
        yield kind, [(n, one) for n, one in enumerate(questions) if one.family == kind]


def _arrays(some: Sequence[tuple[int, CauseQuery]]) -> dict[str, Any]:
    return {
        "ns": [n for n, _ in some],
        "account_nos": [one.period.account_no for _, one in some],
        "seat_types": [one.seat_type for _, one in some],
        "starts": [one.period.starts for _, one in some],
        "ends": [one.period.ends for _, one in some],
        "issued": [one.issued for _, one in some],
    }
