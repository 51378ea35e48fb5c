"""Tamper evidence: a Merkle tree over the stored events, and signed checkpoints.

Everything here is pure: bytes in, bytes out, no database and no clock. An auditor can
read this folder alone, with RFC 9162 beside it, and check a proof.
"""
