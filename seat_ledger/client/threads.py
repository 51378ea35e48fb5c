"""Methods for event loops: those of an object that waits, each called in a thread."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class InThreads:
    """An object whose methods are those of one that waits, called in threads."""

    def __init__(self, waiting: Any) -> None:
        self._waiting = waiting


def in_thread(
    method: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Make a method's other half: with its parameters and its documentation."""

    @functools.wraps(method)
    async def call(self: InThreads, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(method, self._waiting, *args, **kwargs)

    return call
