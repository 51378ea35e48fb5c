"""A report of one account, to pass on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from seat_ledger.cli.options.counting import options_of_counting, priced, wanted
from seat_ledger.cli.options.session import Question, option_account, reading
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer
from seat_ledger.domain.values import iso

_SAID = ("period", "from_", "until", "term", "mode", "granularity", "currency")


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
    type=click.Path(path_type=Path),
    help="The report: an .html or an .xlsx file.",
)
@reading
def report(question: Question, output: Path, **given: Any) -> Answer:
    """Write what was billable of an account, with charts and every event behind it."""
    from seat_ledger.cli import reports  # noqa: PLC0415

    reports.check(output)
    from seat_ledger.cli.reports.of_account import of_account  # noqa: PLC0415
    from seat_ledger.cli.reports.written import MANIFEST, write_report  # noqa: PLC0415
    from seat_ledger.projections import billing  # noqa: PLC0415

    account, known, asked = question.account, question.known, wanted(given)
    with heartbeat("Writing the report"):
        upto = billing.settled(account, known, question.now, asked)
        content = of_account(
            question.reader, account, known, upto, asked, priced(given)
        )
        write_report(content, output, _command(question, output, given, upto))
    manifest = output.with_name(MANIFEST)
    rows = [{"report": str(output), "manifest": str(manifest)}]
    columns = [(name, lambda row, name=name: row[name]) for name in rows[0]]
    return question.answer(rows, columns, sentence=content.sentence)


def _command(
    question: Question, output: Path, given: dict[str, Any], upto: datetime
) -> list[str]:
    """The command that makes the same report again, whenever it is given."""
    words = ["seat-ledger", "report", "--account", question.account.key]
    for name in _SAID:
        value = given[name]
        option = f"--{name.strip('_')}"
        if value is True:
            words.append(option)
        elif value:
            words += [option, value]
    for price in given["prices"]:
        words += ["--unit-price", price]
    if given["price_for"] != "period":
        words += ["--price-for", given["price_for"]]
    known = question.known
    at = iso(upto) if upto != known.recorded_at else str(known.position)
    return [*words, "--known-at", at, "--output", output.name]
