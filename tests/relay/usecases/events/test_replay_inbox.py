"""A replay as an operator starts it, at the real command, with the drain at work and a stream open."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from relay.usecases.feed.reader import read_changes, read_snapshot
from tests.relay.support.enode_events import (
    CHARGING,
    STOPPED,
    add_user,
    at,
    make_event,
    make_pipeline,
    make_vehicle,
    sign_body,
)
from tests.relay.support.feed import running

EVCONDUIT = str(Path(sys.executable).with_name("evconduit"))


class Operator:
    """Somebody with a shell, on a relay whose worker runs."""

    def __init__(self, pipeline, database_url, folder):
        self.pipeline = pipeline
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EVCONDUIT_DATA": str(folder),
            "DATABASE_URL": database_url,
        }

    async def run(self, *arguments):
        """What the command says to a person; the events are acted on meanwhile."""
        process = await asyncio.create_subprocess_exec(
            EVCONDUIT, *arguments, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with running(self.work()):
            out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, out.decode() + err.decode()

    async def tell(self, *arguments):
        code, said = await self.run(*arguments)
        assert code == 0, said
        return said

    async def work(self):
        while True:
            await self.pipeline.drainer.drain_once()
            await asyncio.sleep(0.05)


@pytest.fixture
async def pipeline(pool):
    return await make_pipeline(pool)


@pytest.fixture
def operator(pipeline, database_url, tmp_path):
    return Operator(pipeline, database_url, tmp_path)


async def charged(pipeline):
    """A car that has charged; its inbox has three events and its history two transitions."""
    await pipeline.process_update("car", at(0), charge=STOPPED)
    await pipeline.process_update("car", at(60), charge=CHARGING)
    await pipeline.process_update("car", at(3600), charge=STOPPED | {"batteryLevel": 80})
    return await truth(pipeline)


async def truth(pipeline):
    """All that must be the same after a replay as before it."""
    car = await pipeline.get_vehicle()
    sessions = await pipeline.execute("select id, started_at, ended_at, energy_kwh from charging_sessions order by id")
    return car["vehicle_cache"], await pipeline.list_transition_kinds(), sessions


async def replayed(pipeline):
    rows = await pipeline.execute("select id from webhook_logs where replayed_at is not null order by id")
    return [row["id"] for row in rows]


@pytest.mark.parametrize("by", ["number", "user", "time"])
async def test_what_is_replayed_is_acted_on_again_and_doubles_nothing(pipeline, operator, by):
    before = await charged(pipeline)
    assert before[1]
    assert len(before[2]) == 1
    ids = [row["id"] for row in await pipeline.list_inbox_rows()]
    chosen = {
        "number": [str(ids[1])],
        "user": ["--user", str(pipeline.user_id)],
        "time": ["--since", "2020-01-01", "--until", "2100-01-01"],
    }[by]
    said = await operator.tell("replay", *chosen)
    expected = ids[1:2] if by == "number" else ids
    assert f"{len(expected)} of {len(expected)} acted on" in said
    assert await replayed(pipeline) == expected
    assert await truth(pipeline) == before
    assert {row["state"] for row in await pipeline.list_inbox_rows()} == {"done"}


async def test_others_and_other_times_are_left_alone(pipeline, operator, pool):
    await charged(pipeline)
    stranger = await add_user(pool)
    assert "0 events chosen" in await operator.tell("replay", "--user", str(stranger))
    assert "0 events chosen" in await operator.tell("replay", "--until", "2020-01-01")
    assert "3 events chosen" in await operator.tell("replay", "--user", str(pipeline.user_id), "--dry-run")
    assert await replayed(pipeline) == []


async def test_a_replay_of_nothing_in_particular_is_refused(operator):
    code, said = await operator.run("replay")
    assert code == 2
    assert "say what to replay" in said


async def test_a_number_that_is_not_there_is_named(pipeline, operator):
    await charged(pipeline)
    (first, *_) = await pipeline.list_inbox_rows()
    code, said = await operator.run("replay", str(first["id"]), "987654")
    assert code == 2
    assert "987654" in said
    assert await replayed(pipeline) == []


async def test_a_body_set_aside_is_read_anew_and_its_transitions_are_history_only(pipeline, operator, pool):
    await pipeline.process_update("car", at(0), charge=STOPPED)
    body = json.dumps([pipeline.make_update("car", at(60), charge=CHARGING)]).encode()
    # Kept by an older relay that could not read it.
    await pipeline.execute(
        "insert into webhook_logs (account_id, source, digest, raw, state, reason, event_at, created_at)"
        " values ('ours', 'webhook', sha256(%s), %s, 'set_aside', 'not JSON', now(), now() - interval '1 day')",
        body,
        body,
    )
    async with pool.connection() as connection:
        start = await read_snapshot(connection, pipeline.user_id)
    await operator.tell("replay", "--set-aside")
    assert "charging_started" in await pipeline.list_transition_kinds()
    async with pool.connection() as connection:
        changes = await read_changes(connection, {pipeline.user_id: start.cursor.seq})
        again = await read_snapshot(connection, pipeline.user_id, start.cursor)
    assert [type(it).__name__ for it in changes[pipeline.user_id].messages] == ["Vehicle"]
    assert again.replay == []
    raw = next(row for row in await pipeline.list_inbox_rows() if row["raw"] is not None)
    assert (raw["state"], raw["reason"]) == ("done", "replayed")
    before = await truth(pipeline)
    await pipeline.inbox.receive(body, sign_body(body))  # and Enode may still send it again
    await pipeline.drainer.drain_once()
    assert await truth(pipeline) == before


async def test_a_body_that_still_cannot_be_read_stays_set_aside(pipeline, operator):
    await pipeline.inbox.receive(b"[{", sign_body(b"[{"))
    assert "1 still cannot be read" in await operator.tell("replay", "--set-aside")
    assert [row["state"] for row in await pipeline.list_inbox_rows()] == ["set_aside"]


async def test_a_replay_is_not_hearing_from_enode(pipeline, operator):
    body = json.dumps(
        [make_event("user:vehicle:updated", at(0), pipeline.user_id, vehicle=make_vehicle("car", at(0)))]
    ).encode()
    await pipeline.execute(
        "insert into webhook_logs (account_id, source, digest, raw, state, reason, event_at, created_at)"
        " values ('ours', 'webhook', sha256(%s), %s, 'set_aside', 'not JSON', now(), now() - interval '1 day')",
        body,
        body,
    )
    await operator.tell("replay", "--set-aside")
    figures = json.loads(await operator.tell("status", "--json"))
    assert figures["enode_heard_seconds"] > 80_000
