"""Checks of open commands, and the states that a command can change to."""

from uuid import UUID

import httpx
import pytest

from relay.usecases.commands.check_outcome import CHECK_DELAYS, check_command, check_stale_commands
from relay.usecases.commands.update_state import CommandOutcome, record_command_outcome
from tests.relay.support.enode_double import execute, make_action


async def test_command_is_committed_together_with_its_first_check(pool, start):
    command = (await start()).json()
    ((task, arguments),) = await execute(pool, "select task_name, args from procrastinate.procrastinate_jobs")
    assert (task, arguments) == ("check_command", {"command_id": command["id"], "number": 0})


async def test_check_settles_a_command_that_the_webhook_did_not_settle(runtime, api, enode, start):
    command = (await start()).json()
    enode.answer = lambda _: httpx.Response(200, json=make_action("CONFIRMED"))
    await check_command(runtime, UUID(command["id"]), 0)
    settled = (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()
    assert (settled["state"], settled["settled_at"]) == ("confirmed", "2026-11-23T12:00:00.000Z")


async def test_open_command_is_unknown_after_the_last_check(runtime, api, start):
    command = (await start()).json()
    for number in range(len(CHECK_DELAYS)):
        await check_command(runtime, UUID(command["id"]), number)
    settled = (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()
    assert (settled["state"], settled["reason"]["type"]) == ("unknown", "UNKNOWN")


async def test_check_of_a_pending_action_schedules_the_next_check(pool, runtime, start):
    command = (await start()).json()
    await check_command(runtime, UUID(command["id"]), 0)
    jobs = await execute(pool, "select args from procrastinate.procrastinate_jobs order by id")
    assert [job[0]["number"] for job in jobs] == [0, 1]


@pytest.mark.parametrize(("enode_state", "state"), [("CONFIRMED", "confirmed"), ("PENDING", "unknown")])
async def test_command_is_settled_although_its_check_died_with_the_worker(
    pool, runtime, api, *, enode, start, enode_state, state
):
    stale, recent = (await start()).json(), (await start()).json()
    enode.answer = lambda _: httpx.Response(200, json=make_action(enode_state))
    # The state that SIGKILL leaves behind: the job is marked as running, but no worker runs it.
    await execute(pool, "update procrastinate.procrastinate_jobs set status = 'doing' returning id")
    await execute(
        pool, "update commands set requested_at = now() - interval '1 hour' where id = %s returning id", stale["id"]
    )
    assert await check_stale_commands(runtime) == 1
    assert await check_stale_commands(runtime) == 0
    states = [(await api.get(f"/api/ha/v2/commands/{command['id']}")).json()["state"] for command in (stale, recent)]
    assert states == [state, "pending"]


async def test_command_from_the_future_is_checked_and_counts_as_sent_now(pool, runtime, api, *, enode, start):
    """The clock was ahead when it was sent. It isn't unknown while Enode still has it pending."""
    command = (await start()).json()
    await execute(pool, "update commands set requested_at = now() + interval '1 day' returning id")
    assert await check_stale_commands(runtime) == 1
    assert await execute(pool, "select requested_at <= now() from commands") == [(True,)]
    assert (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()["state"] == "pending"
    assert await check_stale_commands(runtime) == 0
    await execute(pool, "update commands set requested_at = now() + interval '1 day' returning id")
    enode.answer = lambda _: httpx.Response(200, json=make_action("CONFIRMED"))
    await check_stale_commands(runtime)
    assert (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()["state"] == "confirmed"


@pytest.mark.parametrize("late", ["pending", "failed", "unknown"])
async def test_settled_command_never_changes(pool, api, start, late):
    command = (await start()).json()
    async with pool.connection() as connection:
        assert await record_command_outcome(connection, UUID(command["id"]), CommandOutcome(state="confirmed"))
        assert not await record_command_outcome(connection, UUID(command["id"]), CommandOutcome(state=late))
    assert (await api.get(f"/api/ha/v2/commands/{command['id']}")).json()["state"] == "confirmed"


async def test_later_outcome_replaces_unknown(pool, start):
    command = (await start()).json()
    async with pool.connection() as connection:
        await record_command_outcome(connection, UUID(command["id"]), CommandOutcome.unknown("…"))
        assert await record_command_outcome(connection, UUID(command["id"]), CommandOutcome(state="confirmed"))
    assert await execute(pool, "select state, reason from commands") == [("confirmed", None)]
