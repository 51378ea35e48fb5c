"""The language of what is passed on: reports and letters."""

from __future__ import annotations

import click

from seat_ledger.cli.output.i18n import LANGUAGES

option_language = click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default=LANGUAGES[0],
    envvar="SEAT_LEDGER_LANGUAGE",
    show_envvar=True,
    show_default=True,
    help="The language of a report or letter, with its figures and dates.",
)


def language_option(language: str) -> list[str]:
    """The option as it is typed; nothing for the language that goes without saying."""
    return [] if language == LANGUAGES[0] else ["--language", language]
