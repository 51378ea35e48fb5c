"""``seat save``: the wished state of a file, recorded as one batch (S9).

The file is the vendor's "manage paid users" screen: who is ticked for which type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from seat_ledger.cli.inputs.dated_list import DatedList, read_list, wished
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.options.current_state import account_at
from seat_ledger.cli.options.session import option_account
from seat_ledger.cli.options.writing import options_of_writing, record, recorded_answer
from seat_ledger.cli.output.csv_headers import RECORDED
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, harmless
from seat_ledger.errors import InvalidInput

if TYPE_CHECKING:
    from seat_ledger.commands.service import RecordedEvent, Result
    from seat_ledger.domain.calendar import ZoneHistory
    from seat_ledger.sources.mapping import SourceMapping

_MAPPING = """
schema = 1
kind = "snapshot"
source = "paid-users"
title = "Who is ticked for which seat"

[file]
format = "table"
has = ["user", "seat_type", "ticked"]
optional = ["email", "name"]

[person]
user = "{user}"
email = "{email}"
name = "{name}"

[[rule]]
when = { ticked = ["yes", "Yes", "YES"] }
op = "holds"
seat_type = "{seat_type}"

[[rule]]
when = { ticked = ["no", "No", "NO"] }
op = "lacks"
seat_type = "{seat_type}"

[[rule]]
refuse = "ticked is yes or no"
"""
_HINT = "name a CSV file of user, seat_type, ticked, and perhaps email and name"
_EFFECT = {
    "SeatPurchased": ("purchased", 1),
    "SeatRetired": ("purchased", -1),
    "SeatAssigned": ("assigned", 1),
    "SeatUnassigned": ("assigned", -1),
}
"""Which total an event changes, and by how much."""


@cache
def _mapping() -> SourceMapping:
    from seat_ledger.sources.mapping import read_mapping  # noqa: PLC0415

    return read_mapping(_MAPPING, "paid-users")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@option_account
@options_of_writing
def save(file: Path, account: str, *, dry_run: bool, **shared: Any) -> None:
    """Bring seats to the state in a CSV file of user, seat_type, ticked (yes or no).

    With columns email and name, whoever is called otherwise is renamed as well. Users
    who are not in the file stay as they are. All of it is one batch.
    """
    with input_file(file, _HINT) as stream, heartbeat("Reading"):
        listed = _read(stream, harmless(file.name), account)
    lines, before = _compared(account, listed, shared)
    if not lines:
        sentence = (
            "Nothing to do: every user already has the seats that the file names."
        )
        answer = Answer([], sentence=sentence, header=RECORDED)
        answer.extra = {"before": before, "after": before}
        emit(answer)
        return
    command = {"op": "batch", "account": account, "commands": lines, **shared}
    record(command, dry_run, describe=partial(_saved, before), is_from_state=True)


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


def _read(stream: BinaryIO, name: str, account: str) -> DatedList:
    """The ticks of a file. Raises InvalidInput, with file and line."""
    try:
        return read_list(stream, name, _mapping(), account)
    except InvalidInput as error:
        refused, _, reason = error.message.partition(" by the mapping ")
        if reason:
            error.message = f"{refused} {reason}"
        if reason or (error.try_ and "mapping" in error.try_):
            error.try_ = "write lines such as ann,sales/professional,yes"
        raise


def _compared(
    account: str, listed: DatedList, shared: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The commands that lead from what is to what is wished, and the totals now."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    with (
        heartbeat("Comparing"),
        account_at(account, shared["effective_at"]) as about,
    ):
        return list(wished(about, listed).operations()), holdings.totals(about)


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
