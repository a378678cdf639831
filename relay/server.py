"""The relay as a server process: its listening socket and its shutdown."""

import asyncio
import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, cast, override

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from relay.app import create_app
from relay.kit.connection_guard import ConnectionGuard, get_max_connections, raise_file_limit
from relay.kit.errors import OperatorError
from relay.kit.graceful_server import GracefulServer
from relay.kit.http_limits import HttpLimits
from relay.kit.http_protocol import LimitedHttpProtocol
from relay.settings import Settings

TCP_USER_TIMEOUT_MS = 45_000
"""Close a connection whose client has acknowledged no data for this long. By default, it takes 15 minutes."""
SHUTDOWN_GRACE_SECONDS = 5


def open_listening_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises OperatorError if the address is unavailable."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # asyncio only disables Nagle's algorithm (40 ms a response) if the socket's protocol is IPPROTO_TCP, not 0.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such address"
        raise OperatorError(f"cannot listen on {host}:{port}: {cause}; choose another --port or --host") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    return listening


class RelayServer(GracefulServer):
    """uvicorn with limits for what clients send before anyone has authenticated them.

    `trusts_proxies`: whether `X-Forwarded-For` of the proxies in FORWARDED_ALLOW_IPS names the client.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: HttpLimits | None = None,
        trusts_proxies: bool = True,
        grace_seconds: int = SHUTDOWN_GRACE_SECONDS,
        lifespan: Literal["on", "off"] = "on",
    ) -> None:
        config = uvicorn.Config(
            cast("Any", app),  # uvicorn has its own types for ASGI
            log_config=None,
            access_log=False,  # it would log IP addresses, and paths with vehicle ids
            server_header=False,
            proxy_headers=trusts_proxies,
            timeout_graceful_shutdown=grace_seconds,
            lifespan=lifespan,
            ws="none",
        )
        proxies = ProxyHeadersMiddleware(cast("Any", app), config.forwarded_allow_ips).trusted_hosts
        self.guard = ConnectionGuard(limits, proxies=proxies if trusts_proxies else None)
        config.http = cast("type[asyncio.Protocol]", partial(LimitedHttpProtocol, guard=self.guard))
        super().__init__(config)

    @override
    async def on_tick(self, counter: int) -> bool:
        self.guard.enforce()
        return await super().on_tick(counter)


class _Server(RelayServer):
    """Closes open streams before shutdown: uvicorn would wait for them to end on their own."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.runtime.hub.close()  # type: ignore[union-attr] # uvicorn's type for any ASGI app
        await super().shutdown(sockets)


def run_server(
    settings: Settings, conninfo: str, sockets: Sequence[socket.socket], *, with_worker: bool = True
) -> None:
    """Serve on `sockets` until SIGINT or SIGTERM."""
    server = _Server(
        create_app(settings, conninfo, with_worker=with_worker),
        limits=HttpLimits(max_connections=get_max_connections(raise_file_limit())),
        # With ingress, access depends on the peer's address, so no header may replace that.
        trusts_proxies=settings.ingress_port is None,
    )
    server.run(sockets=list(sockets))
