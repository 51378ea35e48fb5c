"""The lake: the journal as Parquet files, and bulk work over them on DuckDB.

A second engine runs the same definitions (``definition.sql``) over a copy of the
journal that anybody can read: a bucket of accounts at a time, on one machine or on
many. What it computes is what PostgreSQL serves, or one of them is wrong.
"""
