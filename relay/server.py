"""The relay as a server process: its socket, and how it ends."""

import os
import socket
from collections.abc import Sequence
from typing import override

import uvicorn

from relay.app import create_app
from relay.kit.errors import OperatorError
from relay.settings import Settings

# Milliseconds after which a client that acknowledges nothing is gone. By default the streams of vanished clients would
# hold their places for a quarter of an hour.
TCP_USER_TIMEOUT_MS = 45_000
SHUTDOWN_GRACE_SECONDS = 5


def open_listening_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises StartError with what to do when the address is not to be had."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # The protocol is named because asyncio switches Nagle's algorithm off only where it sees it: 40 ms an answer.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such address"
        raise OperatorError(f"cannot listen on {host}:{port}: {why}; choose another --port or --host") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; accepted sockets inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
    return listening


class _Server(uvicorn.Server):
    """Says bye to open streams first: uvicorn would wait for them to end by themselves."""

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.runtime.hub.close()  # type: ignore[union-attr] # uvicorn's type for any ASGI app
        await super().shutdown(sockets)


def run_server(
    settings: Settings, conninfo: str, sockets: Sequence[socket.socket], *, with_worker: bool = True
) -> None:
    """Serve on these sockets until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        create_app(settings, conninfo, with_worker=with_worker),
        log_config=None,
        access_log=False,  # addresses, and paths with ids of cars, are nobody's business
        server_header=False,
        # Beside ingress, who asks is decided by the socket's other end: no header may say otherwise.
        proxy_headers=settings.ingress_port is None,
        timeout_graceful_shutdown=SHUTDOWN_GRACE_SECONDS,
        lifespan="on",
    )
    _Server(config).run(sockets=list(sockets))
