"""How vendors write their bills: names of columns, dates, sums, lines of totals.

What is understood is echoed (`invoice audit --explain-file`), and nothing is guessed: a
date is read by a format that is stated, a name that fits two columns is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches

from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "account": ("customer", "customer id", "customer name", "client", "organisation",
                "organization", "company", "klant", "klantnaam", "kunde",
                "kundenname"),
    "invoice": ("invoice number", "invoice no", "invoice id", "invoice nr", "bill",
                "bill number", "factuur", "factuurnummer", "rechnung",
                "rechnungsnummer", "rechnungsnr", "facture"),
    "issued_at": ("issued", "issue date", "invoice date", "bill date", "date",
                  "factuurdatum", "rechnungsdatum", "datum", "date de facture"),
    "period": ("billing period", "service period", "invoice period", "period start",
               "from", "periode", "factuurperiode", "zeitraum", "leistungszeitraum",
               "abrechnungszeitraum", "période"),
    "until": ("period end", "period to", "service end", "end date", "to", "bis",
              "zeitraum bis", "tot", "tot en met", "t/m", "einddatum"),
    "seat_type": ("product", "product name", "licence", "license", "licence type",
                  "license type", "plan", "sku", "item", "description", "seat",
                  "seat tier", "omschrijving", "licentie", "produkt", "lizenz",
                  "artikel", "bezeichnung", "produit"),
    "quantity": ("qty", "seats", "units", "licences", "licenses", "users", "aantal",
                 "menge", "anzahl", "quantité"),
    "unit_price": ("price", "price per seat", "price per unit", "unit cost", "rate",
                   "list price", "prijs", "stukprijs", "prijs per stuk", "preis",
                   "einzelpreis", "prix unitaire"),
    "amount": ("total", "line total", "net amount", "net", "subtotal", "line amount",
               "cost", "bedrag", "totaal", "totaalbedrag", "betrag", "summe",
               "gesamt", "gesamtbetrag", "nettobetrag", "montant"),
    "currency": ("currency code", "valuta", "waehrung", "währung"),
    "mode": ("counting mode",),
}  # fmt: skip
"""What vendors call the columns, in any case, with spaces, hyphens or underlines."""

_TOTAL = re.compile(
    r"(grand |sub ?)?(total|totals|totaal|subtotaal|summe|zwischensumme|gesamt)\b.*",
    re.IGNORECASE,
)
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₪": "ILS"}
_SIGN = re.compile(r"[€£₹₪$¥]|\b[A-Z]{3}\b")
_GROUPS = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(?!\d))")
_RANGE = r"(\s*(-|\u2013|to|until|t/m|tot|bis)\s*(?P<last>.*))?"
_TOKENS = {"YYYY": r"(?P<y>\d{4})", "MM": r"(?P<m>\d{1,2})", "DD": r"(?P<d>\d{1,2})"}


@dataclass(frozen=True)
class BillReading:
    """How the file of a bill is to be read, as far as it is stated.

    `columns` name the file's header for ours, `defaults` are cells that the file has
    no column for, `aliases` what the file calls accounts and types. By a `mapping` it
    is read as the source's own.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    mapping: str | None = None


def folded(header: str) -> str:
    """A column's name as names are compared."""
    return re.sub(r"[\s_\-]+", " ", header.strip().lower())


def columns_of(header: list[str], reading: BillReading) -> dict[str, str]:
    """The header's names by ours. Raises InvalidInput where two fit one.

    What is stated goes first, then our own name, then what vendors call it.
    """
    by_folded = {folded(name): name for name in header if name}
    columns = {}
    for ours, stated in reading.columns.items():
        if folded(stated) not in by_folded:
            raise InvalidInput(
                f"The file has no column {shown(stated)}.",
                try_=f"its columns are: {', '.join(filter(None, header))}",
            )
        columns[ours] = by_folded[folded(stated)]
    taken = set(columns.values())
    for ours in (*COLUMN_NAMES, "granularity"):
        own = by_folded.get(folded(ours))
        if ours not in columns and own is not None and own not in taken:
            columns[ours] = own
            taken.add(own)
    for ours, names in COLUMN_NAMES.items():
        fitting = [by_folded[name] for name in names if name in by_folded]
        fitting = [name for name in fitting if name not in taken]
        if ours in columns or ours in reading.defaults or not fitting:
            continue
        if len(fitting) > 1:
            raise InvalidInput(
                f"Both {' and '.join(map(shown, fitting))} may be {ours}.",
                try_=f"say which: --column {ours}={shown(fitting[0])}",
            )
        columns[ours] = fitting[0]
        taken.add(fitting[0])
    return columns


def likely_columns(missing: Iterable[str], unused: Iterable[str]) -> dict[str, str]:
    """Which names of a header may mean columns of ours that it lacks, by ours."""
    left = {folded(name): name for name in unused}
    likely = {}
    for ours in missing:
        for name in (ours, *COLUMN_NAMES.get(ours, ())):
            close = get_close_matches(folded(name), left, n=1, cutoff=0.75)
            within = [it for it in left if len(name) > 4 and folded(name) in it]
            if similar := [*close, *within]:
                likely[ours] = left.pop(similar[0])
                break
    return likely


def is_total(cells: list[str]) -> bool:
    """Whether a line is a sum of others: a cell says so."""
    return any(_TOTAL.fullmatch(cell.strip()) for cell in cells)


def plain_sum(text: str) -> tuple[str, str | None]:
    """A sum without signs of currency, and the currency that its sign means."""
    match = _SIGN.search(text)
    code = None
    if match:
        code = _SIGNS.get(match[0]) or (match[0] if len(match[0]) == 3 else None)
        text = text[: match.start()] + text[match.end() :]
    text = _GROUPS.sub("", text.strip()).replace("\u2212", "-")
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1]}"
    if text.endswith("-"):
        text = f"-{text[:-1]}"
    return text, code


class DateReader:
    """Dates by a stated format: ``DD.MM.YYYY``."""

    def __init__(self, date_format: str) -> None:
        pattern, names = re.escape(date_format), []
        for token, group in _TOKENS.items():
            if pattern.count(token) == 1:
                pattern = pattern.replace(token, group)
                names.append(token)
        if len(names) < 3:
            raise InvalidInput(
                f"{shown(date_format)} is not a format of dates.",
                try_="write DD, MM and YYYY as the file has them, such as DD.MM.YYYY",
            )
        self.date_format = date_format
        self.pattern = re.compile(pattern + _RANGE)

    def read(self, text: str) -> str:
        """A date of the file as ours are written. Raises InvalidInput."""
        return self._date(text, self.pattern.fullmatch(text.strip()))

    def read_span(self, text: str) -> str:
        """The same of a date, or of the first and the last date of a range."""
        match = self.pattern.fullmatch(text.strip())
        first = self._date(text, match)
        last = match and match["last"]
        return f"{first}..{self.read(last)}" if last else first

    def _date(self, text: str, match: re.Match[str] | None) -> str:
        fields = match.group("y", "m", "d") if match else ()
        try:
            return date(*map(int, fields)).isoformat()
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"{shown(text)} is not a date as {self.date_format}.",
                try_="state the file's own format with --date-format",
            ) from error
