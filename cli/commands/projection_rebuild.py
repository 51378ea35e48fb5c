"""A rebuild as people, logs and files get to know of it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seat_ledger.cli.options.session import Session
from seat_ledger.cli.output.files import write_whole
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.render import Answer, cells, print_message
from seat_ledger.domain.wording import counted
from seat_ledger.errors import LedgerError, MissingExtra, OutcomeUnknown

if TYPE_CHECKING:
    from seat_ledger.projections.engine.report import RebuildResult
    from seat_ledger.projections.lake.bulk import TablesByDuckDB

RESULTS = "run_results.json"


def rebuild_and_report(  # noqa: PLR0913  an option each
    session: Session,
    workers: int | None = None,
    metrics: Path | None = None,
    results: Path | None = None,
    *,
    log: str = "text",
    named: Collection[str] = (),
    engine: str | None = None,
) -> int:
    """Rebuild and tell; write the outcome down whatever it is; return the exit code.

    Where no `engine` is named, the one that is quicker for so many events.
    """
    from seat_ledger.projections.engine.rebuild import DEFAULT_WORKERS  # noqa: PLC0415
    from seat_ledger.projections.engine.report import RebuildResult  # noqa: PLC0415

    workers = workers or DEFAULT_WORKERS
    make = _make_in_json if log == "json" else _make
    failed = RebuildResult()
    try:
        with _ended_by_signals():
            result = make(session.ready(), workers, named, _computing(engine))
    except BaseException as error:  # whatever it is, the outcome tells
        failed.error = _outcome_of(error)
        failed.seconds = time.monotonic() - failed.began
        for problem in _write_down(
            session.conninfo(), failed.document(), metrics, results
        ):
            print_message(f"Error: {problem.message}")
        if isinstance(error, LedgerError | KeyboardInterrupt):
            raise failed.error from None
        raise
    document = result.document()
    unwritten = _write_down(session.conninfo(), document, metrics, results)
    if result.error is not None:
        session.exit_code = result.error.exit_code
        for problem in unwritten:
            print_message(f"Error: {problem.message}")
    elif unwritten:
        session.exit_code = unwritten[0].exit_code
    code = _report_result(session, document, result, results if not unwritten else None)
    if unwritten and not code:
        unwritten[0].message = f"The new tables serve, but {unwritten[0].message}"
        raise unwritten[0]
    return code


def _computing(engine: str | None) -> dict[str, Any]:
    """How :func:`rebuild` is told what computes. Raises MissingExtra."""
    from seat_ledger.projections.engine.rebuild import BESIDE_FROM  # noqa: PLC0415
    from seat_ledger.projections.lake.bulk import available  # noqa: PLC0415

    if engine is None and available():
        return {"bulk": tables_by("duckdb"), "bulk_from": BESIDE_FROM}
    return {"bulk": tables_by(engine or "postgresql")}


def tables_by(engine: str) -> type[TablesByDuckDB] | None:
    """What computes tables beside the server, if anything. Raises MissingExtra."""
    from seat_ledger.projections.lake.bulk import (  # noqa: PLC0415
        TablesByDuckDB,
        available,
    )

    if engine != "duckdb":
        return None
    if not available():
        raise MissingExtra(
            "--engine duckdb needs the extra 'lake', which is not installed.",
            try_="pip install 'seat-ledger[lake]', or --engine postgresql",
        )
    return TablesByDuckDB


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a rebuild as Ctrl-C does: cleaned up."""
    ending = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in ending:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in ending:
            signal.signal(number, signal.SIG_DFL)


def _is_certain(computing: dict[str, Any]) -> bool:
    return computing["bulk"] is not None and "bulk_from" not in computing


def _make(
    conninfo: str, workers: int, named: Collection[str], computing: dict[str, Any]
) -> Any:
    """Rebuild, with a line for each projection."""
    from seat_ledger.cli.output.progress import heartbeat  # noqa: PLC0415
    from seat_ledger.projections.engine.rebuild import rebuild  # noqa: PLC0415
    from seat_ledger.projections.engine.registry import PROJECTIONS  # noqa: PLC0415
    from seat_ledger.projections.engine.report import BuiltTable  # noqa: PLC0415

    print_message(
        f"Building {len(PROJECTIONS)} projections beside the served ones with "
        f"{workers} workers{' and DuckDB' if _is_certain(computing) else ''}."
    )
    reported: list[str] = []

    def report(table: BuiltTable) -> None:
        if table.projection not in reported:
            reported.append(table.projection)
        number = reported.index(table.projection) + 1
        line = f"{number} of {len(PROJECTIONS)} {table.status.upper():5} "
        line += f"{table.projection:20} "
        if table.status == "error":
            print_message(line + str(table.reason))
        else:
            print_message(f"{line}{table.rows:>12,} rows {table.seconds:>8.1f} s")

    with heartbeat("Rebuilding") as at:
        return rebuild(
            conninfo, workers=workers, report=report, at=at, named=named, **computing
        )


def _make_in_json(
    conninfo: str, workers: int, named: Collection[str], computing: dict[str, Any]
) -> Any:
    """Rebuild, with a line of JSON for each phase and each projection."""
    from seat_ledger.cli.output.logs import logger  # noqa: PLC0415
    from seat_ledger.projections.engine.rebuild import rebuild  # noqa: PLC0415
    from seat_ledger.projections.engine.report import BuiltTable  # noqa: PLC0415

    log = logger(as_json=True)

    def report(table: BuiltTable) -> None:
        write = log.error if table.status == "error" else log.info
        write("projection", **table.document())

    log.info("rebuild", workers=workers)
    return rebuild(
        conninfo,
        workers=workers,
        report=report,
        named=named,
        **computing,
        at=lambda what: log.info("phase", doing=what),
    )


def _outcome_of(error: BaseException) -> LedgerError:
    """What ended a rebuild, as files and people are told."""
    if isinstance(error, LedgerError):
        return error
    outcome = LedgerError(
        "The rebuild was interrupted. The served tables are unchanged."
    )
    outcome.code, outcome.exit_code = "interrupted", 130
    if not isinstance(error, KeyboardInterrupt):
        outcome.message = f"The rebuild ended with a bug ({type(error).__name__})."
        outcome.code, outcome.exit_code = "bug", 70
    return outcome


def _write_down(
    conninfo: str,
    document: dict[str, Any],
    metrics: Path | None,
    results: Path | None,
) -> list[LedgerError]:
    """Write the outcome wherever it goes; return what could not be written."""
    unwritten = []
    if results is not None:
        try:
            write_whole(results, json.dumps(document, indent=1, default=str) + "\n")
        except LedgerError as error:
            unwritten.append(error)
    if metrics is not None:
        from seat_ledger.cli.output.metrics import write_rebuild  # noqa: PLC0415

        try:
            write_rebuild(metrics, conninfo, document)
        except LedgerError as error:
            unwritten.append(error)
    return unwritten


def _report_result(
    session: Session,
    document: dict[str, Any],
    result: RebuildResult,
    results: Path | None,
) -> int:
    error = result.error
    rows = document.pop("rows")
    passed = sum(1 for row in rows if row["status"] == "ok")
    failed = sum(1 for row in rows if row["status"] == "error")
    tally = (
        f"PASS={passed} WARN=0 ERROR={failed} SKIP={len(rows) - passed - failed} "
        f"TOTAL={len(rows)} in {document['seconds']:.1f} s."
    )
    if error is None:
        sentence = (
            f"Rebuilt from {counted(document['events'], 'event')} up to position "
            f"{document['ceiling']} and put into service. {tally}"
        )
    elif result.switched:
        sentence = f"Rebuilt and put into service, but not ended well. {tally}"
    elif isinstance(error, OutcomeUnknown):
        sentence = f"Rebuilt; whether it is in service is not known. {tally}"
    else:
        sentence = f"Not rebuilt; the served tables are unchanged. {tally}"
    columns = cells("projection", "rows", "digest", "seconds", "status")
    notes = [f"The outcome is in {results}."] if results else []
    if result.compared:
        notes.append(
            f"DuckDB computed the tables; {counted(result.compared, 'account')}, "
            "chosen at random, PostgreSQL too: every row is the same."
        )
    notes += [
        f"Account {account.account_key} is back in service."
        for account in result.resumed
    ]
    notes += [account.sentence() for account in result.aside]
    emit(
        Answer(rows, columns, sentence=sentence, notes=notes, extra=document),
        session.format,
    )
    if error is None:
        return 0
    from seat_ledger.cli.output.failures import print_failure  # noqa: PLC0415

    return print_failure(error, as_json=session.format in {"json", "jsonl"})
