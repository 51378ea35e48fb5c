"""How the store refuses an append: by what the repository knows why."""

from __future__ import annotations

MOVED = "SL001"
"""SQLSTATE of ``ledger.claim_account``: somebody changed the account first."""

NOT_NEXT = "SL002"
"""SQLSTATE of an append whose version is not the next of its stream."""

BEHIND = "SL003"
"""SQLSTATE of an append that would stand before the last event."""

POSITION_INDEX = "stored_events_notification_id_idx"
"""The index that refuses a position that is taken."""
