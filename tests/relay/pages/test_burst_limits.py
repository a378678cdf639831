"""Limits of requests without a credential count by client: an IPv4 address, or an IPv6 network of 64 bits."""

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

import relay
from relay.kit.rate_limiter import RateLimiter
from relay.metrics_routes import FAILED_ATTEMPTS_PER_MINUTE

PER_MINUTE = 3
INTERNAL_KEY = "an-internal-key-of-the-operator"
WRONG_KEY = {"X-Internal-API-Key": "wrong"}
TOKEN = {"grant_type": "refresh_token", "client_id": "home-assistant", "refresh_token": "wrong"}
ROUTES = [
    ("GET", "/sign-in/link/unknown", {}, PER_MINUTE),
    ("GET", "/link/unknown", {}, PER_MINUTE),
    ("POST", "/link/unknown", {}, PER_MINUTE),
    ("POST", "/oauth/token", {"data": TOKEN}, PER_MINUTE),
    ("POST", "/oauth/revoke", {"data": {}}, PER_MINUTE),
    ("GET", "/metrics", {"headers": WRONG_KEY}, FAILED_ATTEMPTS_PER_MINUTE),
    ("GET", "/api/v1/internal/status", {"headers": WRONG_KEY}, FAILED_ATTEMPTS_PER_MINUTE),
]


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"internal_api_key": SecretStr(INTERNAL_KEY)})


@pytest.fixture
def send(app):
    """A function that sends one request from an address and returns its status."""
    app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(per_minute=PER_MINUTE))

    async def send_from(address, method, path, **options):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8300") as client:
            return (await client.request(method, path, **options)).status_code

    return send_from


@pytest.mark.parametrize(("method", "path", "options", "limit"), ROUTES, ids=[f"{row[0]} {row[1]}" for row in ROUTES])
async def test_changing_the_address_within_a_network_does_not_evade_the_limit(send, method, path, options, limit):
    statuses = [await send(f"2001:db8::{number:x}", method, path, **options) for number in range(limit + 2)]
    assert 429 not in statuses[:limit]
    assert statuses[limit:] == [429, 429]
    assert await send("2001:db8:0:1::1", method, path, **options) != 429
    assert await send("203.0.113.1", method, path, **options) != 429


async def test_right_internal_key_is_not_limited_and_a_missing_one_is_no_attempt(send):
    for _ in range(FAILED_ATTEMPTS_PER_MINUTE + 5):
        assert await send("203.0.113.1", "GET", "/metrics") == 401
        assert await send("203.0.113.1", "GET", "/metrics", headers={"X-Internal-API-Key": INTERNAL_KEY}) == 200


async def test_right_internal_key_is_not_recognised_after_too_many_wrong_ones(send):
    for _ in range(FAILED_ATTEMPTS_PER_MINUTE):
        await send("203.0.113.1", "GET", "/metrics", headers=WRONG_KEY)
    right = {"Authorization": f"Bearer {INTERNAL_KEY}"}
    assert await send("203.0.113.1", "GET", "/metrics", headers=right) == 429
    assert await send("203.0.113.2", "GET", "/metrics", headers=right) == 200


def test_no_limit_counts_by_the_whole_address():
    by_address = [
        f"{path}: {line.strip()}"
        for path in Path(relay.__file__).parent.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(r"check\(.*(client\.host|get_client_address)", line)
    ]
    assert by_address == []
