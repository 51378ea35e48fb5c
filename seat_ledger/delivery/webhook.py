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
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from seat_ledger.errors import InvalidInput

PATIENCE = 15.0
"""Seconds from the look-up of a name within which an answer has to be there, whole."""
LONGEST_ANSWER = 1 << 16
_GOOD = range(200, 300)
_TOO_LATE = "no answer in time"
_UNICAST = ipaddress.IPv6Network("2000::/3")
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 as networks without it write them."""
_PROTOCOL = ipaddress.IPv4Network("192.0.0.0/24")

Socket = TypeVar("Socket", bound=socket.socket)


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
    if not allow_private and _is_private(host):
        raise InvalidInput(
            f"'{host.partition('%')[0]}' is a private address.",
            try_="name a public one, or allow it: --allow-private",
        )


def _is_private(host: str) -> bool:
    """Whether a host is an address, and a private one; names are looked up later.

    However the address is written: a resolver takes 127.1, 0x7f.1 and 2130706433.
    """
    host = host.rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return not is_public(host)
    with suppress(OSError):
        return not is_public(socket.inet_ntoa(socket.inet_aton(host)))
    return False


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
        self._socket: socket.socket | None = None

    def post(self, body: bytes, headers: dict[str, str]) -> None:
        """Deliver, from the name's look-up to the answer's end within the patience.

        Raises NotDelivered, SubscriberLeft.
        """
        clock = _Clock(self.patience, self._cut)
        try:
            status = self._status(body, headers, clock)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            reason = _TOO_LATE if clock.is_over else _reason(error)
            raise NotDelivered(reason) from error
        finally:
            clock.stop()
        if clock.is_over:  # a body that was cut reads like a whole one
            self.close()
            raise NotDelivered(_TOO_LATE)
        if status == HTTPStatus.GONE:
            raise SubscriberLeft
        if status not in _GOOD:
            raise NotDelivered(f"the answer was {status}")

    def _status(self, body: bytes, headers: dict[str, str], clock: _Clock) -> int:
        """The status of the answer; a connection that was used may have ended."""
        if self._connection is not None:
            try:
                return self._exchange(self._connection, body, headers)
            except ConnectionError:
                self.close()
        self._connection = self._connect(clock)
        return self._exchange(self._connection, body, headers)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        body: bytes,
        headers: dict[str, str],
    ) -> int:
        connection.request("POST", self.target, body, headers)
        response = connection.getresponse()
        text = response.read(LONGEST_ANSWER)
        if len(text) == LONGEST_ANSWER or response.will_close:
            self.close()
        return response.status

    def _connect(self, clock: _Clock) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.auto_open = 0  # what was not checked is not connected to
        connection.sock = self._watched(self._reached(clock), clock)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.is_tls:
            secured = ssl.create_default_context().wrap_socket(
                connection.sock,
                server_hostname=self.host,
                do_handshake_on_connect=False,
            )
            connection.sock = self._watched(secured, clock)
            secured.do_handshake()
        return connection

    def _watched(self, connected: Socket, clock: _Clock) -> Socket:
        """A socket that the clock cuts. Raises TimeoutError where it is too late."""
        self._socket = connected
        clock.remaining()
        return connected

    def _reached(self, clock: _Clock) -> socket.socket:
        """A connection to the first address that takes one. Raises OSError."""
        addresses = self._addresses()
        failure: OSError = TimeoutError()
        for number, address in enumerate(addresses):
            share = clock.remaining() / (len(addresses) - number)
            try:
                reached = socket.create_connection((address, self.port), share)
            except OSError as error:
                failure = error
            else:
                reached.settimeout(self.patience)
                return reached
        raise failure

    def _addresses(self) -> list[str]:
        """The addresses of its name. Raises NotDelivered where one is private."""
        entries = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        addresses = [*dict.fromkeys(str(entry[4][0]) for entry in entries)]
        if not (self.allow_private or all(map(is_public, addresses))):
            raise NotDelivered("its name leads to a private address")
        return addresses

    def _cut(self) -> None:
        """End whatever is waited for, in TLS without a word of farewell."""
        connected = self._socket
        if connected is not None:
            with suppress(OSError):
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
        if self._socket is not None:
            self._socket.close()
        self._connection = self._socket = None


class _Clock:
    """The end of one delivery, at which `cut` is called."""

    def __init__(self, patience: float, cut: Callable[[], None]) -> None:
        self._end = time.monotonic() + patience
        self._cut = cut
        self._over = threading.Event()
        self._timer = threading.Timer(patience, self._ring)
        self._timer.daemon = True
        self._timer.start()

    @property
    def is_over(self) -> bool:
        """Whether it has cut."""
        return self._over.is_set()

    def remaining(self) -> float:
        """Seconds that remain. Raises TimeoutError where there are none."""
        seconds = self._end - time.monotonic()
        if self.is_over or seconds <= 0:
            raise TimeoutError
        return seconds

    def stop(self) -> None:
        """Never cut any more."""
        self._timer.cancel()

    def _ring(self) -> None:
        self._over.set()
        self._cut()


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


def _reason(error: Exception) -> str:
    """Why nothing was delivered, in a few words of ours."""
    if isinstance(error, TimeoutError):
        return _TOO_LATE
    if isinstance(error, ssl.SSLError):
        return "its certificate is not accepted"
    if isinstance(error, socket.gaierror):
        return "its name is not found"
    if isinstance(error, ConnectionRefusedError):
        return "it refuses connections"
    return "the connection was lost"
