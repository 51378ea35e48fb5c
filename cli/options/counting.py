"""The options by which periods, counting rules and prices are named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click

from seat_ledger.cli.options import completing
from seat_ledger.cli.options.session import FilePath, options_of
from seat_ledger.cli.output import times
from seat_ledger.domain.counting_rules import (
    COUNTING_RULES,
    GRANULARITIES,
    MODES,
    WITH_GRANULARITY,
    every_rule,
)

_FORECAST = "A forecast is for a period that has not begun; nobody is billed for it."
_INCOMPLETE = "The period has not ended: counted as if nothing more happened."
"""The notes below figures of a time that has not begun (R92), or ended (R54)."""
_option_granularity = click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    help="Count by whole local days or by the second, where the mode has both.",
)
option_periods = options_of(
    click.option(
        "--period",
        metavar="LABEL",
        help="A billing period, by its first date or by the month it begins in.",
    ),
    click.option("--from", "from_", metavar="DATE", help="The first date of a window."),
    click.option(
        "--until", metavar="DATE", help="The end of the window, itself excluded."
    ),
)
option_rule = options_of(
    click.option(
        "--mode",
        metavar="M",
        shell_complete=completing.modes,
        help="A counting mode; without it the account's policy applies.",
    ),
    _option_granularity,
)
option_prices = click.option(
    "--unit-price",
    "prices",
    multiple=True,
    metavar="[HUB/TIER=]90.00",
    help="The price of one seat for one whole period; can be repeated. The type "
    "may be omitted if the answer has only one.",
)
option_typed_prices = click.option(
    "--unit-price",
    "prices",
    multiple=True,
    metavar="HUB/TIER=90.00",
    help="The price of one seat of a type for one whole period; can be repeated.",
)
option_price_file = click.option(
    "--prices",
    "price_file",
    metavar="FILE",
    type=FilePath(dir_okay=False, path_type=Path),
    help="A CSV file of prices that are not to be recorded: seat_type, unit_price, "
    "currency, and optionally account and from (a date).",
)
option_price_for = click.option(
    "--price-for",
    type=click.Choice(["period", "window"]),
    default="period",
    show_default=True,
    help="What a price covers: one billing period (a window over several is then "
    "priced period by period), or the whole window.",
)
option_currency = click.option(
    "--currency",
    metavar="CODE",
    shell_complete=completing.currencies,
    help="The currency that amounts are rounded to, such as EUR (ISO 4217).",
)
options_of_counting = options_of(
    option_periods,
    click.option("--term", is_flag=True, help="Every period of the current term."),
    click.option(
        "--mode",
        metavar="M",
        shell_complete=completing.every_mode,
        help="A counting mode, or 'all'; without it the account's policy applies.",
    ),
    _option_granularity,
    option_prices,
    option_price_file,
    option_price_for,
    option_currency,
)
"""Which periods, by which rules, at which prices."""


def rules_in_words(rules: Iterable[tuple[str, str | None]]) -> list[str]:
    """A sentence for each counting rule."""
    by = {"day": ", by whole local days", "second": ", by the second", None: ""}
    return [
        f"Rule: {mode}{by[part]}; {COUNTING_RULES[mode].words['en']}."
        for mode, part in rules
    ]


def unended_in_words(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is said below figures of a time that has not ended, or begun (R54, R92)."""
    rows = list(rows)
    ahead = any(row["forecast"] for row in rows)
    running = any(not row["forecast"] and not row.get("complete", True) for row in rows)
    return [*([_INCOMPLETE] if running else []), *([_FORECAST] if ahead else [])]


def rules(mode: str | None, granularity: str | None) -> Any:
    """The rules that were asked for; None leaves it to the account's policy."""
    if mode == "all":
        return every_rule(granularity)
    if mode is None:
        return None
    if mode not in MODES:
        raise click.UsageError(f"--mode is one of {', '.join(MODES)} or all.")
    if mode not in WITH_GRANULARITY:
        if granularity:
            raise click.UsageError(
                f"The mode {mode} has no granularity: omit --granularity."
            )
        return [(mode, None)]
    return [(mode, granularity or COUNTING_RULES[mode].granularities[0])]


def periods_named(options: dict[str, Any], today: date) -> Any:
    """Which periods the options name. Raises UsageError."""
    from seat_ledger.projections.billing import CountsQuery  # noqa: PLC0415

    window = None
    if options["from_"] or options["until"]:
        if not (options["from_"] and options["until"]):
            raise click.UsageError("--from and --until must be used together.")
        first = times.day(options["from_"], today)
        window = (first, times.day(options["until"], today))
    if sum(map(bool, (window, options["period"], options["term"]))) > 1:
        raise click.UsageError("Use one of --period, --from/--until and --term.")
    label = options["period"] and times.label(options["period"], today)
    return CountsQuery(label, window, options["term"])


def counts_query(options: dict[str, Any], today: date) -> Any:
    """Which periods, by which rules, at which prices. Raises UsageError."""
    return replace(periods_named(options, today), how=priced(options))


def priced(options: dict[str, Any]) -> Any:
    """By which rules to count, and what a seat costs, as the options say."""
    from seat_ledger.domain.money import Currency  # noqa: PLC0415
    from seat_ledger.projections.billing import Priced  # noqa: PLC0415

    prices = prices_of(options["prices"])
    return Priced(
        rules=rules(options["mode"], options["granularity"]),
        single=prices.pop(None, None),
        prices=prices,
        currency=Currency.named(options["currency"]),
        granularity=options["granularity"],
        price_for=options["price_for"],
        books=books_of(options),
    )


def unit_prices(options: dict[str, Any]) -> Any:
    """What seats cost, as the options say. Raises as `prices_of`."""
    from seat_ledger.domain.money import Currency  # noqa: PLC0415
    from seat_ledger.projections.billing import Priced  # noqa: PLC0415

    prices = prices_of(options["prices"])
    return Priced(
        single=prices.pop(None, None),
        prices=prices,
        currency=Currency.named(options["currency"]),
        books=books_of(options),
    )


def books_of(options: dict[str, Any]) -> Any:
    """The prices of a file, where one is named: they go before recorded ones."""
    path = options["price_file"]
    if path is None:
        return ()
    from seat_ledger.cli.inputs.price_file import price_file  # noqa: PLC0415

    return (price_file(path),)


def prices_of(texts: Iterable[str]) -> dict[Any, Any]:
    """Prices by seat type; under None the one that names no type.

    Raises UsageError and InvalidInput.
    """
    from seat_ledger.domain.values import parse_seat_type  # noqa: PLC0415

    prices: dict[Any, Any] = {}
    for text in texts:
        name, sign, price = text.rpartition("=")
        seat_type = str(parse_seat_type(name)) if sign else None
        if seat_type in prices:
            raise click.UsageError(f"Two prices for {seat_type or 'the one type'}.")
        prices[seat_type] = price_of(price)
    if None in prices and len(prices) > 1:
        raise click.UsageError("Write each of several prices as HUB/TIER=90.00.")
    return prices


def price_of_type(texts: Iterable[str], seat_type: str) -> Any:
    """The price of the one seat type that is asked about; None without any.

    Raises UsageError where the prices are all of other types.
    """
    prices = prices_of(texts)
    if prices and not {seat_type, None} & prices.keys():
        raise click.UsageError(
            f"--unit-price names {', '.join(prices)} but the figure is of "
            f"{seat_type}: write --unit-price {seat_type}=90.00, or 90.00 alone."
        )
    return prices.get(seat_type, prices.get(None))


def price_of(text: str) -> Any:
    """A price of one seat for a whole period. Raises InvalidInput."""
    from seat_ledger.domain.money import parse_price  # noqa: PLC0415

    return parse_price(text)
