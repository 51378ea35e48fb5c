"""Events for other programs, as they are recorded."""

from __future__ import annotations

import sys

import click

from seat_ledger.cli.options.session import (
    POSITION,
    current_session,
    option_database,
    option_one_account,
)
from seat_ledger.cli.options.stopping import until_stopped
from seat_ledger.cli.output.render import to_json
from seat_ledger.cli.output.streams import write_data
from seat_ledger.domain.values import check_text

POLL = 1.0


@click.group(epilog="Example: seat-ledger events follow --after 0 --until-head")
def group() -> None:
    """Events for other programs, as they are recorded."""


@group.command(epilog="Example: seat-ledger events follow --after 41")
@click.option(
    "--after",
    type=POSITION,
    metavar="P",
    help="Begin after this position; by default after the last that is recorded.",
)
@option_one_account
@click.option("--until-head", is_flag=True, help="Stop at the last that is recorded.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["cloudevents"]),
    default="cloudevents",
    show_default=True,
    help="CloudEvents 1.0 as JSON, one a line.",
)
@option_database
def follow(after: int | None, account: str | None, until_head: bool, form: str) -> None:
    """Print events in the order of their positions, each once, and wait for more.

    Whoever has read up to an event goes on with --after and its data.position.
    Events name people by their ids; 'user history ID' tells who one is.
    """
    from seat_ledger.delivery.cloud_event import cloud_event  # noqa: PLC0415
    from seat_ledger.projections.reader import no_such_account  # noqa: PLC0415
    from seat_ledger.store.event_feed import EventFeed  # noqa: PLC0415
    from seat_ledger.store.subscriptions import opened  # noqa: PLC0415

    assert form == "cloudevents"
    if account is not None:
        check_text(account, "account")
    with opened(current_session().ready()) as connection, until_stopped() as stopping:
        feed = EventFeed(connection)
        feed.listen()
        if account is not None and not feed.has_account(account):
            raise no_such_account(account)
        if after is not None:
            feed.check_recorded(after)
        position = feed.head() if after is None else after
        while not stopping.is_set():
            for event in feed.every(position):
                if stopping.is_set():
                    break
                document = cloud_event(feed, event)
                if account is None or document.get("subject") == account:
                    write_data(to_json(document) + "\n", is_json=True)
                position = event.position
            sys.stdout.flush()
            if until_head:
                return
            feed.wait(POLL)
