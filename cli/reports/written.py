"""Reports on the disk, each with a manifest: both appear whole, or nothing does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from seat_ledger import __version__
from seat_ledger.cli.output.files import Partial, alone
from seat_ledger.cli.output.i18n import Words
from seat_ledger.cli.reports.content import Content
from seat_ledger.cli.reports.page import write_page
from seat_ledger.cli.reports.workbook import write_workbook
from seat_ledger.domain.calendar import TZDATA_VERSION
from seat_ledger.domain.values import iso
from seat_ledger.errors import InvalidInput
from seat_ledger.store.input_files import read_text

MANIFEST = "manifest.json"
_LARGEST = 50_000_000
_OF_REPORT = ("version", "command", "known_at", "tzdata", "inputs")


def write_report(
    content: Content, path: Path, command: Sequence[str], inputs: Sequence[Path] = ()
) -> None:
    """Write a report, and tell of it in ``manifest.json``. Raises LedgerError.

    `command` is what made it, without secrets; `inputs` are the files it was made from.
    """
    manifest = _manifest(content, command, inputs)
    with ExitStack() as stack:
        report = stack.enter_context(Partial(path))
        beside = stack.enter_context(Partial(path.with_name(MANIFEST)))
        if path.suffix.lower() == ".html":
            with report.path.open("wb") as file:
                write_page(content, file)
        else:
            words = content.words
            place = words("made_beside", file=MANIFEST)
            beside_it = [(words("made_own_digest"), place)]
            rows = chain(_provenance(manifest, words), beside_it)
            write_workbook(content, report.path, rows)
        stack.enter_context(alone(path))
        manifest["files"] = _files(manifest, _described(report.path, path.name), beside)
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        beside.path.write_text(text, encoding="utf-8")
        report.place()
        beside.place()


def provenance(content: Content, command: Sequence[str]) -> list[tuple[str, str]]:
    """What made a workbook that is sent, not written beside a manifest."""
    return list(_provenance(_manifest(content, command), content.words))


def _manifest(
    content: Content, command: Sequence[str], inputs: Sequence[Path] = ()
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "program": "seat-ledger",
        "version": __version__,
        "command": list(command),
        "known_at": {
            "position": content.known_at[0],
            "recorded_at": iso(content.known_at[1]) if content.known_at[1] else None,
        },
        "tzdata": TZDATA_VERSION,
        "inputs": [_described(file, file.name) for file in inputs],
    }


def _files(
    manifest: dict[str, Any], written: dict[str, Any], beside: Partial
) -> list[dict[str, Any]]:
    """The reports of a folder by name, each with what made it: this one, and others."""
    reports = {report["name"]: report for report in manifest_at(beside.target)["files"]}
    reports[written["name"]] = written | {name: manifest[name] for name in _OF_REPORT}
    return [reports[name] for name in sorted(reports)]


def manifest_at(path: Path) -> dict[str, Any]:
    """The manifest that stands there, or one of no files. Raises InvalidInput."""
    try:
        manifest: dict[str, Any] = json.loads(read_text(path, _LARGEST))
        if manifest["program"] == "seat-ledger" and all(
            isinstance(file["name"], str) for file in manifest["files"]
        ):
            return manifest
    except FileNotFoundError:
        return {"files": []}
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        pass
    raise InvalidInput(
        f"{path} is in the way: it is not a manifest of reports.",
        try_="write the report into another folder, or move that file away",
    )


def _described(file: Path, name: str) -> dict[str, Any]:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {"name": name, "sha256": digest, "bytes": file.stat().st_size}


def _provenance(manifest: dict[str, Any], words: Words) -> Iterator[tuple[str, str]]:
    """The manifest as it is known before the workbook itself is written."""
    known_at = manifest["known_at"]
    recorded = known_at["recorded_at"] or words("report_nothing_recorded")
    yield words("made_program"), f"{manifest['program']} {manifest['version']}"
    yield words("made_command"), " ".join(manifest["command"])
    yield words("made_position"), str(known_at["position"])
    yield words("made_recorded"), recorded
    yield words("made_tzdata"), manifest["tzdata"]
    for file in manifest["inputs"]:
        yield words("made_digest", file=file["name"]), file["sha256"]
