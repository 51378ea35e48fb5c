"""An event-sourced ledger of paid-seat history: its public Python API.

``SeatLedger`` records and ``Reader`` asks; ``AsyncSeatLedger`` and ``AsyncReader`` do
so for event loops. What :data:`__all__` lists is kept by semantic versioning; any other
name may change at any time. See ``seat-ledger help python``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seat_ledger.client.documents import Document, KnownAt, Moment, Recording
    from seat_ledger.client.ledger import AsyncSeatLedger, SeatLedger
    from seat_ledger.client.reader import AsyncReader, Reader
    from seat_ledger.errors import (
        CommandRefused,
        Conflict,
        InvalidInput,
        LedgerError,
        NotFound,
        Unavailable,
    )

__version__ = "0.2.0"
__all__ = [
    "AsyncReader",
    "AsyncSeatLedger",
    "CommandRefused",
    "Conflict",
    "Document",
    "InvalidInput",
    "KnownAt",
    "LedgerError",
    "Moment",
    "NotFound",
    "Reader",
    "Recording",
    "SeatLedger",
    "Unavailable",
    "__version__",
]
_MODULES = {
    "client.documents": ("Document", "KnownAt", "Moment", "Recording"),
    "client.ledger": ("AsyncSeatLedger", "SeatLedger"),
    "client.reader": ("AsyncReader", "Reader"),
    "errors": (
        *("CommandRefused", "Conflict", "InvalidInput", "LedgerError", "NotFound"),
        "Unavailable",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a command needs none of them."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted([*globals(), *__all__])
