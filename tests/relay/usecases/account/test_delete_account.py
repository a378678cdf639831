"""An account is deleted, whatever comes between: every step is broken off in every way, and finished by the retry."""

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
from relay.usecases.account import delete_account as story
from relay.usecases.account.delete_account import (
    CLOSE_ACCOUNT,
    DELETE_ACCOUNT_JOB,
    RETRY_DELAYS,
    STEPS,
    request_deletion,
    resume_deletion,
    resume_due_deletions,
)
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.demo.enode.running_simulator import run_signed_in_simulator
from tests.relay.support.enode_events import NOON, Pipeline, make_event, make_vehicle
from tests.relay.support.full_account import fill_account, traces

NAMES = [step.name for step in STEPS]


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
    """A relay with an Enode, and a Supabase that only remembers whom it was asked to forget."""
    config = EnodeConfig(
        base_url=simulator.url,
        auth_url=f"{simulator.url}/oauth2/token",
        client_id=simulator.settings.client_id,
        client_secret=simulator.settings.client_secret,
        retry=RetryPolicy(max_attempts=1),
    )
    forgotten = []

    async def forget(person):
        forgotten.append(person)

    async with open_enode(config) as enode:
        made = replace(runtime, enode=enode, delete_supabase_user=forget)
        made.jobs.forgotten = forgotten
        yield made


def progress(owner, user_id):
    return owner.execute("select done, deleted_at is not null from deleted_users where id = %s", [user_id]).fetchone()


def let_time_pass(owner):
    owner.execute("update deleted_users set next_try_at = now() where deleted_at is null")


def everything_is_gone(owner, whole):
    assert progress(owner, whole.user_id) == (NAMES, True)
    assert traces(owner, whole.marks) == {"deleted_users": 1}
    tombstone = owner.execute("select to_jsonb(d) from deleted_users d where id = %s", [whole.user_id]).fetchone()[0]
    assert set(tombstone) == {
        "id", "requested_at", "done", "supabase_id", "attempts", "next_try_at", "failure", "deleted_at"
    }  # fmt: skip
    assert (tombstone["supabase_id"], tombstone["failure"]) == (None, None)


async def test_nothing_is_left_anywhere_but_a_tombstone(relay, owner, simulator):
    whole, other = fill_account(owner), fill_account(owner)
    car = simulator.link_car(user=str(whole.user_id))
    owner.execute("update users set supabase_id = %s where id = %s", [person := uuid4(), whole.user_id])
    command = whole.keys["commands"]
    await relay.jobs.defer("check_command", after=timedelta(hours=1), command_id=str(command), number=1)
    before = traces(owner, other.marks)
    assert await request_deletion(relay, whole.user_id)
    assert await resume_due_deletions(relay) == 1
    # The job that was to do the same finds it done.
    owner.execute("delete from procrastinate_jobs where task_name = %s", [DELETE_ACCOUNT_JOB])
    everything_is_gone(owner, whole)
    assert relay.jobs.forgotten == [person]
    assert simulator.http.get(f"/vehicles/{car}").status_code == 404
    assert traces(owner, other.marks) == before, "something of another account went, too"


async def test_what_opens_the_account_is_dead_at_once(relay, account, owner):
    before = owner.execute("select count(*) from api_keys where revoked_at is null").fetchone()
    with relay.hub.open_listener(account.user_id, uuid4()) as stream:
        stream.start(Cursor(epoch="e", seq=1))
        assert await request_deletion(relay, account.user_id)
        async with asyncio.timeout(5):
            assert b"revoked" in await stream.receive()
    assert before == (1,)
    assert owner.execute("select count(*) from api_keys where revoked_at is null").fetchone() == (0,)
    assert owner.execute("select closed_at is not null from users").fetchone() == (True,)


async def test_a_job_does_it_without_anybody_looking(relay, account, owner):
    async def work(user_id):
        await resume_deletion(relay, UUID(user_id))

    relay.jobs.add(DELETE_ACCOUNT_JOB, work)
    async with run_in_background({"jobs": relay.jobs.run}):
        await request_deletion(relay, account.user_id)
        async with asyncio.timeout(20):
            while not progress(owner, account.user_id)[1]:
                await asyncio.sleep(0.05)
            while owner.execute("select count(*) from procrastinate_jobs").fetchone() != (0,):
                await asyncio.sleep(0.05)


async def test_asking_twice_is_asking_once(relay, account, owner):
    assert await request_deletion(relay, account.user_id)
    assert await request_deletion(relay, account.user_id)
    assert owner.execute("select count(*) from procrastinate_jobs").fetchone() == (1,)
    await asyncio.gather(*[resume_deletion(relay, account.user_id) for _ in range(5)])
    assert progress(owner, account.user_id) == (NAMES, True)
    assert not await request_deletion(relay, account.user_id)
    assert not await resume_deletion(relay, account.user_id)


async def test_who_is_nobody_is_not_deleted(relay, owner):
    assert not await request_deletion(relay, uuid4())
    assert owner.execute("select count(*) from deleted_users").fetchone() == (0,)


def interrupt(monkeypatch, name, how, *, when):
    """Have a step broken off, once: before anything is done, or when it is done but not noted."""
    to_come = [how]

    async def broken(runtime, deletion, *, step):
        if step.name == name and when == "before" and to_come:
            await to_come.pop()()
        await step.do(runtime, deletion)
        if step.name == name and when == "after" and to_come:
            await to_come.pop()()

    def wrap(step):
        async def do(runtime, deletion):
            await broken(runtime, deletion, step=step)

        return replace(step, run=do)

    monkeypatch.setattr(story, "STEPS", tuple(map(wrap, STEPS)))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_step_that_fails_is_done_again(relay, owner, monkeypatch, name, when):
    async def fail():
        raise RuntimeError(whole.email)

    whole = fill_account(owner)
    interrupt(monkeypatch, name, fail, when=when)
    await request_deletion(relay, whole.user_id)
    assert not await resume_deletion(relay, whole.user_id)
    assert progress(owner, whole.user_id) == (NAMES[: NAMES.index(name)], False)
    assert await resume_due_deletions(relay) == 0, "it was to rest first"
    failure = owner.execute("select failure from deleted_users where deleted_at is null").fetchone()
    assert failure == (f"{name}: RuntimeError",)
    let_time_pass(owner)
    assert await resume_due_deletions(relay) == 1
    owner.execute("delete from procrastinate_jobs")
    everything_is_gone(owner, whole)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", NAMES)
async def test_a_worker_that_is_cancelled_leaves_it_to_the_next(relay, owner, monkeypatch, name, when):
    reached = asyncio.Event()

    async def hang():
        reached.set()
        await asyncio.Event().wait()

    whole = fill_account(owner)
    interrupt(monkeypatch, name, hang, when=when)
    await request_deletion(relay, whole.user_id)
    task = asyncio.create_task(resume_deletion(relay, whole.user_id))
    async with asyncio.timeout(10):
        await reached.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert progress(owner, whole.user_id) == (NAMES[: NAMES.index(name)], False)
    let_time_pass(owner)
    assert await resume_due_deletions(relay) == 1
    owner.execute("delete from procrastinate_jobs")
    everything_is_gone(owner, whole)


DYING = """
import asyncio, os, signal, sys
from dataclasses import replace
from uuid import UUID
from relay.streams.hub import Hub
from relay.bus.waker import FEED_CHANNEL, Waker
from relay.kit.database import open_pool
from relay.kit.jobs import Jobs
from relay.usecases.account import delete_account as story
from relay.usecases.feed.reader import create_feed_reader
from relay.usecases.calls.runtime import Runtime

conninfo, user_id, name = sys.argv[1:]

async def main():
    async with open_pool(conninfo, size=2) as pool:
        hub, waker = Hub(create_feed_reader(pool)), Waker(pool, FEED_CHANNEL)
        runtime = Runtime(pool=pool, hub=hub, feed_waker=waker, jobs=Jobs(), enode=None, version="1")
        async def die(runtime, deletion, run=next(step.run for step in story.STEPS if step.name == name)):
            if name != "enode":
                await run(runtime, deletion)
            os.kill(os.getpid(), signal.SIGKILL)
        async def nothing(runtime, deletion):
            pass
        story.STEPS = tuple(
            replace(step, run=die if step.name == name else nothing if step.name == "enode" else step.run)
            for step in story.STEPS
        )
        await story.resume_deletion(runtime, UUID(user_id))

asyncio.run(main())
"""


@pytest.mark.parametrize("name", NAMES)
async def test_a_worker_that_is_killed_leaves_it_to_the_next(relay, owner, database_url, name):
    whole = fill_account(owner)
    await request_deletion(relay, whole.user_id)
    # No secret is in the arguments: the server listens on a socket of the test's own.
    command = [sys.executable, "-c", DYING, database_url, str(whole.user_id), name]
    dead = await asyncio.to_thread(subprocess.run, command, check=False, timeout=60)
    assert dead.returncode == -signal.SIGKILL
    assert progress(owner, whole.user_id) == (NAMES[: NAMES.index(name)], False)
    let_time_pass(owner)
    assert await resume_due_deletions(relay) == 1
    owner.execute("delete from procrastinate_jobs")
    everything_is_gone(owner, whole)


async def test_while_enode_is_away_it_waits_longer_and_longer(relay, simulator, account, owner):
    simulator.close()
    simulator.close = lambda: None
    await request_deletion(relay, account.user_id)
    waits = "select extract(epoch from next_try_at - now()) from deleted_users"
    for wait in [*RETRY_DELAYS, RETRY_DELAYS[-1]]:
        let_time_pass(owner)
        assert await resume_due_deletions(relay) == 0
        assert progress(owner, account.user_id) == (["closed"], False)
        assert float(owner.execute(waits).fetchone()[0]) == pytest.approx(wait.total_seconds(), abs=5)
    failure, users = owner.execute("select failure, (select count(*) from users) from deleted_users").fetchone()
    assert (failure, users) == ("enode: EnodeUnavailable", 1), "without rows Enode's would never be found"


async def test_without_enode_the_cars_there_are_not_forgotten(runtime, account, owner):
    await request_deletion(runtime, account.user_id)
    assert not await resume_deletion(runtime, account.user_id)
    assert "no access to Enode" in owner.execute("select failure from deleted_users").fetchone()[0]
    owner.execute("delete from vehicle_links")
    let_time_pass(owner)
    assert await resume_deletion(runtime, account.user_id)


async def test_who_is_at_supabase_waits_for_it(relay, account, owner):
    owner.execute("update users set supabase_id = %s", [uuid4()])
    await request_deletion(relay, account.user_id)
    assert not await resume_deletion(replace(relay, delete_supabase_user=None), account.user_id)
    assert progress(owner, account.user_id) == (["closed", "enode", "rows"], False)
    let_time_pass(owner)
    assert await resume_deletion(relay, account.user_id)
    assert len(relay.jobs.forgotten) == 1


async def test_what_enode_tells_meanwhile_and_later_is_ignored(relay, account, owner, pool):
    pipeline = Pipeline(pool, account.user_id)
    news = make_event("user:vehicle:updated", NOON, account.user_id, vehicle=make_vehicle(account.enode_id, NOON))
    late = make_event("user:vehicle:deleted", NOON, account.user_id, vehicle=make_vehicle(account.enode_id, NOON))
    await request_deletion(relay, account.user_id)
    await pipeline.process(news)
    assert [(it["state"], it["reason"]) for it in await pipeline.list_inbox_rows()] == [("ignored", "unknown user")]
    assert await resume_deletion(relay, account.user_id)
    assert await pipeline.list_inbox_rows() == []
    await pipeline.process(late)
    assert [(it["state"], it["reason"]) for it in await pipeline.list_inbox_rows()] == [("ignored", "unknown user")]
    async with pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await pipeline.list_inbox_rows() == []


async def test_a_body_that_nobody_could_read_goes_if_it_names_the_user(relay, account, owner):
    for words in (f'[{{"user":{{"id":"{account.user_id}"', account.enode_id, "somebody else"):
        owner.execute(
            "insert into webhook_logs (account_id, digest, raw, state) values ('ours', sha256(%s), %s, 'set_aside')",
            [words.encode(), words.encode()],
        )
    await request_deletion(relay, account.user_id)
    assert await resume_deletion(relay, account.user_id)
    assert [bytes(row[0]) for row in owner.execute("select raw from webhook_logs")] == [b"somebody else"]


async def test_a_drain_under_way_is_waited_for(relay, account, owner, pool):
    await request_deletion(relay, account.user_id)
    async with pool.connection() as connection, connection.transaction():
        await connection.execute("select from feeds where user_id = %s for update", [account.user_id])
        task = asyncio.create_task(resume_deletion(relay, account.user_id))
        async with asyncio.timeout(10):
            while progress(owner, account.user_id) != (["closed", "enode"], False):
                await asyncio.sleep(0.02)
        # What it writes refers to the user whom the other one is about to delete.
        await connection.execute(
            "insert into vehicles (user_id, vendor, vehicle_cache, revision) values (%s, 'TESLA', '{}', 1)",
            [account.user_id],
        )
    assert await task
    assert owner.execute("select count(*) from vehicles").fetchone() == (0,)


async def test_an_id_is_never_given_out_again(relay, account, owner):
    person = uuid4()
    owner.execute("update users set supabase_id = %s", [person])
    await request_deletion(relay, account.user_id)
    owner.execute("delete from users")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("insert into users (supabase_id) values (%s)", [person])
    let_time_pass(owner)
    assert await resume_deletion(relay, account.user_id)
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("insert into users (id) values (%s)", [account.user_id])
    owner.execute("insert into users (supabase_id) values (%s)", [person])


def test_the_command_line_closes_with_the_same_statement(owner):
    whole = fill_account(owner)
    assert owner.execute(CLOSE_ACCOUNT, {"user_id": whole.user_id}).fetchone() == (True,)
    assert owner.execute(CLOSE_ACCOUNT, {"user_id": whole.user_id}).fetchone() == (False,)
    assert owner.execute("select count(*) from web_sessions").fetchone() == (0,)
