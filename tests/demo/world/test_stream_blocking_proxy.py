"""The gate between Home Assistant and the relay: everything passes, the stream only while it may."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from demo.world.stream_blocking_proxy import StreamBlockingProxy, run_proxy

STREAM = "/api/ha/v2/stream"


async def account(_request: web.Request) -> web.Response:
    return web.Response(text="account")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"hello")
    await asyncio.Event().wait()
    return response


@pytest.fixture
async def gate() -> AsyncIterator[StreamBlockingProxy]:
    app = web.Application()
    app.router.add_get("/api/ha/v2/account", account)
    app.router.add_get(STREAM, stream)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.1)
    async with run_proxy(server.port or 0) as gate:
        yield gate
    await server.close()


async def test_a_stream_passes_is_cut_and_turned_away_while_all_else_passes(gate: StreamBlockingProxy):
    async with aiohttp.ClientSession(gate.url) as session:
        async with session.get(STREAM) as response:
            assert await response.content.readany() == b"hello"
            assert gate.open_streams == 1
            gate.block_streams()
            with pytest.raises(aiohttp.ClientError):
                await response.content.readany()
        async with session.get("/api/ha/v2/account") as response:
            assert await response.text() == "account"
        with pytest.raises(aiohttp.ClientError):  # on the connection that was just used, too
            await session.get(STREAM)
        assert gate.open_streams == 0
        assert gate.rejected_streams >= 1
        gate.allow_streams()
        async with session.get(STREAM) as response:
            assert await response.content.readany() == b"hello"
        assert gate.open_streams <= 1


async def test_a_relay_that_is_down_is_down_through_the_gate_too():
    async with run_proxy(9) as gate, aiohttp.ClientSession(gate.url) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get("/api/ha/v2/account")
