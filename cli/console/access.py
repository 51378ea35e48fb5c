"""Who may see what: where requests come from, in whose name, and for which accounts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

Headers = Callable[[str], list[str]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.ASCII
)
"""A host's name or address, with or without a port, and nothing else."""
_ENCODED_KEY = re.compile(r"(?:[!-$&-)+-~]|%[0-9A-Fa-f]{2})+", re.ASCII)
"""A key as it stands in a header: what is not of this has to be percent-encoded."""
_ALL = "*"


class Visitor(NamedTuple):
    """In whose name a request comes; `accounts` None means that all may be seen."""

    name: str
    accounts: frozenset[str] | None


class Refused(Exception):
    """The request is not let in; the word says why."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(frozen=True)
class Gate:
    """The rules of entry.

    Without `proxies` only this machine is served. With them, only they are: the actor's
    name stands in `actor_header`, and the accounts it may see in `accounts_header`,
    with spaces between and percent-encoded, ``*`` for all. Either way a request has to
    name this machine, or one of `hosts`: any other name is another site's.
    """

    proxies: tuple[Network, ...] = ()
    actor_header: str = "X-Forwarded-User"
    accounts_header: str | None = None
    hosts: frozenset[str] = frozenset()

    def admit(self, peer: str | None, headers: Headers, here: str = "") -> Visitor:
        """Who this is; `headers` gives every value of a name. Raises Refused.

        `here` is the address that the request came in at.
        """
        self.check_peer(peer)
        names = headers("host")
        host = host_of(names[0]) if len(names) == 1 else None
        if host is None or host not in LOCAL_NAMES | self.hosts | {host_of(here)}:
            raise Refused("host")
        if not self.proxies:
            return Visitor("local", None)
        actors = headers(self.actor_header)
        if len(actors) != 1 or not actors[0].strip():
            raise Refused("actor")
        return Visitor(actors[0].strip()[:200], self._accounts(headers))

    def check_peer(self, peer: str | None) -> None:
        """Refuse whoever is not the proxy, where only that is served."""
        if self.proxies and not self._is_proxy(peer):
            raise Refused("proxy")

    def _is_proxy(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.proxies)

    def _accounts(self, headers: Headers) -> frozenset[str] | None:
        if self.accounts_header is None:
            return None
        values = headers(self.accounts_header)
        if len(values) != 1:
            return frozenset()
        if values[0] == _ALL:
            return None
        return frozenset(_key_of(part) for part in values[0].split(" ") if part)


def _key_of(encoded: str) -> str:
    """An account's key as a header has it. Raises Refused unless it is encoded."""
    if not _ENCODED_KEY.fullmatch(encoded):
        raise Refused("accounts")
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise Refused("accounts") from None


def host_of(header: str) -> str | None:
    """The host without its port and brackets, in one spelling; None if it is none."""
    if ":" in header and _is_address(header):
        return str(ipaddress.ip_address(header))
    match = _HOST.fullmatch(header)
    if match is None:
        return None
    if match[1] is None:
        return match[2].lower()
    return str(ipaddress.ip_address(match[1])) if _is_address(match[1]) else None


def _is_address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text) is not None
    except ValueError:
        return False
