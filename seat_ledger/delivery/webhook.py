"""One delivery: a signed POST (Standard Webhooks) to an address that may be reached.

The name is resolved once and connected to as it was checked, so that it cannot mean a
private address a moment later. Redirects are not followed, and no proxy is asked.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from seat_ledger.errors import InvalidInput

PATIENCE = 15.0
"""Seconds within which an answer has to be there, whole."""
LONGEST_ANSWER = 1 << 16
_GOOD = range(200, 300)
_UNICAST = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 as networks without it write them."""
_PROTOCOL = ipaddress.IPv4Network("192.0.0.0/24")


class NotDelivered(Exception):
    """A subscriber did not take an event; the text says why, without its answer."""


class SubscriberLeft(Exception):
    """The subscriber wants no more events (410)."""


def check_url(url: str, *, allow_private: bool) -> None:
    """Refuse what is no subscriber's address. Raises InvalidInput."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    schemes = {"https", "http"} if allow_private else {"https"}
    if host is None or parts.scheme not in schemes or port == 0:
        raise InvalidInput(
            "A subscriber's address is https://HOST/PATH.",
            try_="use https; http is for private addresses alone (--allow-private)",
        )
    if parts.username is not None or parts.fragment or not url.isascii():
        raise InvalidInput(
            "A subscriber's address has no user, no fragment, and ASCII alone.",
            try_="what is sent is signed: no password is needed",
        )
    if len(url) > 2000 or any(ord(char) <= 32 for char in url):
        raise InvalidInput("The subscriber's address cannot be used.")


def secret_text(secret: bytes) -> str:
    """A signing secret as subscribers' libraries take it."""
    return "whsec_" + base64.b64encode(secret).decode()


def signature(secret: bytes, webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


class Webhook:
    """A subscriber's address, with a connection that is used again."""

    def __init__(
        self, url: str, *, allow_private: bool, patience: float = PATIENCE
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host = parts.hostname
        self.is_tls = parts.scheme == "https"
        self.port = parts.port or (443 if self.is_tls else 80)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.allow_private = allow_private
        self.patience = patience
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes, headers: dict[str, str]) -> None:
        """Deliver. Raises NotDelivered, SubscriberLeft."""
        is_used = self._connection is not None
        try:
            status = self._post(body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if is_used and isinstance(error, http.client.RemoteDisconnected):
                self.post(body, headers)  # it had closed the connection meanwhile
                return
            raise NotDelivered(_reason(error)) from error
        if status == HTTPStatus.GONE:
            raise SubscriberLeft
        if status not in _GOOD:
            raise NotDelivered(f"the answer was {status}")

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        connection = self._connection or self._connect()
        self._connection = connection
        late = threading.Event()
        clock = threading.Timer(self.patience, _cut, [connection, late])
        clock.daemon = True
        clock.start()
        try:
            connection.request("POST", self.target, body, headers)
            response = connection.getresponse()
            text = response.read(LONGEST_ANSWER)
            if len(text) == LONGEST_ANSWER or response.will_close:
                self.close()
        except (OSError, http.client.HTTPException) as error:
            if late.is_set():
                raise TimeoutError from error
            raise
        finally:
            clock.cancel()
        if late.is_set():  # a body that was cut reads like a whole one
            raise TimeoutError
        return response.status

    def _connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=self.patience
        )
        plain = socket.create_connection((self._address(), self.port), self.patience)
        if self.is_tls:
            context = ssl.create_default_context()
            plain = context.wrap_socket(plain, server_hostname=self.host)
        connection.sock = plain
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _address(self) -> str:
        """The address to connect to. Raises NotDelivered for a private one."""
        entries = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in entries]
        for address in addresses:
            if not self.allow_private and not is_public(address):
                raise NotDelivered("its name leads to a private address")
        return addresses[0]

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_public(address: str) -> bool:
    """Whether an address is one of the internet, and no way into this network."""
    numeric = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(numeric, ipaddress.IPv6Address):
        inner = numeric.ipv4_mapped
        if numeric in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(numeric) & 0xFFFFFFFF)
        if inner is None:
            is_unicast = numeric in _UNICAST and numeric.sixtofour is None
            return is_unicast and numeric.is_global
        numeric = inner
    return numeric.is_global and not numeric.is_multicast and numeric not in _PROTOCOL


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End a wait that has taken too long."""
    late.set()
    with suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    """Why nothing was delivered, in a few words of ours."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, socket.gaierror):
        return "its name is not found"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    return "the connection was lost"
