"""``seat-ledger serve``: the console, or the API, on a port of this machine."""

from __future__ import annotations

import gc
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from seat_ledger.cli.options.following import catching_up, options_of_serving
from seat_ledger.cli.options.session import (
    FiniteNumber,
    Session,
    current_session,
    option_database,
)
from seat_ledger.cli.options.stopping import until_stopped
from seat_ledger.cli.output.logs import log_writer
from seat_ledger.cli.output.render import print_message
from seat_ledger.errors import LedgerError

_EXTRA = "pip install 'seat-ledger[web]'"


class _Networks(click.ParamType[Any]):
    """An address, or a network with its prefix."""

    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read it. Wrong usage where it is none."""
        try:
            return ipaddress.ip_network(value)
        except ValueError:
            self.fail(f"'{value}' is not an address or network.", param, ctx)


@click.command(epilog="Example: seat-ledger serve --port 8000")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Listen on this address."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Listen on this port; 0 picks a free one.",
)
@click.option(
    "--trusted-proxy",
    "proxies",
    multiple=True,
    type=_Networks(),
    metavar="ADDRESS",
    help="Serve only this address (or network): a proxy that authenticates users.",
)
@click.option(
    "--actor-header",
    default="X-Forwarded-User",
    show_default=True,
    metavar="NAME",
    help="The header in which the proxy names the user; requests without it are "
    "refused.",
)
@click.option(
    "--accounts-header",
    metavar="NAME",
    help="The header in which the proxy lists the accounts that may be seen: "
    "percent-encoded keys, separated by one space; * for all (a * in a key is "
    "%2A).",
)
@click.option(
    "--allowed-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A host name under which browsers reach the console. This machine's own "
    "names are allowed; requests for any other are refused.",
)
@options_of_serving
@click.option(
    "--readers",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Database connections shared by the pages.",
)
@click.option("--quiet", is_flag=True, help="Do not log requests.")
@click.option(
    "--require-token",
    "needs_token",
    is_flag=True,
    help="With --api: require a token from everybody, even on this machine.",
)
@click.option(
    "--rate-limit",
    "rate",
    type=FiniteNumber(1, 1_000_000),
    default=1000,
    show_default=True,
    help="With --api: the most requests per second from one token or address.",
)
@click.option(
    "--allow-writes",
    "writes",
    is_flag=True,
    help="With --api: accept commands from tokens with the role writer.",
)
@click.option("--api", is_flag=True, help="Serve the HTTP API instead of the pages.")
@option_database
def serve(host: str, port: int, proxies: tuple[Any, ...], **options: Any) -> None:
    """Serve the console, read-only pages for support and auditors; or (--api) the API.

    Without --trusted-proxy it listens on this machine only. The pages need no script,
    load nothing from elsewhere, and are also available as .json and .csv. The API
    answers what the reading commands answer, with the same documents; the page at /
    describes it.
    """
    if options["writes"] and not options["api"]:
        raise click.UsageError("--allow-writes needs --api: the console only reads.")
    if options["writes"] and options["redact"]:
        raise click.UsageError(
            "--redact excludes --allow-writes: what is refused names people."
        )
    if not proxies:
        if options["accounts_header"]:
            raise click.UsageError("--accounts-header needs a --trusted-proxy.")
        if not (options["api"] or _is_loopback(host)):
            raise click.UsageError(
                f"On {host} anybody could read the ledger. Name the --trusted-proxy "
                "that authenticates users, or omit --host."
            )
    options["hosts"] = frozenset(map(_host, options["hosts"]))
    session = current_session()
    conninfo = session.ready()
    log = log_writer("answered") if options["quiet"] else log_writer()
    with (
        until_stopped() as stopping,
        _listening(host, port) as listening,
        catching_up(conninfo, log, options["catch_up"]),
    ):
        _run(session, log, listening, proxies, {**options, "stopping": stopping})


def _run(
    session: Session,
    log: Any,
    listening: socket.socket,
    proxies: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    try:
        import uvicorn  # noqa: PLC0415  an extra

        from seat_ledger.cli.api.application import (  # noqa: PLC0415  with it
            Api,
            ApiProtocol,
        )
        from seat_ledger.cli.api.recording import Writers  # noqa: PLC0415  with it
        from seat_ledger.cli.console.access import Gate  # noqa: PLC0415  with it
        from seat_ledger.cli.console.application import Console  # noqa: PLC0415  with it
        from seat_ledger.cli.console.connections import (  # noqa: PLC0415  with it
            HastyProtocol,
            StoppableServer,
        )
    except ImportError as error:
        raise LedgerError(
            f"A server needs the package {error.name}, which is not installed.",
            try_=_EXTRA,
        ) from error
    if not (proxies or _is_loopback(listening.getsockname()[0])):
        options["needs_token"] = True
    headers = options["actor_header"], options["accounts_header"]
    gate = Gate(proxies, *headers, options["hosts"])
    shared = session.conninfo(), gate, options["redact"], options["readers"], log
    served: Api | Console = Console(*shared)
    protocol = HastyProtocol
    if options["api"]:
        writers = Writers(session) if options["writes"] else None
        served = Api(*shared, options["rate"], options["needs_token"], writers)
        protocol = ApiProtocol
    server = StoppableServer(
        uvicorn.Config(
            served.application(),
            http=protocol,
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        ),
        options["stopping"],
    )
    address, port = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    print_message(f"Serving on http://{shown}:{port}/ (Ctrl-C stops it).")
    gc.collect()
    gc.freeze()  # what lives as long as the server is not looked through again
    server.run(sockets=[listening])  # which takes the signals, and gives them back
    served.close()


def _host(name: str) -> str:
    """A host's name in one spelling. Wrong usage where it has a port, or is none."""
    from seat_ledger.cli.console.access import host_of  # noqa: PLC0415  with the server

    spelling = host_of(name)
    if spelling is None:
        raise click.UsageError(f"--allowed-host: '{name}' is not a host name.")
    return spelling


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """The port, taken before anything is started. Raises LedgerError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise LedgerError(
            f"Port {port} of {host} cannot be used: {error.strerror or error}.",
            try_="name another with --port",
        ) from error
    with listening:
        yield listening
