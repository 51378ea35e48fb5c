"""The catalogue: which seat types there are (R80, R81), and what they cost in all
accounts (R90); a stream of the ledger's own.

The six types of the source are there from the start, without an event. Every other is
added by one, and any may be withdrawn: then no more of it is bought, and what was
bought runs on. Nothing else in the program knows a list of types.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar
from uuid import UUID

from seat_ledger.domain.aggregate import Act, Aggregate, Steps
from seat_ledger.domain.events import (
    LedgerEvent,
    PriceSet,
    SeatTypeAdded,
    SeatTypeWithdrawn,
)
from seat_ledger.domain.price_book import (
    ListPrice,
    PriceList,
    check_new_price,
    list_price,
)
from seat_ledger.domain.seat_types import (
    CATALOGUE_ID,
    STARTING_TYPES,
    unknown_seat_type,
)
from seat_ledger.domain.values import (
    SeatType,
    as_word,
    iso,
    parse_seat_type,
    shown,
    utc,
)
from seat_ledger.errors import CommandRefused, InvalidInput, NotFound


class Catalogue(Aggregate):
    """The seat types of a ledger, each offered or withdrawn; and which hubs allow a
    user one seat only.
    """

    def __init__(self, id_: UUID = CATALOGUE_ID) -> None:
        super().__init__(id_)
        self.seat_types: dict[SeatType, datetime | None] = dict.fromkeys(STARTING_TYPES)
        self.exclusive_hubs: dict[str, bool] = dict.fromkeys(
            (seat_type.hub for seat_type in STARTING_TYPES), True
        )
        self._undone: list[tuple[datetime | None, bool]] = []
        self.prices = PriceList()

    # -- questions --------------------------------------------------------------

    def seat_type(self, text: str) -> SeatType:
        """The seat type that is written so.

        Raises NotFound (``unknown_seat_type``), with the nearest there are (R81).
        """
        if text not in self.seat_types:
            raise unknown_seat_type(text, self.seat_types)
        return SeatType(text)

    def hub(self, text: str) -> str:
        """The hub that is written so. Raises NotFound (``unknown_hub``)."""
        if text not in self.exclusive_hubs:
            raise NotFound(
                "unknown_hub",
                f"There is no hub {shown(text)}.",
                try_="use one of " + ", ".join(self.exclusive_hubs),
            )
        return text

    def is_exclusive(self, hub: str) -> bool:
        """Whether a user holds at most one live seat of the hub (R23, R81)."""
        return self.exclusive_hubs.get(hub, True)

    def check_offered(self, seat_type: SeatType, at: datetime) -> None:
        """Refuse to buy what was withdrawn by then (R80)."""
        withdrawn = self.seat_types[seat_type]
        if withdrawn is not None and at >= withdrawn:
            raise CommandRefused(
                "seat_type_withdrawn",
                f"{seat_type} was withdrawn at {iso(withdrawn)}; no more of it can be "
                f"bought from then on.",
                try_="buy another type, or offer it again: seat-ledger catalogue add "
                + as_word(seat_type),
            )

    # -- decisions --------------------------------------------------------------

    def add(self, text: str, act: Act, *, exclusive: bool | None) -> None:
        """Add a seat type, or offer a withdrawn one again.

        The first type of a hub says whether the hub is exclusive, which it is unless
        that is denied; later types may only repeat it. Raises InvalidInput,
        CommandRefused (``seat_type_exists``, ``exclusivity_fixed``).
        """
        seat_type = check_seat_type(text)
        if self.seat_types.get(seat_type, act.at) is None:
            raise CommandRefused(
                "seat_type_exists",
                f"The catalogue already has {seat_type}.",
                try_="seat-ledger catalogue list",
            )
        fixed = self.exclusive_hubs.get(seat_type.hub)
        if fixed is not None and exclusive not in {None, fixed}:
            rule = "one seat of it" if fixed else "one seat of each of its tiers"
            raise CommandRefused(
                "exclusivity_fixed",
                f"A user holds at most {rule} in the hub {seat_type.hub}, which its "
                "first type fixed.",
                try_="leave it out, or give the type a hub of its own",
            )
        if fixed is None:
            fixed = exclusive is not False
        self.trigger(SeatTypeAdded, act, seat_type=seat_type, exclusive=fixed)

    def withdraw(self, text: str, act: Act) -> None:
        """Stop the sale of a seat type from now on.

        Raises NotFound (``unknown_seat_type``), CommandRefused (``nothing_to_do``).
        """
        seat_type = self.seat_type(text)
        withdrawn = self.seat_types[seat_type]
        if withdrawn is not None:
            raise CommandRefused(
                "nothing_to_do",
                f"{seat_type} was already withdrawn at {iso(withdrawn)}.",
                try_="leave it as it is",
            )
        self.trigger(SeatTypeWithdrawn, act, seat_type=seat_type)

    def set_price(
        self,
        seat_type: SeatType,
        unit_price: str,
        currency: str,
        act: Act,
        *,
        first_date: date | None = None,
    ) -> None:
        """Say what a seat of a type costs from now on, in every account (R90).

        With a `first_date` from that local date on. Raises CommandRefused
        (``nothing_to_do``).
        """
        check_new_price(
            self.prices,
            ListPrice(act.at, 0, seat_type, currency, unit_price, first_date),
            "all accounts",
        )
        self.trigger(
            PriceSet,
            act,
            seat_type=seat_type,
            unit_price=unit_price,
            currency=currency,
            first_date=first_date,
        )

    # -- its state --------------------------------------------------------------

    def _added(self, event: SeatTypeAdded) -> None:
        seat_type = SeatType(event.seat_type)
        is_new = seat_type not in self.seat_types
        self._undone.append((self.seat_types.get(seat_type), is_new))
        self.seat_types[seat_type] = None
        self.exclusive_hubs.setdefault(seat_type.hub, event.exclusive)

    def _not_added(self, event: SeatTypeAdded) -> None:
        seat_type = SeatType(event.seat_type)
        withdrawn, is_new = self._undone.pop()
        if not is_new:
            self.seat_types[seat_type] = withdrawn
            return
        del self.seat_types[seat_type]
        if all(other.hub != seat_type.hub for other in self.seat_types):
            del self.exclusive_hubs[seat_type.hub]

    def _withdrawn(self, event: SeatTypeWithdrawn) -> None:
        self.seat_types[SeatType(event.seat_type)] = utc(event.effective_at)

    def _not_withdrawn(self, event: SeatTypeWithdrawn) -> None:
        self.seat_types[SeatType(event.seat_type)] = None

    def _priced(self, event: PriceSet) -> None:
        self.prices.add(list_price(event))

    def _not_priced(self, event: PriceSet) -> None:
        self.prices.remove(list_price(event))

    STEPS: ClassVar[dict[type[LedgerEvent], Steps]] = {
        PriceSet: (_priced, _not_priced),
        SeatTypeAdded: (_added, _not_added),
        SeatTypeWithdrawn: (_withdrawn, _not_withdrawn),
    }


def check_seat_type(text: str) -> SeatType:
    """A seat type as it may be named (R81). Raises InvalidInput."""
    try:
        return parse_seat_type(text)
    except NotFound as error:
        raise InvalidInput(
            f"{shown(text)} cannot be the name of a seat type.", try_=error.try_
        ) from error
