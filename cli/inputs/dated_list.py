"""A dated list of holders, read and held against the ledger (R83 to R88)."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from seat_ledger.cli.inputs.digested import DigestedStream
from seat_ledger.domain.local_times import in_local_times
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.values import as_word, hub_of, iso, shown
from seat_ledger.errors import CommandRefused, InvalidInput

if TYPE_CHECKING:
    from seat_ledger.projections.periods.contract import AccountFacts
    from seat_ledger.projections.reader import AccountQuestion, ConnectedReader
    from seat_ledger.sources.holders import HolderList, ListedHolder
    from seat_ledger.sources.mapping import SourceMapping
    from seat_ledger.sources.reconciliation import (
        AccountList,
        Change,
        ListedSeat,
        Reconciliation,
        WishedSeats,
    )


@dataclass
class DatedList:
    """A list that was read: what it says, by which mapping, and its digest.

    `position` is where it is observed in the ledger, once it is.
    """

    file: str
    mapping: SourceMapping
    holders: HolderList
    digest: str
    account: str | None
    position: int | None = None

    def __post_init__(self) -> None:
        """Count who is listed; rows are let go when they are compared."""
        self.count = len(self.holders.holders)

    @property
    def accounts(self) -> list[str]:
        """The accounts that it is about, while it is not compared yet."""
        pools = dict.fromkeys(holder.pool for holder in self.holders.holders)
        pools |= dict.fromkeys((*self.holders.unnamed, *self.holders.counted))
        named = dict.fromkeys(pool.account for pool in pools)
        return [*named] or [account for account in [self.account] if account]

    def by_account(self) -> dict[str, list[ListedHolder]]:
        """Its rows by account, the last ones first; the list has none after that."""
        rows: dict[str, list[ListedHolder]] = {key: [] for key in self.accounts}
        while self.holders.holders:
            holder = self.holders.holders.pop()
            rows[holder.pool.account].append(holder)
        return rows

    def check_whole(self, accepted: Collection[str] = ()) -> None:
        """Refuse a list that says itself that it is not whole (R83).

        Raises CommandRefused (``snapshot_not_whole``), unless that is accepted by word.
        """
        for doubt in self.holders.doubts:
            if doubt.code not in accepted:
                raise CommandRefused(
                    "snapshot_not_whole",
                    f"{self.file}: {doubt.message}",
                    try_="export the list again; if it is whole: --accept "
                    f"{doubt.code}",
                )
        if not self.accounts:
            raise InvalidInput(
                f"{self.file} does not say of which account it is.",
                try_="name it: --account",
            )


class Comparison(NamedTuple):
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

    def command(self, listed: DatedList) -> dict[str, Any]:
        """The batch that records the changes, and the observation."""
        totals: dict[str, int] = dict.fromkeys(self.covers, 0)
        totals |= self.result.totals
        at, source = iso(self.taken_at), listed.mapping.source
        observation = {
            "op": "observe_snapshot",
            "source": source,
            "covers": self.covers,
            "digest": listed.digest,
            "rows": listed.holders.tally.rows,
            "holders": self.result.totals.total(),
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


def read_list(
    stream: BinaryIO,
    name: str,
    mapping: SourceMapping,
    account: str | None,
    **reading: Any,
) -> DatedList:
    """Read a list, with its digest. Raises InvalidInput, with file and line.

    `name` is what the file is called in messages; `reading` goes to the SourceReader.
    """
    from seat_ledger.sources.holders import read_holders  # noqa: PLC0415
    from seat_ledger.sources.reading import SourceReader  # noqa: PLC0415

    digested = DigestedStream(stream)
    buffered = io.BufferedReader(digested, 1 << 20)
    reader = SourceReader(buffered, mapping, **reading)
    holders = read_holders(reader, name, account=account)
    return DatedList(name, mapping, holders, digested.whole_digest(), account)


# -- comparing -----------------------------------------------------------------------


def compared(
    reader: ConnectedReader,
    listed: DatedList,
    taken_at: str | None,
    accepted: Collection[str] = (),
) -> Iterator[Comparison]:
    """Hold a list against each of its accounts.

    Raises InvalidInput for what cannot be a list of the account, and CommandRefused
    for one that is not plausible (R83).
    """
    from seat_ledger.projections import catalogue, snapshots  # noqa: PLC0415
    from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415
    from seat_ledger.sources.reconciliation import Reconciliation  # noqa: PLC0415

    knowledge, now = reader.knowledge(), reader.database_now()
    exclusive = {
        row["hub"]: row["exclusive"] for row in catalogue.listed(reader, knowledge)
    }
    _check_types(reader, listed)
    covers = [name for name in listed.mapping.covers if name in reader.types.numbers]
    for key, rows in listed.by_account().items():
        facts = reader.account(key, knowledge)
        at = _true_at(listed, taken_at, facts, now)
        about = AccountQuestion(reader, facts, knowledge, at)
        of_account = _of_account(listed, rows, about, covers, now)
        with _located(listed.file):
            result = Reconciliation(
                of_account,
                snapshots.ledger_side(about, of_account),
                lambda hub: exclusive.get(hub, True),
            )
        del of_account
        source, digest = listed.mapping.source, listed.digest
        position = snapshots.position_of(about, source, digest)
        if position is None:
            result.check_plausible(accepted)
        yield Comparison(facts, at, covers, result, position)


def wished(question: AccountQuestion, listed: DatedList) -> WishedSeats:
    """Hold what a list says of some users against what they have at the moment.

    Raises InvalidInput where it contradicts itself, and NotFound, with the line, for
    whom the account never had.
    """
    from seat_ledger.projections import snapshots  # noqa: PLC0415
    from seat_ledger.sources.reconciliation import (  # noqa: PLC0415
        AccountList,
        WishedSeats,
    )

    _check_types(question.reader, listed)
    holders = (*listed.holders.holders, *listed.holders.lacking)
    numbers = _numbers(question, listed.file, holders)
    keys = {number: user for user, number in reversed(numbers.items()) if number}
    ticked, lacking = (
        [
            _listed_seat(row, question.account, question.as_of)._replace(
                user=keys.get(numbers[row.user], row.user)
            )
            for row in rows
        ]
        for rows in (listed.holders.holders, listed.holders.lacking)
    )
    types = list(dict.fromkeys(row.pool.seat_type for row in holders))
    side = snapshots.side_of_users(question, types, keys)
    of_account = AccountList(
        question.account.key, question.as_of, types, ticked, lacking=lacking
    )
    with _located(listed.file):
        return WishedSeats(of_account, side)


@contextmanager
def _located(file: str) -> Iterator[None]:
    """Let what is wrong with rows of a list name the file, and the line."""
    from seat_ledger.sources.refusals import UnreadableRow  # noqa: PLC0415

    try:
        yield
    except UnreadableRow as error:
        raise error.at(file, error.line or 1) from error


def _numbers(
    question: AccountQuestion, file: str, holders: Sequence[ListedHolder]
) -> dict[str, int]:
    """The users' numbers by what the list calls them: key or e-mail (R35); 0: nobody
    was so called by then.
    """
    reader, account, known_at, as_of = question
    numbers: dict[str, int] = {}
    users = list(dict.fromkeys(holder.user for holder in holders))
    user_at = reader.users_at(account, users, as_of, known_at)
    for holder in holders:
        if holder.user not in numbers:
            try:
                row = user_at(holder.user)
            except CommandRefused as error:
                error.message = f"{file}:{holder.line}: {error.message}"
                raise
            numbers[holder.user] = row["user_no"] if row else 0
    return numbers


def _check_types(reader: ConnectedReader, listed: DatedList) -> None:
    """Refuse types that the catalogue has not, with the line that names one (R81)."""
    holders = listed.holders
    rows = (*holders.holders, *holders.lacking)
    lines = {holder.pool.seat_type: holder.line for holder in reversed(rows)}
    pools = (*holders.unnamed, *(pool for pool, n in holders.counted.items() if n))
    refusals: dict[str, CommandRefused] = {}
    for seat_type in dict.fromkeys((*lines, *(pool.seat_type for pool in pools))):
        try:
            reader.types.check(seat_type)
        except CommandRefused as error:
            refusals[seat_type] = error
    if not refusals:
        return
    unknown = sorted(refusals)
    fixed = {hub_of(name) for name in reader.types.numbers}
    shared = _shared_hubs(listed) - fixed
    first = min(unknown, key=lambda seat_type: lines.get(seat_type, 0))
    refusal = refusals[first]
    place = f":{lines[first]}" if first in lines else ""
    refusal.message = f"{listed.file}{place}: {refusal.message}"
    if len(unknown) > 1:
        others = ", ".join(shown(name) for name in unknown if name != first)
        refusal.message = f"{refusal.message.rstrip('.')}, nor {others}."
        added = (f"seat-ledger catalogue add {as_word(name)}" for name in unknown)
        refusal.try_ = "add each: " + " && ".join(
            f"{words} --not-exclusive" if hub_of(name) in shared else words
            for name, words in zip(unknown, added, strict=True)
        )
    elif refusal.try_ and hub_of(first) in shared:
        refusal.try_ += " --not-exclusive"
    raise refusal


def _shared_hubs(listed: DatedList) -> set[str]:
    """The hubs of which somebody holds several types: new, they are not exclusive."""
    types: dict[tuple[str, str, str], set[str]] = {}
    for holder in listed.holders.holders:
        account, seat_type = holder.pool
        person = account, holder.user, hub_of(seat_type)
        types.setdefault(person, set()).add(seat_type)
    return {hub for (_, _, hub), held in types.items() if len(held) > 1}


def _true_at(
    listed: DatedList, text: str | None, facts: AccountFacts, now: datetime
) -> datetime:
    """When the list was true: by its option, or by its own words (R83)."""
    text = text or listed.holders.taken_at
    if not text:
        raise InvalidInput(
            "The list does not say when it was true.",
            try_="give --taken-at, such as 2026-11-30T02:00Z",
        )
    taken_at = parse_moment(text, facts.zones, now)
    if taken_at > now:
        raise CommandRefused(
            "effective_in_future",
            in_local_times(
                f"The list would have been true at {iso(taken_at)}, and it is "
                f"{iso(now)}.",
                facts.zones,
            ),
            try_="give the time at which it was exported: --taken-at",
        )
    if taken_at < facts.opened_at:
        raise CommandRefused(
            "before_term",
            in_local_times(
                f"The list was true at {iso(taken_at)}; {facts.key} was opened at "
                f"{iso(facts.opened_at)}.",
                facts.zones,
            ),
            try_="open the account from an earlier time, or leave this list out",
        )
    return taken_at


def _of_account(
    listed: DatedList,
    rows: list[ListedHolder],
    question: AccountQuestion,
    covers: list[str],
    now: datetime,
) -> AccountList:
    from seat_ledger.sources.reconciliation import AccountList  # noqa: PLC0415

    facts, taken_at = question.account, question.as_of
    seats = []
    while rows:  # from the end, and one at a time
        holder = rows.pop()
        if not _is_over(holder, facts, taken_at, now):
            seats.append(_listed_seat(holder, facts, now))
    for seat in seats:
        if seat.seat_type not in covers:
            raise InvalidInput(
                f"{listed.file}:{seat.line}: {seat.user} holds {seat.seat_type}, which "
                "the mapping does not cover.",
                try_="add the type to 'covers' of the mapping",
            )
    purchased, remaining, unnamed = (
        {
            pool.seat_type: count
            for pool, count in counts.items()
            if pool.account == facts.key
        }
        for counts in (
            listed.holders.purchased,
            listed.holders.remaining,
            listed.holders.unnamed,
        )
    )
    counted = Counter(purchased) + Counter(remaining) + Counter(unnamed)
    if others := sorted(counted.keys() - {*covers}):
        raise InvalidInput(
            f"{listed.file} says how many {others[0]} there are, which the mapping "
            "does not cover.",
            try_="add the type to 'covers' of the mapping",
        )
    held = Counter(seat.seat_type for seat in seats)
    for seat_type, left in remaining.items():
        count = left + held[seat_type] + unnamed.get(seat_type, 0)
        purchased.setdefault(seat_type, count)
    return AccountList(facts.key, taken_at, covers, seats, purchased, unnamed)


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
        holder.is_service,
    )


def _is_over(
    holder: ListedHolder, facts: AccountFacts, taken_at: datetime, now: datetime
) -> bool:
    """Whether the list says of a seat that it was cancelled by then."""
    ends = holder.cancelled_at
    return bool(ends) and parse_moment(str(ends), facts.zones, now) <= taken_at
