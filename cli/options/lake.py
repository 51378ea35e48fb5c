"""The options and the opening of a lake, for every command that reads one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.options.session import (
    F,
    FilePath,
    Session,
    reading,
    reading_of_accounts,
)
from seat_ledger.cli.output.files import need
from seat_ledger.cli.output.render import print_message

if TYPE_CHECKING:
    from seat_ledger.integrity.note import Verifier
    from seat_ledger.projections.lake.layout import Lake, Manifest
    from seat_ledger.projections.reader import ConnectedReader

option_public_key = click.option(
    "--public-key",
    metavar="KEY|FILE",
    type=FilePath(),
    envvar="SEAT_LEDGER_PUBLIC_KEY",
    show_envvar=True,
    help="The public key to check a lake with; by default the one on this machine.",
)
_option_lake = click.option(
    "--lake",
    metavar="LAKE",
    type=FilePath(),
    help="Answer from this lake, a folder or s3://BUCKET/PATH, as known at its "
    "position; needs no database.",
)


def reading_lakes(function: F) -> F:
    """The same as :func:`reading`, of the database or of the lake that is named.

    What a lake is named by are paths of this machine: no server offers them.
    """
    read = reading(function, reader_for=_reader_for)
    return _option_lake(option_public_key(read))


def reading_lakes_of_accounts(function: F) -> F:
    """The same for an answer that finds out itself which accounts it is about."""
    read = reading_of_accounts(function, reader_for=_reader_for)
    return _option_lake(option_public_key(read))


def opened(place: str) -> Lake:
    """A lake, where what it needs is installed. Raises MissingExtra, LedgerError."""
    for package in ("pyarrow", "duckdb"):
        need(package, "lake", "A lake")
    from seat_ledger.projections.lake.layout import Lake  # noqa: PLC0415

    return Lake(place)


def verifier_of(lake: Lake, public_key: str | None) -> Verifier:
    """The public key: the one named, or the one here that signed the lake."""
    from seat_ledger.integrity import service  # noqa: PLC0415
    from seat_ledger.projections.lake.layout import signer_of  # noqa: PLC0415

    return service.verifier_of_label(signer_of(lake), public_key)


def manifest_of(lake: Lake, public_key: str | None) -> Manifest:
    """The manifest that is computed from; signs of a later one are said on stderr.

    Raises IntegrityFailure where it does not hold, or a later one was removed.
    """
    from seat_ledger.integrity.service import named_witnesses  # noqa: PLC0415
    from seat_ledger.projections.lake import later  # noqa: PLC0415

    manifest, _ = later.open_newest(lake, verifier_of(lake, public_key))
    places = named_witnesses()
    for message in later.faults_of(places) + later.signs(lake, manifest, places):
        print_message(message)
    return manifest


def _reader_for(session: Session, options: Mapping[str, Any]) -> ConnectedReader:
    """Who answers: a lake whose manifest is signed as it must be, or the database."""
    if not options["lake"]:
        return session.reader()
    from seat_ledger.projections.lake.reader import LakeReader  # noqa: PLC0415

    lake = opened(options["lake"])
    return LakeReader(lake, manifest_of(lake, options["public_key"]))
