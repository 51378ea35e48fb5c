"""The ledger for Python programs: ``from seat_ledger import SeatLedger, Reader``."""
