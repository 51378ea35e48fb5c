"""The write side of the seat ledger: what happened, and what may happen."""

__version__ = "0.2.0"
