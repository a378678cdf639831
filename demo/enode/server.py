"""The simulator on a port."""

import socket

import uvicorn

from demo.enode.app import create_app
from demo.enode.engine import Settings
from demo.enode.world import World

BACKLOG = 128


class StartError(Exception):  # what happened, not a fault of the program
    """Something about the start that whoever runs this can mend; the message says how."""


def open_listener(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes a free one. Raises CannotStart."""
    try:
        # The protocol has to be named: asyncio turns Nagle's algorithm off only for sockets that say TCP, and with it
        # on every answer would wait 40 ms for the client's acknowledgement.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
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
    """A server for a new run of `world`; it ends within about a second of being told to."""
    config = uvicorn.Config(
        create_app(settings, world),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
