"""Where an account is, so that a command is recorded on nothing but what it saw."""

from __future__ import annotations

import secrets
from typing import NamedTuple


class Head(NamedTuple):
    """How many appends an account has seen, and the mark of the last.

    The number alone is no identity: others count up to it too, once an older backup
    was restored. The mark is random, and chosen by who appends.
    """

    changes: int
    mark: int

    def following(self) -> Head:
        """Where the account will be after an append of ours."""
        return Head(self.changes + 1, secrets.randbits(62))


NO_HEAD = Head(0, 0)
"""Where an account is that nothing was recorded of."""
