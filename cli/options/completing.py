"""Values that complete in a shell: what is the same in every ledger, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import click

Complete = Callable[[click.Context, click.Parameter, str], Sequence[str]]


def one_of(values: Callable[[], Iterable[str]]) -> Complete:
    """Complete with some words; they are looked up when a shell asks."""

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[str]:
        folded = begun.casefold()
        return [word for word in sorted(values()) if word.casefold().startswith(folded)]

    return complete


def _modes() -> Iterable[str]:
    from seat_ledger.domain.counting_rules import MODES  # noqa: PLC0415

    return MODES


def _currencies() -> Iterable[str]:
    from seat_ledger.domain.money import currencies  # noqa: PLC0415

    return currencies()


def _time_zones() -> Iterable[str]:
    from seat_ledger.domain.calendar import zone_names  # noqa: PLC0415

    return zone_names()


def _mappings() -> Iterable[str]:
    from seat_ledger.sources.shipped import shipped_names  # noqa: PLC0415

    return shipped_names()


modes = one_of(_modes)
every_mode = one_of(lambda: [*_modes(), "all"])
currencies = one_of(_currencies)
time_zones = one_of(_time_zones)
mappings = one_of(_mappings)
