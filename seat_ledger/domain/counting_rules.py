"""The counting rules: how the seats of a period count, by mode and by shares (R53).

A mode is one entry of :data:`COUNTING_RULES`. What can be asked for, what is shown of a
figure and its parts, help and texts follow from it. Beside it a mode has a sum in
``projections/billing/figures.sql``, if none that is there will do, and says once more
what it counts of intervals in ``projections/billing/breakdown.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

GRANULARITIES = ("day", "second")
"""In which shares of a period a seat may count, where a mode has shares (R50)."""

SEATS = None
DAYS = "days"
TIME = "microseconds"


class Measure(NamedTuple):
    """What is counted of a row of figures: a column, and the one it is divided by.

    ``DAYS`` are the local dates of the period and ``TIME`` is its length; ``SEATS`` are
    divided by nothing. Where that is zero, nothing counts.
    """

    column: str
    over: str | None = SEATS


class CountingRule(NamedTuple):
    """A counting mode: what it measures by each of its granularities, and its words.

    The first granularity is the default; a mode without any has None alone. `columns`
    are those of a part that say when it counts. `of_contract`: it counts seats under
    contract, whoever holds them (R13); every other mode counts what is held.
    """

    measures: Mapping[str | None, Measure]
    words: Mapping[str, str]
    columns: tuple[str, ...] = ()
    of_contract: bool = False

    @property
    def granularities(self) -> tuple[str | None, ...]:
        """Its granularities; None alone where it has none."""
        return tuple(self.measures)

    @property
    def has_granularity(self) -> bool:
        """Whether one can be named with it (R50)."""
        return None not in self.measures


COUNTING_RULES: dict[str, CountingRule] = {
    "contracted": CountingRule(
        {
            "day": Measure("contracted_days", DAYS),
            "second": Measure("contracted_time", TIME),
        },
        {
            "en": "a seat counts from its purchase to its renewal, held or not",
            "nl": "een seat telt van aankoop tot verlenging, of iemand hem heeft "
            "of niet",
        },
        of_contract=True,
    ),
    "peak": CountingRule(
        {None: Measure("assigned_peak")},
        {
            "en": "the most seats that were held at once",
            "nl": "de meeste seats die tegelijk toegewezen waren",
        },
    ),
    "snapshot_end": CountingRule(
        {None: Measure("assigned_closing")},
        {
            "en": "the seats held just before the period's end",
            "nl": "de seats die vlak voor het einde van de periode toegewezen waren",
        },
    ),
    "start_plus_rises": CountingRule(
        {
            "day": Measure("rises_days", DAYS),
            "second": Measure("rises_time", TIME),
        },
        {
            "en": "the seats held at the start, and each rise above the highest number "
            "so far for the rest of the period",
            "nl": "de seats die aan het begin toegewezen waren, en elke stijging boven "
            "het hoogste aantal tot dan toe voor de rest van de periode",
        },
        columns=("at",),
    ),
    "time_weighted": CountingRule(
        {None: Measure("held_time", TIME)},
        {
            "en": "a seat counts for the time in which it was held",
            "nl": "een seat telt voor de tijd waarin hij toegewezen was",
        },
    ),
    "day_peak": CountingRule(
        {None: Measure("peak_days", DAYS)},
        {
            "en": "the mean of each local date's most seats held at once",
            "nl": "het gemiddelde van de meeste seats die op elke plaatselijke datum "
            "tegelijk toegewezen waren",
        },
        columns=("date", "at"),
    ),
    "day_touch": CountingRule(
        {None: Measure("touched_days", DAYS)},
        {
            "en": "each user counts on each local date on which they held a seat",
            "nl": "elke gebruiker telt op elke plaatselijke datum waarop die een "
            "seat had",
        },
    ),
    "distinct": CountingRule(
        {None: Measure("holders")},
        {
            "en": "every user who held a seat at all",
            "nl": "elke gebruiker die ooit een seat had",
        },
    ),
}
"""Every counting mode, in the order in which they are shown."""

MODES = tuple(COUNTING_RULES)
WITH_GRANULARITY = tuple(
    mode for mode, rule in COUNTING_RULES.items() if rule.has_granularity
)


def every_rule(granularity: str | None = None) -> list[tuple[str, str | None]]:
    """Each mode with each of its granularities, or with the one that is named."""
    return [
        (mode, part)
        for mode, rule in COUNTING_RULES.items()
        for part in rule.granularities
        if granularity in {None, part} or part is None
    ]


def measure(mode: str, granularity: str | None) -> Measure:
    """What a rule measures."""
    return COUNTING_RULES[mode].measures[granularity]


def is_of_contract(mode: str) -> bool:
    """Whether a mode counts seats under contract, and not what is held (R13)."""
    return COUNTING_RULES[mode].of_contract
