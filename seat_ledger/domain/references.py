"""Whom a reference means: a key exactly, an e-mail without case, and never a guess.

Both sides of the ledger resolve references here (R35). A text that is one user's key
and another's e-mail, however either is written, is refused with both named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from seat_ledger.domain.values import fold, shown
from seat_ledger.domain.wording import enumerated
from seat_ledger.errors import CommandRefused

P = TypeVar("P")


class Called(NamedTuple, Generic[P]):
    """Who was ever called so: by this very key, by this e-mail, and by a key that
    differs from it only as folding lets it.
    """

    keyed: Sequence[P]
    mailed: Sequence[P]
    nearly: Sequence[P] = ()

    @property
    def people(self) -> list[P]:
        """Those whom the reference can mean."""
        return [
            *self.keyed,
            *(person for person in self.mailed if person not in self.keyed),
        ]

    @property
    def rivals(self) -> list[P]:
        """Those who could be taken for them: a key nearly so beside an e-mail."""
        if self.keyed or not self.mailed:
            return []
        return [person for person in self.nearly if person not in self.mailed]


def meant(
    reference: str,
    called: Called[P],
    *,
    present: Callable[[P], bool],
    stay: Callable[[P], Any],
    name: Callable[[P], tuple[str, str]],
) -> P | None:
    """The one present, else the last one before; None where nobody was.

    `stay` orders those who were there by then and is None for all others; `name`
    gives key and e-mail. Raises CommandRefused (``ambiguous_user``).
    """
    people, rivals = called.people, called.rivals
    everybody = [person for person in (*people, *rivals) if stay(person) is not None]
    there = [person for person in everybody if present(person)]
    if not there and everybody:
        there = [max(everybody, key=stay)]
    if len(there) > 1 or (there and there[0] in rivals):
        others = [person for person in people if person not in there]
        raise ambiguous(reference, [name(person) for person in [*there, *others]])
    return there[0] if there else None


def persons_first(mailed: Sequence[P], is_service: Callable[[P], bool]) -> list[P]:
    """Whom an e-mail can mean: persons, or services where no person has it (R99)."""
    persons = [user for user in mailed if not is_service(user)]
    return persons or list(mailed)


def ambiguous(reference: str, names: Sequence[tuple[str, str]]) -> CommandRefused:
    """The refusal of a reference that is one user's key and another's e-mail, the
    e-mail of several services, or, inside a batch that renames, the key of two users.
    """
    named = names[:2]
    users = enumerated(f"{shown(key)} ({shown(email)})" for key, email in named)
    keyed = sum(fold(key) == fold(reference) for key, _ in named)
    return CommandRefused(
        "ambiguous_user",
        f"{shown(reference)} is {_CALLED[min(keyed, 2)]}: {users}.",
        try_="use a key or e-mail that only this user has",
    )


_CALLED = (
    "the e-mail of two users",
    "one user's key and another's e-mail",
    "the key of two users",
)
"""What a reference is, by how many of two users have it as their key."""


__all__ = ["Called", "ambiguous", "meant", "persons_first"]
