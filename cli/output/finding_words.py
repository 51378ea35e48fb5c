"""The findings of an audit in words and money: what differs, why, and who owes whom."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from seat_ledger.cli.output.render import counted
from seat_ledger.cli.output.windows import between, is_open
from seat_ledger.domain.counting_rules import is_of_contract
from seat_ledger.domain.money import Currency, rounded

if TYPE_CHECKING:
    from seat_ledger.projections.billing.audit import Spool
    from seat_ledger.projections.billing.audit.findings import AuditFinding, SeatFact
    from seat_ledger.projections.reader import ConnectedReader, Knowledge

CAUSE_TITLES = {
    "wrong_at_issue": "Wrong with what was known when the invoice was issued",
    "corrected_later": "Right when it was issued, and corrected since",
    "not_known_at_issue": "Issued before the ledger's first record of the account",
}
_MOST_NAMED = 6


def findings_of(
    reader: ConnectedReader, spool: Spool, known_at: Knowledge
) -> list[AuditFinding]:
    """The findings of an audit, each with what explains it."""
    from seat_ledger.projections import journal  # noqa: PLC0415
    from seat_ledger.projections.billing.audit.findings import explained  # noqa: PLC0415

    findings = list(explained(reader, spool, known_at))
    named = {
        position
        for finding in findings
        for position in finding.later_positions[:_MOST_NAMED]
    }
    entries = journal.entries(reader, named, known_at)
    return [
        finding._replace(
            later=[
                entries[position]
                for position in finding.later_positions[:_MOST_NAMED]
                if position in entries
            ]
        )
        for finding in findings
    ]


def listed_in_words(rows: Sequence[dict[str, Any]]) -> str:
    """How many findings are open and disputed, and what they come to."""
    if not rows:
        return "No finding is kept."
    states = [row["state"] for row in rows]
    current = [row for row in rows if row["state"] != "settled"]
    counts = [f"{states.count(state)} {state}" for state in ("open", "disputed")]
    sums: dict[tuple[str, str | None], Fraction] = {}
    for row in current:
        if row["owed_by"]:
            key = row["owed_by"], row["currency"]
            sums[key] = sums.get(key, Fraction(0)) + abs(Fraction(row["difference"]))
    owed = [f"{_OWES[who]} {_money(sum_, code)}" for (who, code), sum_ in sums.items()]
    unpriced = sum(1 for row in current if row["difference"] is None)
    owed += [f"{unpriced} not priced"] if unpriced else []
    settled = f"{states.count('settled')} settled"
    return f"{', '.join([*counts, settled])}: {'; '.join(owed) or 'nothing is owed'}."


class FindingGroup(NamedTuple):
    """The findings of one cause, each with its sentence, and what they come to."""

    title: str
    owed: str
    findings: list[tuple[AuditFinding, str]]


def grouped(findings: Sequence[AuditFinding]) -> list[FindingGroup]:
    """The findings by cause, those with most money first."""
    groups = []
    for cause, title in CAUSE_TITLES.items():
        mine = [finding for finding in findings if finding.row["cause"] == cause]
        mine.sort(key=lambda finding: -(finding.owed or 0))
        if mine:
            texts = [(finding, sentence_of(finding)) for finding in mine]
            groups.append(FindingGroup(title, owed_in_words(mine), texts))
    return groups


def owed_in_words(findings: Sequence[AuditFinding]) -> str:
    """What findings come to: who owes how much, and how many are not priced."""
    sums: dict[tuple[str, str | None], Fraction] = {}
    not_priced = 0
    for finding in findings:
        if finding.owed is None:
            not_priced += 1
        elif finding.owed_by is not None:
            key = finding.owed_by, finding.row["currency"]
            sums[key] = sums.get(key, Fraction(0)) + finding.owed
    texts = [
        f"{_OWES[who]} {_money(amount, code)}"
        for (who, code), amount in sorted(
            sums.items(), key=lambda item: (item[0][0] != "vendor", item[0][1] or "")
        )
    ]
    if not_priced:
        texts.append(f"{counted(not_priced, 'finding')} not priced")
    return "; ".join(texts) or "no money is owed"


_OWES = {"vendor": "the vendor owes", "customer": "the customer owes"}


def sentence_of(finding: AuditFinding) -> str:
    """A finding as a sentence or two: what was billed, what is right, who owes, why."""
    row = finding.row
    billed, right = _short(row["invoiced_quantity"]), _short(row["ledger_quantity"])
    kind = row["seat_type"]
    if row["verdict"] == "missing":
        text = f"nothing was billed for {kind}, but the ledger has {right}."
    elif finding.why_unknown:
        text = f"{billed} {kind} billed; the ledger has no such {finding.why_unknown}."
    else:
        text = f"{billed} {kind} billed, but the ledger has {right}."
    text = f"{row['invoice']}, {row['account']}, period from {row['period']}: {text}"
    details = [*_open(finding), *_seats(finding), *_later(finding)]
    return " ".join([text, _owes(finding), *details])


def _open(finding: AuditFinding) -> list[str]:
    """What windows leave open of the ledger's figure (R89)."""
    row = finding.row
    if not is_open(row, "ledger_quantity"):
        return []
    text = (
        f"Lists leave it open: in truth it is {between('ledger_quantity', _short)(row)}"
    )
    if row["within_windows"]:
        return [f"{text}, so that what was billed may be right."]
    return [f"{text}; what was billed lies outside."]


def _date(day: str | None, after: str | None) -> str:
    """A date, with the other end of the window in which it lies."""
    return f"{day}" if after is None else f"{day} (after {after})"


def _owes(finding: AuditFinding) -> str:
    row = finding.row
    if finding.owed is None:
        return "What that is in money is not priced: no line has a price for it."
    if finding.owed_by is None:
        return "The amount is the same."
    amount = _money(finding.owed, row["currency"])
    if finding.owed_by == "vendor":
        return f"The vendor owes {row['account']} {amount}."
    return f"{row['account']} owes the vendor {amount}."


def _seats(finding: AuditFinding) -> list[str]:
    """The seats that explain the figure, with their people and dates."""
    if finding.period is None:
        return []
    days = len(finding.period.days)
    of_contract = is_of_contract(finding.row["mode"])
    is_over = finding.row["verdict"] in {"over", "unexpected"}
    texts = []
    whole = [seat for seat in finding.seats if seat.when == "whole"]
    if whole:
        names = _names([seat.seat for seat in whole])
        count = "counts" if len(whole) == 1 else "count"
        texts.append(f"{names} {count} for the whole period.")
    partial = [seat for seat in finding.seats if seat.when == "within"]
    texts += [_partial(seat, days, of_contract) for seat in partial[:_MOST_NAMED]]
    if len(partial) > _MOST_NAMED:
        texts.append(f"{len(partial) - _MOST_NAMED} more count for a part of it.")
    if is_over:
        outside = [seat for seat in finding.seats if seat.when in {"before", "after"}]
        texts += [_outside(seat, of_contract) for seat in outside[:_MOST_NAMED]]
    return texts


def _partial(seat: SeatFact, days: int, of_contract: bool) -> str:
    """A seat that counts for a part of the period."""
    length = f": {seat.dates} of {days} days" if seat.dates is not None else ""
    entries = _entries(seat)
    if of_contract:
        until = f" and left the contract on {seat.until}" if seat.until else ""
        return f"{seat.seat} was bought on {seat.first}{until}{length} ({entries})."
    until = f"until {_date(seat.until, seat.until_after)}" if seat.until else "on"
    first = _date(seat.first, seat.first_after)
    return f"{seat.user} held {seat.seat} from {first} {until}{length} ({entries})."


def _outside(seat: SeatFact, of_contract: bool) -> str:
    """A seat that ended before the period, or began after it."""
    if seat.when == "before":
        if of_contract:
            return (
                f"{seat.seat} left the contract on {seat.until}, before the period "
                f"(entry {seat.closed_by})."
            )
        return (
            f"{seat.user} held {seat.seat} until "
            f"{_date(seat.until, seat.until_after)}, before the period "
            f"(entry {seat.closed_by})."
        )
    verb = "was bought" if of_contract else f"went to {seat.user}"
    return (
        f"{seat.seat} {verb} on {_date(seat.first, seat.first_after)}, after the "
        "period (entry "
        f"{seat.opened_by})."
    )


def _entries(seat: SeatFact) -> str:
    ends = [str(p) for p in (seat.opened_by, seat.closed_by) if p is not None]
    return f"{'entries' if len(ends) > 1 else 'entry'} {' and '.join(ends)}"


def _later(finding: AuditFinding) -> list[str]:
    """What was recorded after the invoice, by whom and why."""
    return [_entry(entry) for entry in finding.later[:_MOST_NAMED]]


def _entry(entry: dict[str, Any]) -> str:
    about = " ".join(filter(None, (entry["seat"], entry["user"])))
    reason = f", because {entry['reason']}" if entry["reason"] else ""
    what = _WORDS.get(entry["event"], entry["event"])
    if reverses := entry["data"].get("entry"):
        about = f"entry {reverses}"
    return (
        f"Recorded on {entry['recorded_at']:%Y-%m-%d} by {entry['actor']}, as of "
        f"{entry['effective_at']:%Y-%m-%d}: {what}"
        f"{' of ' + about if about else ''}{reason} (entry {entry['position']})."
    )


_WORDS = {
    "SeatAssigned": "assignment",
    "SeatUnassigned": "unassignment",
    "SeatPurchased": "purchase",
    "SeatRetired": "retirement",
    "EntryReversed": "reversal",
}


def _names(seats: Sequence[str]) -> str:
    if len(seats) > _MOST_NAMED:
        return counted(len(seats), "seat")
    return ", ".join(seats)


def _short(quantity: str) -> str:
    """A quantity to four places, as people read it."""
    return rounded(Fraction(quantity), 4).rstrip("0").rstrip(".")


def _money(amount: Fraction, code: str | None) -> str:
    text = rounded(amount, Currency.named(code).places)
    return f"{text} {code}" if code else text
