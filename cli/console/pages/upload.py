"""Audit by upload: a vendor's invoices held against the ledger; nothing is stored."""

from __future__ import annotations

import io
from base64 import b64encode
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from seat_ledger.cli.console.request import Page, PageRequest
from seat_ledger.cli.inputs.bill_words import COLUMN_NAMES
from seat_ledger.cli.inputs.files import naming_lines_of
from seat_ledger.cli.inputs.invoice_file import OPTIONAL, REQUIRED, InvoiceFile
from seat_ledger.cli.options.bills import NameResolver, bill_reading, understood
from seat_ledger.cli.output.audit_words import wrong_totals
from seat_ledger.cli.output.finding_words import findings_of, grouped, owed_in_words
from seat_ledger.cli.output.messages import Message
from seat_ledger.cli.output.render import csv_chunks
from seat_ledger.cli.reports.letter import letter
from seat_ledger.errors import InvalidInput, LedgerError, NotFound
from seat_ledger.projections.billing import audit
from seat_ledger.projections.billing.audit import Spool, Summary

if TYPE_CHECKING:
    from seat_ledger.cli.console.uploads import SentFile

MOST_SHOWN = 200
MOST_IN_A_LINK = 5_000
"""Rows of an audit that its page carries as CSV."""
FIELDS = ("date_format", "columns", "defaults", "aliases")
_OPTIONS = {
    "--column": "bill_columns",
    "--set": "bill_defaults",
    "--alias": "bill_aliases",
    "--date-format": "bill_date_format",
}


def check(request: PageRequest) -> Page:
    """The form for a file, and the columns that it has to have."""
    return _form(request, {}, None)


def _form(
    request: PageRequest, fields: dict[str, str], error: LedgerError | None
) -> Page:
    rows = [
        {
            "column": name,
            "required": name in REQUIRED,
            "also_called": list(COLUMN_NAMES.get(name, ())),
        }
        for name in (*REQUIRED, *OPTIONAL)
    ]

    def fill() -> dict[str, Any]:
        return {
            "rows": rows,
            "fields": {name: fields.get(name, "") for name in FIELDS},
            "problem": _problem(request, error),
            "action": request.url("check"),
            "token": request.form_token,
        }

    return Page("check", request.words("check"), request.answer(rows), fill)


def _problem(request: PageRequest, error: LedgerError | None) -> list[Message]:
    """What stands in the way, and what to do."""
    if error is None:
        return []
    hint = _message(request, error.try_ or "")
    text = hint.text[:1].upper() + hint.text[1:].rstrip(".") + "."
    hints = [hint._replace(text=text)] if error.try_ else []
    return [_message(request, error.message), *hints]


def _message(request: PageRequest, text: str) -> Message:
    """A message in the visitor's language; the form's fields in place of options."""
    message = Message.of(text, request.words)
    shown = message.text
    for option, label in _OPTIONS.items():
        shown = shown.replace(option, f"“{request.words(label)}”")
    return message._replace(text=shown)


def checked(request: PageRequest, sent: SentFile) -> Page:
    """The audit of a file that was sent: the findings first, then what matches.

    Where the file cannot be read, the form again, with what stands in the way.
    """
    try:
        with Spool(in_memory=True) as spool:
            return _audited(request, sent, spool)
    except InvalidInput as error:
        return _form(request, sent.fields, error)


def _audited(request: PageRequest, sent: SentFile, spool: Spool) -> Page:
    from seat_ledger.cli.console.uploads import MOST_ROWS  # noqa: PLC0415

    names = NameResolver(request.reader, request.account_nos)
    content = io.BytesIO(sent.content)
    try:
        reading = bill_reading(_options(sent.fields))
    except click.UsageError as error:
        raise InvalidInput(error.message) from error
    file = InvoiceFile(Path(sent.name), reading, names, content=content, most=MOST_ROWS)
    spool.keep(file.lines())
    _check_accounts(request, spool)
    audit.settle(request.reader, spool)
    until = request.knowledge.moment(request.now)
    with naming_lines_of(sent.name):
        summary = audit.audit(
            request.reader,
            spool,
            request.knowledge,
            until,
            wrong_totals=file.wrong_totals,
        )
    request.is_about(spool.accounts())
    findings = findings_of(request.reader, spool, request.knowledge)
    wrong = list(islice(spool.answers(findings=True), MOST_SHOWN))
    right = (row for row in spool.answers() if row["verdict"] == "match")
    context = {
        "summary": summary,
        "groups": grouped(findings, request.words),
        "owed": owed_in_words(findings, request.words),
        "wrong": wrong,
        "right": list(islice(right, MOST_SHOWN)),
        "more": summary.findings - len(findings),
        "notes": [
            _message(request, text)
            for text in (*names.hints(), *understood(file, names))
        ],
        "wrong_totals": wrong_totals(summary, request.words),
        "file": sent.name,
        "downloads": _downloads(request, sent.name, spool, summary, findings),
        "not_priced": sum(summary.not_priced.values()),
    }
    title = request.words("checked", file=sent.name)
    return Page("checked", title, request.answer(wrong), lambda: context)


def _options(fields: dict[str, str]) -> dict[str, Any]:
    """The fields of the form as the options of ``invoice audit``."""
    lines = {
        name: [line.strip() for line in fields.get(name, "").splitlines()]
        for name in FIELDS
    }
    options: dict[str, Any] = {
        name: [line for line in own if line] for name, own in lines.items()
    }
    date_format = fields.get("date_format", "").strip() or None
    return {**options, "headers": options["columns"], "date_format": date_format}


def _check_accounts(request: PageRequest, spool: Spool) -> None:
    """Raise NotFound for an account that the visitor may not see, or that is none."""
    for key in spool.accounts():
        if not request.may_see(key):
            raise NotFound(
                "account_not_found",
                "The file names an account that is not one of yours.",
            )


def _downloads(
    request: PageRequest,
    name: str,
    spool: Spool,
    summary: Summary,
    findings: list[Any],
) -> list[tuple[str, str, str]]:
    """What to take away, each a name, an address that holds it, and a label."""
    stem = Path(name).stem
    taken = []
    if summary.findings:
        for form, kind in ((".html", "text/html"), (".md", "text/markdown")):
            text = letter(request, findings, summary, name, form, request.words)
            label = request.words("letter_as", form=form)
            taken.append((f"letter-{stem}{form}", _data(text, kind), label))
    if summary.lines <= MOST_IN_A_LINK:
        answer = request.answer(list(spool.answers()), extra=summary.document())
        text = "".join(csv_chunks(answer, "invoice audit"))
        label = request.words("every_line_csv")
        taken.append((f"audit-{stem}.csv", _data(text, "text/csv"), label))
    return taken


def _data(text: str, kind: str) -> str:
    """An address that holds a text itself."""
    return f"data:{kind};charset=utf-8;base64,{b64encode(text.encode()).decode()}"
