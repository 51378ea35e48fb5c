"""An event as others are told of it: a CloudEvent with ids and figures, and no person.

Whoever may know who a user is asks by the id (``user history ID``): so an erasure holds
for what was delivered before it, too.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from seat_ledger.store.event_feed import EventFeed, FedEvent

CLOUD_EVENTS = "application/cloudevents+json"
SHOWN = (
    *("seat_type", "quantity", "renewal", "entry", "root", "holds", "hub", "kind"),
    *("super_admin", "account_access", "time_zone", "term_start", "term_months"),
    *("billing_cycle_months", "anchor", "mode", "granularity", "invoice", "period"),
    *(
        "from",
        "until",
        "currency",
        "cut_off",
        "exclusive",
        "unit_price",
        "end_holdings",
    ),
)
"""Fields that name things and amounts, and never hold a text that somebody wrote."""
_USER = re.compile(r"user:([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)


def event_id(feed: EventFeed, event: FedEvent) -> str:
    """What is the same whenever an event is passed on, and of no other event.

    The position alone would not do: a store that was restored to what it was before
    gives positions again, whose events nobody may take for those of then.
    """
    recorded = int(event.recorded_at.timestamp() * 1_000_000)
    return f"evt_{feed.ledger_id.hex[:12]}_{recorded:x}_{event.position}"


def cloud_event(feed: EventFeed, event: FedEvent) -> dict[str, Any]:
    """The CloudEvent (1.0, JSON) of an event; its id is that of its webhook."""
    account = feed.account_of(event)
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(feed, event),
        "source": f"urn:uuid:{feed.ledger_id}",
        "type": f"seat-ledger.{event.topic}",
        "time": event.time,
        "datacontenttype": "application/json",
    }
    if account is not None:
        document["subject"] = account
    return {**document, "data": _data(event, account)}


def _data(event: FedEvent, account: str | None) -> dict[str, Any]:
    fields = event.fields
    data: dict[str, Any] = {
        "position": event.position,
        "event": event.topic,
        "recorded_at": event.time,
        "effective_at": fields.get("effective_at"),
        "account": account,
        "user": _user_of(event, fields),
        "seat": _seat_of(fields),
        "actor": _actor_of(fields),
    }
    shown = {name: fields[name] for name in SHOWN if fields.get(name) is not None}
    return {**data, **shown}


def _user_of(event: FedEvent, fields: dict[str, Any]) -> str | None:
    """The id of the user that it is about: named, or whose stream it stands in."""
    user = fields.get("user")
    if user is None and fields.get("account"):
        return str(event.stream)
    try:
        return None if user is None else str(UUID(str(user)))
    except ValueError:
        return None


def _seat_of(fields: dict[str, Any]) -> str | None:
    seat_type, number = fields.get("seat_type"), fields.get("number")
    return f"{seat_type}#{number}" if seat_type and number else None


def _actor_of(fields: dict[str, Any]) -> str:
    """A user by the id; of all others only that it was none: a login may be a name."""
    actor = str(fields.get("actor") or "")
    return actor if _USER.fullmatch(actor) else "system"
