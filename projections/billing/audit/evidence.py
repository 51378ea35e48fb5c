"""The entries behind a finding: what changed since, or what makes up the figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from projections.billing.audit.figures import CONTRACT
from projections.periods import PeriodRow
from projections.reader import Knowledge, Reader, Row

_TOPICS = {
    True: ["SeatPurchased", "SeatRetired"],
    False: ["SeatAssigned", "SeatUnassigned"],
}


class Question(NamedTuple):
    """Which figure, since which position, and which entries can touch it."""

    period: PeriodRow
    seat_type: str
    family: str
    issued: int


def own(
    reader: Reader, questions: Sequence[Question], known: Knowledge
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
    reader: Reader, questions: Sequence[Question], known: Knowledge
) -> list[list[int]]:
    """What was recorded after issue, up to what is known, and changes each figure.

    Of each seat that was touched, the stretches inside the period are compared as known
    then and now: what opens, closes or reverses one that differs is told.
    """
    found: list[list[int]] = [[] for _ in questions]
    for kind, some in _by_family(questions):
        given = _arrays(some)
        del given["starts"]
        recorded = reader.ask(
            "billing/audit",
            "recorded_since",
            topics=_TOPICS[kind == CONTRACT],
            upto=known.position,
            **given,
        )
        touched = {(row["n"], row["number"]) for row in recorded}
        changed = _changed(reader, kind, dict(some), touched, known)
        for row in recorded:
            if changed.get(row["n"], set()) & {row["position"], row["root"]}:
                found[row["n"]].append(row["position"])
    return [sorted(set(entries)) for entries in found]


def _changed(
    reader: Reader,
    kind: str,
    questions: dict[int, Question],
    touched: set[tuple[int, int]],
    known: Knowledge,
) -> dict[int, set[int]]:
    """The entries around each stretch that is not the same then and now."""
    asked = [
        (n, number, position)
        for n, number in sorted(touched)
        for position in {questions[n].issued, known.position}
    ]
    given: dict[str, Any] = {
        "ns": [n for n, _, _ in asked],
        "account_nos": [questions[n].period.account_no for n, _, _ in asked],
        "seat_types": [questions[n].seat_type for n, _, _ in asked],
        "starts": [questions[n].period.starts for n, _, _ in asked],
        "ends": [questions[n].period.ends for n, _, _ in asked],
        "numbers": [number for _, number, _ in asked],
        "knowns": [position for _, _, position in asked],
    }
    name = "lives_known" if kind == CONTRACT else "held_known"
    states: dict[tuple[Any, ...], list[Row]] = {}
    for row in reader.ask("billing/audit", name, **given):
        stretch = (row["n"], row["number"], row["user_no"], row["since"], row["until"])
        states.setdefault(stretch, []).append(row)
    changed: dict[int, set[int]] = {}
    for (n, *_), rows in states.items():
        if len({row["known"] for row in rows}) == 1:
            entries = changed.setdefault(n, set())
            for row in rows:
                entries.update(filter(None, (row["opened"], row["closed"])))
    return changed


def _by_family(
    questions: Sequence[Question],
) -> Iterable[tuple[str, list[tuple[int, Question]]]]:
    kinds = dict.fromkeys(one.family for one in questions)
    for kind in kinds:
        yield kind, [(n, one) for n, one in enumerate(questions) if one.family == kind]


def _arrays(some: Sequence[tuple[int, Question]]) -> dict[str, Any]:
    return {
        "ns": [n for n, _ in some],
        "account_nos": [one.period.account_no for _, one in some],
        "seat_types": [one.seat_type for _, one in some],
        "starts": [one.period.starts for _, one in some],
        "ends": [one.period.ends for _, one in some],
        "issued": [one.issued for _, one in some],
    }
