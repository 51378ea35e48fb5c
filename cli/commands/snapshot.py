"""A dated list of who holds what, held against the ledger (R83 to R88)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from seat_ledger.cli.commands.convert import ACCOUNT, MAPPING, STREAM, USER, print_tally
from seat_ledger.cli.inputs.dated_list import Comparison, DatedList, compared, read_list
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.inputs.mapping_file import mapping_named
from seat_ledger.cli.options.session import (
    Session,
    current_session,
    default_actor,
    options_of_answering,
)
from seat_ledger.cli.options.writing import one_of_several
from seat_ledger.cli.output import times
from seat_ledger.cli.output.failures import advice
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, cells, harmless, print_message
from seat_ledger.cli.output.streams import write_data
from seat_ledger.domain.values import as_word, hub_of, iso, utc
from seat_ledger.domain.wording import counted
from seat_ledger.errors import CommandRefused

if TYPE_CHECKING:
    from seat_ledger.commands.execution import RecordedEvent, Result
    from seat_ledger.commands.service import CommandService
    from seat_ledger.sources.reconciliation import Change

ACCEPTABLE = ("empty", "missing-type", "page-left", "total", "vanished")
DIFFERS = 3


@click.command(
    epilog="Example: seat-ledger snapshot seats.json --with github-copilot-seats "
    "--account acme --taken-at 2026-11-30T02:00Z --check"
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@MAPPING
@click.option(
    "--taken-at",
    metavar="T",
    help="When the list was true, where it does not say so itself.",
)
@ACCOUNT
@USER
@STREAM
@click.option(
    "--accept",
    type=click.Choice(ACCEPTABLE),
    multiple=True,
    help="Accept the list as complete in spite of this sign that it is not.",
)
@click.option("--check", is_flag=True, help="Report the differences; record nothing.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the commands; record nothing. "
    "A refusal by a rule is reported, with exit 1.",
)
@options_of_answering
def snapshot(file: Path, **options: Any) -> None:
    """Make the ledger agree with a list of who held what at an instant.

    Who is gone is unassigned, who is new is added and assigned, who changed type both,
    who has another e-mail is renamed,
    in one batch an account. Each change has the window in which it happened: after the
    last evidence to the contrary, and by the list at the latest. With --check, exit 3
    means that list and ledger differ.
    """
    session = current_session()
    mapping, user = mapping_named(options["mapping"]), options["user"]
    with (
        input_file(file, "name a file that the source exported, or -") as opened,
        heartbeat("Reading"),
    ):
        listed = read_list(
            opened,
            harmless(file.name),
            mapping,
            options["account"],
            options={"--user": user} if user is not None else None,
            message_stream=options["stream"],
        )
    print_tally(listed.holders.tally)
    listed.check_whole(options["accept"])
    with heartbeat("Comparing"), session.reader(patient=True) as reader:
        comparisons = list(
            compared(reader, listed, options["taken_at"], options["accept"])
        )
    if options["check"]:
        rows = differences(comparisons)
    else:
        rows = outcomes(session, listed, comparisons, dry_run=options["dry_run"])
    answer = _answer(listed, comparisons, rows, options)
    if options["dry_run"] and session.format == "table":
        for command in answer.extra["commands"]:
            write_data(_json_line(command), is_json=True)
        for text in _refusals(rows):
            print_message(harmless(text))
        raise click.exceptions.Exit(answer.exit_code)
    emit(answer, session.format)


# -- recording -----------------------------------------------------------------------


class _Outcome(NamedTuple):
    """What became of the changes of an account."""

    word: str
    result: Result | None = None
    error: CommandRefused | None = None


def differences(comparisons: list[Comparison]) -> list[dict[str, Any]]:
    """A row for each change, by no rule judged: a reader may ask for them."""
    would = _Outcome("would_record")
    return [row for comparison in comparisons for row in _rows(comparison, would)]


def outcomes(
    session: Session,
    listed: DatedList,
    comparisons: list[Comparison],
    *,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    """Record each account's batch, or try to; a row for each change."""
    rows: list[dict[str, Any]] = []
    before = 0
    with session.ledger() as ledger:
        for comparison in comparisons:
            if comparison.position is None:
                with one_of_several(before):
                    outcome = _recorded(ledger, listed, comparison, dry_run)
                before += outcome.error is None and not dry_run
                rows += _rows(comparison, outcome)
    return rows


def _recorded(
    ledger: CommandService, listed: DatedList, comparison: Comparison, dry_run: bool
) -> _Outcome:
    command = comparison.command(listed)
    try:
        result = ledger.execute(command, default_actor=default_actor(), dry_run=dry_run)
    except CommandRefused as error:
        if not comparison.changes:
            raise
        return _Outcome("refused", error=error)
    if dry_run:
        return _Outcome("would_record")
    listed.position = result.positions[-1]
    return _Outcome("recorded", result=result)


def _rows(comparison: Comparison, outcome: _Outcome) -> Iterator[dict[str, Any]]:
    for change in comparison.changes:
        word = outcome.word if change.change != "fewer_bought" else "only_told"
        error = outcome.error
        yield {
            "account": comparison.facts.key,
            "user": change.user,
            "seat_type": change.seat_type,
            "change": change.change,
            "count": change.seats or None,
            "effective_after": change.after,
            "effective_at": change.at,
            "outcome": word,
            "positions": _positions(change, outcome.result),
            "code": error.code if error else None,
            "message": error.message if error else None,
            "try": _way_out(error, comparison) if error else None,
        }


def _way_out(error: CommandRefused, comparison: Comparison) -> str | None:
    """What to do next; where a list's person is known by another id, more than that."""
    address, taken_at = error.details.get("subject"), comparison.taken_at
    if error.code != "email_taken" or address is None:
        return error.try_
    return (
        "where the vendor gave a person a new id, end the old one: seat-ledger user "
        f"offboard {as_word(str(address))} --account {as_word(comparison.facts.key)} "
        f"--effective-at {iso(taken_at)}; otherwise give each vendor an account of its "
        "own: a person has another id with each, and an address belongs to one user of "
        "an account"
    )


def _positions(change: Change, result: Result | None) -> list[int]:
    """The events that record a change, and let its user in."""
    if result is None or change.change == "fewer_bought":
        return []
    return [
        event.position
        for event in result.events
        if event.position is not None and _is_of(change, event)
    ]


def _is_of(change: Change, recorded: RecordedEvent) -> bool:
    """Whether an event is of a change: of its user or its time, and of its type."""
    event = recorded.event
    seat_type = getattr(event, "seat_type", change.seat_type)
    if change.user is None:
        return (
            recorded.topic == "SeatPurchased"
            and seat_type == change.seat_type
            and utc(event.effective_at) == change.at
        )
    if recorded.user != change.user:
        return False
    if (recorded.topic == "UserRenamed") != (change.change == "renamed"):
        return False
    hub = hub_of(change.seat_type)
    is_of_hub = getattr(event, "hub", hub) == hub
    return is_of_hub and seat_type in {change.seat_type, change.leaves}


def _in_ranges(positions: list[int]) -> str | None:
    """Positions as a person reads them: 9-33, 40."""
    ranges: list[list[int]] = []
    for position in sorted(positions):
        if ranges and position == ranges[-1][-1] + 1:
            ranges[-1][1:] = [position]
        else:
            ranges.append([position])
    return ", ".join("-".join(map(str, ends)) for ends in ranges) or None


def _answer(
    listed: DatedList,
    comparisons: list[Comparison],
    rows: list[dict[str, Any]],
    options: dict[str, Any],
) -> Answer:
    first = comparisons[0]
    is_refused = any(row["outcome"] == "refused" for row in rows)
    document = {
        "source": listed.mapping.source,
        "taken_at": first.taken_at,
        "digest": listed.digest,
        "covers": first.covers,
        "rows": listed.holders.tally.rows,
        "holders": listed.count,
        "position": first.position or listed.position,
    }
    exit_code = 1 if is_refused else DIFFERS if options["check"] and rows else 0
    zones = first.facts.zones
    extra: dict[str, Any] = {"snapshot": document}
    if options["dry_run"]:
        extra["commands"] = [comparison.command(listed) for comparison in comparisons]
    return Answer(
        rows,
        _COLUMNS,
        sentence=_sentence(listed, comparisons, rows, options),
        notes=_refusals(rows) + ([times.clock(zones)] if rows else []),
        extra=extra,
        exit_code=exit_code,
        zones=zones,
    )


def _refusals(rows: list[dict[str, Any]]) -> list[str]:
    """Why what was refused was, and what to do about it; each text once."""
    refused = [row for row in rows if row["outcome"] == "refused"]
    return [
        *dict.fromkeys(row["message"] for row in refused),
        *dict.fromkeys(advice(row["try"]) for row in refused if row["try"]),
    ]


def _sentence(
    listed: DatedList,
    comparisons: list[Comparison],
    rows: list[dict[str, Any]],
    options: dict[str, Any],
) -> str:
    at = times.spelled(comparisons[0].taken_at, comparisons[0].facts.zones)
    what = f"{counted(listed.count, 'holder')} at {at}"
    if all(comparison.position for comparison in comparisons):
        return f"{what}: this list is recorded already."
    if not rows:
        done = "" if options["check"] else " That is recorded."
        return f"{what}: list and ledger agree.{done}"
    count = counted(len(rows), "difference")
    if any(row["outcome"] == "refused" for row in rows):
        return f"{what}: {count}; what was refused is not recorded."
    done = ". Nothing was written." if options["check"] else ", recorded."
    return f"{what}: {count}{done}"


def _json_line(command: dict[str, Any]) -> str:
    import orjson  # noqa: PLC0415

    return orjson.dumps(command).decode() + "\n"


_COLUMNS = [
    *cells("account", "user", "seat_type", "change", "seats=count"),
    *cells("after=effective_after", "by=effective_at", "outcome"),
    ("entries", lambda row: _in_ranges(row["positions"])),
    *cells("refused=code"),
]
