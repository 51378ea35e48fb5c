"""What an audit of invoices comes to, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seat_ledger.cli.output.i18n import Words, words_of
from seat_ledger.projections.billing.audit.summary import Summary


def sentence(summary: Summary, name: str, words: Words | None = None) -> str:
    """The answer: how many lines are right, what the others come to, wrong totals."""
    words = words or words_of("en")
    return " ".join([_of_lines(summary, name, words), *wrong_totals(summary, words)])


def ledger_at_issue(row: Mapping[str, Any]) -> str | None:
    """What the ledger had when a line was issued, in a line that differs from it.

    None where the line is right, or where nothing was known yet.
    """
    explains = row["cause"] in {"wrong_at_issue", "corrected_later"}
    return row["ledger_quantity_at_issue"] if explains else None


def wrong_totals(summary: Summary, words: Words) -> list[str]:
    """A sentence for each line of a total that does not add up."""
    return [
        words(
            "audit_total_wrong",
            line=words.number(total["line"]),
            amount=words.figure(total["amount"]),
            added=words.figure(total["added_amount"]),
        )
        for total in (total.fields() for total in summary.wrong_totals)
    ]


def _of_lines(summary: Summary, name: str, words: Words) -> str:
    if not summary.findings:
        return words.counted("audit_right", summary.lines, name=name)
    right = summary.verdicts["match"]
    verdicts = ", ".join(
        f"{words.number(count)} {words(f'verdict_{verdict}')}"
        for verdict, count in summary.verdicts.items()
        if count and verdict != "match"
    )
    texts = {"name": name, "verdicts": verdicts, "balance": balance(summary, words)}
    if summary.lines == 1:
        return words("audit_only_right" if right else "audit_only_wrong", **texts)
    lines = words.counted("count_lines", summary.lines)
    return words.counted("audit_partly", right, lines=lines, **texts)


def balance(summary: Summary, words: Words) -> str:
    """What was invoiced beside what the ledger bills."""
    sentences = []
    for total in summary.totals():
        code, free = total["currency"], total["not_priced"]
        sentences.append(
            words(
                "audited_balance",
                invoiced=words.money(total["invoiced_amount"], code),
                ledger=words.money(total["ledger_amount"], code),
                difference=words.money(total["difference"], code),
                without=words.counted("audit_without", free) if free else "",
            )
        )
    return " ".join(sentences)
