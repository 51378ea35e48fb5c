"""The tables that answers come from: kept, rebuilt, held against the store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.commands.projection_rebuild import (
    RESULTS,
    rebuild_and_report,
    tables_by,
)
from seat_ledger.cli.options.session import (
    SIZE,
    F,
    FilePath,
    FiniteNumber,
    Session,
    current_session,
    option_metrics,
    options_of_answering,
    options_of_listing,
    serve_by,
)
from seat_ledger.cli.options.stopping import until_stopped
from seat_ledger.cli.output import times
from seat_ledger.cli.output.logs import log_writer
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells, print_message
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted

if TYPE_CHECKING:
    from psycopg import Connection

    from seat_ledger.projections.engine.set_aside import SetAside


def _option_engine(what: str, default: str | None) -> Callable[[F], F]:
    """``--engine``: by which of the two engines the tables are computed."""
    return click.option(
        "--engine",
        type=click.Choice(("postgresql", "duckdb")),
        default=default,
        show_default=True,
        help=f"{what}; DuckDB needs the extra 'lake'.",
    )


@click.group(epilog="Example: seat-ledger projection rebuild")
def group() -> None:
    """The tables that answers come from."""


@group.command()
@option_metrics
@options_of_listing
def status(metrics: Path | None) -> None:
    """Show how far the projections are; exit 3 if an event cannot be read.

    An unreadable event sets its account aside; one without an account stops the
    projections.
    """
    from seat_ledger.store.connection import connect  # noqa: PLC0415

    session = current_session()
    with connect(session.ready(), role="reader", autocommit=True) as connection:
        answer, aside = status_answer(connection)
    if metrics is not None:
        from seat_ledger.cli.output.metrics import write_status  # noqa: PLC0415

        write_status(metrics, session.conninfo())
    if answer.exit_code:
        _name_set_aside(session, aside)
    emit(answer)


def status_answer(connection: Connection[Any]) -> tuple[Answer, tuple[SetAside, ...]]:
    """How far the projections are, and the accounts that are set aside (R74)."""
    from seat_ledger.projections.engine import status  # noqa: PLC0415

    rows = status.status(connection)
    builder = status.rebuilding(connection)
    aside = status.aside(connection)
    columns = [
        *cells("projection", "version", "checkpoint", "head", "behind=lag_events"),
        ("oldest waiting", lambda row: times.span(row["lag_seconds"])),
        ("state", _state),
    ]
    extra: dict[str, Any] = {"rebuilding": None if builder is None else list(builder)}
    extra["set_aside"] = [account.document() for account in aside]
    answer = Answer(rows, columns, sentence=_status_in_words(rows), extra=extra)
    answer.notes = [*_status_notes(rows[0], builder), *_sentences(aside)]
    if any(row["state"] == "stale" for row in rows):
        answer.next_command = "seat-ledger projection rebuild"
    elif aside:
        answer.next_command = f"seat-ledger projection resume {_keys(aside)}"
    if aside or rows[0]["stuck_at"] is not None:
        answer.exit_code = 3
    return answer, aside


serve_by(status, lambda question: status_answer(question.reader.connection)[0])


def _sentences(aside: Iterable[SetAside]) -> list[str]:
    return [account.sentence() for account in aside]


def _keys(aside: Iterable[SetAside]) -> str:
    return " ".join(as_word(account.account_key) for account in aside)


def _name_set_aside(session: Session, aside: Iterable[SetAside]) -> None:
    """Name on stderr what a form of rows alone does not show."""
    if session.format != "table":
        for sentence in _sentences(aside):
            print_message(sentence)


def _status_notes(row: dict[str, Any], builder: Any) -> Iterator[str]:
    if row["reason"]:
        yield f"It stops: {row['reason']}"
    if row["followed"] and not row["reason"]:
        yield "A follower is running."
    if row["state"] == "behind" and not row["followed"]:
        yield (
            "No follower is running; the next question catches up, or run: "
            "seat-ledger projection run"
        )
    if builder is not None:
        who, since = builder
        yield f"A rebuild has been running since {since:%Y-%m-%d %H:%M:%S %Z}: {who}."


def _state(row: dict[str, Any]) -> str:
    since = row["stuck_since"]
    if row["state"] == "stuck" and since is not None:
        return f"stuck since {since:%Y-%m-%d %H:%M}"
    return str(row["state"])


def _status_in_words(rows: list[dict[str, Any]]) -> str:
    worst = rows[0]
    if not worst["lag_events"]:
        return f"The projections are up to date, at position {worst['head']}."
    many = worst["lag_events"]
    return (
        f"The projections are {many:,} event{'' if many == 1 else 's'} behind the "
        f"store; the oldest has waited {times.span(worst['lag_seconds'])}."
    )


@group.command()
@click.option("--follow", is_flag=True, help="Keep running and follow new events.")
@click.option(
    "--rebuild-stale",
    is_flag=True,
    help="Rebuild first if the tables were built by another version.",
)
@click.option(
    "--poll",
    type=FiniteNumber(0.05, 3600),
    default=1.0,
    show_default=True,
    help="Check for new events at least this often, in seconds.",
)
@options_of_answering
def run(follow: bool, rebuild_stale: bool, poll: float) -> None:
    """Catch up to the current head, or (--follow) keep following.

    Exits with 3 if an account is set aside because one of its events is unreadable.
    """
    from seat_ledger.projections.engine import generations, installation  # noqa: PLC0415
    from seat_ledger.projections.engine.catch_up import may_not_write  # noqa: PLC0415
    from seat_ledger.store.connection import connect  # noqa: PLC0415

    session = current_session()
    conninfo = session.ready()
    if rebuild_stale:
        with connect(conninfo, role="projector", autocommit=True) as connection:
            stale = generations.served(connection).is_stale
        if stale and (code := rebuild_and_report(session)):
            raise click.exceptions.Exit(code)
    if follow:
        _follow(conninfo, poll)
        return
    with connect(conninfo, role="projector", autocommit=True) as connection:
        before = generations.served(connection).checkpoint
        progress = installation.catch_up(connection, patient=True)
        if progress.checkpoint < progress.head:
            raise may_not_write(connection)
        aside = installation.aside(connection)
    row = {"checkpoint": progress.checkpoint, "head": progress.head, "before": before}
    sentence = f"Caught up from position {before} to {progress.checkpoint}."
    if before == progress.checkpoint:
        sentence = f"Nothing to do: the projections are at position {before}."
    answer = Answer([row], sentence=sentence, notes=_sentences(aside))
    answer.extra = {"set_aside": [account.document() for account in aside]}
    emit(answer)
    if aside:
        _name_set_aside(session, aside)
        raise click.exceptions.Exit(3)


def _follow(conninfo: str, poll: float) -> None:
    """Follow until a signal comes, a line for each state."""
    from seat_ledger.projections.engine.follow import follow  # noqa: PLC0415

    with until_stopped() as stopping:
        follow(conninfo, stopping, poll=poll, notify=log_writer())


@group.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Database connections; by default one per core, at most 4.",
)
@_option_engine(
    "What computes the tables. By default DuckDB where it is installed and the ledger "
    "has a million events, else PostgreSQL",
    None,
)
@click.option(
    "--results",
    type=FilePath(dir_okay=False, path_type=Path),
    default=Path(RESULTS),
    show_default=True,
    envvar="SEAT_LEDGER_RESULTS",
    show_envvar=True,
    help="Write the outcome to this file, also on failure.",
)
@click.option(
    "--log",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    envvar="SEAT_LEDGER_LOG",
    show_envvar=True,
    help="The form of progress messages on stderr.",
)
@click.option(
    "--set-aside",
    "named",
    multiple=True,
    metavar="ACCOUNT",
    help="If an event of this account cannot be read, continue without its later "
    "events. An account's key, or the event's position; can be repeated.",
)
@option_metrics
@options_of_answering
def rebuild(  # noqa: PLR0913, PLR0917  options of a command
    workers: int | None,
    engine: str | None,
    results: Path,
    metrics: Path | None,
    log: str,
    named: tuple[str, ...],
) -> None:
    """Rebuild all projections beside the served ones, check them, then switch.

    An unreadable event stops it, unless its account is already set aside or is named
    with --set-aside. An account whose events can all be read again goes back into
    service.
    """
    code = rebuild_and_report(
        current_session(),
        workers,
        metrics,
        results,
        log=log,
        named=named,
        engine=engine,
    )
    if code:
        raise click.exceptions.Exit(code)


@group.command()
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@options_of_answering
def resume(accounts: tuple[str, ...]) -> None:
    """Put accounts that were set aside back into service; by default all.

    Run it once the event can be read again: with a newer program, or after a restore.
    What was left out is read, up to the next unreadable event; exits with 3 if an
    account stays set aside.
    """
    from seat_ledger.projections.engine.resume import resume  # noqa: PLC0415

    session = current_session()
    taken = resume(session.ready(), list(accounts))
    left = [after for _, after in taken if after is not None]
    rows = [
        {
            "account": before.account_key,
            "from_position": before.position,
            "outcome": "resumed" if after is None else "set_aside",
            "position": None if after is None else after.position,
            "reason": None if after is None else after.reason,
        }
        for before, after in taken
    ]
    columns = cells("account", "from_position", "outcome", "position", "reason")
    done = len(rows) - len(left)
    sentence = counted(done, "account is", "accounts are")
    sentence += " back in service."
    if not rows:
        sentence = "No account is set aside."
    elif left:
        many = "1 stays" if len(left) == 1 else f"{len(left)} stay"
        sentence += f" {many} set aside."
    answer = Answer(rows, columns, sentence=sentence, notes=_sentences(left))
    emit(answer)
    if left:
        raise click.exceptions.Exit(3)


@group.command()
@click.option("--full", is_flag=True, help="Recompute everything and compare.")
@click.option(
    "--sample",
    type=SIZE,
    metavar="N",
    help="Recompute N accounts and compare.",
)
@click.option(
    "--max-duration",
    type=FiniteNumber(min=0),
    metavar="SECONDS",
    help="Recompute for this long, and report how far it got.",
)
@_option_engine("With --full: what recomputes the tables", "postgresql")
@option_metrics
@options_of_listing
def verify(
    full: bool,
    sample: int | None,
    max_duration: float | None,
    engine: str,
    metrics: Path | None,
) -> None:
    """Compare the served tables with the store; exit 3 if they differ."""
    from seat_ledger.cli.output.progress import heartbeat  # noqa: PLC0415
    from seat_ledger.projections.engine.verify import verify  # noqa: PLC0415

    if engine != "postgresql" and (sample is not None or not full):
        raise click.UsageError(
            "--engine duckdb recomputes every account: use it with --full, without "
            "--sample."
        )
    beside = tables_by(engine)
    session = current_session()
    conninfo = session.ready()
    full = full or sample is not None or max_duration is not None
    with heartbeat("Verifying"):
        result = verify(
            conninfo,
            full=full,
            sample=sample,
            max_duration=max_duration,
            beside=beside,
        )
    rows = [row.document() for row in result.rows]
    wrong = sum(1 for row in rows if row["status"] == "differs")
    if metrics is not None:
        from seat_ledger.cli.output.metrics import write_verify  # noqa: PLC0415

        write_verify(metrics, conninfo, wrong, result.seconds)
    sentence = result.sentence()
    columns = cells("projection", "check", "status", "compared", "found")
    extra: dict[str, Any] = {"full": full, "accounts": result.accounts}
    extra["complete"] = result.complete
    extra["of_accounts"] = result.of_accounts
    extra["set_aside"] = [account.document() for account in result.aside]
    answer = Answer(rows, columns, sentence=sentence, extra=extra)
    answer.known_at = (result.position, None)
    if result.aside:
        answer.next_command = f"seat-ledger projection resume {_keys(result.aside)}"
    elif wrong:
        answer.next_command = "seat-ledger projection rebuild"
    if wrong:
        answer.exit_code = 3
        _name_set_aside(session, result.aside)
    emit(answer)
