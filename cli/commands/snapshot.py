"""A dated list of who holds what, held against the ledger (R83 to R88)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from seat_ledger.cli.commands.convert import ACCOUNT, MAPPING, STREAM, USER, print_tally
from seat_ledger.cli.inputs.digested import DigestedStream
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.options.session import (
    Session,
    default_actor,
    option_database,
    option_format,
)
from seat_ledger.cli.output import times
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, counted, emit, harmless
from seat_ledger.cli.output.streams import write_data
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.values import iso
from seat_ledger.errors import CommandRefused, InvalidInput

if TYPE_CHECKING:
    from seat_ledger.application import SeatLedger
    from seat_ledger.commands.execution import Result
    from seat_ledger.projections.periods.contract import AccountFacts
    from seat_ledger.projections.reader import Reader
    from seat_ledger.sources.holders import HolderList, ListedHolder
    from seat_ledger.sources.mapping import SourceMapping
    from seat_ledger.sources.reconciliation import (
        AccountList,
        Change,
        ListedSeat,
        Reconciliation,
    )

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
    help="Take the list as whole although this speaks against it.",
)
@click.option("--check", is_flag=True, help="Report the differences; record nothing.")
@click.option("--dry-run", is_flag=True, help="Print the commands; record nothing.")
@option_database
@option_format
def snapshot(file: Path, **options: Any) -> None:
    """Make the ledger agree with a list of who held what at an instant.

    Who is gone is unassigned, who is new is added and assigned, who changed type both,
    in one batch an account. Each change has the window in which it happened: after the
    last evidence to the contrary, and by the list at the latest. With --check, exit 3
    means that list and ledger differ.
    """
    session = click.get_current_context().find_object(Session)
    assert session is not None
    listed = _read(file, options)
    _check_whole(listed, options["accept"])
    with heartbeat("Comparing"), session.reader(patient=True) as reader:
        comparisons = list(_compared(reader, listed, options))
    if options["dry_run"] and session.format == "table":
        for comparison in comparisons:
            write_data(_json_line(comparison.command(listed)), is_json=True)
        return
    rows = _outcomes(session, listed, comparisons, options)
    emit(_answer(listed, comparisons, rows, options), session.format)


@dataclass
class _List:
    """A list that was read: what it says, by which mapping, and its digest."""

    mapping: SourceMapping
    holders: HolderList
    digest: str
    account: str | None
    position: int | None = None

    @property
    def accounts(self) -> list[str]:
        """The accounts that it is about."""
        pools = [holder.pool for holder in self.holders.holders]
        pools += [*self.holders.unnamed, *self.holders.purchased]
        named = dict.fromkeys(pool.account for pool in pools)
        return [*named] or [account for account in [self.account] if account]


class _Comparison(NamedTuple):
    """A list held against one account; `position` is of the same list, observed."""

    facts: AccountFacts
    taken_at: datetime
    covers: list[str]
    result: Reconciliation
    position: int | None

    @property
    def changes(self) -> list[Change]:
        """What differs, where the list is not observed yet."""
        return [] if self.position else self.result.changes

    def command(self, listed: _List) -> dict[str, Any]:
        """The batch that records the changes, and the observation."""
        totals: dict[str, int] = dict.fromkeys(self.covers, 0)
        for seat in self.result.listed.seats:
            totals[seat.seat_type] += 1
        at, source = iso(self.taken_at), listed.mapping.source
        observation = {
            "op": "observe_snapshot",
            "source": source,
            "covers": self.covers,
            "digest": listed.digest,
            "rows": listed.holders.tally.rows,
            "holders": len(self.result.listed.seats),
            "totals": totals,
            "effective_at": at,
        }
        return {
            "op": "batch",
            "account": self.facts.key,
            "idempotency_key": f"snapshot:{source}:{at}:{listed.digest[:24]}",
            "reason": f"listed by {source}",
            "commands": [*self.result.operations(), observation],
        }


# -- reading -----------------------------------------------------------------------


def _read(file: Path, options: dict[str, Any]) -> _List:
    from seat_ledger.cli.inputs.mapping_file import mapping_named  # noqa: PLC0415
    from seat_ledger.sources.holders import read_holders  # noqa: PLC0415
    from seat_ledger.sources.reading import SourceReader  # noqa: PLC0415

    mapping, user = mapping_named(options["mapping"]), options["user"]
    with input_file(file, "name a file that the source exported, or -") as opened:
        digested = DigestedStream(opened)
        reader = SourceReader(
            io.BufferedReader(digested, 1 << 20),
            mapping,
            options={"--user": user} if user is not None else None,
            message_stream=options["stream"],
        )
        with heartbeat("Reading"):
            holders = read_holders(
                reader, harmless(file.name), account=options["account"]
            )
        print_tally(holders.tally)
        digest = digested.whole_digest()
    return _List(mapping, holders, digest, options["account"])


def _check_whole(listed: _List, accepted: Iterable[str]) -> None:
    """Refuse a list that says itself that it is not whole (R83)."""
    for doubt in listed.holders.doubts:
        if doubt.code not in accepted:
            raise CommandRefused(
                "snapshot_not_whole",
                doubt.message,
                try_=f"export the list again; if it is whole: --accept {doubt.code}",
            )
    if not listed.accounts:
        raise InvalidInput(
            "The list does not say of which account it is.", try_="name it: --account"
        )


# -- comparing -----------------------------------------------------------------------


def _compared(
    reader: Reader, listed: _List, options: dict[str, Any]
) -> Iterator[_Comparison]:
    from seat_ledger.projections import catalogue, snapshots  # noqa: PLC0415
    from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415
    from seat_ledger.sources.reconciliation import Reconciliation  # noqa: PLC0415

    knowledge, now = reader.knowledge(), reader.database_now()
    exclusive = {
        row["hub"]: row["exclusive"] for row in catalogue.listed(reader, knowledge)
    }
    reader.types.check(*{holder.pool.seat_type for holder in listed.holders.holders})
    covers = [name for name in listed.mapping.covers if name in reader.types.numbers]
    for key in listed.accounts:
        facts = reader.account(key, knowledge)
        taken_at = _taken_at(listed, options, facts, now)
        of_account = _of_account(listed, facts, taken_at, covers, now)
        about = AccountQuestion(reader, facts, knowledge, taken_at)
        side = snapshots.ledger_side(about, of_account)
        result = Reconciliation(of_account, side, lambda hub: exclusive.get(hub, True))
        source, digest = listed.mapping.source, listed.digest
        position = snapshots.position_of(about, source, digest)
        if position is None:
            result.check_plausible(options["accept"])
        yield _Comparison(facts, taken_at, covers, result, position)


def _taken_at(
    listed: _List, options: dict[str, Any], facts: AccountFacts, now: datetime
) -> datetime:
    """When the list was true: as it was said, or as it says itself (R83)."""
    text = options["taken_at"] or listed.holders.taken_at
    if not text:
        raise InvalidInput(
            "The list does not say when it was true.",
            try_="give --taken-at, such as 2026-11-30T02:00Z",
        )
    taken_at = parse_moment(text, facts.zones, now)
    if taken_at > now:
        raise CommandRefused(
            "effective_in_future",
            f"The list would have been true at {iso(taken_at)}, and it is {iso(now)}.",
            try_="give the time at which it was exported: --taken-at",
        )
    if taken_at < facts.opened_at:
        raise CommandRefused(
            "before_term",
            f"The list was true at {iso(taken_at)}; {facts.key} was opened at "
            f"{iso(facts.opened_at)}.",
            try_="open the account from an earlier time, or leave this list out",
        )
    return taken_at


def _of_account(
    listed: _List,
    facts: AccountFacts,
    taken_at: datetime,
    covers: list[str],
    now: datetime,
) -> AccountList:
    from seat_ledger.sources.reconciliation import AccountList  # noqa: PLC0415

    seats = [
        _listed_seat(holder, facts, now)
        for holder in listed.holders.holders
        if holder.pool.account == facts.key
        and not _is_over(holder, facts, taken_at, now)
    ]
    outside = {seat.seat_type for seat in seats} - {*covers}
    if outside:
        raise InvalidInput(
            f"The list names holders of {', '.join(sorted(outside))}, and the mapping "
            "does not cover that.",
            try_="add the type to 'covers' of the mapping",
        )
    by_type = [
        {
            pool.seat_type: count
            for pool, count in counts.items()
            if pool.account == facts.key
        }
        for counts in (listed.holders.purchased, listed.holders.unnamed)
    ]
    return AccountList(facts.key, taken_at, covers, seats, *by_type)


def _listed_seat(
    holder: ListedHolder, facts: AccountFacts, now: datetime
) -> ListedSeat:
    from seat_ledger.sources.reconciliation import ListedSeat  # noqa: PLC0415

    since = holder.assigned_at
    return ListedSeat(
        holder.line,
        holder.user,
        holder.pool.seat_type,
        holder.email,
        holder.name,
        parse_moment(since, facts.zones, now) if since else None,
    )


def _is_over(
    holder: ListedHolder, facts: AccountFacts, taken_at: datetime, now: datetime
) -> bool:
    """Whether the list says of a seat that it was cancelled by then."""
    ends = holder.cancelled_at
    return bool(ends) and parse_moment(str(ends), facts.zones, now) <= taken_at


# -- recording -----------------------------------------------------------------------


class _Outcome(NamedTuple):
    """What became of the changes of an account."""

    word: str
    result: Result | None = None
    error: CommandRefused | None = None


def _outcomes(
    session: Session,
    listed: _List,
    comparisons: list[_Comparison],
    options: dict[str, Any],
) -> list[dict[str, Any]]:
    """Record each account's batch, unless nothing is to be; a row for each change."""
    rows: list[dict[str, Any]] = []
    if options["check"] or options["dry_run"]:
        for comparison in comparisons:
            rows += _rows(comparison, _Outcome("would_record"))
        return rows
    with session.ledger() as ledger:
        for comparison in comparisons:
            if comparison.position is None:
                rows += _rows(comparison, _recorded(ledger, listed, comparison))
    return rows


def _recorded(ledger: SeatLedger, listed: _List, comparison: _Comparison) -> _Outcome:
    command = comparison.command(listed)
    try:
        result = ledger.execute(command, default_actor=default_actor())
    except CommandRefused as error:
        if not comparison.changes:
            raise
        return _Outcome("refused", error=error)
    listed.position = result.positions[-1]
    return _Outcome("recorded", result=result)


def _rows(comparison: _Comparison, outcome: _Outcome) -> Iterator[dict[str, Any]]:
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
        }


def _positions(change: Change, result: Result | None) -> list[int]:
    """The events that record a change."""
    if result is None or change.change == "fewer_bought":
        return []
    return [
        event.position
        for event in result.events
        if event.position is not None
        and (
            (change.user is not None and event.user == change.user)
            or (
                change.user is None
                and event.topic == "SeatPurchased"
                and getattr(event.event, "seat_type", None) == change.seat_type
            )
        )
    ]


def _answer(
    listed: _List,
    comparisons: list[_Comparison],
    rows: list[dict[str, Any]],
    options: dict[str, Any],
) -> Answer:
    first = comparisons[0]
    refused = [row for row in rows if row["outcome"] == "refused"]
    document = {
        "source": listed.mapping.source,
        "taken_at": first.taken_at,
        "digest": listed.digest,
        "covers": first.covers,
        "rows": listed.holders.tally.rows,
        "holders": len(listed.holders.holders),
        "position": first.position or listed.position,
    }
    exit_code = 1 if refused else DIFFERS if options["check"] and rows else 0
    zones = first.facts.zones
    extra: dict[str, Any] = {"snapshot": document}
    if options["dry_run"]:
        extra["commands"] = [comparison.command(listed) for comparison in comparisons]
    return Answer(
        rows,
        _COLUMNS,
        sentence=_sentence(listed, comparisons, rows, options),
        notes=[*dict.fromkeys(row["message"] for row in refused)]
        + ([times.clock(zones)] if rows else []),
        extra=extra,
        exit_code=exit_code,
        zones=zones,
    )


def _sentence(
    listed: _List,
    comparisons: list[_Comparison],
    rows: list[dict[str, Any]],
    options: dict[str, Any],
) -> str:
    at = times.spelled(comparisons[0].taken_at, comparisons[0].facts.zones)
    what = f"{counted(len(listed.holders.holders), 'holder')} at {at}"
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


_COLUMNS = (
    ("account", lambda row: row["account"]),
    ("user", lambda row: row["user"]),
    ("seat type", lambda row: row["seat_type"]),
    ("change", lambda row: row["change"]),
    ("seats", lambda row: row["count"]),
    ("after", lambda row: row["effective_after"]),
    ("by", lambda row: row["effective_at"]),
    ("outcome", lambda row: row["outcome"]),
    ("entries", lambda row: row["positions"]),
    ("refused", lambda row: row["code"]),
)
