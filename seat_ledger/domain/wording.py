"""Words around numbers, for everybody who says something to people."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and what it counts: ``1 seat``, ``2 seats``, ``1,200 seats``.

    Noun and plural may have a verb: ``counted(n, "event is", "events are")``.
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def enumerated(texts: Iterable[str]) -> str:
    """Texts one after the other, as people write them: ``A, B and C``."""
    *others, last = [*texts] or [""]
    return f"{', '.join(others)} and {last}" if others else last
