"""The proxy between Home Assistant and the relay, which can block streams."""

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
async def proxy() -> AsyncIterator[StreamBlockingProxy]:
    app = web.Application()
    app.router.add_get("/api/ha/v2/account", account)
    app.router.add_get(STREAM, stream)
    server = TestServer(app, host="127.0.0.1")
    await server.start_server(shutdown_timeout=0.1)
    async with run_proxy(server.port or 0) as proxy:
        yield proxy
    await server.close()


async def test_blocking_closes_and_rejects_streams_only(proxy: StreamBlockingProxy):
    async with aiohttp.ClientSession(proxy.url) as session:
        async with session.get(STREAM) as response:
            assert await response.content.readany() == b"hello"
            assert proxy.open_streams == 1
            proxy.block_streams()
            with pytest.raises(aiohttp.ClientError):
                await response.content.readany()
        async with session.get("/api/ha/v2/account") as response:
            assert await response.text() == "account"
        with pytest.raises(aiohttp.ClientError):  # also on a reused connection
            await session.get(STREAM)
        assert proxy.open_streams == 0
        assert proxy.rejected_streams >= 1
        proxy.allow_streams()
        async with session.get(STREAM) as response:
            assert await response.content.readany() == b"hello"
        assert proxy.open_streams <= 1


async def test_connection_fails_if_the_relay_is_down():
    async with run_proxy(9) as proxy, aiohttp.ClientSession(proxy.url) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get("/api/ha/v2/account")
