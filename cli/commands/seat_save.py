"""``seat save``: the wished state of a file, recorded as one batch (S9).

The file is the vendor's "manage paid users" screen: who is ticked for which type.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import click

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.options.current_state import account_at
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record, recorded_answer
from seat_ledger.cli.output.csv_headers import RECORDED
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer
from seat_ledger.domain.values import check_text, parse_seat_type, shown
from seat_ledger.errors import InvalidInput

if TYPE_CHECKING:
    from seat_ledger.application import RecordedEvent, Result
    from seat_ledger.domain.calendar import ZoneHistory

MAX_LINE, MAX_LINES = 10_000, 1_000_000
HEADER = {"user", "seat_type", "ticked"}
_EFFECT = {
    "SeatPurchased": ("purchased", 1),
    "SeatRetired": ("purchased", -1),
    "SeatAssigned": ("assigned", 1),
    "SeatUnassigned": ("assigned", -1),
}
"""Which total an event changes, and by how much."""


class Tick(NamedTuple):
    """One line of the file: whether a user is to hold a seat of a type."""

    line: int
    user: str
    seat_type: str
    ticked: bool


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@option_account
@options_of_writing
def save(file: Path, account: str, *, dry_run: bool, **shared: Any) -> None:
    """Bring seats to the state in a CSV file of user, seat_type, ticked (yes or no).

    Users who are not in the file stay as they are. All of it is one batch.
    """
    with input_file(file, "name a CSV file of user, seat_type, ticked") as stream:
        wished = _wished(stream)
    lines, before = _compared(account, wished, shared)
    if not lines:
        sentence = (
            "Nothing to do: every user already has the seats that the file names."
        )
        answer = Answer([], sentence=sentence, header=RECORDED)
        answer.extra = {"before": before, "after": before}
        emit(answer)
        return
    command = {"op": "batch", "account": account, "commands": lines, **shared}
    record(command, dry_run, describe=partial(_saved, before))


def _saved(
    before: list[dict[str, Any]],
    command: dict[str, Any],
    result: Result,
    dry_run: bool,
    zones: ZoneHistory,
) -> Answer:
    """What was recorded, with the totals before and after."""
    answer = recorded_answer(command, result, dry_run, zones)
    new = () if result.repeated else (*result.due, *result.events)
    after = _after(before, new)
    answer.extra = {**answer.extra, "before": before, "after": after}
    answer.notes = [*answer.notes, *_totals(before, after)]
    return answer


def _compared(
    account: str, wished: list[Tick], shared: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The commands that lead from what is to what is wished, and the totals now."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    with account_at(account, shared["effective_at"]) as about:
        about.reader.types.check(*(tick.seat_type for tick in wished))
        lines = []
        for tick in wished:
            held = holdings.held_by(about, tick.user)
            has = any(row["seat"].startswith(f"{tick.seat_type}#") for row in held)
            if has != tick.ticked:
                op = "assign_seat" if tick.ticked else "unassign_seat"
                named = {"user": tick.user, "seat_type": tick.seat_type}
                lines.append({"op": op, **named})
        return lines, holdings.totals(about)


def _after(
    before: list[dict[str, Any]], events: Iterable[RecordedEvent]
) -> list[dict[str, Any]]:
    """The totals with what the events change."""
    after = {row["seat_type"]: dict(row) for row in before}
    for recorded in events:
        if recorded.topic in _EFFECT:
            total, by = _EFFECT[recorded.topic]
            after[recorded.event.seat_type][total] += by  # type: ignore[attr-defined]
    for row in after.values():
        row["available"] = row["purchased"] - row["assigned"]
    return list(after.values())


def _totals(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Iterator[str]:
    """What purchased and assigned were before and are after, a type a line."""
    for was, now in zip(before, after, strict=True):
        yield (
            f"{now['seat_type']}: purchased {was['purchased']} → {now['purchased']}, "
            f"assigned {was['assigned']} → {now['assigned']}"
        )


def _wished(file: BinaryIO) -> list[Tick]:
    """Read the file. Raises InvalidInput with the line that is wrong."""
    ticks: dict[tuple[str, str], Tick] = {}
    text = TextIOWrapper(file, encoding="utf-8-sig")
    try:
        reader = csv.DictReader(_bounded(text), strict=True)
        header = reader.fieldnames or []
        if set(header) != HEADER or len(header) != len(HEADER):
            raise InvalidInput(
                "The file's header must be user,seat_type,ticked; it is "
                f"{shown(','.join(header)) if header else 'missing'}.",
            )
        for row in reader:
            tick = _tick(reader.line_num, row)
            other = ticks.setdefault((tick.user, tick.seat_type), tick)
            if other is not tick:
                raise InvalidInput(
                    f"Lines {other.line} and {tick.line} both say whether "
                    f"{shown(tick.user)} is ticked for {tick.seat_type}.",
                    try_="remove one of them",
                )
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidInput(f"The file cannot be read as CSV: {error}.") from error
    finally:
        text.detach()
    return list(ticks.values())


def _bounded(file: TextIOWrapper) -> Iterator[str]:
    """The lines of a file, so long and so many as one may have. Raises InvalidInput."""
    lines = iter(partial(file.readline, MAX_LINE + 1), "")
    for number, line in enumerate(lines, start=1):
        if len(line) > MAX_LINE:
            raise InvalidInput(f"Line {number} has more than {MAX_LINE:,} characters.")
        if number > MAX_LINES:
            raise InvalidInput(f"The file has more than {MAX_LINES:,} lines.")
        yield line


def _tick(line: int, row: dict[Any, Any]) -> Tick:
    user, seat_type, ticked = (
        check_text((row[name] or "").strip(), name)
        for name in ("user", "seat_type", "ticked")
    )
    if ticked.lower() not in {"yes", "no"} or None in row or not user:
        raise InvalidInput(
            f"Line {line}: expected a user, a seat type and yes or no.",
            try_="write a line such as ann,sales/professional,yes",
        )
    return Tick(line, user, parse_seat_type(seat_type), ticked.lower() == "yes")
