"""What Enode says of actions, and which of our commands that moves."""

from uuid import uuid4

import pytest

from tests.relay.support.enode_events import at, event, make_pipeline, wire

ACTION = "7d6d0b0e-3f5c-4a1a-9f6e-5b0e7a4f2c10"


@pytest.fixture
async def world(pool):
    world = await make_pipeline(pool)
    await world.updated("car", at(0))
    return world


async def command(world, *, kind="START", state="sending", action_id=None, requested=0):
    car = await world.car()
    command_id = uuid4()
    await world.rows(
        "insert into commands (id, user_id, vehicle_id, kind, state, enode_action_id, requested_at)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        *(command_id, world.user_id, car["id"], kind, state, action_id, at(requested)),
    )
    return command_id


def action(world, seconds, state, *, kind="START", action_id=ACTION, target="car", reason=None):
    settled = None if state == "PENDING" else wire(at(seconds))
    body = {
        "id": action_id,
        "userId": str(world.user_id),
        "createdAt": wire(at(0)),
        "updatedAt": wire(at(seconds)),
        "completedAt": settled,
        "state": state,
        "targetId": target,
        "targetType": "vehicle",
        "kind": kind,
        "failureReason": reason,
    }
    return event("user:vendor-action:updated", at(seconds), world.user_id, vendorAction=body)


async def state_of(world, command_id):
    (row,) = await world.rows("select * from commands where id = %s", command_id)
    return row["state"]


@pytest.mark.parametrize(
    ("said", "state"), [("CONFIRMED", "confirmed"), ("FAILED", "failed"), ("CANCELLED", "cancelled")]
)
async def test_an_outcome_settles_the_command_of_this_action(world, said, state):
    mine = await command(world, state="pending", action_id=ACTION)
    other = await command(world, state="pending", action_id="another")
    why = None if said == "CONFIRMED" else {"type": "NO_RESPONSE", "detail": "Vehicle never started charging."}
    await world.happen(action(world, 30, said, reason=why))
    (row,) = await world.rows("select * from commands where id = %s", mine)
    assert (row["state"], row["reason"], row["settled_at"]) == (state, why, at(30))
    assert await state_of(world, other) == "pending"
    (told,) = await world.rows("select * from transitions")
    assert (told["kind"], told["occurred_at"]) == ("command_settled", at(30))
    assert ((await world.car())["revision"], told["seq"], await world.seq()) == (2, 3, 3)
    assert world.woken == [world.user_id] * 2


async def test_the_webhook_can_beat_enode_s_answer_to_us(world):
    sending = await command(world)
    stop = await command(world, kind="STOP")
    await world.happen(action(world, 1, "PENDING"))
    (row,) = await world.rows("select * from commands where id = %s", sending)
    assert (row["state"], row["enode_action_id"], row["settled_at"]) == ("pending", ACTION, None)
    assert await state_of(world, stop) == "sending"
    assert await world.transitions() == []
    await world.happen(action(world, 2, "CONFIRMED"))
    assert await state_of(world, sending) == "confirmed"


async def test_a_late_pending_reopens_nothing(world):
    mine = await command(world, state="pending", action_id=ACTION)
    await world.happen(action(world, 5, "CONFIRMED"))
    before = await world.seq()
    await world.happen(action(world, 1, "PENDING"), action(world, 6, "FAILED"))
    assert await state_of(world, mine) == "confirmed"
    assert await world.seq() == before


async def test_one_action_can_stand_for_several_commands(world):
    both = [await command(world, state="pending", action_id=ACTION) for _ in range(2)]
    await world.happen(action(world, 5, "CONFIRMED"))
    assert [await state_of(world, it) for it in both] == ["confirmed"] * 2
    assert await world.transitions() == ["command_settled"] * 2


async def test_somebody_else_s_action_is_none_of_our_business(world):
    sending = await command(world, requested=600)
    await world.happen(
        action(world, 1, "CONFIRMED"),  # long before it was asked for
        action(world, 601, "CONFIRMED", target="another car"),
        action(world, 601, "CONFIRMED", kind="STOP"),
        action(world, 601, "CONFIRMED", kind=None),
        action(world, 601, "REVERSED", kind="STOP"),
    )
    assert await state_of(world, sending) == "sending"
    assert {row["state"] for row in await world.inbox_rows()} == {"done"}


async def test_an_action_of_another_user_s_event_moves_nothing(world, pool):
    mine = await command(world, state="pending", action_id=ACTION)
    other = await make_pipeline(pool)
    await world.happen(action(other, 5, "CONFIRMED"))
    assert await state_of(world, mine) == "pending"


async def test_a_state_that_we_do_not_know_is_waited_out(world):
    mine = await command(world, state="pending", action_id=ACTION)
    await world.happen(action(world, 5, "REVERSED"))
    assert await state_of(world, mine) == "pending"
