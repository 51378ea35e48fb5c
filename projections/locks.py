"""The advisory locks of the ledger's database, and what holding each one means."""

from __future__ import annotations

APPEND_LOCK = 7365617431
"""Every append holds it; the store names it too, and a test compares."""

CATCH_UP_LOCK = 7365617432
"""Whoever moves a checkpoint, or switches generations, holds it to the commit."""

INSTALL_LOCK = 7365617433
"""Whoever makes the first generation holds it."""

REBUILD_LOCK = 7365617434
"""One rebuild at a time holds it, for its whole session."""

FOLLOW_LOCK = 7365617435
"""Of several followers the one at work holds it, for its whole session."""
