"""Which requests are retried, with which delays, and which never are."""

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
CONNECTION_REFUSED = httpx.ConnectError("x")


def response_with_retry_after(seconds, status=429, **headers):
    return httpx.Response(status, headers={"retry-after": str(seconds), **headers})


@pytest.mark.parametrize("failure", [BUSY, BROKEN, httpx.Response(408), LOST, CONNECTION_REFUSED], ids=str)
async def test_idempotent_request_is_retried_until_it_succeeds(client, enode, fake_clock, vehicle, failure):
    enode.script = [failure, failure, httpx.Response(200, json=vehicle)]
    assert (await client.vehicles.get("vehicle")).vehicle == vehicle
    assert len(enode.requests) == 3
    assert fake_clock.sleeps == [0.25, 0.5]  # half of 0.5 and 1 s: the minimum with jitter


@pytest.mark.parametrize("failure", [BUSY, BROKEN, LOST, CONNECTION_REFUSED], ids=str)
async def test_request_is_given_up_after_three_attempts(client, enode, failure):
    enode.script = [failure]
    with pytest.raises((EnodeUnavailable, EnodeRateLimited)):
        await client.vehicles.get("vehicle")
    assert len(enode.requests) == 3


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 302])
async def test_final_status_is_not_retried(client, enode, status):
    enode.script = [httpx.Response(status)]
    with pytest.raises(Exception, match="Enode"):
        await client.vehicles.get("vehicle")
    assert len(enode.requests) == 1


@pytest.mark.parametrize(
    "failure", [BUSY, CONNECTION_REFUSED, httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")], ids=str
)
async def test_command_is_retried_if_enode_certainly_did_not_act(client, enode, action, failure):
    enode.script = [failure, httpx.Response(200, json=action)]
    assert (await client.vehicles.control_charging("vehicle", ActionKind.START)).id == action["id"]
    assert len(enode.requests) == 2


@pytest.mark.parametrize(
    "failure", [BROKEN, httpx.Response(503), response_with_retry_after(1, 503), LOST, httpx.ReadError("x")], ids=str
)
async def test_command_with_unknown_outcome_is_never_retried(client, enode, action, failure):
    enode.script = [failure, httpx.Response(200, json=action)]
    with pytest.raises(EnodeUnavailable) as caught:
        await client.vehicles.control_charging("vehicle", ActionKind.START)
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
async def test_creating_or_testing_a_webhook_is_never_retried(client, enode, call):
    enode.script = [LOST]
    with pytest.raises(EnodeUnavailable):
        await call(client)
    assert len(enode.requests) == 1


async def test_outcome_is_unknown_if_any_attempt_may_have_arrived(client, enode):
    enode.script = [LOST, CONNECTION_REFUSED, CONNECTION_REFUSED]
    with pytest.raises(EnodeUnavailable) as caught:
        await client.users.delete("user")
    assert caught.value.is_outcome_unknown


async def test_retried_delete_that_had_succeeded_raises_not_found(client, enode):
    enode.script = [LOST, httpx.Response(404)]
    with pytest.raises(EnodeNotFound):
        await client.users.delete("user")


@pytest.mark.parametrize(
    ("response", "sleeps"),
    [
        (response_with_retry_after(3), [3]),
        (response_with_retry_after(0), [0]),
        (response_with_retry_after(-5), [0]),
        (response_with_retry_after(3, 503), [3]),
        (response_with_retry_after("Sat, 14 Mar 2026 08:00:07 GMT", date="Sat, 14 Mar 2026 08:00:02 GMT"), [5]),
        (response_with_retry_after("Sat, 14 Mar 2026 08:00:07 GMT"), [7]),  # no Date: our clock, fixed at 08:00:00
        (response_with_retry_after("Sat, 14 Mar 2020 08:00:07 GMT"), [0]),
        (response_with_retry_after("soon"), [0.25]),
        (response_with_retry_after("9" * 5000), [0.25]),
        (response_with_retry_after("9" * 30), [0.25]),
        (response_with_retry_after("1.5"), [0.25]),
    ],
    ids=lambda value: value.headers["retry-after"][:30] if isinstance(value, httpx.Response) else None,
)
async def test_retry_after_is_honoured(client, enode, vehicle, response, sleeps):
    enode.script = [response, httpx.Response(200, json=vehicle)]
    await client.vehicles.get("vehicle")
    assert enode.fake_clock.sleeps == sleeps


async def test_retry_after_above_the_limit_ends_the_attempts_and_is_passed_on(client, enode, fake_clock):
    enode.script = [response_with_retry_after(25)]  # within the deadline of 40 s, but above max_retry_after
    with pytest.raises(EnodeRateLimited) as caught:
        await client.vehicles.get("vehicle")
    assert caught.value.retry_after == timedelta(seconds=25)
    assert (len(enode.requests), fake_clock.sleeps) == (1, [])


def test_delays_double_with_jitter_up_to_a_maximum():
    policy = RetryPolicy(max_attempts=99)
    lost = NoResponse(cause="lost", may_have_acted=True)

    def find_delay(attempts, random_fraction):
        return policy.find_delay(
            lost, attempts=attempts, retry_mode=RetryMode.ALWAYS, random_fraction=random_fraction
        ).total_seconds()

    assert [find_delay(attempts, 0.0) for attempts in range(1, 8)] == [0.25, 0.5, 1, 2, 4, 4, 4]
    assert [find_delay(attempts, 1.0) for attempts in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert find_delay(98, 1.0) == 8


async def test_no_delay_exceeds_the_deadline(make_client, enode, fake_clock, config):
    many_attempts = replace(config, retry=RetryPolicy(max_attempts=99))
    enode.script = [response_with_retry_after(15)]
    with pytest.raises(EnodeRateLimited):
        await (await make_client(enode, many_attempts)).vehicles.get("vehicle")
    assert fake_clock.sleeps == [15, 15]  # of 40 s


@pytest.mark.parametrize(("hanging_server", "is_outcome_unknown"), [("api", True), ("token", False)])
async def test_deadline_ends_a_hanging_call_and_says_whether_it_was_sent(
    make_client, enode, config, hanging_server, is_outcome_unknown
):
    async def hang(_request):
        await asyncio.Event().wait()

    enode.script = [hang]
    enode.token_script = [hang if hanging_server == "token" else enode.token]
    short_timeout = replace(config, retry=RetryPolicy(call_timeout=timedelta(seconds=0.05)))
    with pytest.raises(EnodeUnavailable) as caught:
        await (await make_client(enode, short_timeout)).vehicles.control_charging("vehicle", ActionKind.START)
    assert caught.value.is_outcome_unknown is is_outcome_unknown


async def test_command_that_times_out_between_attempts_was_not_sent(make_client, enode, config):
    async def sleep_forever(_seconds):
        await asyncio.Event().wait()

    enode.script = [CONNECTION_REFUSED]
    enode.fake_clock.sleep = sleep_forever
    short_timeout = replace(
        config, retry=RetryPolicy(call_timeout=timedelta(seconds=0.3), initial_delay=timedelta(seconds=0.1))
    )
    with pytest.raises(EnodeUnavailable) as caught:
        await (await make_client(enode, short_timeout)).vehicles.control_charging("vehicle", ActionKind.START)
    assert (caught.value.cause, caught.value.is_outcome_unknown) == ("no answer in time", False)


async def test_client_stays_usable_after_a_caller_is_cancelled(client, enode, vehicle):
    requested, _ = enode.delay_token()
    enode.script = [httpx.Response(200, json=vehicle)]
    task = asyncio.create_task(client.vehicles.get("vehicle"))
    await requested.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.vehicles.get("vehicle")).vehicle == vehicle


def test_policy_is_three_attempts_within_forty_seconds():
    policy = RetryPolicy()
    assert (policy.max_attempts, policy.initial_delay, policy.max_delay) == (
        3,
        timedelta(seconds=0.5),
        timedelta(seconds=8),
    )
    assert (policy.max_retry_after, policy.call_timeout) == (timedelta(seconds=20), timedelta(seconds=40))


@pytest.mark.parametrize(
    ("attempts", "fraction", "seconds"),
    [(1, 0.0, 0.25), (1, 1.0, 0.5), (2, 0.0, 0.5), (2, 0.5, 0.75), (5, 0.0, 4.0), (6, 0.0, 4.0), (10_000, 1.0, 8.0)],
)
def test_delay_is_between_half_and_all_of_the_doubled_delay(attempts, fraction, seconds):
    policy = RetryPolicy(max_attempts=100_000)
    result = NoResponse(cause="x", may_have_acted=True)
    delay = policy.find_delay(result, attempts=attempts, retry_mode=RetryMode.ALWAYS, random_fraction=fraction)
    assert delay == timedelta(seconds=seconds)


@pytest.mark.parametrize(("attempts", "is_retried"), [(1, True), (2, True), (3, False), (4, False)])
def test_last_attempt_is_the_third(attempts, is_retried):
    delay = RetryPolicy().find_delay(
        NoResponse(cause="x", may_have_acted=False),
        attempts=attempts,
        retry_mode=RetryMode.IF_NOT_PROCESSED,
        random_fraction=0.0,
    )
    assert (delay is not None) is is_retried


@pytest.mark.parametrize(
    ("may_have_acted", "retry_mode", "expected"),
    [
        (False, RetryMode.ALWAYS, True),
        (True, RetryMode.ALWAYS, True),
        (False, RetryMode.IF_NOT_PROCESSED, True),
        (True, RetryMode.IF_NOT_PROCESSED, False),
    ],
)
def test_request_that_may_have_acted_is_repeated_only_if_idempotent(may_have_acted, retry_mode, expected):
    assert RetryPolicy.is_retryable(NoResponse(cause="x", may_have_acted=may_have_acted), retry_mode) is expected
