"""Grafana's dashboards, written from what they show: ``scripts/reference`` does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "analytics" / "grafana"
_METRICS = {"type": "prometheus", "uid": "${metrics}"}
_DATABASE = {"type": "grafana-postgresql-datasource", "uid": "${database}"}
_MONTHS = "SELECT month::timestamptz AS time"

OPERATIONS = [
    ("Events that the projections lack", "seat_ledger_projection_lag_events", "short"),
    ("How long the oldest has waited", "seat_ledger_projection_lag_seconds", "s"),
    ("Projections stuck", "seat_ledger_projection_stuck", "bool"),
    ("Accounts set aside", "seat_ledger_accounts_set_aside", "short"),
    ("Renewals due", "seat_ledger_renewals_due", "short"),
    (
        "Since the last good rebuild",
        "time() - seat_ledger_rebuild_last_success_timestamp_seconds",
        "s",
    ),
    ("Last rebuild failed", "seat_ledger_rebuild_failed", "bool"),
    ("Duration of the last rebuild", "seat_ledger_rebuild_duration_seconds", "s"),
    ("Differences found by verify", "seat_ledger_verify_findings", "short"),
    ("Lists that differ", "seat_ledger_snapshot_findings", "short"),
    ("Events a second", "rate(seat_ledger_store_position[5m])", "short"),
    (
        "Answers a second",
        "sum by (status) (rate(seat_ledger_http_answers_total[5m]))",
        "reqps",
    ),
    (
        "95 of 100 answers within",
        "histogram_quantile(0.95, "
        "sum by (le) (rate(seat_ledger_http_answer_seconds_bucket[5m])))",
        "s",
    ),
]
SEATS = [
    (
        "Seats per month",
        "timeseries",
        f"{_MONTHS}, sum(seats) AS seats, sum(held) AS held FROM projection.seat_month "
        "WHERE account IN (${account:sqlstring}) GROUP BY month ORDER BY month",
    ),
    (
        "Joins and leaves",
        "timeseries",
        f"{_MONTHS}, sum(joins) AS joins, sum(leaves) AS leaves "
        "FROM projection.seat_month WHERE account IN (${account:sqlstring}) "
        "GROUP BY month ORDER BY month",
    ),
    (
        "Idle seats now",
        "table",
        "SELECT account, seat_type, seats, held, idle FROM projection.seat_month WHERE "
        "NOT complete AND idle > 0 AND account IN (${account:sqlstring}) "
        "ORDER BY idle DESC, account",
    ),
    (
        "Billed by period",
        "table",
        "SELECT account, seat_type, period, quantity FROM projection.billable_seats "
        "WHERE account IN (${account:sqlstring}) "
        "ORDER BY period DESC, account, seat_type",
    ),
]


def dashboards() -> dict[str, str]:
    """The text of each dashboard, by the name of its file."""
    operations = [
        _panel(n, title, "stat", _METRICS, target={"expr": query}, unit=unit)
        for n, (title, query, unit) in enumerate(OPERATIONS)
    ]
    seats = [
        _panel(n, title, kind, _DATABASE, target=_sql(kind, query), unit="short")
        for n, (title, kind, query) in enumerate(SEATS)
    ]
    account: dict[str, Any] = {
        "name": "account",
        "type": "query",
        "label": "Account",
        "datasource": _DATABASE,
        "query": "SELECT account FROM projection.account ORDER BY account",
        "multi": True,
        "includeAll": True,
        "refresh": 2,
    }
    sources = {"metrics": "prometheus", "database": "grafana-postgresql-datasource"}
    choices = {name: _choice(name, kind) for name, kind in sources.items()}
    return {
        "operations.json": _dashboard(
            "seat-ledger-operations", "Seat Ledger: operations", operations,
            [choices["metrics"]],
        ),
        "seats.json": _dashboard(
            "seat-ledger-seats", "Seat Ledger: seats", seats,
            [choices["database"], account],
        ),
    }  # fmt: skip


def _choice(name: str, kind: str) -> dict[str, Any]:
    """Which data source is meant: chosen where the dashboard is shown."""
    return {"name": name, "type": "datasource", "query": kind, "label": name.title()}


def _sql(kind: str, query: str) -> dict[str, Any]:
    form = "time_series" if kind == "timeseries" else "table"
    return {"rawSql": query, "rawQuery": True, "format": form, "editorMode": "code"}


def _panel(  # noqa: PLR0913  what a panel is
    number: int,
    title: str,
    kind: str,
    source: dict[str, str],
    *,
    target: dict[str, Any],
    unit: str,
) -> dict[str, Any]:
    width = 6 if kind == "stat" else 12
    across = 24 // width
    return {
        "id": number + 1,
        "type": kind,
        "title": title,
        "datasource": source,
        "gridPos": {
            "h": 8,
            "w": width,
            "x": number % across * width,
            "y": number // across * 8,
        },
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [{"refId": "A", "datasource": source, **target}],
    }


def _dashboard(
    uid: str, title: str, panels: list[dict[str, Any]], variables: list[dict[str, Any]]
) -> str:
    document = {
        "uid": uid,
        "title": title,
        "tags": ["seat-ledger"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "time": {"from": "now-2y", "to": "now"},
        "templating": {"list": variables},
        "panels": panels,
    }
    return json.dumps(document, indent=1) + "\n"


def main() -> None:
    """Write the dashboards."""
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
