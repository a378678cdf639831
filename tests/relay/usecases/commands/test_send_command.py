"""Sending commands through the v2 routes, with the real gateway and a test double of Enode."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from relay.usecases.commands import send_command
from tests.relay.support.enode_double import REFUSAL, execute, list_used_calls, make_action


async def test_accepted_command_is_pending_and_costs_one_call(pool, account, enode, start):
    answer = await start()
    command = answer.json()
    assert answer.status_code == 202
    assert (command["state"], command["kind"], command["reason"], command["settled_at"]) == (
        "pending",
        "START",
        None,
        None,
    )
    assert enode.requests == [("POST", f"/vehicles/{account.enode_id}/charging", b'{"action": "START"}')]
    assert await list_used_calls(pool) == [1]


async def test_each_step_of_a_command_advances_the_feed(pool, account, start):
    await start()
    # Once when it is inserted, once when Enode accepts it.
    assert await execute(pool, "select revision from vehicles") == [(2,)]
    assert await execute(pool, "select seq from feeds where user_id = %s", account.user_id) == [(2,)]


async def test_refusal_returns_enodes_text_and_is_not_charged(pool, enode, start):
    enode.answer = lambda _: httpx.Response(400, json=REFUSAL)
    answer = await start()
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "urn:evconduit:problem:command-refused")
    assert problem["reason"] == {"type": "FAILED_PRECONDITION", "detail": "It is full."}
    assert problem["enode_status"] == 400
    assert problem["command"]["state"] == "failed"
    assert problem["command"]["settled_at"]
    assert await list_used_calls(pool) == [0]
    assert await execute(pool, "select kind from transitions") == [("command_settled",)]


class ProcessKilledError(Exception):
    """Stands for a process that is killed: nothing that follows is executed."""


def fail_as_if_killed(*_args, **_kwargs):
    raise ProcessKilledError


async def test_process_killed_before_the_command_is_stored_has_charged_nothing(pool, start, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(send_command, "insert_command", fail_as_if_killed)
        assert (await start(**{"Idempotency-Key": "once"})).status_code == 500
    assert (await start(**{"Idempotency-Key": "once"})).status_code == 202
    assert await list_used_calls(pool) == [1]
    assert await execute(pool, "select count(*) from poll_logs") == [(1,)]


async def test_process_killed_while_a_refusal_is_recorded_leaves_the_command_open(pool, enode, start, monkeypatch):
    enode.answer = lambda _: httpx.Response(400, json=REFUSAL)
    for name in ("record_command_outcome", "refund_call"):
        with monkeypatch.context() as patch:
            patch.setattr(send_command, name, fail_as_if_killed)
            assert (await start()).status_code == 500
    assert await execute(pool, "select distinct state from commands") == [("sending",)]
    assert await list_used_calls(pool) == [2]


async def test_immediately_cancelled_action_is_an_outcome_and_no_error(enode, start):
    reason = {"type": "FAILED_PRECONDITION", "detail": "not plugged in"}
    enode.answer = lambda _: httpx.Response(200, json=make_action("CANCELLED", failureReason=reason))
    answer = await start()
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (202, "cancelled", reason)


async def test_command_fails_free_of_charge_when_enode_is_unreachable(pool, enode, start):
    def unreachable(_request):
        raise httpx.ConnectError("no route")

    enode.answer = unreachable
    answer = await start()
    assert (answer.status_code, answer.json()["command"]["state"]) == (502, "failed")
    assert await list_used_calls(pool) == [0]


async def test_command_stays_open_when_enode_does_not_answer(pool, enode, start):
    def silent(_request):
        raise httpx.ReadTimeout("…")

    enode.answer = silent
    answer = await start()
    assert (answer.status_code, answer.json()["command"]["state"]) == (502, "sending")
    assert len(enode.requests) == 1, "a command whose outcome is unknown is never sent again"
    assert await list_used_calls(pool) == [1]


async def test_repeated_idempotency_key_returns_the_same_command(pool, enode, start):
    first, repeated = await start(**{"Idempotency-Key": "k"}), await start(**{"Idempotency-Key": "k"})
    assert first.json() == repeated.json()
    assert len(enode.requests) == 1
    assert await list_used_calls(pool) == [1]


async def test_repeating_the_request_that_used_the_last_call_returns_its_command(pool, enode, start, api, account):
    await execute(pool, "update users set plan = 'free' returning id")
    first = await start(**{"Idempotency-Key": "k"})
    await execute(pool, "update usage_months set used = 300 returning used")
    repeated = await start(**{"Idempotency-Key": "k"})
    assert (repeated.status_code, repeated.json()) == (202, first.json())
    assert repeated.headers["RateLimit"].startswith('"month";r=0;')
    assert (await start(**{"Idempotency-Key": "another"})).status_code == 429
    url = f"/api/ha/v2/vehicles/{account.enode_id}/charging"
    other = await api.post(url, json={"action": "STOP"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 422
    assert len(enode.requests) == 1
    assert await list_used_calls(pool) == [300]


async def test_idempotency_key_of_another_command_returns_422(api, account, start):
    await start(**{"Idempotency-Key": "k"})
    url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
    answer = await api.post(url, json={"action": "STOP"}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422


@pytest.mark.parametrize("body", [b"", b"{", b'{"action": "BURN"}', b"[]", b'{"action": null}', b"\xff"])
async def test_invalid_body_returns_422_without_side_effects(pool, enode, api, account, body):
    answer = await api.post(f"/api/ha/v2/vehicles/{account.vehicle_id}/charging", content=body)
    assert answer.status_code == 422
    assert (enode.requests, await list_used_calls(pool)) == ([], [])


async def test_foreign_vehicles_and_commands_return_404(api, make_account, start):
    other = await make_account()
    command = (await start()).json()["id"]
    charging = await api.post(f"/api/ha/v2/vehicles/{other.vehicle_id}/charging", json={"action": "STOP"})
    foreign = await api.get(f"/api/ha/v2/commands/{command}", headers={"Authorization": other.header})
    unknown = await api.get(f"/api/ha/v2/commands/{uuid4()}")
    assert {charging.status_code, foreign.status_code, unknown.status_code} == {404}
    assert foreign.json() == unknown.json()


async def test_getting_a_command_is_free(pool, api, start):
    command = (await start()).json()
    assert (await api.get(f"/api/ha/v2/commands/{command['id']}")).json() == command
    assert await list_used_calls(pool) == [1]


async def test_enodes_answer_is_stored_when_the_client_disconnects(pool, enode, api, account):
    request_received, may_answer = asyncio.Event(), asyncio.Event()

    async def answer_when_allowed(_request):
        request_received.set()
        await may_answer.wait()
        return httpx.Response(200, json=make_action())

    enode.answer = answer_when_allowed
    url = f"/api/ha/v2/vehicles/{account.vehicle_id}/charging"
    request = asyncio.create_task(api.post(url, json={"action": "START"}))
    await request_received.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    may_answer.set()
    async with asyncio.timeout(10):
        while await execute(pool, "select state from commands") != [("pending",)]:
            await asyncio.sleep(0.01)
