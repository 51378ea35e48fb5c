"""What an audit of invoices comes to, in words."""

from __future__ import annotations

from seat_ledger.projections.billing.audit.summary import Summary

CAUSES = {
    "wrong_at_issue": "wrong with what was known when the invoice was issued",
    "corrected_later": "right then, and corrected later",
    "not_known_at_issue": "issued before the ledger's first record of the account",
}


def sentence(summary: Summary, name: str) -> str:
    """The answer: how many lines are right, and what the others come to."""
    is_single = summary.lines == 1
    count = "The only line" if is_single else f"{summary.lines:,} lines"
    lines = f"{count} of {name}"
    if not summary.findings:
        return f"{lines} {'matches' if is_single else 'match'} the ledger."
    words = [
        f"{count:,} {word}"
        for word, count in summary.verdicts.items()
        if count and word != "match"
    ]
    right = summary.verdicts["match"]
    text = f"{right:,} of {lines} match"
    if is_single:
        text = f"{lines} {'matches' if right else 'does not match'}"
    return f"{text}; {', '.join(words)}. {balance(summary)}"


def balance(summary: Summary) -> str:
    """What was invoiced beside what the ledger bills."""
    sentences = []
    for total in summary.totals():
        code = f" {total['currency']}" if total["currency"] else ""
        sentences.append(
            f"Invoiced {total['invoiced_amount']}{code}, according to the ledger "
            f"{total['ledger_amount']}{code}: a difference of "
            f"{total['difference']}{code}{_without(total['not_priced'])}."
        )
    return " ".join(sentences)


def _without(count: int) -> str:
    """That what is not priced is in no amount (R93)."""
    if not count:
        return ""
    lines = (
        "1 missing line that is" if count == 1 else f"{count:,} missing lines that are"
    )
    return f", without {lines} not priced"
