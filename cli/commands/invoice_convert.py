"""A vendor's bill as the file of lines that an audit reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seat_ledger.cli.commands.convert import ACCOUNT, MAPPING, print_tally
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.cli.options.session import current_session, option_database
from seat_ledger.cli.output.printing import emit
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, harmless, print_message
from seat_ledger.domain.wording import counted

if TYPE_CHECKING:
    from seat_ledger.projections.reader import ConnectedReader
    from seat_ledger.sources.bills import Month


@click.command("convert")
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@MAPPING
@ACCOUNT
@click.option(
    "--invoice",
    metavar="NUMBER",
    help="The invoice's number, in place of the mapping's.",
)
@click.option(
    "--issued-at",
    required=True,
    metavar="T",
    help="When the invoice was issued: an instant, or a position of the ledger.",
)
@option_database
def convert(
    file: Path,
    mapping: str,
    account: str | None,
    invoice: str | None,
    issued_at: str,
) -> None:
    """Turn a vendor's bill into the CSV file of 'invoice audit', on stdout.

    Rows of a month and seat type are added up exactly. A month that is not a period of
    the account, and a price that varies within it, are refused.
    """
    from seat_ledger.cli.inputs.mapped_bill import missing_dates_in_words  # noqa: PLC0415
    from seat_ledger.cli.inputs.mapping_file import mapping_named  # noqa: PLC0415
    from seat_ledger.projections.billing.audit.lines import check_issued_at  # noqa: PLC0415
    from seat_ledger.sources.bills import HEADER, Bill, check_months  # noqa: PLC0415
    from seat_ledger.sources.reading import SourceReader  # noqa: PLC0415

    check_issued_at(issued_at)
    session = current_session()
    name = harmless(file.name)
    with input_file(file, "name a bill that the source exported, or -") as opened:
        bill = Bill(
            SourceReader(opened, mapping_named(mapping)),
            name,
            account=account,
            invoice=invoice,
            issued_at=issued_at,
        )
        try:
            with heartbeat("Adding up"):
                bill.read()
        finally:
            print_tally(bill.tally)
    with session.reader() as reader:
        check_months(bill.lines, _other_period(reader), name)
    rows = bill.rows()
    for text in missing_dates_in_words(bill):
        print_message(text)
    emit(Answer(rows, header=HEADER), "csv")


def _other_period(reader: ConnectedReader) -> Callable[[str, Month], str | None]:
    """Says which period an account has where a month is none of its periods."""
    from seat_ledger.projections import billing  # noqa: PLC0415

    knowledge, now = reader.knowledge(), reader.database_now()

    def other(account: str, month: Month) -> str | None:
        facts = reader.account(account, knowledge)
        rows = billing.periods(facts, knowledge, now).rows
        begun = [row for row in rows if row["period"] <= month.first.isoformat()]
        if not begun:
            return f"{account} had no period then"
        period = begun[-1]
        first = date.fromisoformat(period["period"])
        if month.first >= first + timedelta(days=period["days"]):
            return f"{account} has no period then that has begun"
        if period["period"] == month.first.isoformat() and period["days"] == month.days:
            return None
        return (
            f"the period of {account} is that of {counted(period['days'], 'day')} from "
            f"{period['period']}"
        )

    return other
