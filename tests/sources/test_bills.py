"""Bills: added up exactly, and refused where a sum would hide something."""

from __future__ import annotations

import pytest

from seat_ledger.errors import InvalidInput
from seat_ledger.sources.bills import Bill, Month, check_months
from seat_ledger.sources.mapping import SourceMapping
from tests.sources.exported import changed, source_reader

REPORT = "github-usage-report"
HEAD = (
    "date,product,sku,quantity,unit_type,applied_cost_per_quantity,net_amount,"
    "organization\n"
)
EXACT = changed(REPORT, ("quantity_places = 6\n", ""), ("amount_places = 2\n", ""))


def seat(
    day: str, quantity: str = "0.5", price: str = "19.00", amount: str = "9.50"
) -> str:
    return f"{day},copilot,copilot_business,{quantity},seats,{price},{amount},org\n"


def billed(content: str, mapping: SourceMapping | str = EXACT) -> Bill:
    bill = Bill(source_reader(HEAD + content, mapping), "bill", issued_at="41")
    bill.read()
    return bill


def test_rows_of_a_month_are_added_up_exactly() -> None:
    rows = [seat(f"2026-11-{n + 1:02}", "0.0333333333", amount="0.6333333327")
            for n in range(30)]  # fmt: skip
    (line,) = billed("".join(rows)).rows()
    assert line["quantity"] == "0.9999999990"
    assert line["amount"] == "18.9999999810"
    assert line["unit_price"] == "19.00"


def test_a_vendor_that_rounds_is_rounded_once() -> None:
    rows = [seat(f"2026-11-{n + 1:02}", "0.0333333333", amount="0.6333333327")
            for n in range(30)]  # fmt: skip
    (line,) = billed("".join(rows), REPORT).rows()
    assert (line["quantity"], line["amount"]) == ("1.000000", "19.00")


def test_months_and_accounts_are_lines_of_their_own() -> None:
    content = (
        seat("2026-11-30")
        + seat("2026-12-01")
        + seat("2026-12-02").replace(",org\n", ",other\n")
    )
    rows = billed(content).rows()
    assert [(row["account"], row["invoice"], row["period"]) for row in rows] == [
        ("org", "github-2026-11", "2026-11-01"),
        ("org", "github-2026-12", "2026-12-01"),
        ("other", "github-2026-12", "2026-12-01"),
    ]


def test_small_numbers_may_have_an_exponent() -> None:
    (line,) = billed(seat("2026-11-01", "5E-3", amount="9.5e-2")).rows()
    assert (line["quantity"], line["amount"]) == ("0.005", "0.095")


def test_a_decimal_comma_is_read_where_the_mapping_says_so() -> None:
    comma = changed(REPORT, ('currency = "USD"', 'currency = "USD"\ndecimal = ","'))
    content = seat("2026-11-01", '"0,5"', '"19,00"', '"9,50"')
    (line,) = billed(content, comma).rows()
    assert (line["quantity"], line["amount"]) == ("0.500000", "9.50")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (seat("2026-11-02", price="39.00"),
         "the price of copilot/business is 39 here, and 19 in line 2."),
        (seat("2026-11-02", "1.039,5"), "the line has 9 cells, the header 8."),
        (seat("2026-11-02", '"0,5"'),
         "quantity '0,5' is not a number with a decimal point."),
        (seat("2026-11-02", ""), "quantity '' is not a number"),
        (seat("2026-11-02", amount="NaN"), "net_amount 'NaN' is not a number"),
        (seat("2026-11-02", amount="$9.50"), "net_amount '$9.50' is not a number"),
        (seat("02/11/2026"), "'02/11/2026' is not a time"),
        (seat(""), "the date date is missing."),
        (seat("2026-11-02").replace("copilot_business", "copilot_new"),
         "no rule names this row: product = 'copilot', sku = 'copilot_new'."),
    ],
)  # fmt: skip
def test_a_row_of_a_bill_that_cannot_be_read_stops_with_its_line(
    row: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        billed(seat("2026-11-01") + row)
    assert caught.value.message.startswith(f"bill:3: {message}")


def test_more_decimals_than_an_audit_reads_are_refused() -> None:
    with pytest.raises(InvalidInput, match="a sum has 13 decimals"):
        billed(seat("2026-11-01", "0.1234567890123")).rows()


def test_a_month_that_is_no_period_is_refused_with_both_named() -> None:
    bill = billed(seat("2026-11-01"))
    with pytest.raises(InvalidInput) as caught:
        check_months(bill.lines, lambda *_: "acme has one from 2026-11-05", "bill")
    assert caught.value.message == (
        "bill:2: the vendor bills the month 2026-11; acme has one from 2026-11-05."
    )


def test_dates_without_a_row_are_known() -> None:
    bill = billed(seat("2026-11-01") + seat("2026-11-03"))
    (line,) = bill.lines.values()
    missing = line.missing_dates(Month(2026, 11))
    assert len(missing) == 28
    assert missing[0].isoformat() == "2026-11-02"
