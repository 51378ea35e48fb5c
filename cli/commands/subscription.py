"""Subscribers to events, and the delivery to them by webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.session import (
    POSITION,
    FiniteNumber,
    current_session,
    option_database,
    options_of_answering,
    options_of_listing,
)
from seat_ledger.cli.options.stopping import until_stopped
from seat_ledger.cli.output.logs import log_writer
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.wording import counted

if TYPE_CHECKING:
    from seat_ledger.store.subscriptions import Subscription

_EXAMPLE = "seat-ledger subscription add https://hooks.example/seats"


@click.group(epilog=f"Example: {_EXAMPLE}")
def group() -> None:
    """Subscribers that hear of events by webhook."""


@group.command(epilog=f"Example: {_EXAMPLE}")
@click.argument("url")
@click.option(
    "--after",
    type=POSITION,
    metavar="P",
    help="Deliver what comes after this position; by default what comes from now on.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Allow http, and an address inside this network.",
)
@options_of_answering
def add(url: str, after: int | None, allow_private: bool) -> None:
    """Add a subscriber, and show its signing secret once.

    Deliveries are signed as Standard Webhooks has it, and made by 'deliver'.
    """
    from seat_ledger.delivery.webhook import check_url, secret_text  # noqa: PLC0415
    from seat_ledger.store import subscriptions  # noqa: PLC0415
    from seat_ledger.store.event_feed import EventFeed  # noqa: PLC0415

    check_url(url, allow_private=allow_private)
    with subscriptions.opened(current_session().ready()) as connection:
        if after is not None:
            EventFeed(connection).check_recorded(after)
        subscription_id, secret = subscriptions.add(
            connection, url, allow_private=allow_private, after=after
        )
        current = subscriptions.find(connection, subscription_id)
    row = {
        "subscription_id": subscription_id,
        "secret": secret_text(secret),
        "url": url,
        "position": current.position,
    }
    emit(
        Answer(
            [row],
            cells("subscription_id", "secret", "position"),
            sentence=f"{subscription_id} hears of every event after position "
            f"{current.position}.",
            notes=["Keep the secret now: it is not shown again."],
            next_command="seat-ledger deliver",
        )
    )


_COLUMNS = cells(
    *("subscription_id", "url", "state", "position", "behind", "dead_letters"),
    *("attempts", "last_error"),
)


@group.command("list")
@options_of_listing
def list_() -> None:
    """List the subscribers, how far each is, and what it did not take."""
    from seat_ledger.store import subscriptions  # noqa: PLC0415

    with subscriptions.opened(current_session().ready()) as connection:
        backlog = subscriptions.backlog(connection)
        rows = [_row(each, backlog) for each in subscriptions.listed(connection)]
    waiting = sum(1 for row in rows if row["behind"])
    sentence = f"{counted(len(rows), 'subscription')}, {waiting} of them behind."
    emit(Answer(rows, _COLUMNS, sentence=sentence))


def _row(current: Subscription, backlog: dict[str, tuple[int, int]]) -> dict[str, Any]:
    dead, behind = backlog.get(current.subscription_id, (0, 0))
    return {
        "subscription_id": current.subscription_id,
        "url": current.url.partition("?")[0],
        "state": current.state,
        "position": current.position,
        "behind": behind,
        "dead_letters": dead,
        "attempts": current.attempts,
        "last_error": current.last_error,
        "delivered_at": current.delivered_at,
        "created_at": current.created_at,
        "created_by": current.created_by,
    }


def _set_state(subscription_id: str, state: str) -> None:
    from seat_ledger.store import subscriptions  # noqa: PLC0415

    with subscriptions.opened(current_session().ready()) as connection:
        subscriptions.find(connection, subscription_id)
        subscriptions.set_state(connection, subscription_id, state)
    row = {"subscription_id": subscription_id, "state": state}
    columns = cells("subscription_id", "state")
    emit(Answer([row], columns, sentence=f"{subscription_id} is {state}."))


@group.command()
@click.argument("subscription_id", metavar="ID")
@options_of_answering
def pause(subscription_id: str) -> None:
    """Deliver nothing to a subscriber until it is resumed; nothing is lost."""
    _set_state(subscription_id, "paused")


@group.command()
@click.argument("subscription_id", metavar="ID")
@options_of_answering
def resume(subscription_id: str) -> None:
    """Resume delivery to a subscriber that was paused or answered that it was gone."""
    _set_state(subscription_id, "active")


@group.command()
@click.argument("subscription_id", metavar="ID")
@click.option(
    "--after",
    type=POSITION,
    metavar="P",
    help="Deliver again what comes after this position; by default from the first dead "
    "letter on.",
)
@options_of_answering
def replay(subscription_id: str, after: int | None) -> None:
    """Deliver events again, in order, under the same ids."""
    from seat_ledger.store import subscriptions  # noqa: PLC0415
    from seat_ledger.store.event_feed import EventFeed  # noqa: PLC0415

    with subscriptions.opened(current_session().ready()) as connection:
        subscriptions.find(connection, subscription_id)
        if after is None:
            first = subscriptions.first_dead(connection, subscription_id)
            after = None if first is None else first - 1
        else:
            EventFeed(connection).check_recorded(after)
        if after is not None:
            subscriptions.go_back(connection, subscription_id, after)
        current = subscriptions.find(connection, subscription_id)
    row = {"subscription_id": subscription_id, "position": current.position}
    emit(
        Answer(
            [row],
            cells("subscription_id", "position"),
            sentence=f"{subscription_id} hears again of what comes after position "
            f"{current.position}."
            if after is not None
            else f"{subscription_id} has no dead letter; name a position with --after.",
        )
    )


@click.command(epilog="Example: seat-ledger deliver")
@click.argument("subscriber", metavar="[URL|ID]", required=False)
@click.option(
    "--until-head",
    is_flag=True,
    help="Stop when nothing is waiting, or all that is waiting will be retried later.",
)
@click.option(
    "--first-retry",
    type=FiniteNumber(0.01, 3600),
    default=5.0,
    show_default=True,
    help="Seconds until a failed delivery is tried again; each pause is four times the "
    "one before, six hours at most.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=12,
    show_default=True,
    help="After so many failures an event is a dead letter, and the next follows.",
)
@click.option(
    "--timeout",
    type=FiniteNumber(0.1, 300),
    default=15.0,
    show_default=True,
    help="Seconds within which a subscriber has to answer.",
)
@click.option("--quiet", is_flag=True, help="Do not log.")
@option_database
def deliver(
    subscriber: str | None, until_head: bool, quiet: bool, **retries: Any
) -> None:
    """Deliver events to all subscribers, or to one, each in order and at least once.

    Of several that run, one delivers to a subscriber, and another takes over when it
    ends. Whatever ends it, nothing is passed over; what comes twice has the same
    webhook-id.
    """
    from seat_ledger.delivery import deliverer  # noqa: PLC0415
    from seat_ledger.store import subscriptions  # noqa: PLC0415

    log = log_writer(*_EVENTS) if quiet else log_writer()
    policy = deliverer.RetryPolicy(
        retries["first_retry"], retries["attempts"], retries["timeout"]
    )
    conninfo = current_session().ready()
    only = None
    if subscriber is not None:
        with subscriptions.opened(conninfo) as connection:
            only = subscriptions.called(connection, subscriber)
    log("delivering")
    with until_stopped() as stopping:
        deliverer.deliver(
            conninfo, policy, log, stopping, only=only, until_head=until_head
        )


_EVENTS = (
    *("delivering", "disconnected", "subscriber_gone", "dead_letter", "set_back"),
    *("not_delivered", "standing_by"),
)
