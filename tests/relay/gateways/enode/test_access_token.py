"""The access token is shared by all callers, renewed early, and replaced once if Enode refuses it."""

import asyncio
import base64

import httpx
import pytest

from relay.gateways.enode import (
    ActionKind,
    EnodeCredentialsRefused,
    EnodeError,
    EnodeProtocolError,
    EnodeRateLimited,
    EnodeUnavailable,
)

REFUSED = httpx.Response(401, json={"error": "invalid_client", "error_description": "client-id-5f2c is unknown"})
DOWN = httpx.Response(503)


@pytest.fixture(autouse=True)
def _respond_with_a_vehicle(enode, vehicle):
    enode.script = [httpx.Response(200, json=vehicle)]


def tokens_used(enode):
    return [request.headers["authorization"].removeprefix("Bearer ") for request in enode.requests]


async def test_token_request_is_as_documented(client, enode, config):
    await client.vehicles.get("vehicle")
    (request,) = enode.token_requests
    basic = base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode()
    assert request.method == "POST"
    assert request.headers["authorization"] == f"Basic {basic}"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.content == b"grant_type=client_credentials"


async def test_hundred_concurrent_callers_request_one_token(client, enode):
    requested, release = enode.delay_token()
    calls = [asyncio.create_task(client.vehicles.get("vehicle")) for _ in range(100)]
    await requested.wait()
    release.set()
    await asyncio.gather(*calls)
    assert len(enode.token_requests) == 1
    assert set(tokens_used(enode)) == {"token-1"}


async def test_hundred_concurrent_callers_share_one_failure(client, enode):
    requested, release = enode.delay_token(REFUSED)
    calls = [asyncio.create_task(client.vehicles.get("vehicle")) for _ in range(100)]
    await requested.wait()
    release.set()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(failure) for failure in failures} == {EnodeCredentialsRefused}
    assert len(enode.token_requests) == 1


async def test_another_caller_fetches_if_the_fetching_caller_is_cancelled(client, enode):
    requested, _ = enode.delay_token()
    first, *others = [asyncio.create_task(client.vehicles.get("vehicle")) for _ in range(10)]
    await requested.wait()
    first.cancel()
    await asyncio.gather(*others)
    assert first.cancelled()
    assert len(enode.token_requests) == 2


@pytest.mark.parametrize(
    ("expires_in", "renewed_after"),
    [
        (3599, 3539),  # a minute early
        (100, 90),  # a tenth of its lifetime early
        (10**400, 24 * 3600 - 60),
        (None, 270),
        ("3599", 270),
        (-1, 270),
        (0, 270),
        (True, 270),
        (1.5, 270),
    ],
)
async def test_token_is_renewed_shortly_before_it_expires(client, enode, fake_clock, expires_in, renewed_after):
    enode.token_script = [lambda _: enode.token_response(f"token-{len(enode.token_requests)}", expires_in=expires_in)]
    for elapsed in (0, renewed_after - 1, renewed_after + 1):
        fake_clock.seconds = 1000 + elapsed
        await client.vehicles.get("vehicle")
    assert tokens_used(enode) == ["token-1", "token-1", "token-2"]


async def test_token_lifetime_counts_from_before_the_response(client, enode, fake_clock):
    def slow(request):
        fake_clock.seconds += 30
        return enode.token(request)

    enode.token_script = [slow, enode.token]
    await client.vehicles.get("vehicle")
    fake_clock.seconds = 1000 + 3540
    await client.vehicles.get("vehicle")
    assert tokens_used(enode) == ["token-1", "token-2"]


async def test_token_that_expired_in_transit_is_still_tried(client, enode, fake_clock):
    def late(_request):
        fake_clock.seconds += 20
        return enode.token_response("late", expires_in=10)

    enode.token_script = [late]
    await client.vehicles.get("vehicle")
    assert tokens_used(enode) == ["late"]


async def test_other_callers_use_the_old_token_during_early_renewal(client, enode, fake_clock):
    await client.vehicles.get("vehicle")
    fake_clock.seconds += 3550
    requested, release = enode.delay_token()
    renewing_call = asyncio.create_task(client.vehicles.get("vehicle"))
    await requested.wait()
    await client.vehicles.get("vehicle")
    release.set()
    await renewing_call
    assert tokens_used(enode) == ["token-1", "token-1", "token-2"]


async def test_failed_early_renewal_is_harmless_and_not_retried_on_each_call(client, enode, fake_clock):
    await client.vehicles.get("vehicle")
    fake_clock.seconds += 3550
    enode.token_script = [DOWN, enode.token]
    await client.vehicles.get("vehicle")
    await client.vehicles.get("vehicle")
    assert (len(enode.token_requests), fake_clock.sleeps) == (2, [])
    fake_clock.seconds += 16
    await client.vehicles.get("vehicle")
    assert tokens_used(enode) == ["token-1", "token-1", "token-1", "token-3"]


async def test_refused_token_is_replaced_and_the_call_retried_once(client, enode, action):
    enode.script = [httpx.Response(401), httpx.Response(200, json=action)]
    await client.vehicles.control_charging("vehicle", ActionKind.START)
    assert tokens_used(enode) == ["token-1", "token-2"]


async def test_second_refusal_is_final(client, enode):
    enode.script = [httpx.Response(401)]
    with pytest.raises(EnodeCredentialsRefused) as caught:
        await client.vehicles.control_charging("vehicle", ActionKind.START)
    assert tokens_used(enode) == ["token-1", "token-2"]
    assert not caught.value.is_outcome_unknown


async def test_hundred_refused_callers_request_one_new_token(client, enode, vehicle):
    all_callers = asyncio.Barrier(100)

    async def refuse_first_token(request):
        if request.headers["authorization"] != "Bearer token-1":
            return httpx.Response(200, json=vehicle)
        await all_callers.wait()
        return httpx.Response(401)

    enode.script = [refuse_first_token]
    await asyncio.gather(*(client.vehicles.get("vehicle") for _ in range(100)))
    assert len(enode.token_requests) == 2


async def test_late_refusal_of_a_replaced_token_keeps_the_new_one(client, enode, vehicle):
    requested, release = asyncio.Event(), asyncio.Event()

    async def refuse_late(_request):
        requested.set()
        await release.wait()
        return httpx.Response(401)

    enode.script = [refuse_late, httpx.Response(401), httpx.Response(200, json=vehicle)]
    slow = asyncio.create_task(client.vehicles.get("vehicle"))
    await requested.wait()
    await client.vehicles.get("vehicle")  # replaces token-1
    release.set()
    await slow
    assert tokens_used(enode) == ["token-1", "token-1", "token-2", "token-2"]


async def test_without_a_new_token_for_the_retry_nothing_was_done(client, enode):
    enode.script = [httpx.Response(401)]
    enode.token_script = [enode.token, DOWN]
    with pytest.raises(EnodeUnavailable) as caught:
        await client.vehicles.control_charging("vehicle", ActionKind.START)
    assert not caught.value.is_outcome_unknown


async def test_token_request_is_retried_after_transient_errors(client, enode, fake_clock):
    enode.token_script = [DOWN, httpx.ReadTimeout("x"), enode.token]
    await client.vehicles.get("vehicle")
    assert (len(enode.token_requests), fake_clock.sleeps) == (3, [0.25, 0.5])


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (httpx.Response(400, json={"error": "invalid_client"}), EnodeCredentialsRefused),
        (httpx.Response(401), EnodeCredentialsRefused),
        (httpx.Response(403), EnodeCredentialsRefused),
        (httpx.Response(404), EnodeProtocolError),
        (httpx.Response(302), EnodeProtocolError),
        (httpx.Response(429, headers={"retry-after": "3600"}), EnodeRateLimited),
        (httpx.Response(500), EnodeUnavailable),
        (httpx.ConnectError("x"), EnodeUnavailable),
        (httpx.ReadTimeout("x"), EnodeUnavailable),
        (httpx.Response(200), EnodeProtocolError),
        (httpx.Response(200, text="<html>"), EnodeProtocolError),
        (httpx.Response(200, json=[]), EnodeProtocolError),
        (httpx.Response(200, json={}), EnodeProtocolError),
        (httpx.Response(200, json={"access_token": 5}), EnodeProtocolError),
        (httpx.Response(200, json={"access_token": ""}), EnodeProtocolError),
        (httpx.Response(200, json={"access_token": "a\r\nX-Evil: 1"}), EnodeProtocolError),
        (httpx.Response(200, json={"access_token": "tökén"}), EnodeProtocolError),
        (httpx.Response(200, json={"access_token": "a b"}), EnodeProtocolError),
        (httpx.Response(200, content=b" " * 70_000), EnodeProtocolError),
    ],
    ids=[str(number) for number in range(19)],
)
async def test_each_token_server_failure_raises_its_error_and_nothing_was_done(client, enode, response, kind):
    enode.token_script = [response]
    with pytest.raises(EnodeError) as caught:
        await client.vehicles.control_charging("vehicle", ActionKind.START)
    assert type(caught.value) is kind
    assert not caught.value.is_outcome_unknown
    assert enode.requests == []


async def test_readiness_check_needs_no_token(client, enode):
    enode.script = [httpx.Response(204)]
    assert await client.health.is_ready()
    assert enode.token_requests == []
    assert "authorization" not in enode.requests[0].headers
