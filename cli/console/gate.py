"""Who may see what: where requests come from, in whose name, and for which accounts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote

Headers = Callable[[str], list[str]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


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

    Without `proxies` only this machine is served, under its own names. With them,
    only they are: the actor's name stands in `actor_header`, and the accounts it may
    see in `accounts_header`, separated by spaces and percent-encoded, ``*`` for all.
    """

    proxies: tuple[Network, ...] = ()
    actor_header: str = "X-Forwarded-User"
    accounts_header: str | None = None

    def admit(self, peer: str | None, headers: Headers) -> Visitor:
        """Who this is; `headers` gives every value of a name. Raises Refused."""
        if not self.proxies:
            hosts = headers("host")
            if len(hosts) != 1 or _host_of(hosts[0]) not in _LOCAL_NAMES:
                raise Refused("host")
            return Visitor("local", None)
        if not self._is_proxy(peer):
            raise Refused("proxy")
        actors = headers(self.actor_header)
        if len(actors) != 1 or not actors[0].strip():
            raise Refused("actor")
        return Visitor(actors[0].strip()[:200], self._accounts(headers))

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
        said = values[0].split() if len(values) == 1 else []
        return None if said == ["*"] else frozenset(map(unquote, said))


def _host_of(header: str) -> str:
    """The host's name without its port and brackets."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].lower()
