"""Invoice lines from elsewhere: a CSV file read strictly, or refused with its line.

Commas, semicolons and tabs separate; a byte order mark, CRLF and decimal commas are
read, and the first sheet of a workbook. Columns may have the names that vendors give
them (:mod:`.bill_words`); lines of totals are checked and left out. What could mean two
things is refused: a figure is never guessed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

from seat_ledger.cli.inputs.bill_sheet import OF_A_CELL, sheet_as_csv, too_many
from seat_ledger.cli.inputs.bill_words import (
    AS_PERIOD,
    FEWEST,
    HEAD,
    ISO_DATES,
    BillReading,
    DateReader,
    HeaderMatch,
    currency_in,
    fitting,
    is_tax,
    is_total,
    likely_columns,
    likely_format,
    match_header,
    plain_dates,
    plain_period,
    plain_sum,
)
from seat_ledger.cli.inputs.files import input_file
from seat_ledger.domain.calendar import PERIOD_LABEL
from seat_ledger.domain.money import grouped
from seat_ledger.domain.values import as_word, shown
from seat_ledger.domain.wording import counted, enumerated
from seat_ledger.errors import InvalidInput
from seat_ledger.projections.billing.audit.lines import AuditedLine, Written
from seat_ledger.projections.billing.audit.summary import WrongTotal

REQUIRED = (
    "account",
    "invoice",
    "issued_at",
    "period",
    "seat_type",
    "quantity",
    "unit_price",
    "amount",
)
_SUMS = ("quantity", "unit_price", "amount")
OPTIONAL = ("until", "mode", "granularity", "currency")
MAX_LINE = 1_000_000
MAX_CELL = 2_000
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_PLAIN = re.compile(r"-?\d{1,12}", re.ASCII)
_POINT = re.compile(r"(-?\d{1,12})\.(\d{1,12})", re.ASCII)
_COMMA = re.compile(r"(-?\d{1,12}),(\d{1,12})", re.ASCII)
_GROUPED_POINT = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+\.\d{1,12}", re.ASCII)
_GROUPED_COMMA = re.compile(r"-?[1-9]\d{0,2}(\.\d{3})+,\d{1,12}", re.ASCII)
_WHOLE = {
    sign: re.compile(rf"-?[1-9]\d{{0,2}}({re.escape(sign)}\d{{3}})+", re.ASCII)
    for sign in ".,"
}
"""Whole numbers whose thousands have a sign between them."""
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}", re.ASCII)
_SEPARATOR = re.compile(r"sep=(.)\s*", re.ASCII | re.IGNORECASE)


Resolve = Callable[[str, str], str]
"""What a file's account or type means: by the kind of name, and the name."""


def _as_written(_: str, name: str) -> str:
    return name


class BillSource(NamedTuple):
    """Where invoice lines come from: a file, or what was sent under its name.

    Of more than `most` rows nothing is read.
    """

    path: Path
    content: BinaryIO | None = None
    most: int | None = None


class TotalLine(NamedTuple):
    """A line that sums others: what it says, and what they add up to."""

    file: str
    line: int
    amount: Fraction
    added: Fraction

    @property
    def agrees(self) -> bool:
        """Whether both are the same."""
        return self.amount == self.added


@dataclass
class InvoiceFile:
    """A file of invoice lines, to be read once; what was understood stands here after.

    `ignored` names columns not used, `columns` the file's names by ours, `totals` the
    lines that sum others, `remarks` what else became of it. `resolve` says what
    accounts and types are meant. `content` is that of a file which is on no disk, of
    `most` rows.
    """

    path: Path
    reading: BillReading = field(default_factory=BillReading)
    resolve: Resolve = _as_written
    ignored: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    totals: list[TotalLine] = field(default_factory=list)
    separator: str = ""
    content: BinaryIO | None = None
    most: int | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def wrong_totals(self) -> list[WrongTotal]:
        """The lines of totals that do not add up, once the file was read."""
        return [
            WrongTotal(total.line, total.amount, total.added)
            for total in self.totals
            if not total.agrees
        ]

    @property
    def is_workbook(self) -> bool:
        """Whether it is read cell by cell rather than as text."""
        return self.path.suffix.lower() == ".xlsx"

    def meant(self, kind: str, written: str) -> str:
        """The account or seat type that a name of the file means."""
        return self.reading.aliases.get(written) or self.resolve(kind, written)

    def lines(self) -> Iterator[AuditedLine]:
        """Every line. Raises InvalidInput, naming the line and what was expected."""
        with self._opened() as file:
            stream = file
            if self.is_workbook:
                stream, remarks = sheet_as_csv(
                    file, self.path.name, self.reading, self.most
                )
                self.remarks += remarks
            yield from _Lines(self, stream).read()

    def _opened(self) -> AbstractContextManager[BinaryIO]:
        if self.content is not None:
            return nullcontext(self.content)
        return input_file(self.path, "name a CSV file of invoice lines")


class _Lines:
    """The lines of one open file, counted as an editor counts them."""

    def __init__(self, of: InvoiceFile, file: BinaryIO) -> None:
        self.of, self.file, self.number, self.last = of, file, 0, ""
        self.reading = of.reading
        stated = of.reading.date_format
        self.dates = None if stated is None else DateReader(stated)
        self.added = self.added_since = self.taxes = Fraction(0)
        self.pending: list[str] = []
        self.numbers = _Numbers(self.refused)

    def refused(self, problem: str, expected: str, line: int = 0) -> InvalidInput:
        """What to say of a line that cannot be read."""
        where = f"{self.of.path.name}:{line or self.number}"
        return InvalidInput(
            f"{where}: {problem}", try_=expected, line=line or self.number
        )

    def read(self) -> Iterator[AuditedLine]:
        """The header, then every line that is not empty."""
        first = self._first()
        delimiter, header = self._header(first)
        if not self.of.is_workbook:
            self.of.separator = _DELIMITERS.get(delimiter, shown(delimiter))
        try:
            match = match_header(header, self.reading)
        except InvalidInput as error:
            raise self.refused(error.message, error.try_ or "") from error
        self.of.columns = match.columns
        used = set(self.of.columns.values())
        self.of.ignored = [name for name in header if name and name not in used]
        self._check_columns(match, header, delimiter)
        self._take_currency()
        places = {ours: header.index(name) for ours, name in self.of.columns.items()}
        reader = csv.reader(self._texts(), delimiter=delimiter, strict=True)
        empty = True
        while True:
            began = self.number + 1
            try:
                cells = next(reader, None)
            except csv.Error as error:
                if "\r" in self.last.rstrip("\r\n"):
                    raise self._ended_by_cr() from error
                raise self.refused(
                    f"the line cannot be read as CSV ({error}).",
                    'quote cells with " and write a quote inside as ""',
                ) from error
            if cells is None:
                break
            if any(cell.strip() for cell in cells):
                empty = False
                if self._is_beside(began, cells, places):
                    continue
                line = self._line(began, cells, header, places)
                self.added += line.amount.value
                self.added_since += line.amount.value
                yield line
        if empty:
            raise InvalidInput(
                f"{self.of.path.name} names its columns but has no lines.",
                try_="nothing would be audited: check how the file was created",
            )
        self.numbers.check(delimiter)

    def _take_currency(self) -> None:
        """The currency of all lines, where the names of the sums' columns say one."""
        columns, stated = self.of.columns, self.reading.defaults
        named = {
            currency_in(columns[ours])
            for ours in ("amount", "unit_price")
            if ours in columns
        } - {None}
        if len(named) == 1 and "currency" not in {**columns, **stated}:
            defaults = {**stated, "currency": str(named.pop())}
            self.reading = self.of.reading = replace(self.reading, defaults=defaults)

    def _ended_by_cr(self) -> InvalidInput:
        return self.refused(
            "lines end with a carriage return (CR) alone.",
            "save the file with line breaks of LF or CRLF",
        )

    def _texts(self) -> Iterator[str]:
        while text := self._text():
            yield text

    def _text(self) -> str:
        if self.pending:
            self.number += 1
            self.last = self.pending.pop(0)
            return self.last
        raw = self.file.readline(MAX_LINE + 1)
        self.number += bool(raw)
        if self.of.most is not None and self.number > self.of.most:
            raise too_many(self.of.path.name, self.of.most)
        if self.number == 1 and b"\r" in raw.rstrip(b"\r\n") and b"\0" not in raw:
            raise self._ended_by_cr()
        if len(raw) > MAX_LINE:
            raise self.refused(
                f"the line has more than {MAX_LINE:,} bytes.",
                "write one invoice line per line, ended by a line break",
            )
        if b"\x00" in raw:
            raise self.refused(
                "the line contains a NUL, so the file is not UTF-8 text.",
                "save it as CSV in UTF-8",
            )
        try:
            self.last = raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self.refused(
                f"byte {error.start + 1} of the line is not UTF-8.",
                "save it as CSV in UTF-8",
            ) from error
        return self.last

    def _first(self) -> str:
        while text := self._text():
            if text.strip():
                return text
        raise InvalidInput(
            f"{self.of.path.name} is empty.",
            try_=f"the first line must name the columns: {','.join(REQUIRED)}",
        )

    def _header(self, text: str) -> tuple[str, list[str]]:
        """The separator and the names of the columns, maybe below a letter's head."""
        separator = _SEPARATOR.fullmatch(text)
        if separator:
            text = self._first()
        delimiters = [separator[1]] if separator else [*_DELIMITERS]
        first = self.number
        delimiter, names = self._below(self._names_in(text, delimiters), delimiters)
        if self.number > first:
            self.of.remarks.append(
                f"{self.of.path.name}:{self.number}: the names of the columns are "
                "here; what stands above is left out."
            )
        twice = [name for name in names if name and names.count(name) > 1]
        if twice:
            raise self.refused(
                f"the column {shown(twice[0])} appears twice.", "name each column once"
            )
        return delimiter, names

    def _names_in(self, text: str, delimiters: list[str]) -> tuple[str, list[str]]:
        """The names of a line by the separator that gives most of ours."""
        read = {delimiter: _names(text, delimiter) for delimiter in delimiters}
        delimiter = max(
            read, key=lambda delimiter_: fitting(read[delimiter_], self.reading)
        )
        return delimiter, read[delimiter]

    def _below(
        self, header: tuple[str, list[str]], delimiters: list[str]
    ) -> tuple[str, list[str]]:
        """A header that a line further down has, where the first one is none."""
        fits = fitting(header[1], self.reading) >= FEWEST
        texts: list[str] = []
        while not fits and len(texts) < HEAD and (text := self._text()):
            texts.append(text)
            lower = self._names_in(text, delimiters)
            if fitting(lower[1], self.reading) >= FEWEST:
                return lower
        self.number, self.pending = self.number - len(texts), texts
        return header

    def _check_columns(
        self, match: HeaderMatch, header: list[str], delimiter: str
    ) -> None:
        """Refuse a file that lacks a column that nothing stands in for, or of which two
        may be one of ours; all that is to be added is named at once.
        """
        present = {*match.columns, *match.ambiguous, *self.reading.defaults}
        missing = [name for name in REQUIRED if name not in present]
        if not (missing or match.ambiguous):
            return
        problems = []
        if missing:
            plural = len(missing) > 1
            problems.append(
                f"the column{'s' * plural} {', '.join(missing)} "
                f"{'are' if plural else 'is'} missing."
            )
        problems += [
            f"Both {enumerated(map(shown, names))} may be {ours}."
            for ours, names in match.ambiguous.items()
        ]
        line = self.number
        date_format = self._date_format(header, delimiter)
        raise self.refused(
            " ".join(problems), self._how_to_name(missing, match, date_format), line
        )

    def _date_format(self, header: list[str], delimiter: str) -> str:
        """The format of dates that is to be stated, by the first line of the file."""
        if self.dates is not None:
            return ""
        cells = next(csv.reader(self._texts(), delimiter=delimiter), header)
        return likely_format(cells)

    def _how_to_name(
        self, missing: list[str], match: HeaderMatch, date_format: str
    ) -> str:
        """What to type for the columns that are missing, by what the file has."""
        several = {name for names in match.ambiguous.values() for name in names}
        unused = [name for name in self.of.ignored if name not in several]
        likely = likely_columns(missing, unused)
        left = [name for name in unused if name not in likely.values()]
        words = [
            f"--column {ours}={as_word(names[0])}"
            for ours, names in match.ambiguous.items()
        ]
        for ours in missing:
            if ours in likely:
                words.append(f"--column {ours}={as_word(likely[ours])}")
            elif ours in _OF_ALL or not left:
                words.append(f"--set {ours}={_OF_ALL.get(ours, 'VALUE')}")
            else:
                words.append(f"--column {ours}=NAME")
        if date_format:
            words.append(f"--date-format {date_format}")
        also = f" Not used so far: {', '.join(map(shown, left))}." if left else ""
        return (
            f"add {' '.join(words)} (--column is for a column of another name, --set "
            f"for what every line has).{also}"
        )

    def _is_beside(self, began: int, cells: list[str], places: dict[str, int]) -> bool:
        """Take a line that says it is a total or a tax for one; hold a total against
        the others. It is none where it has a quantity and a price as the others do.
        """
        of_tax = is_tax(cells)
        if not (of_tax or is_total(cells)):
            return False
        named = [places[name] for name in ("quantity", "unit_price") if name in places]
        if all(cells[place].strip() for place in named if place < len(cells)):
            return False
        place = places.get("amount")
        if place is None or place >= len(cells) or not cells[place].strip():
            return True
        written, _ = plain_sum(cells[place])
        amount = self.numbers.read("amount", written, began).value
        if of_tax:
            self.taxes += amount
            self.of.remarks.append(
                f"{self.of.path.name}:{began}: a tax of {grouped(amount)}; it is "
                "left out."
            )
            return True
        with_taxes = self.added + self.taxes
        sums = self.added, self.added_since, with_taxes, self.added_since + self.taxes
        added = amount if amount in sums else self.added_since or with_taxes
        self.of.totals.append(TotalLine(self.of.path.name, began, amount, added))
        self.added_since = Fraction(0)
        return True

    def _line(
        self, began: int, cells: list[str], header: list[str], places: dict[str, int]
    ) -> AuditedLine:
        if len(cells) != len(header):
            raise self.refused(
                f"the line has {len(cells)} cells, the first line {len(header)}.",
                "quote a cell that holds the separator, such as a decimal comma",
                began,
            )
        for cell in cells:
            if len(cell) > MAX_CELL:
                raise self.refused(
                    f"a cell has {counted(len(cell), 'character')}.",
                    f"the limit is {MAX_CELL:,}",
                    began,
                )
        named = {**self.reading.defaults}
        named |= {name: cells[place].strip() for name, place in places.items()}
        for name in named.keys() - {*_SUMS}:
            named[name] = named[name].replace(OF_A_CELL, ".")
        self._translate(named, began)
        for name in REQUIRED:
            if not named[name]:
                raise self.refused(
                    f"the cell {name} is empty.",
                    "fill it in, or remove the line",
                    began,
                )
        self.numbers.learn([named[name] for name in _SUMS])
        quantity, price, amount = (
            self.numbers.read(name, named[name], began) for name in _SUMS
        )
        try:
            return AuditedLine.checked(began, named, quantity, price, amount)
        except InvalidInput as error:
            try_ = error.try_ or "correct the cell"
            try_ = AS_PERIOD if try_ == PERIOD_LABEL else try_
            date_format = likely_format((named["period"], named["issued_at"]))
            if self.dates is None and date_format:
                try_ = f"state how the file writes dates: --date-format {date_format}"
            raise self.refused(error.message, try_, began) from error

    def _translate(self, named: dict[str, str], began: int) -> None:
        """A vendor's words as ours: names, dates, sums with signs of currency."""
        for name in ("account", "seat_type"):
            if written := named[name]:
                named[name] = self.of.meant(name, written)
        for name in _SUMS:
            named[name], code = plain_sum(named[name])
            if code and not named.get("currency"):
                named["currency"] = code
        try:
            self._translate_dates(named)
        except InvalidInput as error:
            raise self.refused(error.message, error.try_ or "", began) from error
        if until := named.pop("until", ""):
            named["period"] += f"..{until}"

    def _translate_dates(self, named: dict[str, str]) -> None:
        """Dates that are spelled out, and those of the file by the stated format."""
        for name in ("period", "until", "issued_at"):
            plain = plain_period if name == "period" else plain_dates
            text = plain(named.get(name, ""))
            is_position = name == "issued_at" and text.isdecimal()
            is_of_file = text and name in self.of.columns and not is_position
            dates = self.dates if self.dates and is_of_file else ISO_DATES
            if name == "period" and (dates is self.dates or dates.is_range(text)):
                text = dates.read_span(text)
            elif dates is self.dates:
                text = dates.read(text)
            if text:
                named[name] = text


_OF_ALL = {"issued_at": "2026-04-05", "account": "acme"}
"""What a bill often has for all its lines, with an example."""


def _names(text: str, delimiter: str) -> list[str]:
    try:
        cells = next(csv.reader([text.strip("\r\n")], delimiter=delimiter), [])
    except csv.Error:
        return []
    return [cell.strip().lower() for cell in cells]


class _Numbers:
    """Decimals with a point or a comma: one way in one file, and never guessed."""

    def __init__(self, refused: object) -> None:
        self.refused = refused
        self.point = self.comma = self.three = 0
        self.example = self.between = ""

    def learn(self, texts: list[str]) -> None:
        """Which sign stands between thousands, where a number of a line shows it:
        ``92.700,00`` does, and so does ``1.030.000``.
        """
        for text in texts:
            for sign, grouped_ in ((".", _GROUPED_COMMA), (",", _GROUPED_POINT)):
                is_long = text.count(sign) > 1 and _WHOLE[sign].fullmatch(text)
                if is_long or grouped_.fullmatch(text):
                    self.between = self.between or sign

    def read(self, name: str, text: str, line: int) -> Written:
        """A cell as a decimal with a point. Raises InvalidInput."""
        if _PLAIN.fullmatch(text) or OF_A_CELL in text:
            return Written(text.replace(OF_A_CELL, "."))
        if self.between and _WHOLE[self.between].fullmatch(text):
            (self._comma if self.between == "." else self._point)(line)
            return Written(text.replace(self.between, ""))
        match = _POINT.fullmatch(text)
        if match:
            if len(match[2]) == 3 and _THOUSANDS.fullmatch(match[1]):
                self.three = self.three or line
                self.example = self.example or text
            else:
                self._point(line)
            return Written(text)
        match = _COMMA.fullmatch(text)
        if match and not (len(match[2]) == 3 and _THOUSANDS.fullmatch(match[1])):
            self._comma(line)
            return Written(text.replace(",", "."))
        if _GROUPED_POINT.fullmatch(text):
            self._point(line)
            return Written(text.replace(",", ""))
        if _GROUPED_COMMA.fullmatch(text):
            self._comma(line)
            return Written(text.replace(".", "").replace(",", "."))
        raise self._no_number(name, text, line, both=match is not None)

    def _no_number(
        self, name: str, text: str, line: int, *, both: bool
    ) -> InvalidInput:
        if both:
            whole, part = text.split(",")
            problem = f"{name} {shown(text)} can mean {whole}{part} or {whole}.{part}."
        elif text.startswith("="):
            problem = f"{name} {shown(text)} is a formula; formulas are not computed."
        else:
            problem = f"{name} {shown(text)} is not a number."
        return self._refuse(
            problem,
            "write a decimal such as 11.55: at most 12 digits before the point and "
            "12 after it, no currency, no space",
            line,
        )

    def _point(self, line: int) -> None:
        self.point = self.point or line
        self._agree(line)

    def _comma(self, line: int) -> None:
        self.comma = self.comma or line
        self._agree(line)

    def _agree(self, line: int) -> None:
        if self.point and self.comma:
            raise self._refuse(
                f"decimals have a point in line {self.point} but a comma in line "
                f"{self.comma}.",
                "use one of them in the whole file",
                line,
            )

    def check(self, delimiter: str) -> None:
        """Refuse a point that may be one of thousands: where decimals have a comma,
        or where cells end with ``;``, as they do where a comma is the decimal sign,
        and no other number shows what the point means.
        """
        if not self.three:
            return
        if self.comma:
            where = f"with decimal commas (line {self.comma})"
        elif delimiter == ";" and not self.point:
            where = "with semicolons, which usually has decimal commas"
        else:
            return
        whole, part = self.example.split(".")
        raise self._refuse(
            f"{shown(self.example)} can mean {whole}{part} or {whole}.{part} in a "
            f"file {where}.",
            "write one more decimal (1.0390), or thousands without a point",
            self.three,
        )

    def _refuse(self, problem: str, expected: str, line: int) -> InvalidInput:
        error = self.refused(problem, expected, line)  # type: ignore[operator]
        assert isinstance(error, InvalidInput)
        return error
