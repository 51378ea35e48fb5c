"""The findings of audits: kept, followed, settled (R93)."""

from __future__ import annotations

from typing import Any

import click

from seat_ledger.cli.options.session import (
    Question,
    option_account,
    option_one_account,
    reading_of_accounts,
)
from seat_ledger.cli.options.writing import writing
from seat_ledger.cli.output.finding_words import listed_in_words
from seat_ledger.cli.output.render import Answer, cells
from seat_ledger.domain.values import as_word


@click.group(epilog="Example: seat-ledger finding list -a acme")
def group() -> None:
    """Follow what audits found: open, disputed, or settled and by which invoice."""


@group.command("list", epilog="Example: seat-ledger finding list -a acme")
@option_one_account
@click.option("--all", "all_", is_flag=True, help="Include settled findings.")
@reading_of_accounts
def list_(question: Question, account: str | None, *, all_: bool, **_: Any) -> Answer:
    """The findings that were kept; settled ones are listed apart."""
    from seat_ledger.projections.billing import kept_findings  # noqa: PLC0415
    from seat_ledger.projections.billing.totals import added  # noqa: PLC0415

    number = question.account.no if account else None
    every = kept_findings.listed(question.reader, question.knowledge, number)
    current = [row for row in every if row["state"] != "settled"]
    settled = [row for row in every if all_ and row["state"] == "settled"]
    rows = every if all_ else current
    totals = {
        "not settled": added(current, "difference"),
        "settled": added(settled, "difference"),
    }
    columns = [
        *([] if account else cells("account")),
        *cells("finding", "state", "invoice", "period", "type=seat_type", "verdict"),
        *cells("invoiced=invoiced_quantity", "ledger=ledger_quantity"),
        *cells("difference|not priced", "currency", "credited by=credited_by"),
        ("last note", lambda row: row["notes"][-1]["note"] if row["notes"] else None),
    ]
    try_ = "seat-ledger invoice audit --help"
    if current:
        try_ = (
            f"seat-ledger finding note {current[0]['finding']} --account "
            f"{as_word(current[0]['account'])} --note TEXT --disputed"
        )
    return question.answer(
        rows,
        columns,
        sentence=listed_in_words(every),
        next_command=try_,
        extra={"totals": totals["not settled"]},
        sums=[
            {**total, "sum": name if settled else "total"}
            for name, of_state in totals.items()
            for total in of_state
        ],
    )


@group.command(
    epilog="Example: seat-ledger finding note 3 -a acme --note 'sent a letter' "
    "--disputed"
)
@click.argument("finding", type=int, metavar="N")
@option_account
@click.option("--note", required=True, metavar="TEXT", help="The text of the note.")
@click.option(
    "--disputed",
    is_flag=True,
    help="Mark the finding as disputed: the vendor has been told.",
)
@writing("note_finding")
def note(**fields: Any) -> dict[str, Any]:
    """Note something about an open finding; --disputed once the vendor was told."""
    return {**fields, "disputed": fields["disputed"] or None}


@group.command(
    epilog="Example: seat-ledger finding settle 3 -a acme --credited-by CN-17"
)
@click.argument("finding", type=int, metavar="N")
@option_account
@click.option(
    "--credited-by", metavar="NUMBER", help="The vendor's invoice that credits it."
)
@writing("settle_finding")
def settle(**_: Any) -> None:
    """Close a finding: --credited-by an invoice, or given up with a --reason."""
