"""A relay process that serves streams on a real port, and a client that reads them."""

import asyncio
import socket
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.kit import problem_responses
from relay.kit.jobs import JobQueue
from relay.streams.hub import Hub
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed import stream_events
from relay.usecases.feed.reader import create_feed_reader
from tests.relay.support.feed import parse_event, run_in_background
from tests.relay.support.plans import CLOUD


class RelayProcess:
    """The parts of a relay process that serve streams, on a port of their own."""

    def __init__(self, pool, rules):
        self.waker = Waker(pool, FEED_CHANNEL)
        self.hub = Hub(create_feed_reader(pool), rules)
        self.waker.add_callback(self.hub.request_delivery)
        self.app = FastAPI()
        self.app.include_router(stream_events.router)
        problem_responses.install_handlers(self.app)
        self.app.state.runtime = Runtime(
            pool=pool, hub=self.hub, feed_waker=self.waker, jobs=JobQueue(), enode=None, version="1.2.3", plans=CLOUD
        )
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/api/ha/v2/stream"

    @asynccontextmanager
    async def serve(self):
        config = uvicorn.Config(self.app, lifespan="off", log_config=None, timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        async with run_in_background(self.hub.run(), self.waker.run()):
            task = asyncio.create_task(server.serve(sockets=[self.socket]))
            try:
                yield self
            finally:
                self.hub.close()
                server.should_exit = True
                await task


class StreamClient:
    """Reads server-sent events from an open response, waiting at most ten seconds for each."""

    def __init__(self, response):
        self.response = response
        self.comments = 0

    async def read_block(self):
        async with asyncio.timeout(10):
            return (await self.response.content.readuntil(b"\n\n")).decode()

    async def read_event(self):
        while (event := parse_event(await self.read_block())) is None:
            self.comments += 1
        return event

    async def read_rest(self):
        async with asyncio.timeout(10):
            return (await self.response.content.read()).decode()


@asynccontextmanager
async def open_stream(http, relay, user, last_event_id=None):
    headers = user.header | ({"Last-Event-ID": last_event_id} if last_event_id else {})
    async with http.get(relay.url, headers=headers) as response:
        assert response.status == 200, await response.text()
        yield StreamClient(response)
