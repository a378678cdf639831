from dataclasses import replace

import httpx
import pytest

from relay.app import create_app
from relay.kit.rate_limiter import RateLimiter
from relay.settings import Settings
from tests.relay.usecases.oauth.client import Door


@pytest.fixture
async def app(tmp_path, database_url):
    settings = Settings(data=tmp_path, database_url=database_url, secret_key="k" * 32)
    made = create_app(settings, database_url, with_worker=False)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
async def door(app):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8300") as http:
        yield Door(http, app.state.runtime)


@pytest.fixture
def standing_clock(app):
    """No limit on bursts forgets anything meanwhile, however slow the machine is."""
    app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(monotonic=lambda: 0.0))
