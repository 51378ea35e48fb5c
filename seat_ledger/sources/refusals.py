"""Why a row of a file cannot be read: what stands there, and what was expected."""

from __future__ import annotations

from seat_ledger.errors import InvalidInput


class UnreadableRow(InvalidInput):
    """Something in a row is not what the mapping expects; its line is added later."""

    def __init__(self, message: str, expected: str, line: int | None = None) -> None:
        super().__init__(message, try_=expected)
        self.expected, self.line = expected, line

    def at(self, file: str, line: int, *, at_end: bool = False) -> InvalidInput:
        """The same as an error of the file and its line, at its end perhaps."""
        number = self.line or line
        cut = " The file ends there, and may be cut off." if at_end else ""
        return InvalidInput(
            f"{file}:{number}: {self.message}{cut}", try_=self.expected, line=number
        )
