"""Exports: the journal, holdings, counts and periods, to take away whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from seat_ledger.cli.options.session import (
    FilePath,
    Question,
    current_session,
    option_one_account,
    reading,
)
from seat_ledger.cli.output.files import Partial, check_target, need
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, csv_chunks, to_json
from seat_ledger.domain.wording import counted
from seat_ledger.projections.exports import FIELDS, Field, exported

_AT_ONCE = 20_000


@click.command(
    epilog="Example: seat-ledger export journal --output journal.parquet",
)
@click.argument("what", type=click.Choice(["journal", "holdings", "counts", "periods"]))
@option_one_account
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    type=FilePath(path_type=Path),
    help="A .csv, .jsonl or .parquet file; otherwise use --format csv or jsonl.",
)
@reading
def export(
    question: Question, what: str, account: str | None, output: Path | None, **_: Any
) -> Answer:
    """Export a whole table: one row per line, with the same columns throughout.

    CSV is for spreadsheets: a text that could be taken for a formula gets an
    apostrophe. JSON Lines and Parquet hold every value exactly.
    """
    session = current_session()
    if output is not None:
        check_target(output, "An export", ".csv", ".jsonl", ".parquet")
        if output.suffix.lower() == ".parquet":
            need("pyarrow", "parquet", "An export as .parquet")
    elif session.format == "table":
        raise click.UsageError(
            "Name a file with --output, or use --format csv or --format jsonl."
        )
    of = question.account if account else None
    rows = exported(what, question.reader, of, question.knowledge, question.now)
    if output is None:
        return _printed(question, rows, list(FIELDS[what]), session.format)
    written = _Counted(rows)
    with heartbeat(f"Exporting {what}"):
        _write(written, FIELDS[what], output)
    sentence = f"{counted(written.rows, 'row')} of {what} written to {output}."
    row = {"export": what, "rows": written.rows, "file": str(output)}
    return question.answer([row], sentence=sentence)


def _printed(
    question: Question,
    rows: Iterable[dict[str, Any]],
    fields: list[Field],
    form: str,
) -> Answer:
    """The rows on standard output; as CSV, what a file of them would hold."""
    if form == "csv":
        names = [field.name for field in fields if field.kind == "json"]
        rows = (_as_text(row, names) for row in rows)
    return question.answer(rows, header=[field.name for field in fields])


class _Counted:
    """Rows that are counted as they go by."""

    def __init__(self, of: Iterable[dict[str, Any]]) -> None:
        self.of, self.rows = of, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.of:
            self.rows += 1
            yield row


def _write(rows: Iterable[dict[str, Any]], fields: Iterable[Field], to: Path) -> None:
    """Write the file whole, or nothing."""
    kind = to.suffix.lower()
    with Partial(to) as partial:
        if kind == ".parquet":
            _write_parquet(rows, list(fields), partial.path)
        else:
            with partial.path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(_texts(kind, rows, fields))
        partial.place()


def _texts(
    kind: str, rows: Iterable[dict[str, Any]], fields: Iterable[Field]
) -> Iterator[str]:
    if kind == ".csv":
        fields = list(fields)
        names = [field.name for field in fields if field.kind == "json"]
        header = [field.name for field in fields]
        texts = (_as_text(row, names) for row in rows)
        yield from csv_chunks(Answer(texts, header=header))
        return
    for row in rows:
        yield to_json(row) + "\n"


def _as_text(row: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """A row with its objects as JSON: one cell, whatever they hold."""
    return {**row, **{name: to_json(row[name]) for name in names}}


def _write_parquet(
    rows: Iterable[dict[str, Any]], fields: list[Field], path: Path
) -> None:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    kinds = {
        "integer": pa.int64(),
        "instant": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(),
        "flag": pa.bool_(),
        "text": pa.string(),
        "json": pa.string(),
    }
    schema = pa.schema([(field.name, kinds[field.kind]) for field in fields])
    names = [field.name for field in fields if field.kind == "json"]
    remaining = iter(rows)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := [_as_text(row, names) for row in islice(remaining, _AT_ONCE)]:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
