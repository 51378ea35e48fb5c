"""Tamper evidence: a Merkle tree over the stored events, and signed checkpoints.

`leaf`, `merkle`, `note` and `proof` are pure: bytes in, bytes out, no database and no
clock. An auditor can read those four alone, with RFC 9162 beside them, and check a
proof. `keys`, `home` and `witnesses` are files; `service` is one function per command.
"""
