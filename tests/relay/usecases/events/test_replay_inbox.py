"""Replays with the real `evconduit replay` command, while the inbox is drained."""

import asyncio
import json

import pytest

from relay.usecases.feed.reader import read_changes, read_snapshot
from tests.relay.support.command_line import CommandLine
from tests.relay.support.enode_events import (
    CHARGING,
    STOPPED,
    add_user,
    at,
    make_event,
    make_vehicle,
    sign_body,
)
from tests.relay.support.feed import run_in_background


class Operator:
    """Runs commands on a relay whose inbox is drained meanwhile."""

    def __init__(self, pipeline, command_line):
        self.pipeline, self.command_line = pipeline, command_line

    async def run(self, *arguments):
        """The exit code and output of a command; the inbox is drained while it runs."""
        async with run_in_background(self.drain_continuously()):
            result = await asyncio.to_thread(self.command_line.run, *arguments)
        return result.returncode, result.stdout + result.stderr

    async def run_successfully(self, *arguments):
        code, output = await self.run(*arguments)
        assert code == 0, output
        return output

    async def drain_continuously(self):
        while True:
            await self.pipeline.drainer.drain_once()
            await asyncio.sleep(0.05)


@pytest.fixture
def operator(pipeline, database_url, tmp_path):
    return Operator(pipeline, CommandLine(tmp_path, DATABASE_URL=database_url))


async def process_charging(pipeline):
    """Process a charging session: three events. Returns the results."""
    await pipeline.process_update("car", at(0), charge=STOPPED)
    await pipeline.process_update("car", at(60), charge=CHARGING)
    await pipeline.process_update("car", at(3600), charge=STOPPED | {"batteryLevel": 80})
    return await get_results(pipeline)


async def get_results(pipeline):
    """What a replay must not change: state, transitions and charging sessions."""
    vehicle = await pipeline.get_vehicle()
    sessions = await pipeline.execute("select id, started_at, ended_at, energy_kwh from charging_sessions order by id")
    return vehicle["vehicle_cache"], await pipeline.list_transition_kinds(), sessions


async def list_replayed_ids(pipeline):
    rows = await pipeline.execute("select id from webhook_logs where replayed_at is not null order by id")
    return [row["id"] for row in rows]


@pytest.mark.parametrize("selection", ["number", "user", "time"])
async def test_replayed_events_are_processed_again_without_duplicates(pipeline, operator, selection):
    before = await process_charging(pipeline)
    assert before[1]
    assert len(before[2]) == 1
    ids = [row["id"] for row in await pipeline.list_inbox_rows()]
    chosen = {
        "number": [str(ids[1])],
        "user": ["--user", str(pipeline.user_id)],
        "time": ["--since", "2020-01-01", "--until", "2100-01-01"],
    }[selection]
    output = await operator.run_successfully("replay", *chosen)
    expected = ids[1:2] if selection == "number" else ids
    assert f"{len(expected)} of {len(expected)} processed" in output
    assert await list_replayed_ids(pipeline) == expected
    assert await get_results(pipeline) == before
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}


async def test_replay_is_limited_to_the_selected_user_and_time(pipeline, operator, pool):
    await process_charging(pipeline)
    other_user = await add_user(pool)
    assert "0 events chosen" in await operator.run_successfully("replay", "--user", str(other_user))
    assert "0 events chosen" in await operator.run_successfully("replay", "--until", "2020-01-01")
    assert "3 events chosen" in await operator.run_successfully("replay", "--user", str(pipeline.user_id), "--dry-run")
    assert await list_replayed_ids(pipeline) == []


async def test_replay_without_a_selection_is_refused(operator):
    code, output = await operator.run("replay")
    assert code == 2
    assert "choose the events to replay" in output


async def test_replay_names_unknown_event_numbers(pipeline, operator):
    await process_charging(pipeline)
    (first, *_) = await pipeline.list_inbox_rows()
    code, output = await operator.run("replay", str(first["id"]), "987654")
    assert code == 2
    assert "987654" in output
    assert await list_replayed_ids(pipeline) == []


async def test_replay_of_a_set_aside_body_adds_its_transitions_to_history_only(pipeline, operator, pool):
    await pipeline.process_update("car", at(0), charge=STOPPED)
    body = json.dumps([pipeline.make_update("car", at(60), charge=CHARGING)]).encode()
    # Stored by an older relay that could not parse it.
    await pipeline.execute(
        "insert into webhook_logs (account_id, source, digest, raw, state, reason, event_at, created_at)"
        " values ('ours', 'webhook', sha256(%s), %s, 'set_aside', 'not JSON', now(), now() - interval '1 day')",
        body,
        body,
    )
    async with pool.connection() as connection:
        start = await read_snapshot(connection, pipeline.user_id)
    await operator.run_successfully("replay", "--set-aside")
    assert "charging_started" in await pipeline.list_transition_kinds()
    async with pool.connection() as connection:
        changes = await read_changes(connection, {pipeline.user_id: start.cursor.seq})
        snapshot = await read_snapshot(connection, pipeline.user_id, start.cursor)
    assert [type(message).__name__ for message in changes[pipeline.user_id].messages] == ["VehicleMessage"]
    assert snapshot.replay == []
    raw = next(row for row in await pipeline.list_inbox_rows() if row["raw"] is not None)
    assert (raw["state"], raw["reason"]) == ("done", "replayed")
    before = await get_results(pipeline)
    await pipeline.inbox.receive(body, sign_body(body))  # Enode may deliver it once more, too
    await pipeline.drainer.drain_once()
    assert await get_results(pipeline) == before


async def test_unreadable_body_stays_set_aside_after_a_replay(pipeline, operator):
    await pipeline.inbox.receive(b"[{", sign_body(b"[{"))
    assert "1 still unreadable" in await operator.run_successfully("replay", "--set-aside")
    assert [row["state"] for row in await pipeline.list_inbox_rows()] == ["set_aside"]


async def test_event_that_the_database_rejects_stays_set_aside_after_a_replay(pipeline, operator):
    event = json.dumps(pipeline.make_update("car", at(1)))
    raw = f'[{event[:-1]},"deep":{"[" * 40_000 + "]" * 40_000}}},{json.dumps(pipeline.make_update("car", at(2)))}]'
    await pipeline.inbox.receive(raw.encode(), sign_body(raw.encode()))
    assert "1 still unreadable" in await operator.run_successfully("replay", "--set-aside")
    assert [row["state"] for row in await pipeline.list_inbox_rows()] == ["set_aside", "done"]


async def test_replay_does_not_count_as_contact_from_enode(pipeline, operator):
    body = json.dumps(
        [make_event("user:vehicle:updated", at(0), pipeline.user_id, vehicle=make_vehicle("car", at(0)))]
    ).encode()
    await pipeline.execute(
        "insert into webhook_logs (account_id, source, digest, raw, state, reason, event_at, created_at)"
        " values ('ours', 'webhook', sha256(%s), %s, 'set_aside', 'not JSON', now(), now() - interval '1 day')",
        body,
        body,
    )
    await operator.run_successfully("replay", "--set-aside")
    metrics = json.loads(await operator.run_successfully("status", "--json"))
    assert metrics["enode_heard_seconds"] > 80_000
