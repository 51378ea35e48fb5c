"""The benches of tamper evidence: sealing beside a rebuild, verifying, proving."""

from __future__ import annotations

import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from scripts.benches.projections import filled, rebuilt
from seat_ledger.commands.service import CommandService
from seat_ledger.integrity import leaf, merkle, proof, service
from seat_ledger.integrity.note import Checkpoint, Signer
from seat_ledger.store import datastore

PRO = "sales/professional"
START = "2025-01-05T00:00:00Z"

NEW = 10_000
DEEP = 10_000_000


def bench_integrity(conninfo: str, events: int) -> dict[str, Any]:
    """Seal from nothing, 10,000 more, verify, prove, and check the proof."""
    filled(conninfo, events)
    document = rebuilt(conninfo)
    signer = Signer.generate("bench.example.com/seats")
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = [Path(folder)]
        first = service.seal(conninfo, signer, elsewhere)
        _record(conninfo)
        more = service.seal(conninfo, signer, elsewhere)
        assert first is not None
        assert more is not None
        before, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, _cpu()
        found = service.verify(conninfo, signer.verifier, elsewhere)
        after, cpu = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, _cpu() - cpu
    assert not found.findings
    position = more.checkpoint.position or 1
    began = time.perf_counter()
    own = proof.text(service.prove(conninfo, signer.verifier, position // 2))
    prove = time.perf_counter() - began
    deep, check = _deep_proof(signer)
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "events": found.events,
        "rebuild_seconds": document["seconds"],
        "seal_from_nothing_seconds": round(first.seconds, 2),
        "seal_times_rebuild": round(first.seconds / document["seconds"], 2),
        "new_events": more.added,
        "seal_new_seconds": round(more.seconds, 3),
        "verify_seconds": round(found.seconds, 2),
        "verify_events_per_second": round(found.events / found.seconds),
        "verify_client_cpu_seconds": round(cpu, 2),
        "verify_grows_mib": round((after - before) / 1024, 1),
        "largest_process_mib": round(workers / 1024, 1),
        "prove_ms": round(prove * 1000, 1),
        "proof_bytes": len(own.encode()),
        "proof_bytes_at_10_million": len(deep.encode()),
        "check_proof_ms": round(check * 1000, 2),
    }


def _cpu() -> float:
    """CPU seconds of this process and of those that it started and saw end."""
    spent = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in spent)


def _record(conninfo: str) -> None:
    """Record new events: copies of the first, in streams of their own."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            "INSERT INTO ledger.stored_events (originator_id, originator_version, "
            "topic, state, recorded_at) SELECT gen_random_uuid(), 1, topic, state, "
            "(SELECT ledger.next_recorded_at()) FROM ledger.stored_events "
            "ORDER BY notification_id LIMIT %s",
            [NEW],
        )


def _deep_proof(signer: Signer) -> tuple[str, float]:
    """A proof in a tree of ten million leaves, and the seconds to check it."""
    event = leaf.Event(
        DEEP // 2,
        leaf.UUID(int=7),
        17,
        "SeatAssigned",
        leaf.datetime.now(leaf.UTC),
        b'{"v":1,"effective_at":"2026-03-14T09:30:00Z","actor":"user:'
        b'41cffb4c-e939-4c04-a951-61fe524b73b7","reason":"onboarding","seat_type":'
        b'"sales/professional","number":7,"user":"5f0c9a77-7f4e-4a3c-9a55-0c1c6a1b1d2e"}',
    )
    path = [
        bytes([n]) * 32 for n, _ in enumerate(merkle.inclusion_path(DEEP // 2, DEEP))
    ]
    root = merkle.root_from_inclusion(
        merkle.leaf_hash(leaf.encode(event)), DEEP // 2, DEEP, path
    )
    assert root is not None
    note = signer.sign(
        Checkpoint(signer.name, DEEP, root, DEEP, event.recorded_at).text()
    )
    text = proof.text(proof.inclusion(event, DEEP // 2, path, note))
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        assert service.check_proof(text, signer.verifier).event == event
        seconds.append(time.perf_counter() - began)
    return text, sorted(seconds)[10]


def bench_roles(conninfo: str, events: int) -> dict[str, Any]:
    """Seats assigned as the writer with triggers, and as the login without, in turn."""
    account = {"time_zone": "UTC", "term_start": "2025-01-05", "term_months": 120}
    ledgers = {}
    for key in ("guarded", "bare"):
        usual = datastore.become
        if key == "bare":
            datastore.become = lambda *_: None
        ledgers[key] = CommandService(conninfo)
        ledgers[key].open_account(key, name=key, billing_cycle_months=1, **account)
        datastore.become = usual
        ledgers[key].buy_seats(key, seat_type=PRO, quantity=1, effective_at=START)
        person = {"email": "u@x.example", "name": "U", "effective_at": START}
        ledgers[key].add_user(key, user="u", **person)
    times: dict[str, list[float]] = {"guarded": [], "bare": []}
    for n in range(max(200, min(events, 2_000))):
        for key in sorted(times, reverse=bool(n % 2)):
            _guard(conninfo, on=key == "guarded")
            times[key].append(_assign(ledgers[key], key, n))
    _guard(conninfo, on=True)
    for ledger in ledgers.values():
        ledger.close()
    guarded, bare = (statistics.median(times[key]) for key in ("guarded", "bare"))
    return {
        "events": sum(map(len, times.values())),
        "with_roles_and_triggers_ms": round(guarded * 1000, 3),
        "without_ms": round(bare * 1000, 3),
        "times_without": round(bare / guarded, 3),
    }


def _guard(conninfo: str, *, on: bool) -> None:
    """Switch the triggers on events on or off."""
    what = b"ENABLE" if on else b"DISABLE"
    with psycopg.connect(conninfo) as connection:
        connection.execute(
            b"ALTER TABLE ledger.stored_events " + what + b" TRIGGER USER"
        )


def _assign(ledger: CommandService, key: str, n: int) -> float:
    op = "assign_seat" if n % 2 == 0 else "unassign_seat"
    at = f"2025-{2 + n // 672:02}-{1 + n // 24 % 28:02}T{n % 24:02}:00:00Z"
    fields = {"account": key, "user": "u", "seat_type": PRO, "effective_at": at}
    began = time.perf_counter()
    ledger.execute({"op": op, **fields})
    return time.perf_counter() - began


BENCHES = {"integrity": bench_integrity, "roles": bench_roles}
EVENTS = {"integrity": 400_000, "roles": 500}
