"""How vendors write their bills: names of columns, dates, sums, lines of totals.

What is understood is echoed (`invoice audit --explain-file`), and nothing is guessed: a
date is read by a format that is stated, a name that fits two columns is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple

from seat_ledger.domain.money import Currency
from seat_ledger.domain.values import shown
from seat_ledger.errors import InvalidInput

COLUMN_NAMES: dict[str, tuple[str, ...]] = {
    "account": (
        "account no", "account id", "account name", "account key", "customer",
        "customer no", "customer id", "customer name", "customer account", "client",
        "client no", "client id", "client name", "organisation", "organization",
        "organisation name", "organization name", "company", "company name", "tenant",
        "subscriber", "bill to", "sold to", "klant", "klant nr", "klant naam",
        "klant id", "organisatie", "bedrijf", "bedrijfs naam", "debiteur",
        "debiteur nr", "kunde", "kunden nr", "kunden name", "kunden konto", "konto",
        "firma", "mandant", "debitor", "debitor nr", "client numero", "no client",
        "numero client", "numero de client", "code client", "nom client",
        "nom du client", "compte", "societe", "entreprise",
    ),
    "invoice": (
        "invoice no", "invoice id", "invoice ref", "invoice reference", "inv no",
        "bill", "bill no", "bill id", "document no", "factuur", "factuur nr",
        "factuur referentie", "faktuur", "faktuur nr", "rechnung", "rechnungs nr",
        "rechnung nr", "rechnungs id", "beleg", "beleg nr", "facture", "no facture",
        "no de facture", "facture no", "numero facture", "numero de facture",
        "reference facture",
    ),
    "issued_at": (
        "issued", "issued on", "issue date", "date issued", "date of issue",
        "invoice date", "date of invoice", "invoiced at", "invoiced on", "bill date",
        "billing date", "document date", "date", "factuur datum", "datum factuur",
        "uitgereikt op", "datum van uitgifte", "rechnungs datum", "ausgestellt am",
        "ausstellungs datum", "beleg datum", "datum", "date de facture", "date facture",
        "date de facturation", "date d emission", "emise le",
    ),
    "period": (
        "billing period", "service period", "invoice period", "subscription period",
        "usage period", "billed period", "period start", "period from", "start date",
        "start", "service start", "billing period start", "from", "month",
        "billing month", "periode", "factuur periode", "facturatie periode",
        "periode van", "van", "begin datum", "start datum", "maand", "zeitraum",
        "leistungs zeitraum", "abrechnungs zeitraum", "abrechnungs periode",
        "rechnungs periode", "zeitraum von", "von", "beginn", "monat",
        "periode de facturation", "periode facturee", "debut", "date de debut", "du",
        "mois",
    ),
    "until": (
        "period end", "period to", "period until", "service end", "billing period end",
        "end date", "end", "to", "until", "through", "tot", "tot en met", "t/m",
        "periode t/m", "eind datum", "periode tot", "einde", "bis", "zeitraum bis",
        "ende", "end datum", "fin", "date de fin", "au",
    ),
    "seat_type": (
        "product", "product name", "product code", "licence", "licence type",
        "licence name", "licence plan", "license", "license type", "license name",
        "license plan", "plan", "plan name", "sku", "sku name", "item", "item name",
        "item description", "line description", "description", "seat", "seat tier",
        "tier", "edition", "subscription", "article", "omschrijving", "licentie",
        "licentie type", "product naam", "dienst", "abonnement", "artikel omschrijving",
        "produkt", "produkt name", "lizenz", "lizenz typ", "lizenz art", "artikel",
        "artikel bezeichnung", "bezeichnung", "beschreibung", "leistung", "tarif",
        "produit", "nom du produit", "designation", "libelle", "type de licence",
        "formule",
    ),
    "quantity": (
        "qty", "quantity billed", "billed quantity", "seats", "seat count",
        "no of seats", "units", "licences", "licenses", "users", "user count", "count",
        "aantal", "aantal licenties", "aantal gebruikers", "hoeveelheid", "stuks",
        "menge", "anzahl", "anzahl lizenzen", "anzahl nutzer", "stueck", "stueckzahl",
        "nutzer", "lizenzen", "quantite", "qte", "nombre", "nombre de licences",
        "utilisateurs",
    ),
    "unit_price": (
        "price", "price each", "price per seat", "price per unit", "price per user",
        "price per licence", "price per license", "seat price", "cost per seat",
        "unit cost", "unit rate", "rate", "list price", "net price", "prijs",
        "stuk prijs", "stuks prijs", "prijs per stuk", "prijs per eenheid",
        "eenheids prijs", "prijs per licentie", "prijs per gebruiker", "tarief",
        "preis", "einzel preis", "stueck preis", "einheits preis", "preis pro einheit",
        "preis je einheit", "preis pro stueck", "preis je stueck", "preis pro lizenz",
        "preis je lizenz", "preis pro nutzer", "preis pro sitz", "netto preis", "prix",
        "prix unitaire", "prix unitaire ht", "pu ht", "prix par unite",
        "prix par licence", "prix par utilisateur",
    ),
    "amount": (
        "total", "total amount", "total price", "total cost", "line total",
        "line amount", "net amount", "amount net", "net", "net total", "total net",
        "subtotal", "extended price", "extended amount", "cost", "charge", "bedrag",
        "totaal", "totaal bedrag", "netto bedrag", "bedrag excl btw", "regel totaal",
        "regel bedrag", "subtotaal", "betrag", "summe", "gesamt", "gesamt betrag",
        "gesamt preis", "netto betrag", "betrag netto", "positions betrag",
        "zeilen summe", "zwischensumme", "montant", "montant ht", "montant total",
        "total ht", "montant net",
    ),
    "currency": (
        "currency code", "invoice currency", "valuta", "munt", "munteenheid",
        "waehrung", "devise", "monnaie",
    ),
    "mode": (
        "counting mode",
    ),
}  # fmt: skip
"""What vendors call the columns in English, Dutch, German and French; spelled as names
may be told apart; they are compared without that (:func:`folded`)."""

_NUMBER = re.compile(r"(?:number|num|nummer|numero|nr)$")
_UMLAUTS = {"\u00e4": "ae", "\u00f6": "oe", "\u00fc": "ue", "\u00df": "ss"}

_TOTAL = re.compile(
    r"(grand |sub[ -]?|sous-)?(total|totals|totaal|subtotaal|eindtotaal|summe"
    r"|zwischensumme|gesamt\w*|endbetrag|rechnungsbetrag|zahlbetrag)\b.*"
    r"|(amount|balance) due\b.*|te betalen\b.*|zu zahlen\b.*|net \u00e0 payer\b.*",
    re.IGNORECASE,
)
_TAX = re.compile(
    r"((zzgl|zuz\u00fcglich|plus|incl|including|inkl|inclusief|excl|add)\b\.? *)?"
    r"((\d+([.,]\d+)?) ?% *)?(sales )?"
    r"(vat|tax|taxes|gst|btw|mwst|mehrwertsteuer|ust|umsatzsteuer|tva|iva)\b.*",
    re.IGNORECASE,
)
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₪": "ILS"}
_SIGN = re.compile(r"[€£₹₪$¥]|\b[A-Z]{3}\b")
_GROUPS = re.compile(r"(?<=\d)[ \u00a0\u202f'](?=\d{3}(?!\d))")
_RANGE = r"(\s*(-|\u2013|to|until|through|t/m|tot|bis|au)\s*(?P<last>.*))?"
_TOKENS = {
    "YYYY": r"(?P<y>\d{4})",
    "YY": r"(?P<y>\d{2})",
    "MM": r"(?P<m>\d{1,2})",
    "DD": r"(?P<d>\d{1,2})",
}
_CENTURY = 2000
"""Of a year of two digits: no bill of seats is older."""
_MONTHS = (
    "january januari januar janvier",
    "february februari februar fevrier",
    "march maart mrt marz maerz mars",
    "april avril",
    "may mei mai",
    "june juni juin",
    "july juli juillet",
    "august augustus aout",
    "september septembre",
    "october oktober octobre",
    "november novembre",
    "december dezember decembre",
)
_SPELLED = re.compile(
    r"(?:(?P<day>\d{1,2})(?:\.|st|nd|rd|th|er)?[\s-]+)?"
    r"(?P<month>[^\W\d_]{3,})(?:\.?\s+|\.?-)"
    r"(?:(?P<after>\d{1,2})(?:st|nd|rd|th)?,?\s+)?(?P<year>\d{4})\b"
)
_QUARTER = re.compile(
    r"(?:(?:Q|T|K|quarter|quartal|kwartaal|trimestre)[ .]?(?P<q>[1-4])[ ,./-]{0,2}"
    r"|(?P<nth>[1-4])(?:\.|st|nd|rd|th|e|er|de)?[ -]?"
    r"(?:Q|quarter|quartal|kwartaal|trimestre)[ ,./-]{0,2})(?P<year>\d{4})"
    r"|(?P<before>\d{4})[ ,./-]{0,2}(?:Q|T|K|quarter|quartal|kwartaal|trimestre)"
    r"[ .]?(?P<behind>[1-4])",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(r"(0?[1-9]|1[0-2])[./-](\d{4})", re.ASCII)
_YEAR = re.compile(r"[12]\d{3}", re.ASCII)
_FROM = re.compile(r"(from|van|vom|von|du)\s+(?=\d)", re.IGNORECASE)


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
    """A column's name as names are compared: letters alone, without case, signs and
    accents; ``Rechnungs-Nr.`` and ``Rechnungsnummer`` are one, ``Stück`` is ``Stueck``.

    A unit or a currency behind it, as in ``Betrag (EUR)``, is no part of it.
    """
    text = re.sub(r"(?<=\w)\s*[(\[].*[)\]]\s*$", "", header.strip().lower())
    for umlaut, letters in _UMLAUTS.items():
        text = text.replace(umlaut, letters)
    text = re.sub(r"[#\u2116]|\bn[\u00b0\u00ba]", " no ", text)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(sign for sign in text if not unicodedata.combining(sign))
    words = re.sub(r"[^a-z0-9]+", " ", text).split()
    return _NUMBER.sub("no", "".join(words))


@cache
def names_of_columns() -> dict[str, tuple[str, ...]]:
    """What vendors call each of our columns, as names are compared."""
    return {
        ours: tuple(dict.fromkeys(map(folded, names)))
        for ours, names in COLUMN_NAMES.items()
    }


FEWEST, HEAD = 3, 30
"""So many names make a header, below so many lines of a letter's head at most."""


def fitting(names: Iterable[str], reading: BillReading) -> int:
    """How many of a header's names are known: ours, a vendor's, or stated."""
    stated = {folded(name) for name in reading.columns.values()}
    return len({folded(name) for name in names} & (_names_understood() | stated))


@cache
def _names_understood() -> frozenset[str]:
    """The names of columns that are known, ours or a vendor's."""
    vendors = {name for names in names_of_columns().values() for name in names}
    ours = {folded(name) for name in (*COLUMN_NAMES, "granularity")}
    return frozenset(ours | vendors)


class HeaderMatch(NamedTuple):
    """A header's names by ours, and those of which several may be one of ours."""

    columns: dict[str, str]
    ambiguous: dict[str, list[str]]


def match_header(header: list[str], reading: BillReading) -> HeaderMatch:
    """Which columns of a file are ours. Raises InvalidInput for one that it has not.

    What is stated goes first, then our own name, then what vendors call it.
    """
    by_folded = {folded(name): name for name in header if name}
    columns = {}
    for ours, stated in reading.columns.items():
        if folded(stated) not in by_folded:
            near = get_close_matches(folded(stated), by_folded, n=1)
            meant = f"Did you mean {shown(by_folded[near[0]])}? " if near else ""
            raise InvalidInput(
                f"The file has no column {shown(stated)}.",
                try_=f"{meant}Its columns are: {', '.join(filter(None, header))}",
            )
        columns[ours] = by_folded[folded(stated)]
    taken = set(columns.values())
    for ours in (*COLUMN_NAMES, "granularity"):
        own = by_folded.get(folded(ours))
        if ours not in columns and own is not None and own not in taken:
            columns[ours] = own
            taken.add(own)
    ambiguous = {}
    for ours, names in names_of_columns().items():
        fitting = [by_folded[name] for name in names if name in by_folded]
        fitting = [name for name in fitting if name not in taken]
        if ours in columns or ours in reading.defaults or not fitting:
            continue
        if len(fitting) > 1:
            ambiguous[ours] = fitting
            continue
        columns[ours] = fitting[0]
        taken.add(fitting[0])
    return HeaderMatch(columns, ambiguous)


def likely_columns(missing: Iterable[str], unused: Iterable[str]) -> dict[str, str]:
    """Which names of a header may mean columns of ours that it lacks, by ours."""
    left = {folded(name): name for name in unused}
    likely = {}
    for ours in missing:
        for name in (folded(ours), *names_of_columns().get(ours, ())):
            close = get_close_matches(name, left, n=1, cutoff=0.75)
            within = [it for it in left if len(name) > 4 and name in it]
            if similar := [*close, *within]:
                likely[ours] = left.pop(similar[0])
                break
    return likely


def is_total(cells: list[str]) -> bool:
    """Whether a line is a sum of others: a cell says so."""
    return any(_TOTAL.fullmatch(cell.strip()) for cell in cells)


def is_tax(cells: list[str]) -> bool:
    """Whether a line is a tax on the others: a cell says so."""
    return any(_TAX.fullmatch(cell.strip()) for cell in cells)


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


AS_PERIOD = (
    "write the period's first date, its month (2026-03), its quarter (2026-Q1), or its "
    "first and last date (2026-03-05..2026-04-04)"
)


class DateReader:
    """Dates by a stated format: ``DD.MM.YYYY``.

    Dates as ours are written are read beside it: so arrive those of a workbook's cells.
    """

    def __init__(self, date_format: str) -> None:
        pattern, names = re.escape(date_format), []
        for token, group in _TOKENS.items():
            if pattern.count(token) == 1:
                pattern = pattern.replace(token, group)
                names.append(token)
        if {name[0] for name in names} != set("YMD") or date_format.startswith(
            "YYYY-DD"
        ):
            raise InvalidInput(
                f"{shown(date_format)} is not a format of dates.",
                try_="write DD, MM and YYYY as the file has them, such as DD.MM.YYYY",
            )
        self.date_format = date_format
        self.pattern = re.compile(pattern + _RANGE)

    def is_range(self, text: str) -> bool:
        """Whether a text is a range of such dates."""
        match = self.pattern.fullmatch(text.strip())
        return match is not None and bool(match["last"])

    def read(self, text: str) -> str:
        """A date of the file as ours are written. Raises InvalidInput."""
        match = self.pattern.fullmatch(text.strip())
        if match is None and _OURS.match(text.strip()):
            return text
        return self._date(text, match)

    def read_span(self, text: str) -> str:
        """The same of a date, or of the first and the last date of a range."""
        match = self.pattern.fullmatch(text.strip())
        if match is None and _OURS.match(text.strip()):
            return ISO_DATES.read_span(text) if ISO_DATES.is_range(text) else text
        try:
            first = self._date(text, match)
        except InvalidInput as error:
            raise InvalidInput(
                error.message, try_=f"{error.try_}, or {AS_PERIOD}"
            ) from error
        last = match and match["last"]
        return f"{first}..{self.read(last)}" if last else first

    def _date(self, text: str, match: re.Match[str] | None) -> str:
        fields = match.group("y", "m", "d") if match else ()
        try:
            year, month, day = map(int, fields)
            year += _CENTURY if len(fields[0]) == 2 else 0
            return date(year, month, day).isoformat()
        except (TypeError, ValueError) as error:
            raise InvalidInput(
                f"{shown(text)} is not a date as {self.date_format}.",
                try_="state the file's own format with --date-format",
            ) from error


_OURS = re.compile(r"\d{4}(-|$)", re.ASCII)
"""How dates, months and instants begin that need no stated format."""
ISO_DATES = DateReader("YYYY-MM-DD")
"""Dates that need no stated format."""
_DATE = re.compile(r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?!\d)", re.ASCII)


def likely_format(texts: Iterable[str]) -> str:
    """The format of dates that some cells seem to have; empty where none but ISO's.

    Of a day and a month either of which may be the other, the day is taken for first.
    """
    dates = [
        match
        for text in texts
        for match in _DATE.finditer(text)
        if not _OURS.match(match[0])
    ]
    if not dates:
        return ""
    sign = dates[0][2]
    if len(dates[0][1]) == 4:
        return f"YYYY{sign}MM{sign}DD"
    year = "Y" * len(dates[0][4])
    month_first = any(int(match[3]) > 12 for match in dates)
    order = ("MM", "DD") if month_first else ("DD", "MM")
    return sign.join((*order, year if year == "YY" else "YYYY"))


def plain_dates(text: str) -> str:
    """A text with the months that it spells as numbers: ``6. April 2026`` is
    ``2026-04-06``, ``M\u00e4rz 2026`` is ``2026-03``.
    """
    return _SPELLED.sub(_as_numbers, _FROM.sub("", text.strip(), count=1))


def plain_period(text: str) -> str:
    """A period with what it spells as dates: also a quarter, ``2026-Q1``, and a year as
    their first and last date, and a month that stands before its year, ``03/2026``.
    """
    text = text.strip()
    if match := _QUARTER.fullmatch(text):
        year = match["year"] or match["before"]
        month = 3 * int(match["q"] or match["nth"] or match["behind"])
        last = 31 if month in {3, 12} else 30
        return f"{year}-{month - 2:02}-01..{year}-{month:02}-{last}"
    if _YEAR.fullmatch(text):
        return f"{text}-01-01..{text}-12-31"
    if match := _MONTH_FIRST.fullmatch(text):
        return f"{match[2]}-{int(match[1]):02}"
    return plain_dates(text)


def _as_numbers(match: re.Match[str]) -> str:
    month = _month_of(folded(match["month"]))
    day = match["day"] or match["after"]
    if month is None or (match["day"] and match["after"]):
        return match[0]
    return f"{match['year']}-{month:02}" + (f"-{int(day):02}" if day else "")


@cache
def _month_of(word: str) -> int | None:
    """The month that a word names, whole or by its beginning, if it is but one."""
    months = [
        number
        for number, names in enumerate(_MONTHS, 1)
        if any(name.startswith(word) for name in names.split())
    ]
    return months[0] if len(months) == 1 else None


def currency_in(header: str) -> str | None:
    """The currency behind a column's name: EUR of ``Betrag (EUR)``."""
    behind = re.search(r"[(\[]\s*(\S+?)\s*[)\]]\s*$", header)
    code = plain_sum(behind[1].upper())[1] if behind else None
    try:
        Currency.named(code)
    except InvalidInput:
        return None
    return code
