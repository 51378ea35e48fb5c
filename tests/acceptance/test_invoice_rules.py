"""Policies and invoices on the write side, rule by rule (R09, R27, R43 to R64, R73).

The figures are the tests' own: what they should be is the read side's to know.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Any

import psycopg
import pytest

from seat_ledger.commands.service import CommandService, Result
from seat_ledger.domain.calendar import BillingCalendar
from seat_ledger.domain.invoice_draft import (
    ComputeInvoice,
    InvoiceDraft,
    InvoiceRequest,
)
from seat_ledger.errors import CommandRefused, Conflict, IntegrityFailure, InvalidInput
from seat_ledger.importing.files import import_file
from seat_ledger.projections import journal
from seat_ledger.projections.reader import ConnectedReader
from seat_ledger.store.settings import Settings
from tests.drafts import MONTHLY, PRO, computed, correction, head_of

PRICES = {PRO: "90.00"}


class Acme:
    """One account in UTC, billed monthly from 5 March 2025, with ten seats."""

    def __init__(self, conninfo: str, ledger: CommandService) -> None:
        self.conninfo, self.ledger = conninfo, ledger
        self.open("acme")

    def open(self, key: str, cycle: int = 1) -> None:
        self.ledger.open_account(
            key,
            name=key,
            time_zone="UTC",
            term_start="2025-03-05",
            term_months=12,
            billing_cycle_months=cycle,
        )
        self.ledger.buy_seats(
            key, seat_type=PRO, quantity=10, effective_at="2025-03-05"
        )

    def do(self, op: str, **fields: Any) -> Result:
        return self.ledger.execute({"op": op, "account": "acme", **fields})

    def policy(self, mode: str, at: str, granularity: str | None = None) -> int:
        done = self.do(
            "set_billing_policy", mode=mode, granularity=granularity, effective_at=at
        )
        return done.positions[0]

    def issue(
        self,
        invoice: str = "INV-1",
        period: str = "2025-06-05",
        compute: ComputeInvoice | None = None,
        *,
        dry_run: bool = False,
        **fields: Any,
    ) -> Result:
        command = {
            "op": "issue_invoice",
            "account": "acme",
            "invoice": invoice,
            "period": period,
            "unit_prices": PRICES,
            "currency": "EUR",
            "effective_at": "2025-12-05",
            **fields,
        }
        return self.ledger.execute(
            command,
            dry_run=dry_run,
            compute_invoice=compute or computed(self.conninfo),
        )

    def no(self, code: str, op: str, **fields: Any) -> CommandRefused:
        with pytest.raises(CommandRefused) as refused:
            self.issue(**fields) if op == "issue" else self.do(op, **fields)
        assert refused.value.code == code, refused.value.message
        assert refused.value.try_
        return refused.value

    def head(self) -> int:
        return head_of(self.conninfo)


@pytest.fixture
def acme(database: str, ledger: CommandService) -> Acme:
    return Acme(database, ledger)


# -- policies -----------------------------------------------------------------


def test_r27_a_policy_that_is_in_force_then_is_nothing_to_do(acme: Acme) -> None:
    setting = "set_billing_policy"
    acme.no("nothing_to_do", setting, mode="contracted")
    acme.no("nothing_to_do", setting, mode="contracted", granularity="day")
    acme.policy("contracted", "2025-04-01", "second")
    acme.policy("peak", "2025-06-01")
    acme.no("nothing_to_do", setting, mode="peak")
    acme.no("nothing_to_do", setting, mode="contracted", effective_at="2025-03-20")
    acme.no("nothing_to_do", setting, mode="contracted", granularity="second",
            effective_at="2025-05-01")  # fmt: skip
    acme.policy("peak", "2025-05-01")
    acme.policy("contracted", "2025-07-01")


def test_r27_a_reversed_policy_is_not_in_force(acme: Acme) -> None:
    entry = acme.policy("distinct", "2025-04-01")
    reversal = acme.do("reverse", entry=entry, reason="wrong account").positions[0]
    acme.no("nothing_to_do", "set_billing_policy", mode="contracted")
    acme.do("reverse", entry=reversal, reason="it was right")
    acme.no("nothing_to_do", "set_billing_policy", mode="distinct")


def test_r50_a_granularity_belongs_to_the_modes_that_have_one(acme: Acme) -> None:
    for mode in ("contracted", "start_plus_rises"):
        acme.policy(mode, "2025-05-01", "second")
        done = acme.do("set_billing_policy", mode=mode, effective_at="2025-05-02")
        assert done.events[0].event.granularity == "day"
    for mode in ("peak", "snapshot_end", "time_weighted", "day_peak", "day_touch"):
        with pytest.raises(InvalidInput, match="no granularity"):
            acme.policy(mode, "2025-05-01", "day")
        done = acme.do("set_billing_policy", mode=mode, granularity=None)
        assert done.events[0].event.granularity is None
    with pytest.raises(InvalidInput):
        acme.do("set_billing_policy", mode="contracted", granularity="hour")
    with pytest.raises(InvalidInput):
        acme.do("set_billing_policy", mode="flat")


def test_policies_and_invoices_stand_in_no_batch(acme: Acme) -> None:
    for line in (
        {"op": "set_billing_policy", "mode": "peak"},
        {"op": "issue_invoice", "invoice": "1", "period": "2025-06-05",
         "unit_prices": {}, "currency": "EUR"},
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match="is not allowed in a batch"):
            acme.do("batch", commands=[line])


def test_r36_policies_and_invoices_need_a_permission(acme: Acme) -> None:
    acme.do("add_user", user="ann", email="ann@x.example", name="Ann")
    acme.no("not_permitted", "set_billing_policy", mode="peak", actor="user:ann")
    acme.no("not_permitted", "issue", actor="user:ann")
    acme.no("unknown_actor", "issue", actor="user:eve")
    acme.do("set_permissions", user="ann", account_access=True)
    acme.issue(actor="user:ann")


def test_r37_a_due_renewal_is_processed_before_a_policy(acme: Acme) -> None:
    done = acme.do("set_billing_policy", mode="peak", effective_at="2026-03-05")
    assert [event.topic for event in done.due] == ["ContractRenewed"]


# -- issuing ------------------------------------------------------------------


def stored(conninfo: str, position: int) -> dict[str, Any]:
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(
            "SELECT state FROM ledger.stored_events WHERE notification_id = %s",
            [position],
        ).fetchone()
    return json.loads(bytes(row[0]))


def test_r60_an_invoice_is_an_event_that_says_all_it_was_consists_of(
    acme: Acme,
) -> None:
    acme.policy("start_plus_rises", "2025-06-05", "second")
    cut_off = acme.head()
    compute = computed(
        acme.conninfo,
        {PRO: Fraction(358, 31), "service/starter": 0},
        policy=("start_plus_rises", "second"),
    )
    done = acme.issue("2025/6 B", "2025-06", compute, reason="monthly")
    (position,) = done.positions
    text = stored(acme.conninfo, position)
    digest, tzdata = text.pop("digest"), text.pop("tzdata")
    assert len(digest) == 64
    assert tzdata
    assert text == {
        "v": 1,
        "effective_at": "2025-12-05T00:00:00Z",
        "actor": "system:import",
        "reason": "monthly",
        "invoice": "2025/6 B",
        "period": "2025-06-05",
        "from": "2025-06-05T00:00:00Z",
        "until": "2025-07-05T00:00:00Z",
        "time_zone": "UTC",
        "dates": [{"day": "2025-06-05", "starts": "2025-06-05T00:00:00Z", "count": 30}],
        "mode": "start_plus_rises",
        "granularity": "second",
        "currency": "EUR",
        "unit_prices": PRICES,
        "cut_off": cut_off,
        "lines": [
            {
                "kind": "period",
                "period": "2025-06-05",
                "seat_type": PRO,
                "quantity": "358/31",
                "unit_price": "90.00",
                "amount": "1039.35",
            }
        ],
        "corrections": [],
    }


def test_the_journal_shows_an_invoice_as_it_was_recorded(acme: Acme) -> None:
    acme.issue()
    with ConnectedReader(acme.conninfo) as reader:
        *_, last = journal.listed(reader, reader.knowledge())
    assert last["event"] == "InvoiceIssued"
    assert last["data"]["invoice"] == "INV-1"
    assert last["data"]["lines"][0]["amount"] == "900.00"


def test_r64_a_period_is_invoiced_once(acme: Acme) -> None:
    (issued,) = acme.issue().positions
    refused = acme.no("period_already_invoiced", "issue", invoice="INV-2")
    assert refused.details["entries"] == [issued]
    acme.ledger.accounts.workspaces.clear()
    acme.no("period_already_invoiced", "issue", invoice="INV-2", period="2025-06")
    acme.issue("INV-2", "2025-05-05")
    acme.issue("INV-3", "2025-07-05")


def test_r64_a_number_is_used_once_in_the_store(acme: Acme) -> None:
    acme.issue("INV-1")
    acme.open("other")
    acme.no("invoice_number_taken", "issue", invoice="INV-1", period="2025-07-05")
    refused = acme.no("invoice_number_taken", "issue", invoice="INV-1",
                      account="other")  # fmt: skip
    assert "acme" not in refused.message  # R76
    acme.issue("inv-1", account="other")  # compared exactly


def test_r64_a_period_has_ended_by_both_clocks(acme: Acme) -> None:
    acme.no("period_not_ended", "issue", effective_at="2025-07-04T23:59:59.999999Z")
    acme.issue(effective_at="2025-07-05")
    soon = datetime.now(UTC) + timedelta(minutes=4)
    start = soon.date() - timedelta(days=400)
    acme.ledger.open_account(
        "now",
        name="now",
        time_zone="UTC",
        term_start=start.isoformat(),
        term_months=240,
        billing_cycle_months=1,
    )
    calendar = BillingCalendar(start, 240, 1, MONTHLY.zones)
    current = list(calendar.periods_before(datetime.now(UTC)))[-1]
    fields = {"account": "now", "invoice": "N", "period": current.label.isoformat()}
    refused = acme.no("period_not_ended", "issue", **fields,
                      effective_at=soon.isoformat())  # fmt: skip
    assert "database's clock" in refused.message


def test_r64_a_label_names_a_period_of_the_account(acme: Acme) -> None:
    for label in ("2025-06-06", "2025-02", "2024-06-05"):
        acme.no("unknown_period", "issue", period=label)
    for label in ("june", "2025-6", "2025-13", "2025-02-30", "٢٠٢٥-06"):
        with pytest.raises(InvalidInput):
            acme.issue(period=label)


def test_r64_a_type_with_a_quantity_needs_a_price(acme: Acme) -> None:
    both = computed(acme.conninfo, {PRO: 10, "sales/starter": 2})
    refused = acme.no("price_missing", "issue", compute=both)
    assert "sales/starter" in refused.message
    none = computed(acme.conninfo, {PRO: 10, "sales/starter": 0})
    done = acme.issue(compute=none)
    assert [line.seat_type for line in done.events[0].event.lines] == [PRO]


def test_r64_prices_types_and_currencies_are_read_strictly(acme: Acme) -> None:
    acme.no("unknown_seat_type", "issue", unit_prices={"sales/gold": "1.00"})
    for wrong in (
        {"unit_prices": {PRO: 90.0}},
        {"unit_prices": {PRO: "-1"}},
        {"unit_prices": {PRO: "1e3"}},
        {"unit_prices": {PRO: "90,00"}},
        {"currency": "eur"},
        {"currency": "XXX"},
        {"invoice": ""},
        {"invoice": " INV"},
        {"invoice": "INV\n1"},
        {"invoice": "x" * 101},
        {"invoice": "\ud800"},
        {"extra": 1},
    ):
        with pytest.raises(InvalidInput):
            acme.issue(**wrong)
    assert acme.issue(currency="KWD", compute=computed(acme.conninfo)).positions


def test_r64_lines_are_ordered_by_period_kind_and_type(acme: Acme) -> None:
    acme.issue("INV-5", "2025-05-05")
    prices = {"service/starter": "5", **PRICES}
    compute = computed(
        acme.conninfo,
        {"service/starter": 1, PRO: 10},
        [correction("2025-05-05", Fraction(-1, 2), "-45.00")],
    )
    done = acme.issue(compute=compute, unit_prices=prices)
    lines = done.events[0].event.lines
    assert [(line.period.month, line.kind, line.seat_type) for line in lines] == [
        (5, "correction", PRO),
        (6, "period", PRO),
        (6, "period", "service/starter"),
    ]
    assert lines[0].quantity == "-1/2"
    assert lines[0].entries == (2,)


def test_r43_a_correction_without_a_price_stops_the_invoice(acme: Acme) -> None:
    acme.issue("INV-5", "2025-05-05")
    late = correction("2025-05-05", 1, None, price=None, of="sales/starter")
    refused = acme.no("price_missing", "issue",
                      compute=computed(acme.conninfo, None, [late]))  # fmt: skip
    assert "2025-05-05" in refused.message


def test_r43_a_correction_stays_in_the_currency_of_its_invoice(acme: Acme) -> None:
    (issued,) = acme.issue("INV-5", "2025-05-05").positions
    late = computed(acme.conninfo, None, [correction("2025-05-05", -1, "-90.00")])
    refused = acme.no("invoice_currency", "issue", compute=late, currency="USD")
    assert refused.details["entries"] == [issued]
    zero = computed(acme.conninfo, None, [correction("2025-05-05", 0, "0.00")])
    acme.issue(compute=zero, currency="USD")


def test_r44_a_delta_of_no_amount_makes_no_line_and_is_listed(acme: Acme) -> None:
    acme.issue("INV-5", "2025-05-05")
    left_out = [
        correction("2025-05-05", Fraction(1, 10**6), "0.00"),
        correction("2025-05-05", 0, None, price=None, of="sales/starter"),
    ]
    done = acme.issue(compute=computed(acme.conninfo, None, left_out))
    event = done.events[0].event
    assert [line.kind for line in event.lines] == ["period"]
    assert [(c.seat_type, c.quantity, c.amount) for c in event.corrections] == [
        (PRO, "1/1000000", "0.00"),
        ("sales/starter", "0/1", "0.00"),
    ]
    assert event.corrections[0].entries == (2,)


def test_figures_that_are_not_of_the_account_are_not_recorded(acme: Acme) -> None:
    right = computed(acme.conninfo)
    wrong = [
        lambda draft: {"mode": draft.mode, "granularity": "second"},
        lambda draft: {"ends": draft.ends + timedelta(microseconds=1)},
        lambda draft: {"figures": draft.figures * 2},
        lambda draft: {"figures": (draft.figures[0]._replace(amount="899.99"),)},
        lambda draft: {"figures": (draft.figures[0]._replace(unit_price="9.0"),)},
        lambda draft: {"figures": (*draft.figures, correction("2025-05-05", 1, "1"))},
    ]
    for change in wrong:

        def compute(request: InvoiceRequest, change: Any = change) -> InvoiceDraft:
            draft = right(request)
            return draft._replace(**change(draft))

        with pytest.raises(IntegrityFailure, match="does not agree"):
            acme.issue(compute=compute)
    acme.issue()


def test_an_invoice_that_nobody_can_compute_is_wrong_usage(acme: Acme) -> None:
    with pytest.raises(InvalidInput):
        acme.do("issue_invoice", invoice="1", period="2025-06-05",
                unit_prices=PRICES, currency="EUR")  # fmt: skip


def test_a_dry_run_issues_nothing_and_takes_no_number(acme: Acme) -> None:
    done = acme.issue(dry_run=True)
    assert done.events[0].topic == "InvoiceIssued"
    assert done.positions == ()
    acme.issue()


def test_who_changes_the_account_meanwhile_is_waited_for(acme: Acme) -> None:
    meanwhile = []

    def moved(request: InvoiceRequest) -> InvoiceDraft:
        draft = computed(acme.conninfo)(request)
        if len(meanwhile) < 2:
            with CommandService(acme.conninfo) as other:
                op = {"seat_type": "sales/starter", "quantity": 1}
                meanwhile.append(other.buy_seats("acme", **op))
        return draft

    done = acme.issue(compute=moved)
    assert len(meanwhile) == 2
    assert done.events[0].event.cut_off == meanwhile[-1].positions[-1]


def test_a_policy_set_while_computing_is_a_conflict_and_no_disagreement(
    acme: Acme,
) -> None:
    def moved(request: InvoiceRequest) -> InvoiceDraft:
        with CommandService(acme.conninfo) as other:
            other.set_billing_policy("acme", mode="peak")
        return computed(acme.conninfo)(request)

    with CommandService(acme.conninfo, Settings(tries=1)) as hasty:
        acme.ledger = hasty
        with pytest.raises(Conflict) as report:
            acme.issue(compute=moved)
    assert report.value.exit_code == 4
    assert "INV-1" in report.value.message


def test_r73_an_invoice_is_issued_once_under_a_key(acme: Acme) -> None:
    first = acme.issue(idempotency_key="k")
    again = acme.issue(idempotency_key="k")
    assert first.positions == again.positions
    assert again.repeated
    assert again.events[0].event == first.events[0].event
    acme.no("idempotency_conflict", "issue", idempotency_key="k", invoice="INV-2")
    acme.no("price_missing", "issue", idempotency_key="later", invoice="INV-2",
            period="2025-07-05", unit_prices={})  # fmt: skip
    acme.issue("INV-2", "2025-07-05", idempotency_key="later")


# -- renewals and invoices ------------------------------------------------------


def test_r37_a_renewal_after_the_period_is_processed_in_the_same_append(
    acme: Acme,
) -> None:
    done = acme.issue(effective_at="2026-04-01")
    assert [event.topic for event in done.due] == ["ContractRenewed"]
    assert [event.topic for event in done.events] == ["InvoiceIssued"]
    assert done.positions == (done.due[0].position + 1,)
    assert done.events[0].event.cut_off < done.due[0].position


def test_r37_a_renewal_inside_the_period_is_known_to_its_figures(acme: Acme) -> None:
    acme.open("half", cycle=5)
    acme.ledger.reduce_seats(
        "half", seat_type=PRO, quantity=3, effective_at="2025-04-01"
    )
    fields = {
        "account": "half",
        "period": "2026-01-05",
        "effective_at": "2026-06-05",
        "compute": computed(
            acme.conninfo,
            {PRO: Fraction(1234, 151)},
            calendar=BillingCalendar(MONTHLY.term_start, 12, 5, MONTHLY.zones),
        ),
    }
    before = acme.head()
    refused = acme.no("renewal_due", "issue", dry_run=True, **fields)
    assert "account renew" in refused.try_
    assert acme.head() == before
    done = acme.issue(**fields)
    retired = ["ContractRenewed", "SeatRetired", "SeatRetired", "SeatRetired"]
    assert [event.topic for event in done.due] == retired
    assert done.events[0].event.cut_off == done.due[-1].position
    assert done.due[0].event.idempotency_key is None


# -- what an invoice fixes ------------------------------------------------------


def test_r50_a_policy_cannot_change_before_the_end_of_an_invoiced_period(
    acme: Acme,
) -> None:
    (issued,) = acme.issue().positions
    for at in ("2025-04-01", "2025-06-05", "2025-07-04T23:59:59.999999Z"):
        refused = acme.no("period_invoiced", "set_billing_policy", mode="peak",
                          effective_at=at)  # fmt: skip
        assert refused.details["entries"] == [issued]
        assert "INV-1" in refused.message
    acme.policy("peak", "2025-07-05")


def test_r09_a_zone_cannot_change_before_the_end_of_an_invoiced_period(
    acme: Acme,
) -> None:
    acme.issue("INV-6")
    acme.issue("INV-4", "2025-04-05")
    for at in ("2025-05-05", "2025-07-04T23:59:59.999999Z"):
        acme.no("period_invoiced", "set_time_zone", time_zone="Asia/Tokyo",
                effective_at=at)  # fmt: skip
    acme.do("set_time_zone", time_zone="Asia/Tokyo", effective_at="2025-07-05")


def test_r47_an_invoice_cannot_be_reversed(acme: Acme) -> None:
    (issued,) = acme.issue().positions
    refused = acme.no("not_reversible", "reverse", entry=issued, reason="x")
    assert "next invoice" in refused.try_


def test_r47_a_policy_that_an_invoice_used_cannot_be_reversed(acme: Acme) -> None:
    unused = acme.policy("distinct", "2025-04-01")
    used = acme.policy("peak", "2025-05-20")
    inside = acme.policy("day_peak", "2025-06-20")
    removed = acme.policy("day_touch", "2025-06-04")
    reversal = acme.do("reverse", entry=removed, reason="x").positions[0]
    (issued,) = acme.issue(
        compute=computed(acme.conninfo, policy=("peak", None))
    ).positions
    refused = acme.no("period_invoiced", "reverse", entry=used, reason="x")
    assert refused.details["entries"] == [issued]
    acme.no("period_invoiced", "reverse", entry=reversal, reason="it was right")
    for entry in (unused, inside):
        acme.do("reverse", entry=entry, reason="no invoice used it")
    later = acme.policy("time_weighted", "2025-07-05")
    reversed_ = acme.do("reverse", entry=later, reason="x").positions[0]
    acme.do("reverse", entry=reversed_, reason="it was right")


def test_r47_the_default_policy_that_an_invoice_used_stays(acme: Acme) -> None:
    removed = acme.policy("peak", "2025-06-01")
    reversal = acme.do("reverse", entry=removed, reason="x").positions[0]
    acme.issue()
    acme.no("period_invoiced", "reverse", entry=reversal, reason="it was right")


def test_a_snapshot_knows_policies_and_invoices(database: str) -> None:
    with CommandService(database, Settings(snapshot_every=1)) as ledger:
        acme = Acme(database, ledger)
        acme.policy("peak", "2025-06-01")
        acme.issue(compute=computed(database, policy=("peak", None)))
        acme.do("void_invoice", invoice="INV-1", reason="wrong price")
        before = ledger.accounts.workspaces["acme"].account
        loaded = ledger.accounts.stored.load(before.id)
        assert loaded.snapshot_at == before.version
        assert loaded.billing.policies == before.billing.policies
        assert loaded.billing.register.invoices == before.billing.register.invoices
        assert loaded.billing.register.voids == before.billing.register.voids != {}
        ledger.accounts.workspaces.clear()
        why = {"reason": "again", "effective_at": "2026-01-01"}
        acme.no("invoice_voided", "void_invoice", invoice="INV-1", **why)


# -- files of commands ----------------------------------------------------------


def lines(*commands: dict[str, Any]) -> list[bytes]:
    return [json.dumps({"account": "acme", **fields}).encode() for fields in commands]


BUY = {
    "op": "buy_seats",
    "seat_type": PRO,
    "quantity": 1,
    "effective_at": "2025-04-01",
}
ISSUE = {
    "op": "issue_invoice",
    "invoice": "INV-1",
    "period": "2025-06-05",
    "unit_prices": PRICES,
    "currency": "EUR",
    "effective_at": "2025-12-05",
}


def test_an_import_records_what_stands_before_an_invoice_and_then_computes(
    acme: Acme,
) -> None:
    seen = []

    def compute(request: InvoiceRequest) -> InvoiceDraft:
        seen.append((request, acme.head()))
        return computed(acme.conninfo)(request)

    file = lines(
        BUY,
        ISSUE,
        {"op": "set_billing_policy", "mode": "peak", "effective_at": "2025-06-30",
         "expect": "refused"},
        BUY,
        {**ISSUE, "invoice": "INV-2", "expect": "refused"},
        {**ISSUE, "invoice": "INV-1", "period": "2025-07-05", "expect": "refused"},
        {**ISSUE, "invoice": "INV-2", "period": "2025-07-05"},
    )  # fmt: skip
    import_ = partial(import_file, acme.ledger)
    outcomes = list(import_(file, compute_invoice=compute))
    assert [o.code or o.outcome for o in outcomes] == [
        "recorded",
        "recorded",
        "period_invoiced",
        "recorded",
        "period_already_invoiced",
        "invoice_number_taken",
        "recorded",
    ]
    assert [head for _, head in seen] == [
        outcomes[0].positions[0],
        outcomes[3].positions[0],
    ]
    assert seen[0][0].account == "acme"
    again = [o.outcome for o in import_(file, compute_invoice=compute)]
    assert again.count("repeated") == 4
    assert len(seen) == 2


def test_an_import_without_figures_stops_at_an_invoice(acme: Acme) -> None:
    outcomes = list(import_file(acme.ledger, lines(BUY, ISSUE, BUY)))
    assert [o.outcome for o in outcomes] == ["recorded", "refused"]
    assert outcomes[1].code == "invalid_input"
    assert outcomes[1].exit_code == 2


def test_an_import_records_the_renewals_that_figures_need(acme: Acme) -> None:
    acme.do("reduce_seats", seat_type=PRO, quantity=3, effective_at="2025-04-01")
    compute = computed(acme.conninfo, {PRO: 7})
    late = {**ISSUE, "period": "2026-03-05", "effective_at": "2026-04-05"}
    (refused,) = import_file(
        acme.ledger, lines({**late, "expect": "refused"}), compute_invoice=compute
    )
    assert refused.code == "renewal_due"
    file = lines(BUY, late, BUY)
    outcomes = list(import_file(acme.ledger, file, compute_invoice=compute))
    assert [o.outcome for o in outcomes] == ["recorded"] * 3
    assert outcomes[1].positions[0] - outcomes[0].positions[0] == 5
    assert stored(acme.conninfo, outcomes[1].positions[0])["cut_off"] == (
        outcomes[1].positions[0] - 1
    )
