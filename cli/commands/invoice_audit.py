"""Audits of invoices that were issued elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.commands.finding_keeping import keep_findings
from seat_ledger.cli.commands.invoice_file_words import (
    IN_A_TABLE,
    about_accounts,
    explained_file,
)
from seat_ledger.cli.inputs.files import naming_lines_of
from seat_ledger.cli.options import completing
from seat_ledger.cli.options.bills import NameResolver, bill_reading, total_in_words
from seat_ledger.cli.options.counting import books_of, option_price_file
from seat_ledger.cli.options.lake import reading_lakes_of_accounts
from seat_ledger.cli.options.languages import language_option, option_language
from seat_ledger.cli.options.session import FilePath, Question, serve_by
from seat_ledger.cli.output.audit_words import ledger_at_issue, sentence
from seat_ledger.cli.output.files import check_target
from seat_ledger.cli.output.finding_words import findings_of, grouped, sentence_of
from seat_ledger.cli.output.i18n import words_of
from seat_ledger.cli.output.progress import heartbeat
from seat_ledger.cli.output.render import Answer, cells, print_message
from seat_ledger.cli.output.windows import between, is_open
from seat_ledger.cli.reports.letter import write_letter
from seat_ledger.domain.wording import counted

if TYPE_CHECKING:
    from seat_ledger.cli.inputs.bill_words import BillReading
    from seat_ledger.cli.inputs.invoice_file import BillSource, InvoiceFile
    from seat_ledger.projections.billing.audit import Spool, Summary
    from seat_ledger.projections.billing.audit.findings import AuditFinding

_NAMES_PEOPLE = (
    "--findings, --report and --letter name people, who are not in a lake, and --keep "
    "writes into the ledger: omit --lake. The rows from a lake have every finding."
)
STDIN = Path("-")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--report",
    metavar="FILE",
    type=FilePath(path_type=Path),
    help="Also write a report, such as out.html or out.xlsx.",
)
@click.option(
    "--findings",
    "only_findings",
    is_flag=True,
    help="Only what does not match: a sentence each, by cause, with who owes whom.",
)
@click.option(
    "--letter",
    metavar="FILE",
    type=FilePath(path_type=Path),
    help="Also write a letter to the vendor: out.html or out.md.",
)
@click.option(
    "--keep",
    is_flag=True,
    help="Keep the findings in the ledger, to be followed by 'finding list'; the same "
    "audit again keeps nothing twice.",
)
@option_language
@option_price_file
@click.option(
    "--with",
    "mapping",
    metavar="MAPPING",
    shell_complete=completing.mappings,
    help="Read the vendor's own bill by a mapping: a name from 'source "
    "list', or a file; --set issued_at=T says when it was issued.",
)
@click.option(
    "--column",
    "headers",
    multiple=True,
    metavar="NAME=HEADER",
    help="What the file calls one of our columns, as in amount='Net sum'.",
)
@click.option(
    "--set",
    "defaults",
    multiple=True,
    metavar="NAME=VALUE",
    help="What every line has that the file has no column for, as in account=acme.",
)
@click.option(
    "--alias",
    "aliases",
    multiple=True,
    metavar="THEIRS=OURS",
    help="What the file calls an account or a seat type, as in 'Acme B.V.=acme'.",
)
@click.option(
    "--date-format",
    metavar="FORMAT",
    help="How the file writes dates, as in DD.MM.YYYY, also in ranges; dates as in "
    "2026-03-31, and those of a workbook's cells, are read beside it.",
)
@click.option(
    "--explain-file",
    is_flag=True,
    help="Only show how the file and its lines are understood; nothing is judged.",
)
@reading_lakes_of_accounts
def audit(  # noqa: PLR0913  an option each
    question: Question,
    file: Path,
    report: Path | None,
    letter: Path | None,
    *,
    only_findings: bool,
    explain_file: bool,
    keep: bool,
    language: str,
    **options: Any,
) -> Answer:
    """Check the lines of a file of invoices (CSV, .xlsx, or '-') against the ledger.

    The file has the columns account, invoice, issued_at, period, seat_type, quantity,
    unit_price and amount, and optionally mode, granularity and currency, or other names
    that vendors give them; issued_at is an instant or a position. A period is its first
    date, its month, or a range of dates that must be the ledger's, such as a quarter's.
    Of a workbook the sheet that names the columns is read. Lines of totals are checked
    and left out. Exits with 3 if a line does not match. What no line has a price for
    costs what the price book says.
    """
    from seat_ledger.projections.billing import audit  # noqa: PLC0415

    if options["lake"] and (only_findings or report or letter or keep):
        raise click.UsageError(_NAMES_PEOPLE)
    _check_targets(file, report, letter)
    spool = click.get_current_context().with_resource(audit.Spool())
    names = NameResolver(question.reader)
    invoices = _invoices(file, bill_reading(options), names)
    if explain_file:
        return explained_file(question, invoices, names, spool)
    with heartbeat("Auditing"):
        spool.keep(invoices.lines())
        _print_understood(invoices)
        summary = _judged(question, invoices, spool, options)
        if report is not None:
            _report(question, file, report, spool, summary, language)
        if letter is not None:
            name, words = file.name, words_of(language)
            write_letter(question, letter, spool, summary, name, words)
            print_message(f"Letter: {letter}.")
    if keep:
        print_message(keep_findings(spool, question.knowledge.position))
    return _answer(
        question, invoices, names, spool, summary, only_findings=only_findings
    )


def answer_of_source(
    question: Question,
    source: BillSource,
    spool: Spool,
    *,
    only_findings: bool,
    explain_file: bool,
    **options: Any,
) -> Answer:
    """The same for another program, of a file or what was sent; nothing is printed.

    Raises InvalidInput, UsageError.
    """
    from seat_ledger.cli.inputs.invoice_file import InvoiceFile  # noqa: PLC0415

    names = NameResolver(question.reader)
    invoices = InvoiceFile(
        source.path,
        bill_reading(options),
        names,
        content=source.content,
        most=source.most,
    )
    if explain_file:
        return explained_file(question, invoices, names, spool)
    spool.keep(invoices.lines())
    summary = _judged(question, invoices, spool, options)
    return _answer(
        question, invoices, names, spool, summary, only_findings=only_findings
    )


serve_by(audit, answer_of_source)


def _invoices(file: Path, reading: BillReading, names: NameResolver) -> InvoiceFile:
    """The file's lines, read by its columns or by the mapping of its source."""
    from seat_ledger.cli.inputs.invoice_file import InvoiceFile  # noqa: PLC0415
    from seat_ledger.cli.inputs.mapped_bill import MappedBill  # noqa: PLC0415

    return (MappedBill if reading.mapping else InvoiceFile)(file, reading, names)


def _judged(
    question: Question, invoices: InvoiceFile, spool: Spool, options: dict[str, Any]
) -> Summary:
    """Hold what was read of a file against the ledger."""
    from seat_ledger.projections.billing import audit  # noqa: PLC0415

    audit.settle(question.reader, spool)
    about_accounts(question, [*spool.accounts()])
    until = question.knowledge.moment(question.now)
    books = books_of(options)
    with naming_lines_of(invoices.path.name):
        return audit.audit(
            question.reader,
            spool,
            question.knowledge,
            until,
            books,
            invoices.wrong_totals,
        )


def _check_targets(file: Path, report: Path | None, letter: Path | None) -> None:
    """Make sure of what is to be written, before anything is read."""
    from seat_ledger.cli import reports  # noqa: PLC0415

    if report is not None:
        reports.check(report)
        if file == STDIN:
            raise click.UsageError("A report needs a named file, not '-'.")
    if letter is not None:
        check_target(letter, "A letter", ".html", ".md")


def _print_understood(invoices: InvoiceFile) -> None:
    """What of the file is not judged: other columns, and lines of totals."""
    for remark in invoices.remarks:
        print_message(remark)
    if invoices.ignored:
        print_message(f"Columns not used: {', '.join(invoices.ignored)}.")
    for total in invoices.totals:
        if total.agrees:
            print_message(total_in_words(total))


def _report(  # noqa: PLR0913, PLR0917  what an audit is
    question: Question,
    file: Path,
    report: Path,
    spool: Spool,
    summary: Summary,
    language: str,
) -> None:
    from seat_ledger.cli.reports.of_audit import of_audit  # noqa: PLC0415
    from seat_ledger.cli.reports.written import MANIFEST, write_report  # noqa: PLC0415

    known_at, words = question.knowledge, words_of(language)
    content = of_audit(question.reader, spool, summary, known_at, file.name, words)
    knowledge = ["--known-at", str(question.knowledge.position)]
    command = ["seat-ledger", "invoice", "audit", file.name]
    command += [*language_option(language), *knowledge]
    write_report(content, report, [*command, "--report", report.name], [file])
    print_message(f"Report: {report} and {report.with_name(MANIFEST)}.")


def _answer(  # noqa: PLR0913  what a file was read into
    question: Question,
    invoices: InvoiceFile,
    names: NameResolver,
    spool: Spool,
    summary: Summary,
    *,
    only_findings: bool,
) -> Answer:
    extra = summary.document()
    notes = _notes(summary)
    if only_findings:
        findings = findings_of(question.reader, spool, question.knowledge)
        extra["explained"] = [
            {**finding.fields(), "sentence": sentence_of(finding)}
            for finding in findings
            if finding.is_explained
        ]
        notes = [*_in_words(findings, summary), *notes]
    if summary.renewal_due:
        extra["renewal_due"] = True
    wrong = summary.findings or summary.wrong_totals
    return question.answer(
        spool.answers(findings=only_findings),
        _columns(spool),
        sentence=sentence(summary, invoices.path.name),
        notes=[*names.hints(), *notes],
        next_command=_next(spool),
        extra=extra,
        flat=True,
        exit_code=3 if wrong else 0,
        in_table=() if only_findings else _table_rows(spool, summary),
    )


def _in_words(findings: list[AuditFinding], summary: Summary) -> Iterator[str]:
    """The findings by cause, a paragraph each."""
    for group in grouped(findings):
        yield f"{group.title}: {group.owed}."
        yield from (f"- {text}" for text in group.explained)
        if group.not_explained:
            yield group.not_explained
    if summary.findings > len(findings):
        more = summary.findings - len(findings)
        text = counted(more, "more is", "more are")
        yield f"{text} not summed here; --format csv has every row."


def _next(spool: Spool) -> str:
    """What opens the first finding that has a figure behind it."""
    from seat_ledger.domain.values import as_word  # noqa: PLC0415

    for row in spool.answers(findings=True):
        if row["events"]:
            rule = f"{_dates_of(row)} --mode {row['mode']}"
            if row["granularity"]:
                rule += f" --granularity {row['granularity']}"
            return (
                f"seat-ledger billing explain --account {as_word(row['account'])} "
                f"--seat-type {row['seat_type']}{rule}"
            )
    return ""


def _dates_of(row: dict[str, Any]) -> str:
    """A finding's period, or its dates, as options of another command."""
    from seat_ledger.projections.billing.audit.lines import BilledDates  # noqa: PLC0415

    span = BilledDates.written(row["period"]).span
    if span is None:
        return f" --period {row['period']}"
    return f" --from {span[0]} --until {span[1]}"


def _columns(spool: Spool) -> list[Any]:
    """The columns, with what windows leave open where they do (R89)."""
    few = islice(spool.answers(), _LOOKED_AT)
    if not any(is_open(row, "ledger_quantity") for row in few):
        return COLUMNS
    column = ("between", between("ledger_quantity"))
    return [*COLUMNS[:_LEDGER], column, *COLUMNS[_LEDGER:]]


_LOOKED_AT, _LEDGER = 5_000, 7
COLUMNS = [
    *cells("line", "invoice", "account", "period", "type=seat_type"),
    *cells("invoiced=invoiced_quantity", "ledger=ledger_quantity"),
    ("ledger at issue", ledger_at_issue),
    *cells("amount=invoiced_amount", "difference|not priced", "verdict"),
    ("cause", lambda row: row["cause"].replace("_", " ")),
    ("entries", lambda row: short(row["events"])),
]


def short(events: list[int], most: int = 6) -> str:
    """Positions as a table shows them: the first ones, and how many more."""
    first = " ".join(map(str, events[:most]))
    return f"{first} and {len(events) - most} more" if len(events) > most else first


def _table_rows(spool: Spool, summary: Summary) -> Iterator[Any]:
    """The rows that a table shows: the findings, and after few of them the rest."""
    yield from islice(spool.answers(findings=True), IN_A_TABLE)
    if sum(summary.verdicts.values()) <= IN_A_TABLE:
        yield from (row for row in spool.answers() if row["verdict"] == "match")


def _notes(summary: Summary) -> list[str]:
    words = words_of("en")
    notes = [
        f"{count:,} {words(f'because_{cause}')}."
        for cause, count in summary.causes.items()
        if count
    ]
    if summary.unpriced:
        are = "is" if summary.unpriced == 1 else "are"
        notes.append(
            f"{summary.unpriced:,} missing {are} not priced: the file has no price "
            "for the type, so no amount includes what the ledger bills. Prices come "
            "from --prices FILE or the price book."
        )
    if summary.incomplete:
        notes.append(
            f"{summary.incomplete:,} in a period that has not ended: counted as if "
            "nothing more happened."
        )
    if summary.within_windows:
        notes.append(
            f"{summary.within_windows:,} may be right: lists leave open how much the "
            "ledger bills, and what was invoiced lies between its least and its most."
        )
    if None in summary.sums:
        notes.append(
            "The file names no currency: amounts are compared to two places. "
            "--set currency=EUR names it."
        )
    if sum(summary.verdicts.values()) > IN_A_TABLE:
        notes.append(
            f"At most {IN_A_TABLE} findings are shown; --format csv gives every line."
        )
    return notes
