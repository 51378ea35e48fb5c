"""What may be meant by a name that there is not: the names most like it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from seat_ledger.domain.values import fold, shown

MOST = 3
"""So many names are offered at most."""
_ALMOST = 0.75
"""From 0 to 1: how like a name another has to be, to be meant by it."""


def nearest(text: str, names: Iterable[str]) -> list[str]:
    """The names that are most like a text, without regard to case."""
    return nearest_of(text, {fold(name): name for name in names})


def nearest_of(text: str, called: Mapping[str, str]) -> list[str]:
    """The same of things that have several names each: folded names, and what each is
    a name of.
    """
    near = difflib.get_close_matches(fold(text), called, 2 * MOST, _ALMOST)
    return list(dict.fromkeys(called[name] for name in near))[:MOST]


def did_you_mean(names: Sequence[str]) -> str:
    """A question before what else to try; empty where nothing is like it."""
    return f"did you mean {' or '.join(map(shown, names))}? " if names else ""
