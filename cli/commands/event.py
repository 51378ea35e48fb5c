"""The journal: what was recorded, replayed, reversed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from seat_ledger.cli.options.session import (
    COUNT,
    POSITION,
    Question,
    option_account,
    option_one_account,
    option_span,
    options_of,
    reading,
    reading_of_accounts,
    span_of,
)
from seat_ledger.cli.options.writing import options_of_writing, record, reversal
from seat_ledger.cli.output import times
from seat_ledger.cli.output.event_groups import EventGroup, grouped
from seat_ledger.cli.output.render import RECORD, Answer, Row, cells
from seat_ledger.commands.messages import MAX_BATCH
from seat_ledger.domain.events import EVENT_CLASSES
from seat_ledger.domain.wording import counted, enumerated

if TYPE_CHECKING:
    from seat_ledger.projections.journal.selection import EventSelection


@click.group(epilog="Example: seat-ledger event list -a acme --user ann --last 20")
def group() -> None:
    """The journal; reversals."""


@group.command(
    epilog="Example: seat-ledger event reverse 41-44 -a acme --reason 'wrong person'"
)
@click.argument("entries", metavar="[ENTRY|FIRST-LAST]...", nargs=-1)
@click.option(
    "--key",
    "entry_key",
    metavar="KEY",
    help="Reverse everything that the command with this idempotency key recorded.",
)
@option_account
@options_of_writing
def reverse(
    entries: tuple[str, ...],
    entry_key: str | None,
    account: str,
    *,
    dry_run: bool,
    **shared: Any,
) -> None:
    """Reverse entries, as if they had never been recorded; needs --reason.

    Several entries are reversed in one step: all of them or none.
    """
    positions = _positions(entries)
    if (not positions) == (entry_key is None):
        raise click.UsageError("Name either entries or the --key of a command.")
    command: dict[str, Any] = {"op": "reverse", "entry_key": entry_key}
    if positions:
        command = reversal(positions)
    record({**command, "account": account, **shared}, dry_run)


_ENTRIES = re.compile(r"#?(\d{1,18})(?:-#?(\d{1,18}))?", re.ASCII)


def _positions(entries: Iterable[str]) -> list[int]:
    """The positions that are named one by one, or as the first and the last."""
    positions: dict[int, None] = {}
    for text in entries:
        match = _ENTRIES.fullmatch(text)
        first, last = map(int, match.groups(match[1])) if match else (1, 0)
        if last < first or last - first >= MAX_BATCH:
            raise click.UsageError(
                f"{text!r} is not an entry: write a position such as 41, or the first "
                f"and the last of at most {MAX_BATCH:,}, 41-44."
            )
        positions |= dict.fromkeys(range(first, last + 1))
    return list(positions)


_COLUMNS: list[Any] = [
    *cells("entry=position", "recorded=recorded_at", "effective=effective_at"),
    ("after", lambda row: row["effective_after"] or ""),
    *cells(
        "event",
        "account",
        "user",
        "seat",
        "by=actor",
        "reason",
        "reversed_by",
    ),
]
_GROUP_COLUMNS: list[Any] = [
    ("entry", lambda group: group.entries),
    ("effective", lambda group: group.first["effective_at"]),
    ("after", lambda group: group.after or ""),
    ("recorded", lambda group: group.first["recorded_at"]),
    ("account", lambda group: group.first["account"]),
    ("what", lambda group: group.action),
    ("by", lambda group: group.first["actor"]),
    ("reason", lambda group: group.first["reason"]),
    ("reversed by", lambda group: group.reversed_by),
]


class EventTypes(click.Choice[str]):
    """The types of events; a word that is none is answered with the nearest."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The type that is meant. Raises BadParameter."""
        by_lower = {name.lower(): name for name in self.choices}
        word = str(value).lower()
        near = [name for name in by_lower if word in name]
        near += difflib.get_close_matches(word, by_lower, n=_NEAREST, cutoff=0.5)
        names = [by_lower[name] for name in dict.fromkeys(near)][:_NEAREST]
        meant = f"Did you mean {' or '.join(names)}? " if names else ""
        if word not in by_lower:
            self.fail(
                f"{value!r} is no type of event. {meant}All: seat-ledger help events",
                param,
                ctx,
            )
        return by_lower[word]

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem]:
        """The types that begin so, as they are written."""
        begun = incomplete.lower()
        return [
            CompletionItem(name)
            for name in self.choices
            if name.lower().startswith(begun)
        ]


_NEAREST = 4
option_selection = options_of(
    click.option("--user", metavar="USER", help="Only about this user."),
    click.option(
        "--seat", metavar="SEAT", help="Only about this seat, or HUB/TIER for its type."
    ),
    click.option(
        "--type",
        "topics",
        multiple=True,
        type=EventTypes(sorted(EVENT_CLASSES), case_sensitive=False),
        metavar="EVENT",
        help="Only events of this type, such as SeatAssigned; can be repeated.",
    ),
    click.option(
        "--actor", metavar="WHO", help="Only by this user, or by system:NAME."
    ),
    option_span,
    click.option(
        "--clock",
        type=click.Choice(["effective", "recorded"]),
        default="effective",
        show_default=True,
        help="By which of the two times --since, --until and --during select.",
    ),
)
"""Which events are meant; the console's page of events has the same."""


@group.command(
    "list", epilog="Example: seat-ledger event list -a acme --user ann --last 20"
)
@option_one_account
@option_selection
@click.option(
    "--from-position", type=POSITION, metavar="N", help="Start at this position."
)
@click.option(
    "--until-position", type=POSITION, metavar="N", help="Up to this position."
)
@click.option("--limit", type=COUNT, metavar="N", help="At most N events.")
@click.option("--last", type=COUNT, metavar="N", help="Only the last N events.")
@click.option("--reverse", is_flag=True, help="The last event first.")
@click.option(
    "--late",
    is_flag=True,
    help="Only events recorded after something with a later effective time.",
)
@reading
def list_(question: Question, account: str | None, **options: Any) -> Answer:
    """Events in the order of recording; a table shows those of a command together."""
    from seat_ledger.projections import journal  # noqa: PLC0415
    from seat_ledger.projections.journal.selection import EVERY_EVENT  # noqa: PLC0415

    selection = selected(question, options)
    last, limit = options["last"], options["limit"]
    if last is not None and limit is not None:
        raise click.UsageError("Use one of --last and --limit.")
    from_, until = options["from_position"], options["until_position"]
    if from_ is not None and until is not None and until < from_:
        raise click.UsageError("--until-position is before --from-position.")
    is_backwards = last is not None or options["reverse"]
    rows: Iterable[Row] = journal.listed(
        question.reader,
        question.knowledge,
        account=question.account if account else None,
        selection=selection,
        from_position=from_,
        until_position=until,
        limit=limit if last is None else last,
        late=options["late"],
        backwards=is_backwards,
    )
    if last is not None and not options["reverse"]:
        rows = [*rows][::-1]
    first = next(rows := iter(rows), None)
    rows = _resumed(first, rows)
    is_filtered = selection != EVERY_EVENT or options["late"]
    return question.answer(
        rows,
        _GROUP_COLUMNS,
        sentence=_selected_in_words(question, options, is_empty=first is None),
        in_table=_groups(question, rows, options["reverse"], beside=is_filtered),
    )


def _resumed(first: Row | None, others: Iterator[Row]) -> Iterator[Row]:
    """Rows whose first one was looked at."""
    if first is not None:
        yield first
        yield from others


def selected(question: Question, options: Mapping[str, Any]) -> EventSelection:
    """The events that the options name, with the account of the question."""
    from seat_ledger.projections.journal.selection import select  # noqa: PLC0415

    by_recording = options["clock"] == "recorded"
    if by_recording and question.options.get("known_at") is None:
        _, before = span_of(options, question.zones_now(), question.now)
        question.settle(before)
    since, before = span_of(options, question.zones, question.now)
    return select(
        question.reader,
        question.knowledge,
        question.account if question.options.get("account") else None,
        user=options["user"],
        seat=options["seat"],
        topics=options["topics"],
        actor=options["actor"],
        since=since,
        before=before,
        by_recording=by_recording,
    )


def _groups(
    question: Question, rows: Iterable[Row], backwards: bool, *, beside: bool
) -> Iterator[EventGroup]:
    """The rows by command; where they were selected, with what else it recorded."""
    from seat_ledger.projections import journal  # noqa: PLC0415

    ordered: Sequence[Row] = list(rows)[::-1] if backwards else list(rows)
    chosen = {row["position"] for row in ordered}
    if beside:
        ordered = journal.with_neighbours(question.reader, ordered, question.knowledge)
    groups = [
        group
        for group in grouped(ordered)
        if any(event["position"] in chosen for event in group.events)
    ]
    yield from reversed(groups) if backwards else groups


def _selected_in_words(
    question: Question, options: Mapping[str, Any], *, is_empty: bool
) -> str:
    """What is listed, in the order of the options."""
    since, before = span_of(options, question.zones, question.now)
    when = "recorded" if options["clock"] == "recorded" else "effective"
    words = {
        "of": question.options.get("account"),
        "of type": " or ".join(options["topics"]),
        "about": enumerated(filter(None, (options["user"], options["seat"]))),
        "by": options["actor"],
        f"{when} from": since and times.spelled(since, question.zones),
        "until" if since else f"{when} before": before
        and times.spelled(before, question.zones),
        "from position": options["from_position"],
        "up to position": options["until_position"],
    }
    named = "".join(
        f" {word} {name}" for word, name in words.items() if name not in {None, ""}
    )
    which = "Late events" if options["late"] else "Events"
    if is_empty:
        return f"No {which.lower()}{named}."
    if options["last"] is not None:
        which = f"The last {counted(options['last'], 'event')}"
    order = ", the last first" if options["reverse"] else ", in the order of recording"
    return f"{which}{named}{order}."


@group.command()
@click.argument("position", type=POSITION)
@option_one_account
@reading_of_accounts
def show(question: Question, position: int, **_: Any) -> Answer:
    """One event, with both clocks, its data, and what reversed it."""
    from seat_ledger.projections import journal  # noqa: PLC0415

    row = journal.show(
        question.reader, position, question.knowledge, question.account_nos
    )
    question.is_about_only(row["account"])
    shown = cells("event", "account", "effective=effective_at", "after=effective_after")
    shown += cells("recorded=recorded_at")
    shown += cells("by=actor", "reason", "user", "seat", "reversed_by")
    lines = [*((title, value(row)) for title, value in shown), *row["data"].items()]
    return question.answer(
        [row],
        RECORD,
        sentence=f"Entry {position}: {row['event']}.",
        in_table=[line for line in lines if line[1] is not None],
    )


@group.command()
@option_account
@click.option("--until", metavar="K", help="Stop at this position or moment.")
@click.option(
    "--order",
    type=click.Choice(["position", "effective"]),
    default="position",
    show_default=True,
    help="Sort by position (order of recording) or by effective time.",
)
@reading
def replay(question: Question, until: str | None, order: str, **_: Any) -> Answer:
    """Events one by one, with the totals as of each, as known after it."""
    from seat_ledger.projections import journal  # noqa: PLC0415

    knowledge = question.knowledge
    if until is not None:
        zones = question.account.zones
        knowledge = question.reader.knowledge(
            times.knowledge(until, zones, question.now)
        )
    rows = journal.replay(question.reader, question.account, knowledge, order)
    first = next(rows, None)
    columns = [
        *_COLUMNS[:-2],
        (
            "assigned of purchased",
            lambda row: ", ".join(
                f"{total['assigned']}/{total['purchased']} {total['seat_type']}"
                for total in row["totals"]
            ),
        ),
    ]
    by = "recording" if order == "position" else "application"
    sentence = (
        f"Events of {question.account.key} in the order of {by}, each with the totals "
        "as known after it."
    )
    if first is None:
        then = knowledge.position
        sentence = f"No events of {question.account.key} up to position {then}."
    return question.answer(_resumed(first, rows), columns, sentence=sentence)
