"""How a command's outcome is stored and published: when a state may change, and what the feed receives."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from relay.gateways.enode import ChargeAction
from relay.usecases.commands.update_state import (
    CommandOutcome,
    CommandProgress,
    get_action_outcome,
    publish_command_progress,
    record_command_outcome,
)
from relay.usecases.feed.reader import read_changes, read_snapshot
from tests.relay.support.enode_double import execute, make_action

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
REASON = {"type": "NO_RESPONSE", "detail": "No response."}


@pytest.fixture
def add_command(pool, account):
    async def add(state="pending", *, settled=False, action_id=None, requested_at=NOON):
        [(command_id,)] = await execute(
            pool,
            "insert into commands (id, user_id, vehicle_id, kind, state, enode_action_id, requested_at, settled_at)"
            " values (%s, %s, %s, 'START', %s, %s, %s, %s) returning id",
            *(uuid4(), account.user_id, account.vehicle_id, state, action_id, requested_at, NOON if settled else None),
        )
        return command_id

    return add


@pytest.fixture
def record(pool):
    async def record_outcome(command_id, outcome, **options):
        async with pool.connection() as connection:
            return await record_command_outcome(connection, command_id, outcome, **options)

    return record_outcome


@pytest.mark.parametrize(
    ("enode_state", "state", "settled"),
    [
        ("PENDING", "pending", False),
        ("CONFIRMED", "confirmed", True),
        ("FAILED", "failed", True),
        ("CANCELLED", "cancelled", True),
        ("SOMETHING_NEW", "pending", False),
    ],
)
def test_outcome_of_an_action_is_its_state_and_a_new_state_keeps_the_command_open(enode_state, state, settled):
    action = ChargeAction.from_json(
        make_action(enode_state, id="an action", completedAt="2026-11-23T12:00:00.000Z"), "get action"
    )
    outcome = get_action_outcome(action)
    assert (outcome.state, outcome.is_settled, outcome.reason) == (state, settled, None)
    assert (outcome.action_id, outcome.settled_at) == ("an action", NOON)


@pytest.mark.parametrize(("detail", "expected"), [("No response.", "No response."), (None, "")])
def test_outcome_has_enodes_reason_with_a_detail(detail, expected):
    reason = {"type": "NO_RESPONSE", "detail": detail}
    action = ChargeAction.from_json(make_action("FAILED", failureReason=reason, completedAt=None), "get action")
    outcome = get_action_outcome(action)
    assert (outcome.reason, outcome.settled_at) == ({"type": "NO_RESPONSE", "detail": expected}, None)


def test_outcomes_of_the_relay_have_a_reason():
    assert CommandOutcome.failed("NO_RESPONSE", "No response.") == CommandOutcome(state="failed", reason=REASON)
    assert CommandOutcome.unknown("Why.") == CommandOutcome(
        state="unknown", reason={"type": "UNKNOWN", "detail": "Why."}
    )


SETTLED = {"confirmed", "failed", "cancelled", "unknown"}


async def test_only_open_and_unknown_commands_change_their_state(pool, add_command, record):
    states = ["pending", "confirmed", "failed", "cancelled", "unknown"]
    for before in ["sending", *states]:
        for after in states:
            command_id = await add_command(before, settled=before in SETTLED)
            is_open, was_unknown = before in {"sending", "pending"}, before == "unknown"
            expected = before != after and (is_open or (was_unknown and after in SETTLED))
            changed = await record(command_id, CommandOutcome(state=after))
            [(stored,)] = await execute(pool, "select state from commands where id = %s", command_id)
            assert (before, after, changed, stored) == (before, after, expected, after if expected else before)


async def test_outcome_is_stored_with_reason_action_and_the_time_at_which_it_was_settled(pool, add_command, record):
    columns = "select state, reason, enode_action_id, settled_at from commands where id = %s"
    command_id, other = await add_command("sending"), await add_command("sending")
    assert await record(command_id, CommandOutcome(state="pending", action_id="an action", settled_at=NOON))
    assert await execute(pool, columns, command_id) == [("pending", None, "an action", None)]
    assert not await record(command_id, CommandOutcome(state="pending", action_id="an action"))
    assert not await record(command_id, CommandOutcome(state="pending"))
    assert await record(command_id, CommandOutcome(state="pending", action_id="another action"))
    assert await record(command_id, CommandOutcome(state="failed", reason=REASON, settled_at=NOON))
    assert await execute(pool, columns, command_id) == [("failed", REASON, "another action", NOON)]
    assert await execute(pool, columns, other) == [("sending", None, None, None)]


async def test_outcome_without_a_time_is_settled_now(pool, add_command, record):
    command_id = await add_command()
    before = datetime.now(UTC)
    await record(command_id, CommandOutcome(state="confirmed"))
    [(settled_at,)] = await execute(pool, "select settled_at from commands where id = %s", command_id)
    assert before <= settled_at <= datetime.now(UTC)


async def fetch_feed(pool, account):
    [(seq, revision)] = await execute(
        pool,
        "select f.seq, v.revision from feeds f join vehicles v using (user_id) where v.id = %s",
        account.vehicle_id,
    )
    transitions = await execute(
        pool,
        "select user_id, seq, vehicle_id, kind, occurred_at, source_event_id, live from transitions order by seq",
    )
    return seq, revision, transitions


async def test_settled_outcome_publishes_the_vehicle_and_then_the_transition(pool, account, add_command, record):
    first, second = await add_command(), await add_command()
    outcome = CommandOutcome(state="confirmed", settled_at=NOON)
    assert await record(first, outcome, source_event_id=77, live=False)
    transition = account.user_id, 2, account.vehicle_id, "command_settled", NOON, 77, False
    assert await fetch_feed(pool, account) == (2, 1, [transition])
    assert not await record(first, outcome)
    assert await fetch_feed(pool, account) == (2, 1, [transition])
    assert await record(second, outcome)
    later = account.user_id, 4, account.vehicle_id, "command_settled", NOON, None, True
    assert await fetch_feed(pool, account) == (4, 3, [transition, later])


async def test_settled_transition_has_its_own_command(pool, account, add_command, record):
    """The vehicle's record only has the newest command, so an earlier one's outcome is sent with its transition."""
    async with pool.connection() as connection:
        before = (await read_snapshot(connection, account.user_id)).cursor
    earlier, newest = await add_command(), await add_command(requested_at=NOON + timedelta(minutes=1))
    await record(earlier, CommandOutcome(state="cancelled", reason=REASON, settled_at=NOON))
    async with pool.connection() as connection:
        snapshot = await read_snapshot(connection, account.user_id, before)
        changes = await read_changes(connection, {account.user_id: before.seq})
    [replayed] = [transition.body()["command"] for transition in snapshot.replay]
    sent = changes[account.user_id].messages[-1].body()["command"]
    assert replayed == sent
    assert (sent["id"], sent["state"], sent["reason"]) == (str(earlier), "cancelled", REASON)
    assert snapshot.vehicles[0]["command"]["id"] == str(newest)


async def test_open_outcome_publishes_the_vehicle_without_a_transition(pool, account, add_command, record):
    assert await record(await add_command("sending"), CommandOutcome(state="pending"))
    assert await fetch_feed(pool, account) == (1, 1, [])


async def test_progress_changes_the_revision_of_its_vehicle_only(pool, account, make_account):
    other = await make_account()
    async with pool.connection() as connection:
        progress = CommandProgress(user_id=account.user_id, vehicle_id=account.vehicle_id)
        await publish_command_progress(connection, progress)
        await publish_command_progress(connection, progress, settled_at=NOON)
    assert await fetch_feed(pool, account) == (
        3, 2, [(account.user_id, 3, account.vehicle_id, "command_settled", NOON, None, True)],
    )  # fmt: skip
    assert (await fetch_feed(pool, other))[:2] == (0, 0)


async def test_unknown_command_changes_nothing(pool, account, record):
    assert not await record(UUID(int=0), CommandOutcome(state="confirmed"))
    assert await fetch_feed(pool, account) == (0, 0, [])
