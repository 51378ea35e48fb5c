"""What a seat costs, as recorded (R90): facts in, acceptance or a code out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from seat_ledger.domain.price_book import ListPrice, PriceList, prices_in_force
from seat_ledger.errors import CommandRefused, InvalidInput
from tests.support.acme import PRO, STARTER, InMemoryAcme


def price(acme: InMemoryAcme, unit_price: str, at: str, **fields: Any) -> Any:
    command = {"seat_type": PRO, "unit_price": unit_price, "currency": "EUR"}
    return acme.do("set_price", **{**command, **fields}, effective_at=at)


def for_all(acme: InMemoryAcme, unit_price: str, at: str) -> Any:
    return acme.execute(
        {"op": "set_price", "seat_type": PRO, "unit_price": unit_price,
         "currency": "EUR", "effective_at": at}
    )  # fmt: skip


def test_r90_a_price_is_recorded_with_its_currencys_places(acme: InMemoryAcme) -> None:
    price(acme, "90", "2025-04-01")
    (event,) = acme.recorded("PriceSet")
    assert (event.unit_price, event.currency) == ("90.00", "EUR")  # type: ignore[attr-defined]
    acme.no("nothing_to_do", "set_price", seat_type=PRO, unit_price="90.00",
            currency="EUR", effective_at="2025-05-01")  # fmt: skip
    price(acme, "95", "2025-05-01")
    price(acme, "90", "2025-06-01")
    price(acme, "100", "2025-05-01", currency="USD")


def test_r90_what_is_no_price_type_or_currency_is_refused(acme: InMemoryAcme) -> None:
    for wrong in ({"unit_price": "-1"}, {"unit_price": "1,5"}, {"currency": "EURO"}):
        with pytest.raises(InvalidInput):
            acme.do("set_price", **{"seat_type": PRO, "unit_price": "1",
                                    "currency": "EUR", **wrong})  # fmt: skip
    acme.no("unknown_seat_type", "set_price", seat_type="sales/gold", unit_price="1",
            currency="EUR")  # fmt: skip
    acme.no("effective_in_future", "set_price", seat_type=PRO, unit_price="1",
            currency="EUR", effective_at="2999-01-01")  # fmt: skip


def test_r90_a_price_for_all_stands_in_the_ledgers_own_stream(
    acme: InMemoryAcme,
) -> None:
    for_all(acme, "85", "2025-04-01")
    (event,) = acme.recorded("PriceSet")
    assert event.first_date == date(2025, 4, 1)  # type: ignore[attr-defined]
    with pytest.raises(CommandRefused):
        for_all(acme, "85.00", "2025-05-01")
    for_all(acme, "87", "2025-05-01T10:00:00Z")
    assert acme.recorded("PriceSet")[1].first_date is None  # type: ignore[attr-defined]


def test_r90_an_accounts_price_is_reversed_and_holds_again(acme: InMemoryAcme) -> None:
    (entry,) = price(acme, "90", "2025-04-01")
    reversal = acme.reverse(entry)
    price(acme, "90", "2025-04-02")  # it is not in force any more
    acme.reverse(reversal)


def at(day: str, entry: int, amount: str, **fields: Any) -> ListPrice:
    instant = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return ListPrice(instant, entry, fields.pop("of", PRO), "EUR", amount, **fields)


def in_force(own: PriceList, everyones: PriceList, day: str) -> dict[str, str]:
    starts = datetime.fromisoformat(day).replace(tzinfo=UTC)
    prices = prices_in_force(own, everyones, starts, starts.date())
    return {seat_type: price.unit_price for (seat_type, _), price in prices.items()}


def test_r90_the_accounts_own_price_goes_before_the_one_for_all() -> None:
    everyones = PriceList([at("2025-01-01", 1, "80"), at("2025-06-01", 2, "88"),
                           at("2025-01-01", 3, "20", of=STARTER)])  # fmt: skip
    own = PriceList([at("2025-04-01", 9, "90")])
    assert in_force(own, everyones, "2024-12-31") == {}
    assert in_force(own, everyones, "2025-01-01") == {PRO: "80", STARTER: "20"}
    assert in_force(own, everyones, "2025-07-01") == {PRO: "90", STARTER: "20"}
    assert in_force(PriceList(), everyones, "2025-06-01")[PRO] == "88"


def test_r90_of_two_prices_from_one_instant_the_later_entry_holds() -> None:
    own = PriceList([at("2025-04-01", 12, "95"), at("2025-04-01", 11, "90")])
    assert in_force(own, PriceList(), "2025-04-01") == {PRO: "95"}


def test_r90_a_date_for_all_is_each_accounts_own_local_date() -> None:
    """1 January begins in Auckland 11 hours before UTC, in Los Angeles 8 after."""
    new_year = at("2026-01-01", 1, "99", first_date=date(2026, 1, 1))
    auckland = datetime(2025, 12, 31, 11, tzinfo=UTC)
    los_angeles = datetime(2026, 1, 1, 7, 59, tzinfo=UTC)
    assert new_year.is_in_force(auckland, date(2026, 1, 1))
    assert not new_year.is_in_force(los_angeles, date(2025, 12, 31))
