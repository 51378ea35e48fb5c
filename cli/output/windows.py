"""How answers show that something rests on a window (R85, R89).

What was derived from a dated list happened somewhere in its window: a time has the
window's other end beside it, and a figure its least and its most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from seat_ledger.cli.output import times
from seat_ledger.cli.output.names import person_in

if TYPE_CHECKING:
    from seat_ledger.domain.calendar import ZoneHistory

Row = Mapping[str, Any]
OPEN_FIGURES = (
    "Between: what a figure may be in truth. Lists saw who held a seat at their times "
    "alone; each change happened somewhere in its window ('billing explain' and 'seat "
    "history' name them)."
)
"""The note below figures that rest on windows."""


def window_sentences(windows: Iterable[Row], zones: ZoneHistory) -> list[str]:
    """What a moment inside windows leaves open (R85), a sentence for each window."""
    sentences = []
    for window in windows:
        after = times.local(window["effective_after"], zones)
        at = times.local(window["effective_at"], zones)
        if window["change"] == "bought":
            sentences.append(
                f"{window['seat']}: it was not bought yet at {after}, and was by {at}."
            )
            continue
        person = person_in(window)
        states = ["without it", "with it"]
        if window["change"] == "unassigned":
            states.reverse()
        sentences.append(
            f"{window['seat']}: {person} was seen {states[0]} until {after}, and "
            f"{states[1]} by {at}."
        )
    return sentences


def is_open(row: Row, *names: str) -> bool:
    """Whether windows leave some of the figures open."""
    return any(row.get(least) != row.get(most) for least, most in map(_ends, names))


@cache
def _ends(name: str) -> tuple[str, str]:
    """Under what names a row has the least and the most of a figure."""
    return f"{name}_least", f"{name}_most"


def between(name: str, shown: Callable[[Any], str] = str) -> Callable[[Row], str]:
    """A cell with the least and the most of a figure; empty where both are one."""

    def cell(row: Row) -> str:
        if not is_open(row, name):
            return ""
        least, most = (shown(row[f"{name}_{end}"]) for end in ("least", "most"))
        return f"{least} to {most}"

    return cell


def between_columns(
    rows: Iterable[Row], name: str, shown: Callable[[Any], str] = str
) -> list[tuple[str, Callable[[Row], str]]]:
    """A column of what a figure may be, where windows leave one open."""
    has_open = any(is_open(row, name) for row in rows)
    return [("between", between(name, shown))] if has_open else []
