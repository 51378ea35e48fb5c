"""A report of one account, to pass on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from seat_ledger.cli import reports
from seat_ledger.cli.options.counting import counts_query, options_of_counting
from seat_ledger.cli.options.languages import language_option, option_language
from seat_ledger.cli.options.session import FilePath, Question, option_account, reading
from seat_ledger.cli.output.i18n import words_of
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.cli.reports.of_account import of_account, repeated_at
from seat_ledger.cli.reports.written import MANIFEST, write_report
from seat_ledger.projections import billing

_REPEATED_OPTIONS = (
    "period",
    "from_",
    "until",
    "term",
    "mode",
    "granularity",
    "currency",
)


@click.command(
    epilog="Example: seat-ledger report --account acme --term --output acme.html"
)
@option_account
@options_of_counting
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FILE",
    type=FilePath(path_type=Path),
    help="The report file: .html or .xlsx.",
)
@option_language
@reading
def report(question: Question, output: Path, language: str, **options: Any) -> Answer:
    """Report what was billable for an account, with charts and the events behind it."""
    reports.check(output)
    about, query = question.about_now, counts_query(options, question.today)
    with heartbeat("Writing the report"):
        until = billing.settled(about, query)
        content = of_account(about._replace(as_of=until), query, words_of(language))
        write_report(
            content,
            output,
            [
                *_command(question, options, until),
                *language_option(language),
                "--output",
                output.name,
            ],
        )
    manifest = output.with_name(MANIFEST)
    rows = [{"report": str(output), "manifest": str(manifest)}]
    columns = cells("report", "manifest")
    return question.answer(rows, columns, sentence=content.sentence)


def _command(question: Question, options: dict[str, Any], until: datetime) -> list[str]:
    """The command that makes the same report again, whenever it is given."""
    words = ["seat-ledger", "report", "--account", question.account.key]
    for name in _REPEATED_OPTIONS:
        value = options[name]
        option = f"--{name.strip('_')}"
        if value is True:
            words.append(option)
        elif value:
            words += [option, value]
    for price in options["prices"]:
        words += ["--unit-price", price]
    if options["price_file"] is not None:
        words += ["--prices", str(options["price_file"])]
    if options["price_for"] != "period":
        words += ["--price-for", options["price_for"]]
    at = repeated_at(question.knowledge, until)
    return [*words, "--known-at", at]
