"""Deleting an account: every step is interrupted in every way, and a retry completes the deletion."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from relay.feed.cursor import Cursor
from relay.gateways.enode import EnodeConfig, RetryPolicy, open_enode
from relay.kit.background import run_in_background
from relay.usecases.account import delete_account
from relay.usecases.account.delete_account import (
    DELETE_ACCOUNT_JOB,
    RETRY_DELAYS,
    request_deletion,
    resume_deletion,
    resume_due_deletions,
)
from relay.usecases.account.deletion_steps import CLOSE_ACCOUNT, STEPS
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.enode_events import NOON, Pipeline, make_event, make_vehicle
from tests.relay.support.full_account import count_traces, fill_account

STEP_NAMES = [step.name for step in STEPS]


@pytest.fixture
def owner(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("set search_path to evconduit, procrastinate")
        yield connection


@pytest.fixture
def simulator():
    with run_signed_in_simulator() as simulator:
        yield simulator


@pytest.fixture
async def relay(runtime, simulator):
    """A runtime with the simulated Enode, and a Supabase that only records which users it should delete."""
    config = EnodeConfig(
        base_url=simulator.url,
        auth_url=f"{simulator.url}/oauth2/token",
        client_id=simulator.settings.client_id,
        client_secret=simulator.settings.client_secret,
        retry=RetryPolicy(max_attempts=1),
    )
    deleted_supabase_ids = []

    async def delete_supabase_user(supabase_id):
        deleted_supabase_ids.append(supabase_id)

    async with open_enode(config) as enode:
        relay_runtime = replace(runtime, enode=enode, delete_supabase_user=delete_supabase_user)
        relay_runtime.jobs.deleted_supabase_ids = deleted_supabase_ids
        yield relay_runtime


def get_progress(owner, user_id):
    return owner.execute("select done, deleted_at is not null from deleted_users where id = %s", [user_id]).fetchone()


def make_retry_due(owner):
    owner.execute("update deleted_users set next_try_at = now() where deleted_at is null")


def assert_fully_deleted(owner, full_account):
    assert get_progress(owner, full_account.user_id) == (STEP_NAMES, True)
    assert count_traces(owner, full_account.marks) == {"deleted_users": 1}
    tombstone = owner.execute(
        "select to_jsonb(d) from deleted_users d where id = %s", [full_account.user_id]
    ).fetchone()[0]
    assert set(tombstone) == {
        "id", "requested_at", "done", "supabase_id", "attempts", "next_try_at", "failure", "deleted_at"
    }  # fmt: skip
    assert (tombstone["supabase_id"], tombstone["failure"]) == (None, None)


async def test_deletion_leaves_only_the_tombstone(relay, owner, simulator):
    full_account, other = fill_account(owner), fill_account(owner)
    vehicle_id = simulator.link_car(user=str(full_account.user_id))
    owner.execute("update users set supabase_id = %s where id = %s", [supabase_id := uuid4(), full_account.user_id])
    command = full_account.keys["commands"]
    await relay.jobs.defer("check_command", after=timedelta(hours=1), command_id=str(command), number=1)
    before = count_traces(owner, other.marks)
    assert await request_deletion(relay, full_account.user_id)
    assert await resume_due_deletions(relay) == 1
    # The job for the same deletion would find it done.
    owner.execute("delete from procrastinate_jobs where task_name = %s", [DELETE_ACCOUNT_JOB])
    assert_fully_deleted(owner, full_account)
    assert relay.jobs.deleted_supabase_ids == [supabase_id]
    assert simulator.http.get(f"/vehicles/{vehicle_id}").status_code == 404
    assert count_traces(owner, other.marks) == before, "rows of another account were deleted"


async def test_request_revokes_keys_and_closes_streams_at_once(relay, account, owner):
    before = owner.execute("select count(*) from api_keys where revoked_at is null").fetchone()
    with relay.hub.open_listener(account.user_id, uuid4()) as stream:
        stream.start(Cursor(epoch="e", seq=1))
        assert await request_deletion(relay, account.user_id)
        async with asyncio.timeout(5):
            assert b"revoked" in await stream.receive()
    assert before == (1,)
    assert owner.execute("select count(*) from api_keys where revoked_at is null").fetchone() == (0,)
    assert owner.execute("select closed_at is not null from users").fetchone() == (True,)


async def test_job_deletes_the_account_without_the_loop(relay, account, owner):
    async def run_job(user_id):
        await resume_deletion(relay, UUID(user_id))

    relay.jobs.register(DELETE_ACCOUNT_JOB, run_job)
    async with run_in_background({"jobs": relay.jobs.run}):
        await request_deletion(relay, account.user_id)
        async with asyncio.timeout(20):
            while not get_progress(owner, account.user_id)[1]:
                await asyncio.sleep(0.05)
            while owner.execute("select count(*) from procrastinate_jobs").fetchone() != (0,):
                await asyncio.sleep(0.05)


async def test_second_request_creates_no_second_job(relay, account, owner):
    assert await request_deletion(relay, account.user_id)
    assert await request_deletion(relay, account.user_id)
    assert owner.execute("select count(*) from procrastinate_jobs").fetchone() == (1,)
    await asyncio.gather(*[resume_deletion(relay, account.user_id) for _ in range(5)])
    assert get_progress(owner, account.user_id) == (STEP_NAMES, True)
    assert not await request_deletion(relay, account.user_id)
    assert not await resume_deletion(relay, account.user_id)


async def test_unknown_user_is_not_deleted(relay, owner):
    assert not await request_deletion(relay, uuid4())
    assert owner.execute("select count(*) from deleted_users").fetchone() == (0,)


def interrupt_step(monkeypatch, name, action, *, when):
    """Run `action` once in a step: before it does anything, or after it is done but not recorded."""
    pending = [action]

    async def run_interrupted(runtime, deletion, *, step):
        if step.name == name and when == "before" and pending:
            await pending.pop()()
        await step.run(runtime, deletion)
        if step.name == name and when == "after" and pending:
            await pending.pop()()

    def wrap(step):
        async def run(runtime, deletion):
            await run_interrupted(runtime, deletion, step=step)

        return replace(step, run=run)

    monkeypatch.setattr(delete_account, "STEPS", tuple(map(wrap, STEPS)))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", STEP_NAMES)
async def test_failed_step_is_retried(relay, owner, monkeypatch, name, when):
    async def fail():
        raise RuntimeError(full_account.email)

    full_account = fill_account(owner)
    interrupt_step(monkeypatch, name, fail, when=when)
    await request_deletion(relay, full_account.user_id)
    assert not await resume_deletion(relay, full_account.user_id)
    assert get_progress(owner, full_account.user_id) == (STEP_NAMES[: STEP_NAMES.index(name)], False)
    assert await resume_due_deletions(relay) == 0, "retried before the delay"
    failure = owner.execute("select failure from deleted_users where deleted_at is null").fetchone()
    assert failure == (f"{name}: RuntimeError",)
    make_retry_due(owner)
    assert await resume_due_deletions(relay) == 1
    owner.execute("delete from procrastinate_jobs")
    assert_fully_deleted(owner, full_account)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", STEP_NAMES)
async def test_deletion_resumes_after_a_cancelled_worker(relay, owner, monkeypatch, name, when):
    reached = asyncio.Event()

    async def hang():
        reached.set()
        await asyncio.Event().wait()

    full_account = fill_account(owner)
    interrupt_step(monkeypatch, name, hang, when=when)
    await request_deletion(relay, full_account.user_id)
    task = asyncio.create_task(resume_deletion(relay, full_account.user_id))
    async with asyncio.timeout(10):
        await reached.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert get_progress(owner, full_account.user_id) == (STEP_NAMES[: STEP_NAMES.index(name)], False)
    make_retry_due(owner)
    assert await resume_due_deletions(relay) == 1
    owner.execute("delete from procrastinate_jobs")
    assert_fully_deleted(owner, full_account)


KILLED_WORKER = """
import asyncio, os, signal, sys
from dataclasses import replace
from uuid import UUID
from relay.streams.hub import Hub
from relay.bus.waker import FEED_CHANNEL, Waker
from relay.kit.database import open_pool
from relay.kit.jobs import JobQueue
from relay.usecases.account import delete_account
from relay.usecases.feed.reader import create_feed_reader
from relay.usecases.calls.runtime import Runtime

conninfo, user_id, name = sys.argv[1:]

async def main():
    async with open_pool(conninfo, size=2) as pool:
        hub, waker = Hub(create_feed_reader(pool)), Waker(pool, FEED_CHANNEL)
        runtime = Runtime(pool=pool, hub=hub, feed_waker=waker, jobs=JobQueue(), enode=None, version="1")
        async def die(runtime, deletion, run=next(step.run for step in delete_account.STEPS if step.name == name)):
            if name != "enode":
                await run(runtime, deletion)
            os.kill(os.getpid(), signal.SIGKILL)
        async def skip(runtime, deletion):
            pass
        delete_account.STEPS = tuple(
            replace(step, run=die if step.name == name else skip if step.name == "enode" else step.run)
            for step in delete_account.STEPS
        )
        await delete_account.resume_deletion(runtime, UUID(user_id))

asyncio.run(main())
"""


@pytest.mark.parametrize("name", STEP_NAMES)
async def test_deletion_resumes_after_a_killed_worker(relay, owner, database_url, name):
    full_account = fill_account(owner)
    await request_deletion(relay, full_account.user_id)
    # The arguments hold no secret: the server listens on a socket of this test run.
    command = [sys.executable, "-c", KILLED_WORKER, database_url, str(full_account.user_id), name]
    result = await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)
    assert result.returncode == -signal.SIGKILL
    assert get_progress(owner, full_account.user_id) == (STEP_NAMES[: STEP_NAMES.index(name)], False)
    make_retry_due(owner)
    assert await resume_due_deletions(relay) == 1
    owner.execute("delete from procrastinate_jobs")
    assert_fully_deleted(owner, full_account)


async def test_retry_delay_grows_while_enode_is_unavailable(relay, simulator, account, owner):
    simulator.close()
    simulator.close = lambda: None
    await request_deletion(relay, account.user_id)
    get_delay = "select extract(epoch from next_try_at - now()) from deleted_users"
    for delay in [*RETRY_DELAYS, RETRY_DELAYS[-1]]:
        make_retry_due(owner)
        assert await resume_due_deletions(relay) == 0
        assert get_progress(owner, account.user_id) == (["closed"], False)
        assert float(owner.execute(get_delay).fetchone()[0]) == pytest.approx(delay.total_seconds(), abs=5)
    failure, users = owner.execute("select failure, (select count(*) from users) from deleted_users").fetchone()
    assert (failure, users) == ("enode: EnodeUnavailable", 1), "rows must stay while the user exists at Enode"


async def test_deletion_that_waits_longer_than_any_delay_is_resumed(runtime, account, owner):
    """The clock was ahead at the last attempt."""
    await request_deletion(runtime, account.user_id)
    owner.execute("delete from vehicle_links")
    owner.execute("update deleted_users set attempts = 1, next_try_at = now() + interval '5 minutes'")
    assert await resume_due_deletions(runtime) == 0
    owner.execute("update deleted_users set next_try_at = now() + interval '2 hours'")
    assert await resume_due_deletions(runtime) == 1


async def test_deletion_waits_for_enode_access_if_the_user_had_vehicles(runtime, account, owner):
    await request_deletion(runtime, account.user_id)
    assert not await resume_deletion(runtime, account.user_id)
    assert "no access to Enode" in owner.execute("select failure from deleted_users").fetchone()[0]
    owner.execute("delete from vehicle_links")
    make_retry_due(owner)
    assert await resume_deletion(runtime, account.user_id)


async def test_deletion_waits_for_supabase_access_if_the_user_has_a_supabase_id(relay, account, owner):
    owner.execute("update users set supabase_id = %s", [uuid4()])
    await request_deletion(relay, account.user_id)
    assert not await resume_deletion(replace(relay, delete_supabase_user=None), account.user_id)
    assert get_progress(owner, account.user_id) == (["closed", "enode", "rows"], False)
    make_retry_due(owner)
    assert await resume_deletion(relay, account.user_id)
    assert len(relay.jobs.deleted_supabase_ids) == 1


async def test_enode_events_during_and_after_the_deletion_are_ignored(relay, account, owner, pool):
    pipeline = Pipeline(pool, account.user_id)
    update = make_event("user:vehicle:updated", NOON, account.user_id, vehicle=make_vehicle(account.enode_id, NOON))
    late = make_event("user:vehicle:deleted", NOON, account.user_id, vehicle=make_vehicle(account.enode_id, NOON))
    await request_deletion(relay, account.user_id)
    await pipeline.process(update)
    assert [(row["state"], row["reason"]) for row in await pipeline.list_inbox_rows()] == [("ignored", "unknown user")]
    assert await resume_deletion(relay, account.user_id)
    assert await pipeline.list_inbox_rows() == []
    await pipeline.process(late)
    assert [(row["state"], row["reason"]) for row in await pipeline.list_inbox_rows()] == [("ignored", "unknown user")]
    async with pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await pipeline.list_inbox_rows() == []


async def test_unparsed_inbox_body_is_deleted_if_it_names_the_user(relay, account, owner):
    for body in (f'[{{"user":{{"id":"{account.user_id}"', account.enode_id, "somebody else"):
        owner.execute(
            "insert into webhook_logs (account_id, digest, raw, state) values ('ours', sha256(%s), %s, 'set_aside')",
            [body.encode(), body.encode()],
        )
    await request_deletion(relay, account.user_id)
    assert await resume_deletion(relay, account.user_id)
    assert [bytes(row[0]) for row in owner.execute("select raw from webhook_logs")] == [b"somebody else"]


async def test_deletion_waits_for_a_running_inbox_drain(relay, account, owner, pool):
    await request_deletion(relay, account.user_id)
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select from feeds where user_id = %s for update", [account.user_id])
        task = asyncio.create_task(resume_deletion(relay, account.user_id))
        async with asyncio.timeout(10):
            while get_progress(owner, account.user_id) != (["closed", "enode"], False):
                await asyncio.sleep(0.02)
        # The drain writes a row of the user that the deletion is about to delete.
        await connection.execute(
            "insert into vehicles (user_id, vendor, vehicle_cache, revision) values (%s, 'TESLA', '{}', 1)",
            [account.user_id],
        )
    assert await task
    assert owner.execute("select count(*) from vehicles").fetchone() == (0,)


async def test_ids_of_deleted_users_cannot_be_reused(relay, account, owner):
    supabase_id = uuid4()
    owner.execute("update users set supabase_id = %s", [supabase_id])
    await request_deletion(relay, account.user_id)
    owner.execute("delete from users")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("insert into users (supabase_id) values (%s)", [supabase_id])
    make_retry_due(owner)
    assert await resume_deletion(relay, account.user_id)
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("insert into users (id) values (%s)", [account.user_id])
    owner.execute("insert into users (supabase_id) values (%s)", [supabase_id])


def test_close_account_statement_reports_whether_the_deletion_is_new(owner):
    full_account = fill_account(owner)
    assert owner.execute(CLOSE_ACCOUNT, {"user_id": full_account.user_id}).fetchone() == (True,)
    assert owner.execute(CLOSE_ACCOUNT, {"user_id": full_account.user_id}).fetchone() == (False,)
    assert owner.execute("select count(*) from web_sessions").fetchone() == (0,)
