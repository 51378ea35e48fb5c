"""The lake: exported, rebuilt by a second engine, held against what is served."""

from __future__ import annotations

import csv
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from scripts.benches.stores import BIN, ready, run_measured

BASE = 1_000_000
_POSITIONS = ("account_no", "position", "user_no", "entry", "root", "actor_no")


def bench_lake(conninfo: str, events: int) -> dict[str, Any]:
    """Export, verify, rebuild with one process and with two, compare with tables."""
    ready(conninfo, events)
    with _place() as folder:
        lake, tables = folder / "lake", folder / "tables"
        run_measured(conninfo, "integrity", "seal")
        exported, export_seconds = _timed(conninfo, "export", lake)
        row = exported["rows"][0]
        count = row["events"]
        _, segments = _timed(conninfo, "verify", lake)
        one, _ = _timed(conninfo, "rebuild", lake, "-o", tables, "--workers", "1")
        shutil.rmtree(tables)
        two, _ = _timed(conninfo, "rebuild", lake, "-o", tables, "--workers", "2")
        written = sum(f.stat().st_size for f in tables.rglob("*.parquet"))
        _, served = _timed(conninfo, "verify", lake, "--served")
        bill = folder / "bill.csv"
        lines = _bill(lake, bill, count)
        audit = _audited(lake, bill)
    export_cpu = exported["client_cpu_seconds"] + (exported["server_cpu_seconds"] or 0)
    return {
        "events": count,
        "export_seconds": export_seconds,
        "export_cpu_us_an_event": _micros(export_cpu, count),
        "bytes_an_event": round(row["bytes"] / count, 1),
        "verify_segments_seconds": segments,
        "rebuild_1_seconds": one["seconds"],
        "rebuild_1_cpu_us_an_event": _micros(one["cpu_seconds"], count),
        "rebuild_2_seconds": two["seconds"],
        "rebuild_2_cpu_us_an_event": _micros(two["cpu_seconds"], count),
        "peak_mib_a_process": two["peak_mib"],
        "bytes_of_tables_an_event": round(written / count, 1),
        "verify_served_seconds": served,
        "audited_lines": lines,
        "audit_cpu_us_a_line": _micros(audit.ru_utime + audit.ru_stime, lines),
        "audit_peak_mib": audit.ru_maxrss >> 10,
    }


def _bill(lake: Path, bill: Path, most: int) -> int:
    """Write a vendor's bill of so many of the figures; every twentieth is wrong."""
    command = [BIN / "seat-ledger", "billing", "counts", "--all", "--mode", "all"]
    figures = bill.with_suffix(".figures")
    with figures.open("w") as file:
        subprocess.run(
            [*command, "--lake", lake, "--format", "csv"], stdout=file, check=True
        )
    lines = 0
    with figures.open() as file, bill.open("w", newline="") as written:
        writer = csv.writer(written)
        writer.writerow(_HEADER)
        for lines, row in enumerate(islice(csv.DictReader(file), most), 1):
            quantity = row["quantity"] if lines % 20 else f"{lines % 7}"
            invoice = f"{row['account']}-{row['period']}"
            writer.writerow((
                row["account"], invoice, row["until"], row["period"], row["seat_type"],
                quantity, "9", f"{Decimal(quantity) * 9:.2f}", row["mode"],
                row["granularity"],
            ))  # fmt: skip
    return lines


_HEADER = (
    "account", "invoice", "issued_at", "period", "seat_type", "quantity", "unit_price",
    "amount", "mode", "granularity",
)  # fmt: skip


def _audited(lake: Path, bill: Path) -> resource.struct_rusage:
    """Audit a bill by the real command; what its process used."""
    words = ["invoice", "audit", bill, "--lake", lake, "--format", "csv"]
    process = subprocess.Popen([BIN / "seat-ledger", *words], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 3:
        raise SystemExit("The audit of a bill with wrong lines did not end with 3.")
    return used


def bench_lake_scale(conninfo: str, events: int) -> dict[str, Any]:
    """A lake of many times the accounts, rebuilt in eight shares, and its pace."""
    ready(conninfo, BASE)
    with _place() as folder:
        lake, tables = folder / "lake", folder / "tables"
        run_measured(conninfo, "lake", "export", lake)
        base, _ = _timed(conninfo, "rebuild", lake, "-o", tables, "--workers", "2")
        shutil.rmtree(tables)
        total = _replicate(conninfo, lake, events)
        seconds, cpu, peak = 0.0, 0.0, 0.0
        for share in range(1, 9):
            words = ("-o", tables, "--workers", "2", "--bucket", f"{share}/8")
            done, _ = _timed(conninfo, "rebuild", lake, *words)
            seconds += done["seconds"]
            cpu += done["cpu_seconds"]
            peak = max(peak, done["peak_mib"])
            shutil.rmtree(tables)
    small = _micros(base["cpu_seconds"], base["events"])
    large = _micros(cpu, total)
    return {
        "events": total,
        "base_events": base["events"],
        "base_cpu_us_an_event": small,
        "rebuild_seconds": round(seconds, 1),
        "rebuild_cpu_us_an_event": large,
        "times_base": round(large / small, 3),
        "peak_mib_a_process": peak,
    }


@contextmanager
def _place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="slb-lake-") as folder:
        os.environ["SEAT_LEDGER_HOME"] = f"{folder}/home"
        yield Path(folder)


def _timed(conninfo: str, *words: Any) -> tuple[dict[str, Any], float]:
    began = time.perf_counter()
    document = run_measured(conninfo, "lake", *words)
    return document, round(time.perf_counter() - began, 2)


def _micros(seconds: float, events: int) -> float:
    return round(seconds / events * 1e6, 2)


def _replicate(conninfo: str, place: Path, events: int) -> int:
    """Add segments with the same accounts under other numbers, and sign it all."""
    from seat_ledger.integrity.service import open_home  # noqa: PLC0415
    from seat_ledger.projections.lake.columns import write_segment  # noqa: PLC0415
    from seat_ledger.projections.lake.layout import BUCKETS, Lake  # noqa: PLC0415

    lake = Lake(str(place))
    manifest, _ = lake.manifest()
    shift = -(-manifest.head // BUCKETS) * BUCKETS
    segments = list(manifest.segments)
    for copy in range(1, -(-events // manifest.events)):
        for segment in manifest.segments:
            name = f"journal/copy-{copy:04d}-{Path(segment.name).name}"
            rows = _moved(lake.path(segment.name), segment.buckets, copy * shift)
            write_segment(Path(lake.path(name)), rows)
            size, sha256 = lake.digest(name)
            segments.append(segment._replace(name=name, size=size, sha256=sha256))
    whole = manifest._replace(
        number=manifest.number + 1,
        head=manifest.head + shift * -(-events // manifest.events),
        events=manifest.events * (len(segments) // len(manifest.segments)),
        segments=tuple(segments),
    )
    lake.add(whole, open_home(conninfo, conninfo).keys.signer())
    return whole.events


def _moved(path: str, buckets: Any, shift: int) -> Iterator[tuple[int, Any]]:
    """The row groups of a segment, with all that is a position moved."""
    from pyarrow import compute, parquet  # noqa: PLC0415

    source = parquet.ParquetFile(path)
    for group, (bucket, _) in enumerate(buckets):
        table = source.read_row_group(group)
        for at, column in enumerate(table.column_names):
            if column in _POSITIONS:
                values = compute.add(table[column], shift)
                table = table.set_column(at, column, values)
        yield bucket, table


BENCHES = {"lake": bench_lake, "lake_scale": bench_lake_scale}
EVENTS = {"lake": 4_000_000, "lake_scale": 100_000_000}
