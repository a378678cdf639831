from dataclasses import replace

import httpx
import pytest

from relay.app import create_app
from relay.kit.rate_limiter import RateLimiter
from relay.settings import Settings
from tests.relay.usecases.oauth.client import OAuthClient


@pytest.fixture
async def app(tmp_path, database_url):
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    app = create_app(settings, database_url, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8300") as http:
        yield OAuthClient(http, app.state.runtime)


@pytest.fixture
def frozen_clock(app):
    """Stop the clock of the rate limiter, so that a slow machine is granted no more requests."""
    app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(monotonic=lambda: 0.0))
