"""Figures for Prometheus: a file for its node exporter, or what a server answers."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from seat_ledger.cli.output.files import PUBLIC, alone, write_whole
from seat_ledger.errors import (
    LedgerError,
    SchemaMismatch,
    Unavailable,
    system_reason,
    way_out,
)
from seat_ledger.store.input_files import read_text

if TYPE_CHECKING:
    from psycopg import Connection

    from seat_ledger.projections.reader import ConnectedReader

_LARGEST = 10_000_000
_HELP = {
    "seat_ledger_rebuild_last_success_timestamp_seconds": "When a rebuild last served.",
    "seat_ledger_rebuild_last_run_timestamp_seconds": "When a rebuild last ended.",
    "seat_ledger_rebuild_failed": "Whether the last rebuild failed.",
    "seat_ledger_rebuild_duration_seconds": "How long the last rebuild took.",
    "seat_ledger_rebuild_events": "Events that the last rebuild read.",
    "seat_ledger_projection_lag_events": "Events that the projections lack.",
    "seat_ledger_projection_lag_seconds": "How long the oldest of them has waited.",
    "seat_ledger_projection_stuck": "Whether something stops the projections.",
    "seat_ledger_accounts_set_aside": "Accounts with an event that cannot be read.",
    "seat_ledger_renewals_due": "Accounts with a renewal due.",
    "seat_ledger_store_position": "The position of the newest event.",
    "seat_ledger_verify_last_run_timestamp_seconds": "When verify last ended.",
    "seat_ledger_verify_duration_seconds": "How long the last verify took.",
    "seat_ledger_verify_findings": "Comparisons of the last verify that differ.",
}
ANSWER_HELP = {
    "seat_ledger_http_answers_total": "Answers of the server, by address and status.",
    "seat_ledger_http_answer_seconds": "How long they took, by address.",
}
"""What only a server counts."""
_OF_LISTS = "seat_ledger_snapshot_"
_LIST_HELP = {
    f"{_OF_LISTS}last_taken_timestamp_seconds": "When the newest list was true.",
    f"{_OF_LISTS}last_run_timestamp_seconds": "When it was last compared.",
    f"{_OF_LISTS}allowed_age_seconds": "How old the newest list may be.",
    f"{_OF_LISTS}findings": "Differences between the newest list and the ledger.",
    f"{_OF_LISTS}failed": "Whether it could not be compared, or not recorded.",
}
"""Each by account and source."""
_LABELS = ("account", "source")

Sample = tuple[str, str, str]
"""A figure's name, and the account and source of the list that it is of, or none."""


def write_rebuild(path: Path, conninfo: str, document: dict[str, Any]) -> None:
    """Note how a rebuild went."""
    failed = document["error"] is not None
    figures = {
        "seat_ledger_rebuild_last_run_timestamp_seconds": time.time(),
        "seat_ledger_rebuild_failed": float(failed),
        "seat_ledger_rebuild_duration_seconds": document["seconds"],
        "seat_ledger_rebuild_events": float(document["events"]),
    }
    if not failed:
        figures["seat_ledger_rebuild_last_success_timestamp_seconds"] = time.time()
    _write(path, {**figures, **state_at(conninfo)})


def write_verify(path: Path, conninfo: str, findings: int, seconds: float) -> None:
    """Note how a verification went."""
    figures = {
        "seat_ledger_verify_last_run_timestamp_seconds": time.time(),
        "seat_ledger_verify_duration_seconds": seconds,
        "seat_ledger_verify_findings": float(findings),
    }
    _write(path, {**figures, **state_at(conninfo)})


def write_lists(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Note how the declared lists compared; what is not declared any more goes."""
    figures: dict[Sample, float] = {}
    for row in rows:
        taken_at = row["taken_at"]
        of_list = {
            "last_taken_timestamp_seconds": taken_at.timestamp() if taken_at else 0.0,
            "last_run_timestamp_seconds": time.time(),
            "allowed_age_seconds": row["allowed_seconds"],
            "findings": float(row["differences"] or 0),
            "failed": float(row["outcome"] in {"missing", "refused", "failed"}),
        }
        for name, value in of_list.items():
            figures[f"{_OF_LISTS}{name}", row["account"], row["source"]] = value
    _write_samples(path, figures, replaces=_LIST_HELP)


def write_status(path: Path, conninfo: str) -> None:
    """Note how far the projections are."""
    _write(path, state_at(conninfo))


def state_at(conninfo: str) -> dict[str, float]:
    """How far the tables are, also where nothing can be asked of them."""
    from seat_ledger.projections.reader import ConnectedReader  # noqa: PLC0415
    from seat_ledger.store.connection import connect  # noqa: PLC0415

    try:
        with connect(conninfo, role="reader", autocommit=True) as connection:
            figures, is_stale = _progress(connection)
    except (Unavailable, SchemaMismatch):
        return {}  # what is noted says so already
    if not is_stale:
        with ConnectedReader(conninfo, catch_up=False) as reader:
            figures |= _accounts(reader)
    return figures


def state_of(reader: ConnectedReader) -> dict[str, float]:
    """The same of a reader that is there."""
    return {**_progress(reader.connection)[0], **_accounts(reader)}


def ledger_text(figures: dict[str, float]) -> str:
    """Figures as Prometheus reads them."""
    samples = {(name, "", ""): value for name, value in figures.items()}
    return generate_latest(_registry(samples)).decode()


def _progress(connection: Connection[Any]) -> tuple[dict[str, float], bool]:
    """How far the tables are, and whether they are of another definition."""
    from seat_ledger.projections.engine import installation  # noqa: PLC0415

    rows = installation.status(connection)
    row, is_stale = rows[0], any(row["state"] == "stale" for row in rows)
    return {
        "seat_ledger_store_position": float(row["head"]),
        "seat_ledger_projection_lag_events": float(row["lag_events"]),
        "seat_ledger_projection_lag_seconds": float(row["lag_seconds"]),
        "seat_ledger_projection_stuck": float(row["state"] == "stuck"),
    }, is_stale


def _accounts(reader: ConnectedReader) -> dict[str, float]:
    now = reader.database_now()
    accounts = reader.accounts(reader.knowledge())
    due = sum(1 for account in accounts if account.renewal_due(now))
    return {
        "seat_ledger_accounts_set_aside": float(len(reader.aside)),
        "seat_ledger_renewals_due": float(due),
    }


def _write(path: Path, figures: dict[str, float]) -> None:
    """Write the file anew, keeping the figures that are not among these."""
    _write_samples(path, {(name, "", ""): figures[name] for name in figures})


def _write_samples(
    path: Path, figures: dict[Sample, float], *, replaces: Collection[str] = ()
) -> None:
    """The same; of the names that are replaced nothing is kept."""
    if path.exists() and not path.is_file():
        _write_alone(path, figures, replaces)
        return
    try:
        with alone(path):  # who keeps what others note meanwhile
            _write_alone(path, figures, replaces)
    except OSError as error:
        raise LedgerError(
            f"{path} cannot be written: {system_reason(error)}.",
            try_=way_out(error, "name another file"),
        ) from error


def _write_alone(
    path: Path, figures: dict[Sample, float], replaces: Collection[str]
) -> None:
    try:
        earlier = dict(_samples(path)) if path.is_file() else {}
        others = {key: v for key, v in earlier.items() if key[0] not in replaces}
        text = generate_latest(_registry({**others, **figures})).decode()
    except (OSError, ValueError) as error:
        raise LedgerError(
            f"The metrics in {path} cannot be read: {error}.",
            try_="name another file with --metrics",
        ) from error
    # The node exporter reads it, as a user of its own; no person is in it.
    write_whole(path, text, PUBLIC)


def _samples(path: Path) -> Iterator[tuple[Sample, float]]:
    """What a file holds of ours."""
    for family in text_string_to_metric_families(read_text(path, _LARGEST)):
        for sample in family.samples:
            account, source = (sample.labels.get(label, "") for label in _LABELS)
            yield (sample.name, account, source), sample.value


def _registry(figures: dict[Sample, float]) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(
            name, text, _LABELS if name in _LIST_HELP else (), registry=registry
        )
        for name, text in {**_HELP, **_LIST_HELP}.items()
        if any(key[0] == name for key in figures)
    }
    for (name, *labels), value in figures.items():
        if name in _LIST_HELP:
            gauges[name].labels(*labels).set(value)
        elif name in _HELP:
            gauges[name].set(value)
    return registry
