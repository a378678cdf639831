"""A webhook receiver on loopback that answers as a test wants, and a runtime and API client for endpoint tests."""

import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

import httpx
from aiohttp import web
from fastapi import APIRouter, FastAPI

from relay.bus.waker import FEED_CHANNEL, Waker
from relay.kit import problem_responses
from relay.kit.jobs import JobQueue
from relay.kit.outbound import OutboundClient, OutboundTimeouts
from relay.kit.outbound_rules import OutboundRules
from relay.streams.hub import Hub
from relay.usecases.calls.runtime import Runtime
from relay.usecases.classic import send_test_webhook, webhook_routes
from relay.usecases.endpoints import register_endpoint
from relay.usecases.feed import account_and_vehicles
from relay.usecases.feed.reader import create_feed_reader
from tests.relay.support.plans import CLOUD

SECRET_KEY = b"the key of this relay, which is long"
LOOPBACK_RULES = OutboundRules(allow_private=True, allowed_networks=(ip_network("127.0.0.0/8"),))
TIMEOUTS = OutboundTimeouts(resolve=2, connect=2, total=2)


@dataclass(frozen=True, kw_only=True)
class Post:
    """One request that the receiver got."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


type Answer = Callable[[Post, web.Request], Awaitable[web.StreamResponse]]


async def acknowledge(post: Post, _request: web.Request) -> web.StreamResponse:
    """Answer as the integration does."""
    return web.json_response({"ack": post.headers["webhook-id"]})


def respond_with(text: str = "", status: int = 200, **headers: str) -> Answer:
    """Return an answer function that always sends this response."""

    async def answer(_post: Post, _request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status, headers=headers)

    return answer


@dataclass
class Receiver:
    """Collects the requests it gets; `answer` can be replaced at any time."""

    port: int
    answer: Answer = acknowledge
    posts: list[Post] = field(default_factory=list)

    def url(self, path: str = "/api/webhook/home") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        post = Post(path=request.path, headers=dict(request.headers), body=await request.read())
        self.posts.append(post)
        return await self.answer(post, request)

    @property
    def messages(self) -> list[dict]:
        return [message for post in self.posts for message in post.json["messages"]]


@asynccontextmanager
async def run_receiver():
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    receiver = Receiver(port=0)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = site._server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


@asynccontextmanager
async def open_test_outbound(rules: OutboundRules = LOOPBACK_RULES, **options):
    outbound = OutboundClient(rules, **{"timeouts": TIMEOUTS, **options})
    try:
        yield outbound
    finally:
        await outbound.aclose()


def make_runtime(pool, outbound) -> Runtime:
    return Runtime(
        pool=pool,
        hub=Hub(create_feed_reader(pool)),
        feed_waker=Waker(pool, FEED_CHANNEL),
        jobs=JobQueue(),
        enode=None,
        version="1.2.3",
        outbound=outbound,
        secret_key=SECRET_KEY,
        plans=CLOUD,
    )


@asynccontextmanager
async def open_api_client(runtime: Runtime):
    """Open a client that calls the endpoint and account routes in-process."""
    routers = (register_endpoint.router, account_and_vehicles.router)
    async with _open_client(runtime, routers, "http://relay/api/ha/v2") as client:
        yield client


@asynccontextmanager
async def open_classic_client(runtime: Runtime):
    """Open a client that calls the classic webhook routes in-process."""
    routers = (webhook_routes.router, send_test_webhook.router)
    async with _open_client(runtime, routers, "http://relay/api/ha/webhook") as client:
        yield client


@asynccontextmanager
async def _open_client(runtime: Runtime, routers: Iterable[APIRouter], base_url: str):
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    problem_responses.install_handlers(app)
    app.state.runtime = runtime
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base_url) as client:
        yield client


def get_status_and_slug(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("urn:evconduit:problem:")


async def register_receiver(client, user, receiver, path="/api/webhook/home"):
    """Register the receiver as the user's endpoint; returns the signing secret."""
    response = await client.put("endpoint", json={"url": receiver.url(path)}, headers=user.header)
    return response.json()["secret"]


async def get_endpoint_record(client, user):
    return (await client.get("endpoint", headers=user.header)).json()


async def run_sql(pool, statement, *arguments):
    async with pool.connection() as connection:
        await connection.execute(statement, arguments)


async def make_due(pool):
    """Make all endpoints due now, except those that are no longer retried."""
    await run_sql(pool, "update endpoints set next_try_at = now() where next_try_at is not null")
