"""Tamper evidence: seal, verify, prove, check a proof."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.options.session import (
    SIZE,
    FilePath,
    current_session,
    option_database,
    options_of_answering,
    options_of_listing,
)
from seat_ledger.cli.output.files import write_whole
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import RECORD, Answer, cells
from seat_ledger.domain.values import as_word, fields_of, iso
from seat_ledger.domain.wording import counted
from seat_ledger.errors import InvalidInput
from seat_ledger.integrity import proof, service
from seat_ledger.store.input_files import text_of

if TYPE_CHECKING:
    from seat_ledger.integrity.service import Sealed, SealedHere, Verified

_FILE = FilePath(dir_okay=False, path_type=Path)
_LARGEST = 50_000_000


@click.group(
    epilog="Example: seat-ledger integrity seal --witness /mnt/elsewhere/checkpoints"
)
def group() -> None:
    """Tamper evidence: seal the events, verify them, prove that one is there."""


_option_key = click.option(
    "--key",
    type=_FILE,
    envvar="SEAT_LEDGER_INTEGRITY_KEY",
    show_envvar=True,
    help="The private key's file, with the public one beside it (.pub); by "
    "default in the ledger's home folder.",
)
_option_public_key = click.option(
    "--public-key",
    metavar="KEY|FILE",
    envvar="SEAT_LEDGER_PUBLIC_KEY",
    show_envvar=True,
    help="The public key to check with: the key itself, or its file.",
)
_option_witness = click.option(
    "--witness",
    "places",
    multiple=True,
    type=FilePath(path_type=Path),
    envvar="SEAT_LEDGER_WITNESS",
    show_envvar=True,
    help="A folder or file of checkpoints, best on another machine; can be "
    "repeated. The ledger's home folder keeps them too.",
)
_option_size = click.option(
    "--checkpoint",
    "size",
    type=SIZE,
    metavar="EVENTS",
    help="Prove it against the checkpoint of N events; by default the latest.",
)
_option_processes = click.option(
    "--processes",
    type=click.IntRange(1, 64),
    help="Worker processes; by default one per core.",
)
_option_output = click.option(
    "--output",
    "-o",
    type=_FILE,
    help="Write the proof to this file instead of stdout.",
)


@group.command()
@_option_key
@_option_witness
@click.option(
    "--name",
    help="The name of the log for a new key, such as ledger.example.com/seats.",
)
@click.option(
    "--rebuild-tiles",
    is_flag=True,
    help="First recompute the stored hashes from the events, provided that these "
    "match every signed checkpoint.",
)
@click.option(
    "--restore-checkpoints",
    is_flag=True,
    help="Write checkpoints anew where they are missing, beside the key and in the "
    "witnesses.",
)
@_option_processes
@options_of_answering
def seal(  # noqa: PLR0913, PLR0917  each is an option
    key: Path | None,
    places: tuple[Path, ...],
    name: str | None,
    rebuild_tiles: bool,
    restore_checkpoints: bool,
    processes: int | None,
) -> None:
    """Add the new events to the sealed tree, and sign a checkpoint.

    Run it every night, and keep the checkpoints where the database's administrator
    cannot change them. The key is created on the first run. The folder of a witness
    must exist.
    """
    session = current_session()
    options = service.SealOptions(
        key,
        name,
        processes,
        rebuild_tiles,
        restores_checkpoints=restore_checkpoints,
    )
    conninfo = session.ready()
    with heartbeat("Sealing"):
        done = service.seal_here(conninfo, session.database, places, options)
    rows = [_sealed_row(done.sealed)] if done.sealed else []
    sentence = _sealed_in_words(done.sealed)
    emit(Answer(rows, sentence=sentence, notes=_sealed_notes(done)), session.format)


def _sealed_notes(done: SealedHere) -> list[str]:
    sealed = done.sealed
    if sealed is None:
        return []
    notes = [f"Kept in {place}." for place in done.places]
    if sealed.checkpoint.size > sealed.added:
        notes += [
            f"{place} held no checkpoint before: if it is not new, find out what "
            "happened to them."
            for place in done.new_places
        ]
    if done.new_key is not None and done.signer is not None:
        notes += [
            f"A new key is in {done.new_key}. Keep a copy of it, and give the public "
            "key to those who will check:",
            str(done.signer.verifier),
        ]
    return notes


def _sealed_in_words(sealed: Sealed | None) -> str:
    if sealed is None:
        return "There is no event to seal."
    checkpoint = sealed.checkpoint
    extent = (
        f"{counted(checkpoint.size, 'event')}, up to position {checkpoint.position}"
    )
    if not sealed.added:
        return f"Nothing new to seal. Sealed so far: {extent}."
    return (
        f"Sealed {counted(sealed.added, 'new event')}; now {extent}, root "
        f"{checkpoint.root.hex()}."
    )


def _sealed_row(sealed: Sealed) -> dict[str, Any]:
    checkpoint = sealed.checkpoint
    return {
        "added": sealed.added,
        "events": checkpoint.size,
        "position": checkpoint.position,
        "root": checkpoint.root.hex(),
        "sealed_at": checkpoint.sealed_at,
        "seconds": round(sealed.seconds, 3),
        "checkpoint": sealed.note,
    }


@group.command()
@_option_key
@_option_public_key
@_option_witness
@_option_processes
@options_of_listing
def verify(
    key: Path | None,
    public_key: str | None,
    places: tuple[Path, ...],
    processes: int | None,
) -> None:
    """Recompute the tree from the stored events; exit 3 if anything differs.

    Names the first position that was altered, removed, inserted or moved, and what is
    missing at the end according to the checkpoints kept elsewhere. An event whose
    version does not follow the previous one of its stream is a finding, and so is a
    named witness without a checkpoint, or with a damaged one.
    """
    session = current_session()
    conninfo = session.ready()
    with heartbeat("Verifying"):
        result = service.verify_here(
            conninfo,
            session.database,
            places,
            keys=service.KeyOptions(key, public_key),
            processes=processes,
        )
    rows = [
        {**fields_of(finding, "kind", "position", "events"), "found": finding.message}
        for finding in result.findings
    ]
    answer = Answer(rows, _FINDINGS, sentence=_verified_in_words(result))
    answer.extra = _verified_document(result)
    answer.notes = _verified_notes(result)
    answer.known_at = (result.position, None)
    answer.exit_code = 3 if result.findings else 0
    emit(answer)


_FINDINGS: list[Any] = cells("what=kind", "position", "found")


def _verified_in_words(result: Verified) -> str:
    if result.findings:
        return f"Something differs from what was sealed. {result.findings[0].message}"
    return (
        f"{counted(result.sealed or result.events, 'event is', 'events are')} as "
        f"sealed, according to {counted(result.checkpoints, 'checkpoint')} "
        f"({result.elsewhere:,} kept elsewhere)."
    )


def _verified_notes(result: Verified) -> list[str]:
    notes = []
    if result.more:
        more = counted(result.more, "more finding is", "more findings are")
        notes.append(f"{more} not shown.")
    later = result.events - result.sealed
    is_known = all(finding.kind != "checkpoint" for finding in result.findings)
    if later > 0 and is_known:  # else more is sealed than what still agrees
        more = counted(later, "later event is", "later events are")
        notes.append(f"{more} not sealed yet.")
    notes += _witness_notes(result)
    rate = result.events / result.seconds if result.seconds else 0
    notes.append(f"{result.seconds:.1f} s, {rate:,.0f} events per second.")
    return notes


def _witness_notes(result: Verified) -> list[str]:
    """How far the checkpoints reach that are kept elsewhere."""
    if not result.elsewhere:
        return [
            "No checkpoint is kept elsewhere, so an older copy of everything here "
            "would pass: see --witness."
        ]
    if result.witnessed < result.sealed:
        return [
            "The checkpoints kept elsewhere reach to "
            f"{counted(result.witnessed, 'event')}: a copy of the ledger that ends "
            "there would pass. Seal with that --witness."
        ]
    return []


def _verified_document(result: Verified) -> dict[str, Any]:
    return {
        **fields_of(result, "events", "sealed", "checkpoints"),
        **fields_of(result, "elsewhere", "witnessed"),
        "more_findings": result.more,
        "seconds": round(result.seconds, 3),
    }


@group.command()
@click.argument("position", type=SIZE, required=False)
@click.option(
    "--since",
    metavar="EVENTS|FILE",
    help="Prove instead that the log has only grown since this earlier checkpoint.",
)
@_option_size
@_option_output
@_option_key
@_option_public_key
@option_database
def prove(  # noqa: PLR0913, PLR0917  one for each option
    position: int | None,
    since: str | None,
    size: int | None,
    output: Path | None,
    key: Path | None,
    public_key: str | None,
) -> None:
    """Write a self-contained proof of an event, or (--since) that the log only grew.

    It is checked with the public key before it is written.
    """
    if (position is None) == (since is None):
        raise click.UsageError("Name a POSITION, or an earlier checkpoint: --since.")
    session = current_session()
    conninfo = session.ready()
    verifier = service.verifier_for(
        conninfo, session.database, service.KeyOptions(key, public_key)
    )
    if position is not None:
        document = service.prove(conninfo, verifier, position, size)
    else:
        earlier = _earlier(str(since))
        document = service.prove_growth(conninfo, verifier, earlier, size)
    text = proof.text(document)
    if output is None:
        print(text, end="")
        return
    write_whole(output, text)
    word = as_word(str(output))
    print(
        f"The proof is in {output}. Check it: seat-ledger integrity check-proof {word}"
    )


def _earlier(since: str) -> str | int:
    is_size = since.isascii() and since.isdecimal()
    return SIZE.convert(int(since[:40]), None, None) if is_size else _text(Path(since))


def _text(path: Path) -> str:

    try:
        with input_file(path, "name the file of a proof") as file:
            return text_of(file, _LARGEST)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}.", try_="name the file of a proof"
        ) from error


@group.command("check-proof")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@_option_key
@_option_public_key
@options_of_listing
def check_proof(file: Path, key: Path | None, public_key: str | None) -> None:
    """Check a proof with the public key alone: no database, no network.

    Exits with 3 if it does not hold.
    """
    text = _text(file)
    verifier = service.verifier_of_proof(text, service.KeyOptions(key, public_key))
    shown = service.check_proof(text, verifier)
    checkpoint, event = shown.checkpoint, shown.event
    row: dict[str, Any] = {
        "holds": True,
        "origin": checkpoint.origin,
        "events": checkpoint.size,
        "sealed_at": checkpoint.sealed_at,
        "root": checkpoint.root.hex(),
    }
    if event is not None:
        sentence = (
            f"The proof holds: {event.topic} is at position {event.position}, "
            f"recorded at {iso(event.recorded_at)}, as sealed"
        )
        row |= {
            "position": event.position,
            "stream": str(event.stream),
            **fields_of(event, "version", "topic", "recorded_at"),
            "state": event.state.decode(errors="backslashreplace"),
        }
    else:
        assert shown.earlier is not None
        sentence = (
            f"The proof holds: the tree of "
            f"{counted(shown.earlier.size, 'earlier event')} is continued"
        )
        row["earlier_events"] = shown.earlier.size
    when = f" at {iso(checkpoint.sealed_at)}" if checkpoint.sealed_at else ""
    sentence += (
        f" in the checkpoint of {counted(checkpoint.size, 'event')} of "
        f"{checkpoint.origin}{when}."
    )
    emit(Answer([row], RECORD, sentence=sentence, in_table=row.items()))


@group.command()
@_option_key
@option_database
def key(key: Path | None) -> None:
    """Print the public key, for those who will check."""
    session = current_session()
    keys = service.KeyOptions(key)
    print(service.verifier_for(session.ready(), session.database, keys))
