"""What it costs to seal who a user is: the same commands with and without, in turn."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from seat_ledger.commands.service import CommandService
from seat_ledger.domain import user as users
from seat_ledger.domain.personal_data import EncryptedPerson
from seat_ledger.importing.files import import_file
from seat_ledger.store import bulk, recorder

ROUNDS = 300
LINES = 5_000


def bench_sealing(conninfo: str, _: int) -> dict[str, Any]:
    """Users added one by one, and by a file, with and without encryption."""
    took: dict[bool, list[float]] = {True: [], False: []}
    with CommandService(conninfo) as ledger:
        for key in ("sealed", "plain"):
            _open(ledger, key)
        for n in range(ROUNDS + 20):
            for sealed in (True, False):
                seconds = _add(ledger, n, sealed=sealed)
                if n >= 20:
                    took[sealed].append(seconds)
        imported = {True: 0.0, False: 0.0}
        for n in range(4):
            for sealed in (True, False):
                imported[sealed] += _import(ledger, n, sealed=sealed)
    one = {sealed: statistics.median(seen) for sealed, seen in took.items()}
    return {
        "events": 2 * (ROUNDS + 4 * LINES),
        "add_user_ms": round(one[True] * 1000, 3),
        "add_user_without_ms": round(one[False] * 1000, 3),
        "times_without": round(one[False] / one[True], 3),
        "imported_users_per_second": round(4 * LINES / imported[True]),
        "imported_without_per_second": round(4 * LINES / imported[False]),
        "import_times_without": round(imported[False] / imported[True], 3),
    }


def _open(ledger: CommandService, key: str) -> None:
    ledger.open_account(
        key, name=key, time_zone="UTC", term_start="2025-01-05", term_months=12,
        billing_cycle_months=1,
    )  # fmt: skip


def _command(key: str, user: str) -> dict[str, Any]:
    email = f"{user}@{key}.example"
    return {"op": "add_user", "account": key, "user": user, "email": email,
            "name": f"Person {user}"}  # fmt: skip


def _add(ledger: CommandService, n: int, *, sealed: bool) -> float:
    with _as(sealed=sealed):
        began = time.perf_counter()
        ledger.execute(_command("sealed" if sealed else "plain", f"u{n}"))
        return time.perf_counter() - began


def _import(ledger: CommandService, n: int, *, sealed: bool) -> float:
    key = "sealed" if sealed else "plain"
    lines = [json.dumps(_command(key, f"i{n}-{m}")).encode() for m in range(LINES)]
    with _as(sealed=sealed):
        began = time.perf_counter()
        for outcome in import_file(ledger, lines):
            assert outcome.outcome == "recorded", outcome
        return time.perf_counter() - began


@contextmanager
def _as(*, sealed: bool) -> Iterator[None]:
    """Without: the same bytes stored, but neither a cipher nor a key's own row."""
    if sealed:
        yield
        return
    same = EncryptedPerson("A" * 16, "A" * 108)
    only_name = recorder.ADD_NAME.replace(
        "INSERT INTO ledger.person_key (user_id, key) VALUES (%s, %s)",
        "SELECT %s::uuid, %s::bytea",
    )
    copy = bulk._copy  # noqa: SLF001  left out where nothing is sealed

    def copy_names_only(connection: Any, statement: str, buffer: bytearray) -> None:
        if "person_key" not in statement:
            copy(connection, statement, buffer)

    with (
        mock.patch.object(users, "seal", return_value=same),
        mock.patch.object(users, "new_key", return_value=bytes(32)),
        mock.patch.object(recorder, "ADD_NAME", only_name),
        mock.patch.object(bulk, "_copy", copy_names_only),
    ):
        yield
