"""What an audit of invoices comes to, in words."""

from __future__ import annotations

from seat_ledger.projections.billing.audit.summary import Summary

CAUSES = {
    "wrong_at_issue": "wrong with what was known when the invoice was issued",
    "corrected_later": "right then, and corrected later",
    "not_known_at_issue": "issued before the ledger's first record of the account",
}


def sentence(found: Summary, name: str) -> str:
    """The answer: how many lines are right, and what the others come to."""
    one = found.lines == 1
    lines = f"{'The one line' if one else f'{found.lines:,} lines'} of {name}"
    if not found.findings:
        return f"{lines} {'matches' if one else 'match'} the ledger."
    words = [
        f"{count:,} {word}"
        for word, count in found.verdicts.items()
        if count and word != "match"
    ]
    right = found.verdicts["match"]
    told = f"{right:,} of {lines} match"
    if one:
        told = f"{lines} {'matches' if right else 'does not match'}"
    return f"{told}; {', '.join(words)}. {balance(found)}"


def balance(found: Summary) -> str:
    """What was invoiced beside what the ledger bills."""
    told = []
    for total in found.totals():
        code = f" {total['currency']}" if total["currency"] else ""
        told.append(
            f"Invoiced {total['invoiced_amount']}{code}, by the ledger "
            f"{total['ledger_amount']}{code}: a difference of "
            f"{total['difference']}{code}"
            f"{_without(total['not_priced'])}."
        )
    return " ".join(told)


def _without(count: int) -> str:
    """That what is not priced is in no amount (R93)."""
    if not count:
        return ""
    lines = (
        "1 missing line that is" if count == 1 else f"{count:,} missing lines that are"
    )
    return f", without {lines} not priced"
