"""The lake: the journal as files, and bulk work over them without the database."""

from __future__ import annotations

import os
import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.lake import (
    manifest_of,
    opened,
    option_public_key,
    verifier_of,
)
from seat_ledger.cli.options.session import (
    SIZE,
    FilePath,
    current_session,
    options_of_answering,
    options_of_listing,
)
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, cells, print_message
from seat_ledger.domain.values import as_word
from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from seat_ledger.projections.lake.layout import Manifest
    from seat_ledger.projections.lake.verification import LakeVerdict

_SHARE = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,3})")
_SMALLEST = 256
_SPARK_TASKS = 64


@click.group(
    epilog="Example: seat-ledger lake export /srv/lake; then, anywhere: "
    "seat-ledger lake rebuild /srv/lake --output /srv/tables"
)
def group() -> None:
    """The journal as Parquet files, and bulk work over them without the database."""


_place = click.argument("lake", metavar="LAKE", envvar="SEAT_LEDGER_LAKE")


class ShareType(click.ParamType[Any]):
    """Which share of the buckets: I/N, from 1."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Read it; fails as click does."""
        match = _SHARE.fullmatch(str(value))
        if match is None or not int(match[1]) <= int(match[2]) <= _SMALLEST:
            self.fail(
                f"{value!r} is not a share such as 3/8: the third of eight, of at most "
                f"{_SMALLEST}.",
                param,
                ctx,
            )
        return int(match[1]), int(match[2])


@group.command()
@_place
@click.option(
    "--segment-events",
    type=click.IntRange(_SMALLEST, 1 << 30),
    metavar="N",
    help="Events in a full file, a power of two; 16,777,216 "
    "by default. The first export fixes it.",
)
@options_of_answering
def export(lake: str, segment_events: int | None) -> None:
    """Export the journal to LAKE: a folder, or s3://BUCKET/PATH.

    Seals what is new first, and keeps the checkpoint where SEAT_LEDGER_WITNESS says.
    Whole files are written once; behind them stands a tail that is made anew. No person
    is in it: an erasure has nothing to do there. Exit 3 if a manifest that was exported
    from here was missing.
    """
    from seat_ledger.integrity.service import (  # noqa: PLC0415
        named_witnesses,
        seal_here,
    )
    from seat_ledger.projections.lake.export import export_to  # noqa: PLC0415

    if segment_events is not None and segment_events & (segment_events - 1):
        raise InvalidInput(
            f"{segment_events:,} is not a power of two.",
            try_=f"--segment-events {1 << segment_events.bit_length() - 1}",
        )
    session = current_session()
    conninfo = session.ready()
    place = opened(lake)
    with heartbeat("Exporting"):
        sealed = seal_here(conninfo, session.database, named_witnesses())
        if sealed.sealed is None or sealed.signer is None:
            emit(Answer([], sentence="There is no event to export."))
            return
        checkpoint, note = sealed.sealed.checkpoint, sealed.sealed.note
        with session.reader(patient=True) as reader:
            done = export_to(
                reader,
                place,
                sealed.signer,
                (checkpoint, note),
                segment_events=segment_events,
            )
    manifest = done.manifest
    written = sum(segment.size for segment in done.new)
    row = {
        "manifest": manifest.number,
        "events": manifest.events,
        "files": len(manifest.segments),
        "new_files": len(done.new),
        "bytes": sum(segment.size for segment in manifest.segments),
        "new_bytes": written,
        "removed_files": done.removed,
    }
    if done.new:
        sentence = (
            f"The lake has {counted(manifest.events, 'event')}, up to position "
            f"{manifest.head}: {len(done.new)} of "
            f"{counted(len(manifest.segments), 'file is', 'files are')} new "
            f"({counted(written, 'byte')})."
        )
    else:
        sentence = f"Nothing new to export: the lake is at position {manifest.head}."
    notes = []
    if done.missing:  # once: the new manifest has another number
        notes.append(
            f"Manifest {done.missing} was exported from here, and the lake had it no "
            "more: somebody removed it. What it named is in this one."
        )
    _remark(notes)
    answer = Answer([row], cells(*row), sentence=sentence, notes=notes, flat=True)
    answer.exit_code = 3 if done.missing else 0
    answer.known_at = (manifest.head, None)
    emit(answer)


@group.command()
@_place
@options_of_listing
def status(lake: str) -> None:
    """Show what a lake consists of, as its newest manifest says.

    Exit 3 if this machine has exported a later one.
    """
    from seat_ledger.integrity.service import named_witnesses  # noqa: PLC0415
    from seat_ledger.projections.lake import later  # noqa: PLC0415

    place = opened(lake)
    manifest, _ = place.manifest()
    missing = later.removed(place, manifest)
    places = named_witnesses()
    notes = later.faults_of(places) + later.signs(place, manifest, places)
    _remark(notes)
    rows = [
        {
            "file": segment.name,
            "from_position": segment.first_position,
            "until_position": segment.until_position,
            "events": segment.events,
            "bytes": segment.size,
            "buckets": len(segment.buckets),
            "sha256": segment.sha256,
        }
        for segment in manifest.segments
    ]
    sentence = (
        f"Manifest {manifest.number} of ledger {manifest.ledger}: "
        f"{counted(manifest.events, 'event')}, up to position {manifest.head}, "
        f"exported at {manifest.exported_at}."
    )
    extra = {"manifest": manifest.number, "ledger": manifest.ledger}
    extra["exported_at"] = manifest.exported_at
    columns = cells("file", "from=from_position", "until=until_position", "events")
    if missing:
        sentence = f"{missing[0].upper()}{missing[1:]}. {sentence}"
    answer = Answer(
        rows,
        [*columns, *cells("bytes")],
        sentence=sentence,
        notes=notes,
        extra=extra,
        exit_code=3 if missing else 0,
        flat=True,
    )
    answer.known_at = (manifest.head, None)
    answer.next_command = f"seat-ledger lake verify {as_word(lake)}"
    emit(answer)


@group.command()
@_place
@click.option(
    "--segments",
    is_flag=True,
    help="Every byte against the signed manifest, and that against the sealed tree. "
    "Needs no database. This is the default.",
)
@click.option(
    "--decode",
    is_flag=True,
    help="Every event against what the stored one says, decoded again.",
)
@click.option(
    "--served",
    is_flag=True,
    help="Every row of the served tables against what DuckDB computes from the lake, "
    "both ways.",
)
@option_public_key
@options_of_listing
def verify(
    lake: str, segments: bool, decode: bool, served: bool, public_key: str | None
) -> None:
    """Verify a lake, or the served tables against it; exit 3 if something differs.

    Signature and digests prove that nobody changed a file since it was exported, not
    that the events were decoded rightly: that is --decode.
    """
    from seat_ledger.integrity.service import named_witnesses  # noqa: PLC0415
    from seat_ledger.projections.lake import later, verification  # noqa: PLC0415
    from seat_ledger.projections.lake.layout import exported_from_here  # noqa: PLC0415

    session = current_session()
    place = opened(lake)
    places = named_witnesses()
    rows: list[LakeVerdict] = []
    notes: list[str] = []
    with heartbeat("Verifying"):
        manifest, segment_rows = verification.verify_segments(
            place, verifier_of(place, public_key), places
        )
        notes += later.signs(place, manifest, places)
        if not places and not exported_from_here(place, manifest.ledger):
            notes.append(
                "Whether a later manifest was removed, nothing here can show: verify "
                "where the lake is exported, or name the witness that its checkpoints "
                "are kept in (SEAT_LEDGER_WITNESS)."
            )
        if segments or not (decode or served):
            rows += segment_rows
        elif wrong := [row for row in segment_rows if row.difference]:
            rows += wrong
        if not any(row.difference for row in rows) and (decode or served):
            conninfo = session.ready()
            if since := later.recorded_since(conninfo, manifest):
                notes.append(since)
            if decode:
                rows += verification.verify_decoding(conninfo, place, manifest)
            if served:
                with session.reader(patient=True) as reader:
                    done = verification.verify_served(reader, place, manifest)
                rows += done.verdicts
                if done.changed:
                    since = "that changed since the export"
                    count = counted(
                        done.changed, f"account {since} was", f"accounts {since} were"
                    )
                    notes.append(f"{count} not compared: export, and verify again.")
    _emit_verdicts(rows, notes, manifest, lake)


def _remark(notes: list[str]) -> None:
    """Say on stderr what stands below a table, where the answer is data."""
    if current_session().format != "table":
        for note in notes:
            print_message(note)


def _emit_verdicts(
    rows: list[LakeVerdict], notes: list[str], manifest: Manifest, lake: str
) -> None:
    wrong = [row for row in rows if row.difference is not None]
    if wrong:
        many = "1 comparison" if len(wrong) == 1 else f"{len(wrong)} comparisons"
        sentence = f"{many} found differences: {wrong[0].difference}."
    else:
        sentence = (
            f"Everything compared is the same, up to position {manifest.head} "
            f"({counted(manifest.events, 'event')})."
        )
    _remark(notes)
    answer = Answer(
        [row.document() for row in rows],
        cells("subject", "check", "status", "compared", "found"),
        sentence=sentence,
        notes=notes,
        extra={"manifest": manifest.number, "ledger": manifest.ledger},
        flat=True,
    )
    answer.known_at = (manifest.head, None)
    if wrong:
        answer.exit_code = 3
        subject = wrong[0].subject
        answer.next_command = "seat-ledger projection verify --full"
        if subject == "manifest" or subject.startswith("journal/"):
            answer.next_command = f"seat-ledger lake status {as_word(lake)}"
        elif subject.startswith("witness "):
            answer.next_command = "seat-ledger integrity verify"
    emit(answer)


@group.command()
@_place
@click.option(
    "--output",
    "-o",
    required=True,
    type=FilePath(file_okay=False, path_type=Path),
    help="The folder for the tables, one folder each.",
)
@click.option(
    "--known-at",
    type=SIZE,
    metavar="POSITION",
    help="As known at this position; by default all that is in the lake.",
)
@click.option(
    "--bucket",
    "share",
    type=ShareType(),
    default="1/1",
    help="Only this share of the accounts, such as 3/8; the others are done elsewhere.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Processes, by default one per core; with Spark tasks, by default 64.",
)
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="Who hands out the buckets: this process, or Spark. DuckDB computes them.",
)
@click.option(
    "--master",
    metavar="URL",
    default="local[*]",
    show_default=True,
    help="The Spark cluster, such as spark://HOST:7077.",
)
@option_public_key
@options_of_answering
def rebuild(  # noqa: PLR0913, PLR0917  options of a command
    lake: str,
    output: Path,
    known_at: int | None,
    share: tuple[int, int],
    workers: int | None,
    engine: str,
    master: str,
    public_key: str | None,
) -> None:
    """Compute every table from LAKE into Parquet files, without the database.

    The checks are those of a rebuild in PostgreSQL. The result is written last: where
    there is no result-I-of-N.json, the files there count for nothing.
    """
    from seat_ledger.projections.lake.rebuild import rebuild_from  # noqa: PLC0415

    place = opened(lake)
    manifest = manifest_of(place, public_key)
    map_shares = None
    if engine == "spark":
        if find_spec("pyspark") is None:
            raise MissingExtra(
                "--engine spark needs the package pyspark, which is not installed.",
                try_="pip install pyspark, here and where its executors run",
            )
        from seat_ledger.projections.lake.spark import computed_by_spark  # noqa: PLC0415

        map_shares = partial(computed_by_spark, master=master)
        workers = workers or _SPARK_TASKS
    with heartbeat("Rebuilding"):
        done = rebuild_from(
            place,
            manifest,
            output,
            known_at=known_at,
            share=share,
            workers=workers or len(os.sched_getaffinity(0)),
            map_shares=map_shares,
        )
    rows = [
        {"projection": name, "rows": number, "folder": str(output / name)}
        for name, number in done.rows.items()
    ]
    sentence = (
        f"{counted(done.events, 'event')} in {done.seconds:.1f} s into "
        f"{output}{'' if share == (1, 1) else f', share {done.share}'}."
    )
    extra = {
        key: value
        for key, value in done._asdict().items()
        if key not in {"rows", "files", "known_at"}
    }
    answer = Answer(
        rows, cells("projection", "rows", "folder"), sentence=sentence, extra=extra
    )
    answer.known_at = (done.known_at, None)
    emit(answer)
