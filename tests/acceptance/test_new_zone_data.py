"""An issued invoice is what it was, whatever zone data comes later (R61)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from seat_ledger.cli.output.render import to_json
from seat_ledger.commands.service import CommandService
from seat_ledger.domain import calendar
from seat_ledger.projections import periods
from seat_ledger.projections.billing import invoice_computation, invoices
from seat_ledger.projections.reader import ConnectedReader
from tests.audits import HEADER
from tests.in_process import run
from tests.support.acme import PRO

ZONE = "Europe/Amsterdam"
OTHERS = ["Europe/Kyiv", "Pacific/Apia", "America/Havana"]


@pytest.fixture
def issued(database: str) -> str:
    """Seats bought on one day of a month with a change of clocks; then an invoice."""
    with CommandService(database) as ledger:
        ledger.open_account(
            "z", name="Z", time_zone=ZONE, term_start="2025-03-05", term_months=12,
            billing_cycle_months=1,
        )  # fmt: skip
        for day, quantity in (("2025-03-05", 10), ("2025-03-20 10:00", 3)):
            ledger.buy_seats("z", seat_type=PRO, quantity=quantity, effective_at=day)
        with invoice_computation.Drafting(
            partial(ConnectedReader, database)
        ) as compute:
            ledger.issue_invoice(
                "z", compute_invoice=compute, invoice="INV-1", period="2025-03-05",
                unit_prices={PRO: "90"}, currency="EUR",
            )  # fmt: skip
    return database


def documents(conninfo: str) -> list[str]:
    """The invoice as it is shown, and computed again: the bytes of both."""
    with ConnectedReader(conninfo) as reader:
        result = invoices.find(reader, "INV-1", reader.knowledge())
        again = invoice_computation.reproduced(reader, result)
        return [to_json(invoices.document(item)) for item in (result, again)]


@pytest.fixture
def new_rule(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The zone's data say something else from now on."""
    now, real = calendar.zone(request.param), calendar.zone

    def changed(name: str) -> ZoneInfo:
        return now if name == ZONE else real(name)

    def forget() -> None:
        calendar.first_instant.cache_clear()
        periods._zones.clear()

    before = documents(request.getfixturevalue("issued"))
    monkeypatch.setattr(calendar, "zone", changed)
    monkeypatch.setattr(request.module, "BEFORE", before)
    forget()
    yield
    monkeypatch.undo()
    forget()


BEFORE: list[str] = []


@pytest.mark.usefixtures("new_rule")
@pytest.mark.parametrize("new_rule", OTHERS, indirect=True)
@pytest.mark.parametrize("version", [calendar.TZDATA_VERSION, "2099.1"])
def test_r61_new_zone_data_change_no_invoice(
    issued: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoice_computation, "TZDATA_VERSION", version)
    day, start = calendar.local_dates(*_A_DAY, ZONE)[0]
    assert start.isoformat() != "2025-03-30T23:00:00+00:00", day
    shown, again = documents(issued)
    assert [shown, shown] == BEFORE
    assert again == shown
    assert '"1039.35"' in shown  # E04: by its own 31 days


@pytest.mark.usefixtures("new_rule")
@pytest.mark.parametrize("new_rule", OTHERS, indirect=True)
def test_r61_an_issued_invoice_is_audited_in_its_own_bounds(
    issued: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = import_module("seat_ledger.projections.billing.audit.contracts")
    monkeypatch.setattr(contracts, "TZDATA_VERSION", "2099.1")
    with ConnectedReader(issued) as reader:
        head = reader.knowledge().position
    file = tmp_path / "invoice.csv"
    file.write_text(
        f"{HEADER}\nz,INV-1,{head},2025-03-05,{PRO},11.548387096774,90,1039.35\n"
    )
    words = ("invoice", "audit", file, "--database", issued, "--format", "json")
    (row,) = json.loads(run(*words).out)["rows"]
    assert (row["verdict"], row["cause"]) == ("match", "none")
    assert row["ledger_quantity_at_issue"] == row["ledger_quantity"]


_A_DAY = tuple(map(date.fromisoformat, ("2025-03-31", "2025-04-01")))


def test_local_dates_are_retained_in_few_runs() -> None:
    for zone, start, runs in (
        ("UTC", "2025-03-05", 1), (ZONE, "2025-03-05", 2),
        ("Pacific/Apia", "2011-12-05", 2), ("America/Havana", "2025-10-05", 2),
    ):  # fmt: skip
        history = calendar.ZoneHistory(zone)
        contract = calendar.BillingCalendar(date.fromisoformat(start), 12, 1, history)
        period = contract.period(0)
        assert len(period.in_runs()) == runs
        stored: Any = replace(period, runs=period.in_runs())
        assert stored.days == period.days
