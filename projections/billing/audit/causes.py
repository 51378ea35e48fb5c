"""The entries behind a finding: what changed since, or what makes up the figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from seat_ledger.domain.values import FOREVER
from seat_ledger.projections.billing.audit.figures import CONTRACT
from seat_ledger.projections.billing.intervals import CountedInterval, Reversal, changes
from seat_ledger.projections.periods import PeriodRow
from seat_ledger.projections.reader import ConnectedReader, Knowledge, Row, utc

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
    reader: ConnectedReader, questions: Sequence[CauseQuery], known_at: Knowledge
) -> list[list[int]]:
    """The entries that open and close the parts of each figure (R63)."""
    entries: list[list[int]] = [[] for _ in questions]
    for kind, batch in _by_family(questions):
        name = "own_contract" if kind == CONTRACT else "own_held"
        for row in reader.ask("billing/audit", name, known_at, **_arrays(batch)):
            entries[row["n"]] = row["entries"]
    return entries


def since(
    reader: ConnectedReader, questions: Sequence[CauseQuery], known_at: Knowledge
) -> list[list[int]]:
    """What was recorded after issue, up to what is known, and changes each figure.

    Of each seat that was touched since, the intervals are compared as known then and
    now.
    """
    entries: list[list[int]] = [[] for _ in questions]
    for kind, batch in _by_family(questions):
        recorded: dict[int, list[Row]] = {n: [] for n, _ in batch}
        for row in reader.ask(
            "billing/audit",
            "recorded_since",
            topics=_TOPICS[kind == CONTRACT],
            until_position=known_at.position,
            **_arrays(batch),
        ):
            recorded[row["n"]].append(row)
        states = _states(reader, kind, dict(batch), recorded, known_at)
        for n, question in batch:
            turned = [
                Reversal(row["position"], row["root"])
                for row in recorded[n]
                if row["root"] is not None
            ]
            within = (question.period.starts, question.period.ends)
            was, now = (
                states.get((n, at), []) for at in (question.issued, known_at.position)
            )
            entries[n] = sorted(changes(was, now, turned, within, question.issued))
    return entries


def _states(
    reader: ConnectedReader,
    kind: str,
    questions: dict[int, CauseQuery],
    recorded: dict[int, list[Row]],
    known_at: Knowledge,
) -> dict[tuple[int, int], list[CountedInterval]]:
    """The intervals of the seats that were touched, as known at issue and now."""
    states_of = [
        (n, number, position)
        for n, rows in recorded.items()
        for number in sorted({row["number"] for row in rows})
        for position in {questions[n].issued, known_at.position}
    ]
    params: dict[str, Any] = {
        "ns": [n for n, _, _ in states_of],
        "account_nos": [questions[n].period.account_no for n, _, _ in states_of],
        "seat_types": [questions[n].seat_type for n, _, _ in states_of],
        "numbers": [number for _, number, _ in states_of],
        "known_positions": [position for _, _, position in states_of],
    }
    name = "lives_known" if kind == CONTRACT else "held_known"
    states: dict[tuple[int, int], list[CountedInterval]] = {}
    for row in reader.ask("billing/audit", name, **params) if states_of else ():
        question = questions[row["n"]]
        interval = CountedInterval(
            question.seat_type,
            row["number"],
            row["user_no"],
            utc(row["since"]),
            utc(row["until"]) or FOREVER,
            row["opened"],
            row["closed"],
        )
        states.setdefault((row["n"], row["known_position"]), []).append(interval)
    return states


def _by_family(
    questions: Sequence[CauseQuery],
) -> Iterable[tuple[str, list[tuple[int, CauseQuery]]]]:
    kinds = dict.fromkeys(question.family for question in questions)
    for kind in kinds:
        yield (
            kind,
            [
                (n, question)
                for n, question in enumerate(questions)
                if question.family == kind
            ],
        )


def _arrays(batch: Sequence[tuple[int, CauseQuery]]) -> dict[str, Any]:
    return {
        "ns": [n for n, _ in batch],
        "account_nos": [question.period.account_no for _, question in batch],
        "seat_types": [question.seat_type for _, question in batch],
        "starts": [question.period.starts for _, question in batch],
        "ends": [question.period.ends for _, question in batch],
        "issued": [question.issued for _, question in batch],
    }
