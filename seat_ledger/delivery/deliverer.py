"""Delivers events to subscribers: each in order, at least once, and none passed over.

A checkpoint moves behind each delivery, never before it; so whoever is killed delivers
an event again, under the same ``webhook-id``. A subscriber that fails is tried again
with growing pauses, and holds no other up; after the last attempt the event is a dead
letter, and the next one follows.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import orjson
import psycopg

from seat_ledger.delivery.cloud_event import CLOUD_EVENTS, cloud_event, event_id
from seat_ledger.delivery.webhook import (
    PATIENCE,
    NotDelivered,
    SubscriberLeft,
    Webhook,
    signature,
)
from seat_ledger.errors import LedgerError
from seat_ledger.store import subscriptions
from seat_ledger.store.event_feed import EventFeed, FedEvent
from seat_ledger.store.subscriptions import Subscription

AT_ONCE = 50
"""Events after which is looked whether the subscription was paused or set back."""
LONGEST_PAUSE = 6 * 3600.0
_SPREAD = 0.1
Notify = Callable[..., None]


class RetryPolicy(NamedTuple):
    """When to try again: pauses that grow fourfold, and how often at most."""

    first: float = 5.0
    attempts: int = 12
    patience: float = PATIENCE
    poll: float = 1.0

    def pause(self, attempts: int) -> float:
        """Seconds to wait after so many failures; not all at one moment."""
        spread = random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311  no secret
        return self._pause(attempts) * spread

    def remaining(self, attempts: int, seconds: float | None) -> float:
        """What is left of a pause; nothing where the clock was set back meanwhile."""
        longest = self._pause(max(attempts, 1)) * (1 + _SPREAD)
        return seconds if seconds and seconds <= longest else 0.0

    def _pause(self, attempts: int) -> float:
        return min(self.first * float(4 ** (attempts - 1)), LONGEST_PAUSE)


class Deliverer:
    """Delivers to one subscriber, in a thread of its own, until it is stopped."""

    def __init__(
        self,
        conninfo: str,
        subscription_id: str,
        policy: RetryPolicy,
        notify: Notify,
        stop: threading.Event,
    ) -> None:
        self.conninfo, self.subscription_id = conninfo, subscription_id
        self.policy, self.notify, self.stop = policy, notify, stop
        self._webhook: Webhook | None = None

    def run(self, *, until_head: bool = False) -> None:
        """Deliver until it is stopped, paused, or (`until_head`) nothing waits."""
        pause = 0.1
        while not self.stop.is_set():
            try:
                with subscriptions.opened(self.conninfo) as connection:
                    pause = 0.1
                    self._deliver_on(connection, until_head=until_head)
                    return
            except (psycopg.Error, LedgerError) as error:
                reason = str(error).strip()
                self.notify("disconnected", reason=reason, retry_in=round(pause, 1))
                self.stop.wait(pause)
                pause = min(pause * 2, 30.0)
            finally:
                if self._webhook is not None:
                    self._webhook.close()

    def _deliver_on(
        self, connection: subscriptions.Connection, *, until_head: bool
    ) -> None:
        is_announced = False
        while not subscriptions.take(connection, self.subscription_id):
            if not is_announced:
                self.notify("standing_by", subscription=self.subscription_id)
                is_announced = True
            if self.stop.wait(self.policy.poll):
                return
        feed = EventFeed(connection)
        feed.listen()
        while not self.stop.is_set() and self._step(feed, until_head=until_head):
            pass

    def _step(self, feed: EventFeed, *, until_head: bool) -> bool:
        """Deliver what is there, or wait; false where there is no more to do."""
        current = subscriptions.find(feed.connection, self.subscription_id)
        if current.state != "active":
            return False
        if pause := self.policy.remaining(current.attempts, current.seconds_to_wait):
            self.stop.wait(min(pause, self.policy.poll))
            return not until_head
        if events := feed.after(current.position, AT_ONCE):
            return self._deliver(feed, current, events)
        if feed.head() < current.position:
            self._go_back(feed)
        elif not until_head:
            feed.wait(self.policy.poll)
        return not until_head

    def _go_back(self, feed: EventFeed) -> None:
        """Follow a store that is not as far any more: an older one was restored."""
        head = feed.head()
        self.notify("set_back", subscription=self.subscription_id, position=head)
        subscriptions.go_back(feed.connection, self.subscription_id, head)

    def _deliver(
        self, feed: EventFeed, current: Subscription, events: list[FedEvent]
    ) -> bool:
        """Deliver some events, up to a failure; false where that is for good."""
        for event in events:
            if self.stop.is_set():
                return True
            try:
                self._send(feed, current, event)
            except SubscriberLeft:
                state = "gone"
                subscriptions.set_state(feed.connection, self.subscription_id, state)
                self.notify("subscriber_gone", subscription=self.subscription_id)
                return False
            except NotDelivered as failure:
                self._failed(feed, current, event, str(failure))
                return True
            if not subscriptions.advance(
                feed.connection, self.subscription_id, current.position, event.position
            ):
                return True  # set back meanwhile
            current = current._replace(position=event.position, attempts=0)
        return True

    def _send(self, feed: EventFeed, current: Subscription, event: FedEvent) -> None:
        if self._webhook is None:
            self._webhook = Webhook(
                current.url,
                allow_private=current.allow_private,
                patience=self.policy.patience,
            )
        body = orjson.dumps(cloud_event(feed, event))
        webhook_id = event_id(feed, event)
        timestamp = int(time.time())
        self._webhook.post(
            body,
            {
                "Content-Type": CLOUD_EVENTS,
                "User-Agent": "seat-ledger",
                "webhook-id": webhook_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature(
                    current.secret, webhook_id, timestamp, body
                ),
            },
        )

    def _failed(
        self, feed: EventFeed, current: Subscription, event: FedEvent, reason: str
    ) -> None:
        attempts = current.attempts + 1
        facts = {"subscription": self.subscription_id, "position": event.position}
        if attempts >= self.policy.attempts:
            subscriptions.bury(feed.connection, current, event.position, reason)
            self.notify("dead_letter", **facts, reason=reason, attempts=attempts)
            return
        pause = self.policy.pause(attempts)
        subscriptions.fail(
            feed.connection, self.subscription_id, attempts, reason, pause
        )
        self.notify("not_delivered", **facts, reason=reason, retry_in=round(pause, 1))


def deliver(  # noqa: PLR0913  what may be asked for
    conninfo: str,
    policy: RetryPolicy,
    notify: Notify,
    stop: threading.Event,
    *,
    only: list[str] | None = None,
    until_head: bool = False,
) -> None:
    """Deliver to every active subscriber until stopped, or until nothing waits.

    `only` names the subscribers that are delivered to; by default all.
    """
    threads: dict[str, threading.Thread] = {}
    while not stop.is_set():
        with suppress(psycopg.Error, LedgerError):
            with subscriptions.opened(conninfo) as connection:
                ids = subscriptions.active(connection, only)
            for subscription_id in ids:
                current = threads.get(subscription_id)
                if current is None or not current.is_alive():
                    threads[subscription_id] = _start(
                        Deliverer(conninfo, subscription_id, policy, notify, stop),
                        until_head=until_head,
                    )
        if until_head:
            break
        stop.wait(policy.poll)
    for thread in threads.values():
        thread.join()


def _start(deliverer: Deliverer, *, until_head: bool) -> threading.Thread:
    thread = threading.Thread(
        target=deliverer.run,
        kwargs={"until_head": until_head},
        name=f"deliver {deliverer.subscription_id}",
        daemon=True,
    )
    thread.start()
    return thread
