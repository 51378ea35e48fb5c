"""Seats: bought, reduced, assigned, unassigned; and who held them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from seat_ledger.cli.commands.seat_handover import move, upgrade
from seat_ledger.cli.commands.seat_save import save
from seat_ledger.cli.options.session import (
    Question,
    option_account,
    option_as_of,
    option_span,
    reading,
    span_of,
)
from seat_ledger.cli.options.writing import writing
from seat_ledger.cli.output import times
from seat_ledger.cli.output.names import called, person_in
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.cli.output.windows import between, is_open, window_sentences
from seat_ledger.domain.values import as_word, parse_seat
from seat_ledger.domain.wording import counted


@click.group(epilog="Example: seat-ledger seat who 'sales/professional#7' -a acme")
def group() -> None:
    """Buy, assign and look at seats."""


@group.command()
@click.argument("seat_type", metavar="HUB/TIER")
@click.argument("quantity", type=int)
@option_account
@writing("buy_seats")
def buy(**_: Any) -> None:
    """Put more seats under contract."""


@group.command()
@click.argument("seat_type", metavar="HUB/TIER")
@click.argument("quantity", type=int)
@option_account
@writing("reduce_seats")
def reduce(**_: Any) -> None:
    """Ask for fewer seats from the next renewal on."""


@group.command("cancel-reduction")
@click.argument("seat_type", metavar="HUB/TIER")
@option_account
@writing("cancel_reduction")
def cancel_reduction(**_: Any) -> None:
    """Take back the latest reduction that is pending."""


@group.command()
@click.argument("user")
@click.argument("seat_type", metavar="HUB/TIER")
@option_account
@click.option(
    "--seat", metavar="SEAT", help="Assign this seat; by default the lowest free one."
)
@click.option(
    "--buy-if-needed", is_flag=True, default=None, help="Buy a seat if none is free."
)
@writing("assign_seat")
def assign(**_: Any) -> None:
    """Give a user a seat."""


@group.command()
@click.argument("user")
@click.argument("seat_type", metavar="HUB/TIER")
@option_account
@click.option(
    "--at-period-end",
    is_flag=True,
    default=None,
    help="Let the user hold it until the billing period ends.",
)
@writing("unassign_seat")
def unassign(**_: Any) -> None:
    """Take a seat from a user; it stays purchased and billed.

    With --at-period-end it is pending until then, and carried out with the renewals:
    seat-ledger account renew --due.
    """


@group.command("cancel-unassignment")
@click.argument("user")
@click.argument("seat_type", metavar="HUB/TIER")
@option_account
@writing("cancel_unassignment")
def cancel_unassignment(**_: Any) -> None:
    """Take back an unassignment that is pending for a period's end."""


@group.command()
@click.argument("seat", required=False)
@click.option("--user", metavar="USER", help="Show the seats of this user instead.")
@option_account
@option_as_of
@option_span
@reading
def who(
    question: Question, seat: str | None, user: str | None, **options: Any
) -> Answer:
    """Who held a seat at a moment or in a stretch of time, who gave it, and why."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    if (seat is None) == (user is None):
        raise click.UsageError("Name either a seat or --user.")
    since, before = span_of(options, question.zones, question.now)
    if since or before:
        if options["as_of"]:
            raise click.UsageError("Use either --as-of or a stretch of time.")
        return _held_within(question, seat, user, since, before)
    if seat is not None:
        rows = [holdings.who(question.about, parse_seat(seat))]
    else:
        assert user is not None
        rows = holdings.held_by(question.about, user)
    windows = _about(question, rows, user)
    return question.answer(
        rows,
        _holder_columns(question, seat) if any(row["holder"] for row in rows) else (),
        sentence=_who(question, rows, seat or user or ""),
        windows=windows,
        next_command=_next(rows, seat, question),
    )


def _held_within(
    question: Question,
    seat: str | None,
    user: str | None,
    since: datetime | None,
    before: datetime | None,
) -> Answer:
    """Everybody who held a seat, or every seat of a user, in a stretch of time."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    about, zones = question.about_ever, question.zones
    if seat is not None:
        bare = holdings.of_seat(about, parse_seat(seat))
    else:
        bare = holdings.of_user(about, user or "")
    rows = holdings.held_within(about, bare, since, before or question.now)
    ends = [("from", since)] if since else []
    ends += [("until", before)] if before else []
    when = " ".join(f"{word} {times.spelled(end, zones)}" for word, end in ends)
    how_often = {0: "not held", 1: "held once"}.get(
        len(rows), f"held {len(rows)} times"
    )
    held = f"{seat} was {how_often}"
    if seat is None:
        held = f"{user} held {counted(len(rows), 'seat') if rows else 'no seat'}"
    return question.answer(
        rows,
        _holder_columns(question, seat),
        sentence=f"{held} in {about.account.key} {when}.",
        extra={"from": since, "until": before},
    )


def _who(question: Question, rows: list[dict[str, Any]], subject: str) -> str:
    account = question.account
    is_now = question.is_now
    instant = times.spelled(question.as_of, account.zones)
    when = f"{'now,' if is_now else 'on'} {instant}"
    holds = "holds" if is_now else "held"
    if unknown := question.unknown():
        return unknown
    if not rows:
        return f"{subject} {holds} no seat of {account.key} {when}."
    sentences = []
    for row in rows:
        holder = row["holder"]
        if holder is None:
            under = (
                f"nobody {holds} it"
                if row["purchased"]
                else f"it {'is' if is_now else 'was'} not under contract"
            )
            sentences.append(f"{row['seat']} of {account.key} {when}: {under}.")
        else:
            name = person_in(holder)
            sentences.append(f"{name} {holds} {row['seat']} of {account.key} {when}.")
    return " ".join(sentences)


def _about(
    question: Question, rows: list[dict[str, Any]], user: str | None
) -> list[dict[str, Any]]:
    """The windows that the moment lies in, of the seats shown and of the user (R85)."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    windows = [window for row in rows for window in row["windows"]]
    if user is not None and question.account.is_known:
        windows += [
            window
            for window in holdings.windows_at(question.about)
            if user in {window["user"], window["email"]} and window not in windows
        ]
    return windows


def _next(rows: list[dict[str, Any]], seat: str | None, question: Question) -> str:
    holder = rows[0]["holder"] if rows else None
    if holder is not None:
        return f"seat-ledger event show {holder['assigned_by']['position']}"
    if seat is not None:
        account = as_word(question.account.key)
        return f"seat-ledger seat history {as_word(seat)} --account {account}"
    return ""


def _by(row: dict[str, Any]) -> str:
    """Who gave the seat, and who took it where that is somebody else."""
    acts = (row["assigned_by"], row["unassigned_by"])
    return " / ".join(dict.fromkeys(act["actor"] for act in acts if act)) or "-"


def _why(row: dict[str, Any]) -> str:
    acts = (row["assigned_by"], row["unassigned_by"])
    reasons = [act["reason"] for act in acts if act and act["reason"]]
    return " / ".join(dict.fromkeys(reasons)) or "-"


def _entries(row: dict[str, Any]) -> str:
    acts = (row["assigned_by"], row["unassigned_by"])
    return "-".join(str(act["position"]) for act in acts if act)


def _interval_columns(question: Question) -> list[Any]:
    zones = question.account.zones
    return [
        ("from", lambda h: _within(h["held_from"] or "-", h["held_after"], zones)),
        ("until", lambda h: _until(h, zones)),
        ("holder", _holder),
        ("by", _by),
        ("reason", _why),
        ("entries", _entries),
    ]


def _holder(held: Any) -> str:
    """Who holds or held it, and what they were called then if otherwise (R95)."""
    now, then = called(held["user"], held["email"]), held["called_then"]
    if then is None:
        return now
    was = called(then["user"], then["email"])
    return f"{now} (then {then['name'] if was == now else was})"


def _until(held: Any, zones: Any) -> Any:
    """Where a holding ends, or is to end at a period's end (R98)."""
    if held["unassignment_due"] is None:
        return _within(held["held_until"], held["until_after"], zones)
    return f"{times.local(held['unassignment_due'], zones)} (pending)"


def _within(at: Any, after: Any, zones: Any) -> Any:
    """An instant, with the other end of the window in which it happened (R85)."""
    if after is None:
        return at or "present"
    return f"{times.local(at, zones)} (after {times.local(after, zones)})"


def _holder_columns(question: Question, of_one: str | None) -> list[Any]:
    """Columns of who held what; the sentence has named the `one` seat already."""

    def of(value: Any) -> Any:
        return lambda row: value(row["holder"]) if row["holder"] else "-"

    columns = [(title, of(value)) for title, value in _interval_columns(question)]
    return columns if of_one else [*cells("seat"), *columns]


def history_columns(question: Question) -> list[Any]:
    """Columns of a list of holdings."""
    return [
        *cells("seat"),
        *_interval_columns(question),
        *cells("reversed"),
    ]


@group.command()
@click.argument("seat")
@option_account
@option_as_of
@click.option("--with-reversed", is_flag=True, help="Include what was reversed.")
@reading
def history(question: Question, seat: str, with_reversed: bool, **_: Any) -> Answer:
    """Everybody who ever held a seat, in order."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    about, ref = question.about_ever, parse_seat(seat)
    rows = holdings.history(about, ref, with_reversed=with_reversed)
    life = holdings.life(about, ref)
    held = len([row for row in rows if not row["reversed"]])
    how_often = {0: "never held", 1: "held once"}.get(held, f"held {held} times")
    return question.answer(
        rows,
        history_columns(question),
        sentence=f"{seat} of {question.account.key} was {how_often}.",
        notes=[_life(question, life)],
        extra={"life": life},
    )


def _life(question: Question, life: dict[str, Any] | None) -> str:
    """From when to when a seat is under contract, in words."""
    if life is None:
        return "As far as is known, it was never under contract."
    zones = question.account.zones
    after = life["purchased_after"]
    window = f"after {times.local(after, zones)}, " if after is not None else ""
    text = (
        f"Under contract from {times.local(life['purchased_at'], zones)} "
        f"({window}entry {life['purchased_by']})"
    )
    if life["retires_at"] is None:
        return f"{text}."
    until = times.local(life["retires_at"], zones)
    return f"{text} until {until} (retired by entry {life['retired_by']})."


@group.command("list")
@option_account
@option_as_of
@reading
def list_(question: Question, **_: Any) -> Answer:
    """Every seat under contract at a moment, with its holder, and the totals."""
    from seat_ledger.projections import holdings  # noqa: PLC0415

    account, zones = question.account, question.account.zones
    about = question.about
    rows, totals = holdings.under_contract(about), holdings.totals(about)
    when = times.spelled(question.as_of, zones)
    in_words = [
        f"{row['assigned']}{_in_truth(row)} of {row['purchased']} {row['seat_type']} "
        "assigned, "
        f"{row['available']} available, {row['pending_reduction']} to be retired"
        for row in totals
    ]
    held, bought = (sum(row[n] for row in totals) for n in ("assigned", "purchased"))
    seats = f"{counted(bought, 'seat')} of {counted(len(totals), 'type')}"
    total = f"{held} of {seats} assigned"
    is_short = len(in_words) < 2
    columns = [
        *cells("seat", "holder=holder.user", "held from=holder.held_from"),
        *cells("to be unassigned=holder.unassignment_due"),
        *cells("purchased=purchased_at", "retires=retires_at"),
    ]
    windows = [window for row in rows for window in row["windows"]]
    if any(row["holder"] and row["holder"]["held_after"] for row in rows):
        columns[3:3] = cells("after=holder.held_after")
    summary = "".join(in_words) or "no seats" if is_short else total
    by_type = [] if is_short else [f"{text}." for text in in_words]
    return question.answer(
        rows,
        columns,
        sentence=f"{account.key} on {when}: {summary}.",
        notes=[*by_type, *window_sentences(windows, zones)],
        extra={"totals": totals},
    )


def _in_truth(row: dict[str, Any]) -> str:
    """Between how many assigned seats the truth lies, where windows leave it open."""
    if not is_open(row, "assigned"):
        return ""
    return f" ({between('assigned')(row)} in truth)"


for _command in (move, upgrade, save):
    group.add_command(_command)
