"""What Enode says of actions, and which of our commands that moves."""

from uuid import uuid4

import pytest

from tests.relay.support.enode_events import at, format_time, make_event, make_pipeline

ACTION = "7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10"


@pytest.fixture
async def pipeline(pool):
    pipeline = await make_pipeline(pool)
    await pipeline.process_update("car", at(0))
    return pipeline


async def command(pipeline, *, kind="START", state="sending", action_id=None, requested=0):
    car = await pipeline.get_vehicle()
    command_id = uuid4()
    await pipeline.execute(
        "insert into commands (id, user_id, vehicle_id, kind, state, enode_action_id, requested_at)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        *(command_id, pipeline.user_id, car["id"], kind, state, action_id, at(requested)),
    )
    return command_id


def action(pipeline, seconds, state, *, kind="START", action_id=ACTION, target="car", reason=None):
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


async def state_of(pipeline, command_id):
    (row,) = await pipeline.execute("select * from commands where id = %s", command_id)
    return row["state"]


@pytest.mark.parametrize(
    ("said", "state"), [("CONFIRMED", "confirmed"), ("FAILED", "failed"), ("CANCELLED", "cancelled")]
)
async def test_an_outcome_settles_the_command_of_this_action(pipeline, said, state):
    mine = await command(pipeline, state="pending", action_id=ACTION)
    other = await command(pipeline, state="pending", action_id="another")
    why = None if said == "CONFIRMED" else {"type": "NO_RESPONSE", "detail": "Vehicle never started charging."}
    await pipeline.process(action(pipeline, 30, said, reason=why))
    (row,) = await pipeline.execute("select * from commands where id = %s", mine)
    assert (row["state"], row["reason"], row["settled_at"]) == (state, why, at(30))
    assert await state_of(pipeline, other) == "pending"
    (told,) = await pipeline.execute("select * from transitions")
    assert (told["kind"], told["occurred_at"]) == ("command_settled", at(30))
    assert ((await pipeline.get_vehicle())["revision"], told["seq"], await pipeline.get_feed_seq()) == (2, 3, 3)
    assert pipeline.feed_wakes == [pipeline.user_id] * 2


async def test_the_webhook_can_beat_enode_s_answer_to_us(pipeline):
    sending = await command(pipeline)
    stop = await command(pipeline, kind="STOP")
    await pipeline.process(action(pipeline, 1, "PENDING"))
    (row,) = await pipeline.execute("select * from commands where id = %s", sending)
    assert (row["state"], row["enode_action_id"], row["settled_at"]) == ("pending", ACTION, None)
    assert await state_of(pipeline, stop) == "sending"
    assert await pipeline.list_transition_kinds() == []
    await pipeline.process(action(pipeline, 2, "CONFIRMED"))
    assert await state_of(pipeline, sending) == "confirmed"


async def test_a_late_pending_reopens_nothing(pipeline):
    mine = await command(pipeline, state="pending", action_id=ACTION)
    await pipeline.process(action(pipeline, 5, "CONFIRMED"))
    before = await pipeline.get_feed_seq()
    await pipeline.process(action(pipeline, 1, "PENDING"), action(pipeline, 6, "FAILED"))
    assert await state_of(pipeline, mine) == "confirmed"
    assert await pipeline.get_feed_seq() == before


async def test_one_action_can_stand_for_several_commands(pipeline):
    both = [await command(pipeline, state="pending", action_id=ACTION) for _ in range(2)]
    await pipeline.process(action(pipeline, 5, "CONFIRMED"))
    assert [await state_of(pipeline, it) for it in both] == ["confirmed"] * 2
    assert await pipeline.list_transition_kinds() == ["command_settled"] * 2


async def test_somebody_else_s_action_is_none_of_our_business(pipeline):
    sending = await command(pipeline, requested=600)
    await pipeline.process(
        action(pipeline, 1, "CONFIRMED"),  # long before it was asked for
        action(pipeline, 601, "CONFIRMED", target="another car"),
        action(pipeline, 601, "CONFIRMED", kind="STOP"),
        action(pipeline, 601, "CONFIRMED", kind=None),
        action(pipeline, 601, "REVERSED", kind="STOP"),
    )
    assert await state_of(pipeline, sending) == "sending"
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}


async def test_an_action_of_another_user_s_event_moves_nothing(pipeline, pool):
    mine = await command(pipeline, state="pending", action_id=ACTION)
    other = await make_pipeline(pool)
    await pipeline.process(action(other, 5, "CONFIRMED"))
    assert await state_of(pipeline, mine) == "pending"


async def test_a_state_that_we_do_not_know_is_waited_out(pipeline):
    mine = await command(pipeline, state="pending", action_id=ACTION)
    await pipeline.process(action(pipeline, 5, "REVERSED"))
    assert await state_of(pipeline, mine) == "pending"
