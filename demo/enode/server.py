"""Run the simulator on a port."""

import socket

import uvicorn

from demo.enode.app import create_app
from demo.enode.engine import Settings
from demo.enode.world import World

BACKLOG = 128


class StartError(Exception):
    """The simulator can't start with these options; the message says what to change."""


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 chooses a free one. Raises StartError."""
    try:
        # `proto` is required: asyncio disables Nagle's algorithm only for sockets that are explicitly TCP. With Nagle's
        # algorithm every response waits 40 ms for the client's acknowledgement.
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = addresses[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"cannot listen on {host}: {error.strerror}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}; choose another --port") from None
    return listener


def create_server(settings: Settings, world: World) -> uvicorn.Server:
    """Create a server for `world` that shuts down within about one second."""
    config = uvicorn.Config(
        create_app(settings, world),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
