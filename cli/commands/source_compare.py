"""``source compare``: each list that is declared, held against the ledger (R88).

The nightly step: what is declared is compared or recorded one list after another, and
one that fails does not keep the others from it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from seat_ledger.cli.commands.snapshot import differences, outcomes
from seat_ledger.cli.inputs.dated_list import compared, read_list
from seat_ledger.cli.inputs.declared_lists import Declaration, read_declarations
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.options.session import Session
from seat_ledger.cli.output.files import write_whole
from seat_ledger.cli.output.render import Answer, cells, harmless
from seat_ledger.cli.output.times import span
from seat_ledger.domain.moments import parse_moment
from seat_ledger.domain.values import iso
from seat_ledger.domain.wording import counted
from seat_ledger.errors import LedgerError, Locked, Unavailable

if TYPE_CHECKING:
    from seat_ledger.projections.reader import ConnectedReader

HOUR = 3600
_LONGEST_NOTE = 300
AGREES, DIFFERS, RECORDED = "agrees", "differs", "recorded"
MISSING, REFUSED, FAILED = "missing", "refused", "failed"
_BAD = {MISSING, REFUSED, FAILED}


def compare_declared(
    session: Session, path: Path, metrics: Path | None, results: Path | None
) -> Answer:
    """Compare every declared list, and note the outcome wherever it is to go."""
    declarations = read_declarations(path)
    session.check_schema()
    rows = [_compared(session, declaration) for declaration in declarations]
    if results is not None:
        document = {"schema_version": 1, "rows": rows}
        write_whole(results, json.dumps(document, indent=1, default=iso) + "\n")
    if metrics is not None:
        from seat_ledger.cli.output.metrics import write_lists  # noqa: PLC0415

        write_lists(metrics, rows)
    return _answer(rows)


def _compared(session: Session, declaration: Declaration) -> dict[str, Any]:
    """What became of one list; what is wrong with it keeps no other from its turn."""
    row = _row(declaration)
    with session.reader(patient=True) as reader:
        now = reader.database_now()
        try:
            row["taken_at"] = last_taken(reader, declaration, now)
            with _opened(declaration, now) as listed:
                if listed is None:
                    row |= {"outcome": MISSING, "message": "There is no file of it."}
                else:
                    _hold(session, reader, declaration, listed, row)
        except (Unavailable, Locked):
            raise
        except LedgerError as error:
            row |= {"outcome": FAILED, "code": error.code, "message": error.message}
    _judge_age(declaration, now, row)
    return row


def _row(declaration: Declaration) -> dict[str, Any]:
    spec = declaration.spec
    return {
        "account": spec.account,
        "source": declaration.mapping.source,
        "file": None,
        "taken_at": None,
        "age_seconds": None,
        "allowed_seconds": spec.hours * HOUR,
        "too_old": True,
        "holders": None,
        "differences": None,
        "changes": {},
        "outcome": FAILED,
        "code": None,
        "message": None,
    }


class _Opened(NamedTuple):
    """A list that is there, and when it was true where it does not say so itself."""

    stream: BinaryIO
    name: str
    taken_at: str | None


@contextmanager
def _opened(declaration: Declaration, now: datetime) -> Iterator[_Opened | None]:
    """The newest copy of a list: a file, or what its command prints."""
    if declaration.spec.command is not None:
        with tempfile.TemporaryFile() as output:
            _run(declaration, output)
            output.seek(0)
            yield _Opened(output, declaration.spec.command[0], iso(now))
        return
    newest = declaration.newest()
    if newest is None:
        yield None
        return
    with input_file(newest.path, "see that the export is there") as stream:
        yield _Opened(stream, str(newest.path), newest.taken_at)


def _run(declaration: Declaration, output: Any) -> None:
    """Run the command of a list. Raises LedgerError where it fails."""
    words = declaration.spec.command
    assert words is not None
    minutes = declaration.spec.minutes
    try:
        done = subprocess.run(  # noqa: S603  the operator's own, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            cwd=declaration.folder,
            timeout=minutes * 60,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LedgerError(f"{words[0]} did not end in {minutes:g} minutes.") from error
    except OSError as error:
        raise LedgerError(f"{words[0]} cannot be run: {error.strerror}.") from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        last = harmless(lines[-1])[:_LONGEST_NOTE] if lines else "it says nothing."
        raise LedgerError(f"{words[0]} ended with {done.returncode}: {last}")


def last_taken(
    reader: ConnectedReader, declaration: Declaration, now: datetime
) -> datetime | None:
    """When the newest list that is recorded was true."""
    from seat_ledger.projections import snapshots  # noqa: PLC0415
    from seat_ledger.projections.reader import AccountQuestion  # noqa: PLC0415

    known_at = reader.knowledge()
    facts = reader.account(declaration.spec.account, known_at)
    about = AccountQuestion(reader, facts, known_at, now)
    return snapshots.last_taken(about, declaration.mapping.source)


def _hold(
    session: Session,
    reader: ConnectedReader,
    declaration: Declaration,
    opened: _Opened,
    row: dict[str, Any],
) -> None:
    """Hold a list against the ledger, and record it where that is declared."""
    spec = declaration.spec
    row["file"] = opened.name
    listed = read_list(
        opened.stream, harmless(opened.name), declaration.mapping, spec.account
    )
    listed.check_whole(spec.accept)
    comparisons = list(compared(reader, listed, opened.taken_at, spec.accept))
    changes = (
        outcomes(session, listed, comparisons)
        if spec.record
        else differences(comparisons)
    )
    row["taken_at"] = comparisons[0].taken_at
    row["holders"] = listed.count
    row["differences"] = len(changes)
    row["changes"] = dict(Counter(change["change"] for change in changes))
    refused = [change for change in changes if change["outcome"] == "refused"]
    if refused:
        row |= {"outcome": REFUSED, "code": refused[0]["code"]}
        row["message"] = refused[0]["message"]
    elif not changes:
        row["outcome"] = AGREES
    else:
        row["outcome"] = RECORDED if spec.record else DIFFERS
        row["message"] = ", ".join(f"{n} {word}" for word, n in row["changes"].items())


def _judge_age(declaration: Declaration, now: datetime, row: dict[str, Any]) -> None:
    """Say so where the newest list is older than it may be, or was never there."""
    name, taken_at = declaration.name, row["taken_at"]
    if taken_at is not None:
        row["age_seconds"] = (now - taken_at).total_seconds()
        row["too_old"] = row["age_seconds"] > row["allowed_seconds"]
    if row["too_old"]:
        age = (
            f"No list of {name} for {span(row['age_seconds'])}."
            if taken_at
            else f"There was never a list of {name}."
        )
        row["message"] = f"{row['message'] or ''} {age}".strip()


def ages(session: Session, path: Path) -> list[dict[str, Any]]:
    """How old the newest list of each declared source is, without reading it.

    One that leaves no trace of when it was true, because it is neither recorded nor
    has a time in its file's name, is not too old.
    """
    with session.reader(patient=True) as reader:
        now = reader.database_now()
        return [_aged(reader, each, now) for each in read_declarations(path)]


def _aged(
    reader: ConnectedReader, declaration: Declaration, now: datetime
) -> dict[str, Any]:
    row, spec = _row(declaration), declaration.spec
    row["taken_at"] = last_taken(reader, declaration, now)
    newest = declaration.newest()
    if newest is not None and newest.taken_at is not None:
        facts = reader.account(spec.account, reader.knowledge())
        by_name = parse_moment(newest.taken_at, facts.zones, now)
        row["taken_at"] = max(by_name, row["taken_at"] or by_name)
    if row["taken_at"] is None and not spec.record and spec.time is None:
        message = f"{declaration.name} is compared, and not recorded"
        return {**row, "too_old": False, "message": message}
    _judge_age(declaration, now, row)
    if not row["too_old"]:
        row["message"] = f"{declaration.name} is {span(row['age_seconds'])} old"
    return row


def _answer(rows: list[dict[str, Any]]) -> Answer:
    failed = sum(row["outcome"] in _BAD for row in rows)
    differing = sum(row["outcome"] == DIFFERS for row in rows)
    old = sum(row["too_old"] for row in rows)
    parts = [
        f"{failed} could not be compared" if failed else "",
        f"{counted(differing, 'differs', 'differ')} from the ledger"
        if differing
        else "",
        f"{old} too old" if old else "",
    ]
    sentence = f"{counted(len(rows), 'list')} declared: "
    recorded = sum(row["outcome"] == RECORDED for row in rows)
    parts.append(f"{recorded} with differences that are recorded now" * bool(recorded))
    sentence += ", ".join(part for part in parts if part) or "all of them new and right"
    columns = cells("account", "source", "taken_at", "holders", "outcome", "message")
    return Answer(
        rows,
        columns,
        sentence=f"{sentence}.",
        exit_code=1 if failed else 3 if differing or old else 0,
    )
