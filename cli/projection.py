"""The tables that answers come from: kept, rebuilt, held against the store."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from cli import times
from cli.render import Answer, emit, is_plain, say
from cli.session import Session, option_database, option_format
from seat_ledger.errors import LedgerError

RESULTS = "run_results.json"


@click.group(epilog="Example: seat-ledger projection rebuild")
def group() -> None:
    """The tables that answers come from."""


option_metrics = click.option(
    "--metrics",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SEAT_LEDGER_METRICS",
    show_envvar=True,
    help="A text file for Prometheus' node exporter.",
)


def _session() -> Session:
    session = click.get_current_context().find_object(Session)
    assert session is not None
    return session


@group.command()
@option_metrics
@option_database
@option_format
def status(metrics: Path | None) -> None:
    """How far the projections are, against the store's head and the clock."""
    from projections.status import rebuilding  # noqa: PLC0415
    from projections.status import status as ask  # noqa: PLC0415
    from seat_ledger.store.connection import connect  # noqa: PLC0415

    session = _session()
    with connect(session.conninfo(), autocommit=True) as connection:
        rows = ask(connection)
        builder = rebuilding(connection)
    if metrics is not None:
        from cli.metrics import write_status  # noqa: PLC0415

        write_status(metrics, session.conninfo())
    columns: list[Any] = [
        (name, lambda row, name=name: row[name])
        for name in ("projection", "version", "checkpoint", "head")
    ]
    columns += [
        ("behind", lambda row: row["lag_events"]),
        ("oldest waiting", lambda row: times.span(row["lag_seconds"])),
        ("state", _state),
    ]
    extra = {"rebuilding": None if builder is None else list(builder)}
    answer = Answer(rows, columns, sentence=_status_in_words(rows), extra=extra)
    answer.notes = list(_status_notes(rows[0], builder))
    if any(row["state"] == "stale" for row in rows):
        answer.next_command = "seat-ledger projection rebuild"
    emit(answer, session.format)


def _status_notes(row: dict[str, Any], builder: Any) -> Iterator[str]:
    if row["reason"]:
        yield f"It stops: {row['reason']}"
    if row["followed"] and not row["reason"]:
        yield "A follower is at work."
    if row["state"] == "behind" and not row["followed"]:
        yield "Nobody follows; the next question catches up, or: projection run."
    if builder is not None:
        who, since = builder
        yield f"A rebuild is at work since {since:%Y-%m-%d %H:%M:%S %Z}: {who}."


def _state(row: dict[str, Any]) -> str:
    since = row["stuck_since"]
    if row["state"] == "stuck" and since is not None:
        return f"stuck since {since:%Y-%m-%d %H:%M}"
    return str(row["state"])


def _status_in_words(rows: list[dict[str, Any]]) -> str:
    worst = rows[0]
    if not worst["lag_events"]:
        return f"The projections are at the store's head, position {worst['head']}."
    return (
        f"The projections are {worst['lag_events']} events behind the store; the "
        f"oldest has waited {times.span(worst['lag_seconds'])}."
    )


@group.command()
@click.option("--follow", is_flag=True, help="Go on as events arrive, until stopped.")
@click.option(
    "--rebuild-stale",
    is_flag=True,
    help="Rebuild first where the definitions are not this program's.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    show_default=True,
    help="Look at least this often, in seconds, whatever is notified.",
)
@option_database
@option_format
def run(follow: bool, rebuild_stale: bool, poll: float) -> None:
    """Catch up to the head as it is now, or (--follow) go on."""
    from projections import engine, generation  # noqa: PLC0415
    from seat_ledger.store.connection import connect  # noqa: PLC0415

    session = _session()
    conninfo = session.ready()
    if rebuild_stale:
        with connect(conninfo, autocommit=True) as connection:
            stale = generation.served(connection).stale
        if stale and (code := _rebuild(session)):
            raise click.exceptions.Exit(code)
    if follow:
        if _follow(conninfo, poll):
            raise click.exceptions.Exit(130)
        return
    with connect(conninfo, autocommit=True) as connection:
        before = generation.served(connection).checkpoint
        found = engine.catch_up(connection, patient=True)
    row = {"checkpoint": found.checkpoint, "head": found.head, "before": before}
    said = f"Caught up from position {before} to {found.checkpoint}."
    if before == found.checkpoint:
        said = f"Nothing to do: the projections are at position {before}."
    emit(Answer([row], sentence=said), session.format)


_LEVELS = {"stuck": "error", "disconnected": "warning"}


def _follow(conninfo: str, poll: float) -> bool:
    """Follow until a signal comes, a line for each state; whether it was Ctrl-C."""
    from projections.following import follow  # noqa: PLC0415

    log = _logger()

    def tell(what: str, **facts: Any) -> None:
        getattr(log, _LEVELS.get(what, "info"))(what, **facts)

    return follow(conninfo, poll=poll, tell=tell)


def _logger() -> Any:
    """Structured lines on stderr: readable on a terminal, JSON in a log."""
    import structlog  # noqa: PLC0415

    plain = not sys.stderr.isatty()
    renderer = (
        structlog.processors.JSONRenderer()
        if plain
        else structlog.dev.ConsoleRenderer(colors=not is_plain())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    return structlog.get_logger()


@group.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="Connections that share the work; as many as cores, at most 4, if left out.",
)
@click.option(
    "--results",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(RESULTS),
    show_default=True,
    envvar="SEAT_LEDGER_RESULTS",
    show_envvar=True,
    help="Where the outcome is written, on failure too.",
)
@option_metrics
@option_database
@option_format
def rebuild(workers: int | None, results: Path, metrics: Path | None) -> None:
    """Make all projections anew beside the served ones, check them, then switch."""
    code = _rebuild(_session(), workers, metrics, results)
    if code:
        raise click.exceptions.Exit(code)


def _rebuild(
    session: Session,
    workers: int | None = None,
    metrics: Path | None = None,
    results: Path | None = None,
) -> int:
    """Rebuild and tell; write the outcome down whatever it is."""
    from projections.rebuild import Result  # noqa: PLC0415

    try:
        result = _make(session.ready(), workers)
    except (LedgerError, KeyboardInterrupt) as error:
        failed = Result()
        failed.error = error if isinstance(error, LedgerError) else _interrupted()
        _write_down(session.conninfo(), failed.document(), metrics, results)
        raise
    document = result.document()
    _write_down(session.conninfo(), document, metrics, results)
    return _tell_result(session, document, result.error, results)


def _make(conninfo: str, workers: int | None) -> Any:
    from projections.catalogue import PROJECTIONS  # noqa: PLC0415
    from projections.rebuild import DEFAULT_WORKERS, Made  # noqa: PLC0415
    from projections.rebuild import rebuild as make  # noqa: PLC0415

    say(
        f"Building {len(PROJECTIONS)} projections beside the served ones, "
        f"{workers or DEFAULT_WORKERS} workers."
    )
    told: list[str] = []

    def tell(made: Made) -> None:
        if made.projection not in told:
            told.append(made.projection)
        number = told.index(made.projection) + 1
        line = f"{number} of {len(PROJECTIONS)} {made.status.upper():5} "
        line += f"{made.projection:20} "
        if made.status == "error":
            say(line + str(made.reason))
        else:
            say(f"{line}{made.rows:>12,} rows {made.seconds:>8.1f} s")

    from cli.heartbeat import heartbeat  # noqa: PLC0415

    with heartbeat("Rebuilding") as at:
        return make(conninfo, workers=workers, tell=tell, at=at)


def _interrupted() -> LedgerError:
    error = LedgerError("The rebuild was interrupted. The served tables are unchanged.")
    error.code = "interrupted"
    return error


def _write_down(
    conninfo: str,
    document: dict[str, Any],
    metrics: Path | None,
    results: Path | None,
) -> None:
    if results is not None:
        _write(results, json.dumps(document, indent=1, default=str) + "\n")
    if metrics is not None:
        from cli.metrics import write_rebuild  # noqa: PLC0415

        write_rebuild(metrics, conninfo, document)


def _tell_result(
    session: Session, document: dict[str, Any], error: Any, results: Path | None
) -> int:
    rows = document.pop("rows")
    passed = sum(1 for row in rows if row["status"] == "ok")
    failed = sum(1 for row in rows if row["status"] == "error")
    tally = (
        f"PASS={passed} WARN=0 ERROR={failed} SKIP={len(rows) - passed - failed} "
        f"TOTAL={len(rows)} in {document['seconds']:.1f} s."
    )
    if error is None:
        said = (
            f"Rebuilt from {document['events']:,} events up to position "
            f"{document['ceiling']} and serving. {tally}"
        )
    else:
        said = f"Not rebuilt; the served tables are unchanged. {tally}"
    columns = [
        (name, lambda row, name=name: row[name])
        for name in ("projection", "rows", "digest", "seconds", "status")
    ]
    notes = [f"The outcome is in {results}."] if results else []
    emit(
        Answer(rows, columns, sentence=said, notes=notes, extra=document),
        session.format,
    )
    if error is None:
        return 0
    from cli.main import tell  # noqa: PLC0415

    return tell(error, as_json=session.format in {"json", "jsonl"})


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be written: {error.strerror}.",
            try_="name another file with --results",
        ) from error


@group.command()
@click.option("--full", is_flag=True, help="Compute everything anew and compare.")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Of N accounts only."
)
@click.option(
    "--max-duration",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Stop after so long, and say how far it came.",
)
@option_metrics
@option_database
@option_format
def verify(
    full: bool, sample: int | None, max_duration: float | None, metrics: Path | None
) -> None:
    """Hold the served tables against the store; exit 3 where they differ."""
    from cli.heartbeat import heartbeat  # noqa: PLC0415
    from projections.verify import verify as hold  # noqa: PLC0415

    session = _session()
    conninfo = session.ready()
    with heartbeat("Verifying"):
        found = hold(conninfo, full=full, sample=sample, max_duration=max_duration)
    rows = [row.document() for row in found.rows]
    wrong = sum(1 for row in rows if row["status"] == "differs")
    if metrics is not None:
        from cli.metrics import write_verify  # noqa: PLC0415

        write_verify(metrics, conninfo, wrong, found.seconds)
    said = found.sentence()
    columns = [
        (name, lambda row, name=name: row[name])
        for name in ("projection", "check", "status", "compared", "found")
    ]
    extra = {"full": full, "accounts": found.accounts, "complete": found.complete}
    answer = Answer(rows, columns, sentence=said, extra=extra)
    answer.known = (found.position, None)
    if wrong:
        answer.next_command = "seat-ledger projection rebuild"
    emit(answer, session.format)
    if wrong:
        raise click.exceptions.Exit(3)
