"""Which settings of a server let its log hold what statements are given."""

from __future__ import annotations

from typing import Any

import psycopg

_SETTINGS = """
SELECT pg_catalog.current_setting('log_statement') AS statements,
       pg_catalog.current_setting('log_min_duration_statement') AS slow,
       pg_catalog.current_setting('log_min_duration_sample') AS sampled,
       pg_catalog.current_setting('log_transaction_sample_rate') AS transactions,
       pg_catalog.current_setting('log_parameter_max_length') AS parameters,
       pg_catalog.current_setting('log_parameter_max_length_on_error') AS on_error,
       coalesce(pg_catalog.current_setting('auto_explain.log_min_duration', true), '-1')
           AS explained
"""


def logged_values(connection: psycopg.Connection[Any]) -> list[str]:
    """The settings, with their values, by which given values reach the log."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(_SETTINGS).fetchone()
    assert row is not None
    settings = []
    if row["parameters"] != "0":
        settings += [
            f"{name} = {row[key]}"
            for name, key, off in (
                ("log_statement", "statements", ("none", "ddl")),
                ("log_min_duration_statement", "slow", ("-1",)),
                ("log_min_duration_sample", "sampled", ("-1",)),
                ("log_transaction_sample_rate", "transactions", ("0",)),
            )
            if row[key] not in off
        ]
    if row["on_error"] != "0":
        settings.append(f"log_parameter_max_length_on_error = {row['on_error']}")
    if row["explained"] != "-1":
        settings.append(f"auto_explain.log_min_duration = {row['explained']}")
    return settings
