import asyncio
import socket

import uvicorn

from relay.kit.graceful_server import GracefulServer


async def answer_nothing(_scope, _receive, _send):
    await asyncio.sleep(0)


async def test_connection_that_is_being_accepted_is_closed_at_shutdown():
    """As of a browser that opens a connection in advance. It cost the whole time limit, and was left open."""
    config = uvicorn.Config(answer_nothing, log_config=None, lifespan="off")  # no time limit
    config.load()
    server = GracefulServer(config)
    server.lifespan = config.lifespan_class(config)
    listening = socket.create_server(("127.0.0.1", 0))
    await server.startup(sockets=[listening])
    with socket.create_connection(listening.getsockname()) as client:
        client.setblocking(False)
        # After two steps of the loop, the connection is accepted, but uvicorn doesn't know it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not server.server_state.connections
        async with asyncio.timeout(20):
            await server.shutdown([listening])
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
    assert not server.server_state.connections
