"""Events about actions, and the commands that they settle."""

from uuid import uuid4

import pytest

from tests.relay.support.enode_events import at, format_time, make_event, make_pipeline

ACTION = "7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10"


@pytest.fixture
async def pipeline(pool):
    pipeline = await make_pipeline(pool)
    await pipeline.process_update("car", at(0))
    return pipeline


async def add_command(pipeline, *, kind="START", state="sending", action_id=None, requested=0):
    vehicle = await pipeline.get_vehicle()
    command_id = uuid4()
    await pipeline.execute(
        "insert into commands (id, user_id, vehicle_id, kind, state, enode_action_id, requested_at)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        *(command_id, pipeline.user_id, vehicle["id"], kind, state, action_id, at(requested)),
    )
    return command_id


def make_action_event(pipeline, seconds, state, *, kind="START", action_id=ACTION, target="car", reason=None):
    settled = None if state == "PENDING" else format_time(at(seconds))
    body = {
        "id": action_id,
        "userId": str(pipeline.user_id),
        "createdAt": format_time(at(0)),
        "updatedAt": format_time(at(seconds)),
        "completedAt": settled,
        "state": state,
        "targetId": target,
        "targetType": "vehicle",
        "kind": kind,
        "failureReason": reason,
    }
    return make_event("user:vendor-action:updated", at(seconds), pipeline.user_id, vendorAction=body)


async def get_state(pipeline, command_id):
    (row,) = await pipeline.execute("select * from commands where id = %s", command_id)
    return row["state"]


@pytest.mark.parametrize(
    ("enode_state", "state"), [("CONFIRMED", "confirmed"), ("FAILED", "failed"), ("CANCELLED", "cancelled")]
)
async def test_action_outcome_settles_its_command(pipeline, enode_state, state):
    command_id = await add_command(pipeline, state="pending", action_id=ACTION)
    other = await add_command(pipeline, state="pending", action_id="another")
    reason = (
        None if enode_state == "CONFIRMED" else {"type": "NO_RESPONSE", "detail": "Vehicle never started charging."}
    )
    await pipeline.process(make_action_event(pipeline, 30, enode_state, reason=reason))
    (row,) = await pipeline.execute("select * from commands where id = %s", command_id)
    assert (row["state"], row["reason"], row["settled_at"]) == (state, reason, at(30))
    assert await get_state(pipeline, other) == "pending"
    (transition,) = await pipeline.execute("select * from transitions")
    assert (transition["kind"], transition["occurred_at"]) == ("command_settled", at(30))
    assert ((await pipeline.get_vehicle())["revision"], transition["seq"], await pipeline.get_feed_seq()) == (2, 3, 3)
    assert pipeline.feed_wakes == [pipeline.user_id] * 2


async def test_webhook_may_arrive_before_enodes_answer(pipeline):
    sending = await add_command(pipeline)
    stop = await add_command(pipeline, kind="STOP")
    await pipeline.process(make_action_event(pipeline, 1, "PENDING"))
    (row,) = await pipeline.execute("select * from commands where id = %s", sending)
    assert (row["state"], row["enode_action_id"], row["settled_at"]) == ("pending", ACTION, None)
    assert await get_state(pipeline, stop) == "sending"
    assert await pipeline.list_transition_kinds() == []
    await pipeline.process(make_action_event(pipeline, 2, "CONFIRMED"))
    assert await get_state(pipeline, sending) == "confirmed"


async def test_late_pending_does_not_reopen_a_command(pipeline):
    command_id = await add_command(pipeline, state="pending", action_id=ACTION)
    await pipeline.process(make_action_event(pipeline, 5, "CONFIRMED"))
    before = await pipeline.get_feed_seq()
    await pipeline.process(make_action_event(pipeline, 1, "PENDING"), make_action_event(pipeline, 6, "FAILED"))
    assert await get_state(pipeline, command_id) == "confirmed"
    assert await pipeline.get_feed_seq() == before


async def test_one_action_settles_several_commands(pipeline):
    command_ids = [await add_command(pipeline, state="pending", action_id=ACTION) for _ in range(2)]
    await pipeline.process(make_action_event(pipeline, 5, "CONFIRMED"))
    assert [await get_state(pipeline, command_id) for command_id in command_ids] == ["confirmed"] * 2
    assert await pipeline.list_transition_kinds() == ["command_settled"] * 2


async def test_unrelated_actions_change_no_command(pipeline):
    sending = await add_command(pipeline, requested=600)
    await pipeline.process(
        make_action_event(pipeline, 1, "CONFIRMED"),  # long before the command was requested
        make_action_event(pipeline, 601, "CONFIRMED", target="another car"),
        make_action_event(pipeline, 601, "CONFIRMED", kind="STOP"),
        make_action_event(pipeline, 601, "CONFIRMED", kind=None),
        make_action_event(pipeline, 601, "REVERSED", kind="STOP"),
    )
    assert await get_state(pipeline, sending) == "sending"
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}


async def test_action_in_another_users_event_changes_no_command(pipeline, pool):
    command_id = await add_command(pipeline, state="pending", action_id=ACTION)
    other = await make_pipeline(pool)
    await pipeline.process(make_action_event(other, 5, "CONFIRMED"))
    assert await get_state(pipeline, command_id) == "pending"


async def test_unknown_action_state_leaves_the_command_pending(pipeline):
    command_id = await add_command(pipeline, state="pending", action_id=ACTION)
    await pipeline.process(make_action_event(pipeline, 5, "REVERSED"))
    assert await get_state(pipeline, command_id) == "pending"
