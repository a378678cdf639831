"""One token for all, renewed early, replaced once when refused."""

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
def _there_is_a_vehicle(enode, vehicle):
    enode.script = [httpx.Response(200, json=vehicle)]


def tokens_used(enode):
    return [request.headers["authorization"].removeprefix("Bearer ") for request in enode.requests]


async def test_the_token_is_asked_for_as_enode_wants_it(client, enode, config):
    await client.vehicles.get("car")
    (request,) = enode.token_requests
    basic = base64.b64encode(f"{config.client_id}:{config.client_secret}".encode()).decode()
    assert request.method == "POST"
    assert request.headers["authorization"] == f"Basic {basic}"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.content == b"grant_type=client_credentials"


async def test_a_hundred_callers_at_once_ask_for_one_token(client, enode):
    asked, gate = enode.slowly()
    calls = [asyncio.create_task(client.vehicles.get("car")) for _ in range(100)]
    await asked.wait()
    gate.set()
    await asyncio.gather(*calls)
    assert len(enode.token_requests) == 1
    assert set(tokens_used(enode)) == {"token-1"}


async def test_a_hundred_callers_share_one_failure(client, enode):
    asked, gate = enode.slowly(REFUSED)
    calls = [asyncio.create_task(client.vehicles.get("car")) for _ in range(100)]
    await asked.wait()
    gate.set()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(failure) for failure in failures} == {EnodeCredentialsRefused}
    assert len(enode.token_requests) == 1


async def test_when_the_caller_who_asks_is_cancelled_another_asks(client, enode):
    asked, _ = enode.slowly()
    first, *others = [asyncio.create_task(client.vehicles.get("car")) for _ in range(10)]
    await asked.wait()
    first.cancel()
    await asyncio.gather(*others)
    assert first.cancelled()
    assert len(enode.token_requests) == 2


@pytest.mark.parametrize(
    ("expires_in", "renewed_after"),
    [
        (3599, 3539),  # a minute early
        (100, 90),  # a tenth of its life early
        (10**400, 24 * 3600 - 60),
        (None, 270),
        ("3599", 270),
        (-1, 270),
        (0, 270),
        (True, 270),
        (1.5, 270),
    ],
)
async def test_a_token_serves_until_shortly_before_its_end(client, enode, held, expires_in, renewed_after):
    enode.token_script = [lambda _: enode.grant(f"token-{len(enode.token_requests)}", expires_in=expires_in)]
    for elapsed in (0, renewed_after - 1, renewed_after + 1):
        held.seconds = 1000 + elapsed
        await client.vehicles.get("car")
    assert tokens_used(enode) == ["token-1", "token-1", "token-2"]


async def test_a_token_ages_from_before_its_answer_came(client, enode, held):
    def slow(request):
        held.seconds += 30
        return enode.token(request)

    enode.token_script = [slow, enode.token]
    await client.vehicles.get("car")
    held.seconds = 1000 + 3540
    await client.vehicles.get("car")
    assert tokens_used(enode) == ["token-1", "token-2"]


async def test_a_token_that_is_dead_on_arrival_is_tried_all_the_same(client, enode, held):
    def late(_request):
        held.seconds += 20
        return enode.grant("late", expires_in=10)

    enode.token_script = [late]
    await client.vehicles.get("car")
    assert tokens_used(enode) == ["late"]


async def test_while_one_renews_early_the_others_go_on(client, enode, held):
    await client.vehicles.get("car")
    held.seconds += 3550
    asked, gate = enode.slowly()
    renewing = asyncio.create_task(client.vehicles.get("car"))
    await asked.wait()
    await client.vehicles.get("car")
    gate.set()
    await renewing
    assert tokens_used(enode) == ["token-1", "token-1", "token-2"]


async def test_an_early_renewal_that_fails_harms_nobody_and_is_not_tried_at_each_call(client, enode, held):
    await client.vehicles.get("car")
    held.seconds += 3550
    enode.token_script = [DOWN, enode.token]
    await client.vehicles.get("car")
    await client.vehicles.get("car")
    assert (len(enode.token_requests), held.slept) == (2, [])
    held.seconds += 16
    await client.vehicles.get("car")
    assert tokens_used(enode) == ["token-1", "token-1", "token-1", "token-3"]


async def test_a_refused_token_is_replaced_and_the_call_repeated_once(client, enode, action):
    enode.script = [httpx.Response(401), httpx.Response(200, json=action)]
    await client.vehicles.control_charging("car", ActionKind.START)
    assert tokens_used(enode) == ["token-1", "token-2"]


async def test_a_second_refusal_is_final(client, enode):
    enode.script = [httpx.Response(401)]
    with pytest.raises(EnodeCredentialsRefused) as caught:
        await client.vehicles.control_charging("car", ActionKind.START)
    assert tokens_used(enode) == ["token-1", "token-2"]
    assert not caught.value.is_outcome_unknown


async def test_a_hundred_refused_callers_ask_for_one_new_token(client, enode, vehicle):
    together = asyncio.Barrier(100)

    async def judge(request):
        if request.headers["authorization"] != "Bearer token-1":
            return httpx.Response(200, json=vehicle)
        await together.wait()
        return httpx.Response(401)

    enode.script = [judge]
    await asyncio.gather(*(client.vehicles.get("car") for _ in range(100)))
    assert len(enode.token_requests) == 2


async def test_a_token_refused_after_it_was_replaced_replaces_nothing(client, enode, vehicle):
    asked, answered = asyncio.Event(), asyncio.Event()

    async def late(_request):
        asked.set()
        await answered.wait()
        return httpx.Response(401)

    enode.script = [late, httpx.Response(401), httpx.Response(200, json=vehicle)]
    slow = asyncio.create_task(client.vehicles.get("car"))
    await asked.wait()
    await client.vehicles.get("car")  # replaces token-1
    answered.set()
    await slow
    assert tokens_used(enode) == ["token-1", "token-1", "token-2", "token-2"]


async def test_no_token_for_the_repeat_means_that_nothing_was_done(client, enode):
    enode.script = [httpx.Response(401)]
    enode.token_script = [enode.token, DOWN]
    with pytest.raises(EnodeUnavailable) as caught:
        await client.vehicles.control_charging("car", ActionKind.START)
    assert not caught.value.is_outcome_unknown


async def test_a_token_server_in_trouble_is_asked_again(client, enode, held):
    enode.token_script = [DOWN, httpx.ReadTimeout("x"), enode.token]
    await client.vehicles.get("car")
    assert (len(enode.token_requests), held.slept) == (3, [0.25, 0.5])


@pytest.mark.parametrize(
    ("answer", "kind"),
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
async def test_each_failure_of_the_token_server_is_its_error_and_nothing_was_done(client, enode, answer, kind):
    enode.token_script = [answer]
    with pytest.raises(EnodeError) as caught:
        await client.vehicles.control_charging("car", ActionKind.START)
    assert type(caught.value) is kind
    assert not caught.value.is_outcome_unknown
    assert enode.requests == []


async def test_readiness_is_asked_for_without_a_token(client, enode):
    enode.script = [httpx.Response(204)]
    assert await client.health.is_ready()
    assert enode.token_requests == []
    assert "authorization" not in enode.requests[0].headers
