"""A test double of Enode with scripted responses, for cases that the simulator (demo/enode) can't produce."""

import asyncio
import inspect
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from relay.gateways.enode import Clock, EnodeClient, EnodeConfig

API = "https://api.test"
TOKEN_URL = "https://oauth.test/oauth2/token"
CLIENT_ID = "client-id-5f2c"
CLIENT_SECRET = "client-secret-91ab"
VIN = "5YJ3E7EB1KF000001"


class FakeClock:
    """A clock that advances only by sleeping, without randomness. `sleeps` records the durations."""

    def __init__(self):
        self.seconds = 1000.0
        self.started_at = datetime(2026, 3, 14, 8, 0, tzinfo=UTC)
        self.sleeps = []

    async def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.seconds += seconds

    @property
    def clock(self):
        return Clock(
            sleep=self.sleep,
            monotonic=lambda: self.seconds,
            now=lambda: self.started_at + timedelta(seconds=self.seconds - 1000),
            random_fraction=lambda: 0.0,
        )


class ScriptedEnode:
    """Answers each API request with the next step of `script`, and repeats the last one. Tokens are issued by default.

    A step is a response, an exception to raise, or a function of the request.
    """

    def __init__(self, fake_clock):
        self.fake_clock = fake_clock
        self.script = []
        self.token_script = []
        self.requests = []
        self.token_requests = []

    async def __call__(self, request):
        if str(request.url) == TOKEN_URL:
            self.token_requests.append(request)
            script = self.token_script or [self.token]
        else:
            self.requests.append(request)
            script = self.script
        step = script.pop(0) if len(script) > 1 else script[0]
        if callable(step):
            step = step(request)
        if inspect.isawaitable(step):
            step = await step
        if isinstance(step, Exception):
            raise step
        # A response can be read only once, but the last step of a script is used many times.
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    def token(self, _request):
        return self.token_response(f"token-{len(self.token_requests)}")

    def delay_token(self, response=None):
        """Delay the next token (or `response`) until `release` is set; `requested` is set by the request for it."""
        requested, release = asyncio.Event(), asyncio.Event()

        async def step(request):
            requested.set()
            await release.wait()
            return response or self.token(request)

        self.token_script = [step, self.token]
        return requested, release

    @staticmethod
    def token_response(value, *, expires_in=3599):
        return httpx.Response(
            200, json={"access_token": value, "expires_in": expires_in, "scope": "", "token_type": "bearer"}
        )


@pytest.fixture
def fake_clock():
    return FakeClock()


@pytest.fixture
def enode(fake_clock):
    return ScriptedEnode(fake_clock)


@pytest.fixture
def config():
    return EnodeConfig(base_url=API, auth_url=TOKEN_URL, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


@pytest.fixture
async def make_client(fake_clock, config):
    """A function that creates a client whose requests go to a handler."""
    async with AsyncExitStack() as stack:

        async def make(handler, config=config):
            http = httpx.AsyncClient(transport=httpx.MockTransport(handler), trust_env=False)
            return EnodeClient(await stack.enter_async_context(http), config, clock=fake_clock.clock)

        yield make


@pytest.fixture
async def client(make_client, enode):
    return await make_client(enode)


@pytest.fixture
def action():
    """A charge action as Enode sends it."""
    return {
        "id": "7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10",
        "userId": "ha-user-7f3a",
        "createdAt": "2026-03-14T08:20:01.100Z",
        "updatedAt": "2026-03-14T08:50:02.000Z",
        "completedAt": None,
        "state": "PENDING",
        "targetId": "3f0c2b1e-6a64-4d0e-9b57-1c7f5f0a9d21",
        "targetType": "vehicle",
        "kind": "START",
        "failureReason": None,
    }


@pytest.fixture
def vehicle():
    """A vehicle object in part, including data that must never reach an error or a log."""
    return {
        "id": "3f0c2b1e-6a64-4d0e-9b57-1c7f5f0a9d21",
        "userId": "ha-user-7f3a",
        "vendor": "TESLA",
        "information": {"vin": VIN},
        "location": {"latitude": 52.0907, "longitude": 5.1214},
        "somethingNew": {"kept": True},
    }


@pytest.fixture
def subscription():
    """A webhook subscription as Enode sends it."""
    return {
        "id": "8f6d2a1c-0a7e-4b51-9f0d-2d9f2f3a6b77",
        "url": "https://relay.example.org/enode/webhook",
        "events": ["user:vehicle:updated"],
        "lastSuccess": "2026-03-14T08:00:00.000Z",
        "isActive": True,
        "createdAt": "2026-03-14T08:00:00.000Z",
        "apiVersion": "2024-10-01",
        "authentication": {"headerName": "x-relay"},
    }
