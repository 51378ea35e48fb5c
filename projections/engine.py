"""The engine's doors: what other rooms call to keep the projections."""

from __future__ import annotations

from projections.catalogue import TOPICS
from projections.catch_up import catch_up
from projections.generation import install
from projections.locks import APPEND_LOCK
from projections.status import made_at, status

__all__ = ["APPEND_LOCK", "TOPICS", "catch_up", "install", "made_at", "status"]
