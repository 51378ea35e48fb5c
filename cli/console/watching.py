"""What needs attention, kept between requests: read once, then followed.

A page waits for the first reading of a large ledger no longer than a moment: it says
that the accounts are being read, and somebody looks again. A twin waits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime

from seat_ledger.cli.console.request import PageRequest
from seat_ledger.errors import LedgerError
from seat_ledger.projections.attention import Attention, advanced, attention
from seat_ledger.projections.reader import ConnectedReader, Knowledge
from seat_ledger.projections.reader.pool import PooledReader

PATIENCE = 0.5
"""Seconds that a page waits until all accounts are read."""
_MOST_STATES = 8

Lend = Callable[[], AbstractContextManager[PooledReader]]


class AttentionWatch:
    """The last states of all accounts, brought forward to what a request may know."""

    def __init__(self, lend: Lend) -> None:
        self._lend = lend
        self._lock = threading.Lock()
        self._states: list[Attention] = []
        self._reading: threading.Thread | None = None

    def at(self, request: PageRequest) -> Attention | None:
        """What needs attention by a request's moments; None while it is being read.

        Where a moment is fixed it is read for that request, of what it may see.
        """
        if request.has_as_of or not request.knowledge.is_head:
            return attention(*_moment(request), request.account_nos)
        if (state := self._followed(request)) is not None:
            return state
        self._begin().join(PATIENCE if request.wants_page else None)
        state = self._followed(request)
        if state is None and not request.wants_page:
            return attention(*_moment(request), request.account_nos)
        return state

    def _followed(self, request: PageRequest) -> Attention | None:
        """The newest state that can be brought forward to a request."""
        with self._lock:
            for before in reversed(self._states):
                state = advanced(before, *_moment(request))
                if state is not None:
                    self._keep(state)
                    return state
        return None

    def _keep(self, state: Attention) -> None:
        """Keep a state, in place of another at its position."""
        states = {(other.generation, other.position): other for other in self._states}
        states[state.generation, state.position] = state
        self._states = [states[place] for place in sorted(states)[-_MOST_STATES:]]

    def _begin(self) -> threading.Thread:
        """Read all accounts beside the requests, unless that is being done."""
        with self._lock:
            if self._reading is None or not self._reading.is_alive():
                self._reading = threading.Thread(target=self._read, daemon=True)
                self._reading.start()
            return self._reading

    def _read(self) -> None:
        try:
            with self._lend() as reader:
                state = attention(reader, reader.knowledge(), reader.database_now())
        except LedgerError:  # whoever asks again meets it, or finds it mended
            return
        with self._lock:
            self._keep(state)


def _moment(request: PageRequest) -> tuple[ConnectedReader, Knowledge, datetime]:
    return request.reader, request.knowledge, request.as_of
