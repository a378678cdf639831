"""What is asked again, how patiently, and what never is."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from relay.gateways.enode import (
    ActionKind,
    EnodeNotFound,
    EnodeRateLimited,
    EnodeUnavailable,
    RetryPolicy,
)
from relay.gateways.enode.http_request import NoResponse
from relay.gateways.enode.retry import RetryMode

BUSY = httpx.Response(429)
BROKEN = httpx.Response(500)
LOST = httpx.ReadTimeout("x")
REFUSED_CONNECTION = httpx.ConnectError("x")


def told_to_wait(seconds, status=429, **headers):
    return httpx.Response(status, headers={"retry-after": str(seconds), **headers})


@pytest.mark.parametrize("trouble", [BUSY, BROKEN, httpx.Response(408), LOST, REFUSED_CONNECTION], ids=str)
async def test_a_harmless_request_is_repeated_until_it_succeeds(client, enode, held, vehicle, trouble):
    enode.script = [trouble, trouble, httpx.Response(200, json=vehicle)]
    assert (await client.vehicles.get("car")).vehicle == vehicle
    assert len(enode.requests) == 3
    assert held.slept == [0.25, 0.5]  # half of 0.5 and 1 s: the least that chance allows


@pytest.mark.parametrize("trouble", [BUSY, BROKEN, LOST, REFUSED_CONNECTION], ids=str)
async def test_three_tries_are_enough(client, enode, trouble):
    enode.script = [trouble]
    with pytest.raises((EnodeUnavailable, EnodeRateLimited)):
        await client.vehicles.get("car")
    assert len(enode.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 302])
async def test_a_final_answer_is_not_asked_for_again(client, enode, status):
    enode.script = [httpx.Response(status)]
    with pytest.raises(Exception, match="Enode"):
        await client.vehicles.get("car")
    assert len(enode.requests) == 1


@pytest.mark.parametrize(
    "trouble", [BUSY, REFUSED_CONNECTION, httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")], ids=str
)
async def test_a_command_is_repeated_when_enode_surely_did_not_act(client, enode, action, trouble):
    enode.script = [trouble, httpx.Response(200, json=action)]
    assert (await client.vehicles.control_charging("car", ActionKind.START)).id == action["id"]
    assert len(enode.requests) == 2


@pytest.mark.parametrize(
    "trouble", [BROKEN, httpx.Response(503), told_to_wait(1, 503), LOST, httpx.ReadError("x")], ids=str
)
async def test_a_command_whose_outcome_is_unknown_is_never_repeated(client, enode, action, trouble):
    enode.script = [trouble, httpx.Response(200, json=action)]
    with pytest.raises(EnodeUnavailable) as caught:
        await client.vehicles.control_charging("car", ActionKind.START)
    assert caught.value.is_outcome_unknown
    assert len(enode.requests) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.webhooks.create(url="https://r.test", secret="s3cret"),
        lambda client: client.webhooks.test("hook"),
    ],
    ids=["create", "test"],
)
async def test_neither_is_a_webhook_subscribed_or_tested_twice(client, enode, call):
    enode.script = [LOST]
    with pytest.raises(EnodeUnavailable):
        await call(client)
    assert len(enode.requests) == 1


async def test_a_repeated_request_that_once_may_have_arrived_says_so(client, enode):
    enode.script = [LOST, REFUSED_CONNECTION, REFUSED_CONNECTION]
    with pytest.raises(EnodeUnavailable) as caught:
        await client.users.delete("user")
    assert caught.value.is_outcome_unknown


async def test_a_delete_that_had_been_done_already_ends_as_not_found(client, enode):
    enode.script = [LOST, httpx.Response(404)]
    with pytest.raises(EnodeNotFound):
        await client.users.delete("user")


@pytest.mark.parametrize(
    ("answer", "slept"),
    [
        (told_to_wait(3), [3]),
        (told_to_wait(0), [0]),
        (told_to_wait(-5), [0]),
        (told_to_wait(3, 503), [3]),
        (told_to_wait("Sat, 14 Mar 2026 08:00:07 GMT", date="Sat, 14 Mar 2026 08:00:02 GMT"), [5]),
        (told_to_wait("Sat, 14 Mar 2026 08:00:07 GMT"), [7]),  # no Date: our clock, held at 08:00:00
        (told_to_wait("Sat, 14 Mar 2020 08:00:07 GMT"), [0]),
        (told_to_wait("soon"), [0.25]),
        (told_to_wait("9" * 5000), [0.25]),
        (told_to_wait("9" * 30), [0.25]),
        (told_to_wait("1.5"), [0.25]),
    ],
    ids=lambda value: value.headers["retry-after"][:30] if isinstance(value, httpx.Response) else None,
)
async def test_the_wish_of_the_server_is_kept_to(client, enode, vehicle, answer, slept):
    enode.script = [answer, httpx.Response(200, json=vehicle)]
    await client.vehicles.get("car")
    assert enode.held.slept == slept


async def test_a_wish_longer_than_we_wait_ends_the_tries_and_is_handed_on(client, enode, held):
    enode.script = [told_to_wait(25)]  # within the deadline of 40 s, and yet too long
    with pytest.raises(EnodeRateLimited) as caught:
        await client.vehicles.get("car")
    assert caught.value.retry_after == timedelta(seconds=25)
    assert (len(enode.requests), held.slept) == (1, [])


def test_waits_double_are_spread_and_have_an_end():
    policy = RetryPolicy(max_attempts=99)
    lost = NoResponse(cause="lost", may_have_acted=True)

    def wait(tries, chance):
        return policy.find_delay(
            lost, attempts=tries, retry_mode=RetryMode.ALWAYS, random_fraction=chance
        ).total_seconds()

    assert [wait(tries, 0.0) for tries in range(1, 8)] == [0.25, 0.5, 1, 2, 4, 4, 4]
    assert [wait(tries, 1.0) for tries in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert wait(98, 1.0) == 8


async def test_no_wait_passes_the_deadline(client_of, enode, held, config):
    patient = replace(config, retry=RetryPolicy(max_attempts=99))
    enode.script = [told_to_wait(15)]
    with pytest.raises(EnodeRateLimited):
        await (await client_of(enode, patient)).vehicles.get("car")
    assert held.slept == [15, 15]  # of 40 s


@pytest.mark.parametrize(("hangs", "sent"), [("api", True), ("token", False)])
async def test_the_deadline_ends_a_call_that_hangs_and_knows_whether_it_had_begun(
    client_of, enode, config, hangs, sent
):
    async def hang(_request):
        await asyncio.Event().wait()

    enode.script = [hang]
    enode.token_script = [hang if hangs == "token" else enode.token]
    hasty = replace(config, retry=RetryPolicy(call_timeout=timedelta(seconds=0.05)))
    with pytest.raises(EnodeUnavailable) as caught:
        await (await client_of(enode, hasty)).vehicles.control_charging("car", ActionKind.START)
    assert caught.value.is_outcome_unknown is sent


async def test_a_command_whose_time_runs_out_between_two_tries_was_not_sent(client_of, enode, config):
    async def oversleep(_seconds):
        await asyncio.Event().wait()

    enode.script = [REFUSED_CONNECTION]
    enode.held.sleep = oversleep
    hasty = replace(
        config, retry=RetryPolicy(call_timeout=timedelta(seconds=0.3), initial_delay=timedelta(seconds=0.1))
    )
    with pytest.raises(EnodeUnavailable) as caught:
        await (await client_of(enode, hasty)).vehicles.control_charging("car", ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == ("no answer in time", False)


async def test_a_cancelled_caller_is_cancelled_and_leaves_the_client_usable(client, enode, vehicle):
    asked, _ = enode.slowly()
    enode.script = [httpx.Response(200, json=vehicle)]
    task = asyncio.create_task(client.vehicles.get("car"))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.vehicles.get("car")).vehicle == vehicle
