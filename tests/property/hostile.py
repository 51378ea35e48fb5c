"""Values that a program meets where it expects others: of each type, and beyond it."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

INTEGERS = [
    *(0, 1, -1, 2, 7, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**62, 2**63 - 1, 2**63),
    *(2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, 10**19, 10**40, -(10**40)),
    10**400,
]
NUMBERS = [
    *map(str, INTEGERS),
    *("", " ", "+1", " 1", "1 ", "1.5", "1e3", "1e400", "nan", "inf", "-inf", "0x10"),
    *("1_000", "٣", "¼", "00", "-0", "1,5", "#41", "##1", f"#{10**30}", "1/3", "90.00"),
    *("0.0000000000001", "9" * 5000, f"{'9' * 400}.5", "90.", ".5", "--1", "1e-9"),
]
MOMENTS = [
    *("2026-03-14", "2025-03", "2025", "2025-Q2", "2025-W10", "today", "now", "never"),
    *(
        "yesterday",
        "0000-00-00",
        "0001-01-01",
        "1899-12-31",
        "1900-01-01",
        "2900-12-31",
    ),
    *(
        "2901-01-01",
        "9999-12-31",
        "10000-01-01",
        "99999-01-01",
        "2025-02-30",
        "2025-13",
    ),
    *("2025-03-05T24:00:00Z", "2025-03-05T23:59:60Z", "2025-03-30 02:30", "2025-10-26"),
    *("2025-10-26 02:30", "2025-03-05T00:00:00+99:99", "2025-03-05T00:00:00+14:01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00", "2025-3-5"),
    *("2025-03-05T00:00:00.1234567891Z", "-2025-03-05", "+002025-03-05", "2025-03-05Z"),
    *("1741132800", "-1d", "3 days ago", "2025-03-05, known at #3"),
]
TEXTS = [
    *("", " ", "\t", "a\nb", "a\r\nb", "a\x00b", "\x1b[31m", "\x7f", "\x85", "\ud800"),
    *("\udcff", "\u202e", "\u2028", "\ufeff", "\u00a0", "é", "e\u0301", "座席", "🪑"),
    *("'", '"', "`", "\\", "%", "%s", "%(x)s", "{0}", "{", "$1", ":x", "?", "*", "_"),
    *("--", "-", "-1", "-a", "--help", "a/b", "/", "..", ".", "a#b", "#", "a b", "~"),
    *("' OR 1=1 --", "<script>", "null", "None", "true", "erased-", "erased-0", "İ"),
    *(
        "system:",
        "user:",
        "user:ann",
        "system:x",
        "root:x",
        "ann@",
        "@",
        "a@b",
        "x" * 101,
    ),
    *("x" * 2000, "x" * 2001, "x" * 70_000, "acme\x00", "ACME", "Ann@Acme.Example"),
    *("sales", "sales/", "/x", "a/b/c", "sales/gold", "sales/professional#"),
    *("sales/professional#0", "sales/professional#-1", "sales/professional#٣"),
    *(f"sales/professional#{10**25}", f"sales/professional#{2**31}", "x=1", "=", "x="),
    *(
        "sales/professional=",
        "sales/professional=1e9",
        "=90.00",
        "sales/professional=nan",
    ),
    *("EUR", "eur", "XXX", "EURO", "Europe/Atlantis", "Europe/../UTC", "/etc/passwd"),
    *("localtime", "posixrules", "UTC\x00", "127.0.0.1", "::1", "[::1]", "a:b", ":1"),
    *("1.2.3.4/33", "::/129", "127.0.0.1/8", "postgresql://", "contracted", "peak"),
    "00000000-0000-0000-0000-000000000000",
]
PROPER = [
    *("acme", "ann", "ann@acme.example", "sales/professional", "sales/professional#1"),
    *("sales", "2025-03-05", "2025-03-06", "1", "2", "INV-1", "Europe/Amsterdam"),
    *("90.00", "EUR", "system:fuzz", "sales/professional=90.00", "reason"),
]
WORDS = [*NUMBERS, *MOMENTS, *TEXTS, *PROPER]
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
VALUES: list[Any] = [
    *INTEGERS,
    *WORDS,
    *(None, True, False, 0.5, -0.0, 1e308, 1.0, 3.0),
    *([], {}, [[]], [{}], {"": ""}, {"a": {"b": {}}}, [None], ["x"] * 200, DEEP),
    *({"op": "renew"}, ["sales/professional"], [1, "a"], {"sales/professional": 90}),
]
"""Anything that JSON can say."""


def word(chance: random.Random) -> str:
    """A word for a command line or an address."""
    pool = chance.choice((NUMBERS, MOMENTS, TEXTS, PROPER, PROPER))
    return chance.choice(pool)


def argument(chance: random.Random) -> str:
    """The same for a command line, where a system lets neither NUL nor \ud800 in."""
    return word(chance).replace("\x00", "\x01").replace("\ud800", "\udcff")


def mutated(chance: random.Random, command: dict[str, Any]) -> dict[str, Any]:
    """A command with one to three of its places made something else."""
    changed = copy.deepcopy(command)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        holder: Any = changed
        while True:
            places = list(holder if isinstance(holder, dict) else range(len(holder)))
            if not places:
                break
            place = chance.choice(places)
            inner = holder[place]
            if isinstance(inner, dict | list) and inner and chance.random() < 0.7:
                holder = inner
                continue
            act = chance.random()
            if act < 0.1:
                del holder[place]
            elif act < 0.2 and isinstance(holder, dict):
                holder[chance.choice(TEXTS)] = copy.deepcopy(chance.choice(VALUES))
            else:
                holder[place] = copy.deepcopy(chance.choice(VALUES))
            break
    return changed


def line_of(chance: random.Random, command: dict[str, Any]) -> bytes:
    """A line of a command file, sometimes no JSON any more."""
    text = json.dumps(command, ensure_ascii=chance.random() < 0.5)
    line = text.encode("utf-8", "surrogatepass")
    act = chance.random()
    if act < 0.05:
        cut = chance.randrange(len(line) + 1)
        line = line[:cut]
    elif act < 0.1:
        at = chance.randrange(len(line))
        line = line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :]
    return line.replace(b"\n", b" ")
