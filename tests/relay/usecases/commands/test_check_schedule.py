"""When open commands are checked, and what each answer of Enode's does."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from relay.usecases.commands import check_outcome
from relay.usecases.commands.check_outcome import CHECK_DELAYS, STALE_AFTER, check_command, check_stale_commands
from tests.relay.support.enode_double import execute, make_action

SECOND = timedelta(seconds=1)


class Observer:
    """A relay's runtime that counts wake-ups of feeds and requests to poll Enode, and keeps the scheduled checks."""

    def __init__(self, runtime):
        self.checks, self.woken, self.polls = [], [], 0
        self.runtime = replace(runtime, jobs=self, feed_waker=self, request_poll=self.request_poll)

    async def defer(self, task, *, after, **arguments):
        self.checks.append((task, after, arguments))

    def wake(self, user_ids):
        self.woken.append(list(user_ids))

    def request_poll(self):
        self.polls += 1


@pytest.fixture
def observer(runtime):
    return Observer(runtime)


@pytest.fixture
async def command_id(pool, account):
    return await add_command(pool, account)


async def add_command(pool, account, *, action_id="an action", age=timedelta(), state="pending"):
    [(command_id,)] = await execute(
        pool,
        "insert into commands (id, user_id, vehicle_id, kind, state, enode_action_id, requested_at)"
        " values (%s, %s, %s, 'START', %s, %s, now() - %s) returning id",
        *(uuid4(), account.user_id, account.vehicle_id, state, action_id, age),
    )
    return command_id


async def fetch_state(pool, command_id):
    return (await execute(pool, "select state, reason ->> 'detail' from commands where id = %s", command_id))[0]


def test_checks_are_after_half_a_minute_two_ten_and_35_minutes():
    assert CHECK_DELAYS == (30 * SECOND, 120 * SECOND, 600 * SECOND, 2100 * SECOND)
    assert timedelta(minutes=45) == STALE_AFTER


@pytest.mark.parametrize(("index", "after"), [(0, 90), (1, 480), (2, 1500)])
async def test_check_of_an_open_command_schedules_the_next_one(
    pool, account, enode, observer, command_id, *, index, after
):
    enode.answer = lambda _: httpx.Response(200, json=make_action("PENDING"))
    await check_command(observer.runtime, command_id, index)
    arguments = {"command_id": str(command_id), "number": index + 1}
    assert observer.checks == [("check_command", after * SECOND, arguments)]
    assert (await fetch_state(pool, command_id))[0] == "pending"
    assert (observer.woken, observer.polls) == ([[account.user_id]], 0)


ANSWERS = {
    "confirmed": (lambda: httpx.Response(200, json=make_action("CONFIRMED")), ("confirmed", None)),
    "not found": (
        lambda: httpx.Response(404, json={"type": "x", "title": "No", "detail": "No"}),
        ("unknown", "Enode no longer has this action, so its outcome is unknown."),
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("index", [0, len(CHECK_DELAYS) - 1])
async def test_settled_outcome_ends_the_checks_and_requests_a_poll(
    pool, account, enode, *, observer, command_id, answer, index
):
    respond, expected = ANSWERS[answer]
    enode.answer = lambda _: respond()
    await check_command(observer.runtime, command_id, index)
    assert await fetch_state(pool, command_id) == expected
    assert (observer.checks, observer.woken, observer.polls) == ([], [[account.user_id]], 1)
    assert [(method, path) for method, path, _ in enode.requests] == [("GET", "/vehicles/actions/an action")]


@pytest.mark.parametrize("without", ["enode", "action", "answer"])
async def test_unreachable_outcome_is_checked_again_and_unknown_after_the_last_check(
    pool, account, enode, *, observer, without
):
    enode.answer = lambda _: httpx.Response(400, json={"type": "x", "title": "No", "detail": "No"})
    command_id = await add_command(pool, account, action_id=None if without == "action" else "an action")
    if without == "enode":
        observer.runtime = replace(observer.runtime, enode=None)
    await check_command(observer.runtime, command_id, 0)
    assert await fetch_state(pool, command_id) == ("pending", None)
    assert (len(observer.checks), observer.woken, observer.polls) == (1, [], 0)
    await check_command(observer.runtime, command_id, len(CHECK_DELAYS) - 1)
    assert await fetch_state(pool, command_id) == ("unknown", "Enode never reported the outcome.")
    assert (len(observer.checks), observer.woken, observer.polls) == (1, [[account.user_id]], 1)
    assert len(enode.requests) == (2 if without == "answer" else 0)


async def test_settled_or_unknown_command_is_not_checked(pool, enode, observer, command_id):
    await execute(pool, "update commands set state = 'confirmed', settled_at = now() returning id")
    await check_command(observer.runtime, command_id, 0)
    await check_command(observer.runtime, UUID(int=0), 0)
    assert (enode.requests, observer.checks, observer.woken) == ([], [], [])


async def test_stale_commands_are_checked_once_oldest_first_in_batches(pool, account, observer, monkeypatch):
    monkeypatch.setattr(check_outcome, "BATCH_SIZE", 2)
    observer.runtime = replace(observer.runtime, enode=None)
    ages = {minutes: timedelta(minutes=minutes) for minutes in (46, 90, 60, 44)}
    commands = {minutes: await add_command(pool, account, age=age) for minutes, age in ages.items()}
    await execute(
        pool,
        "insert into commands (id, user_id, vehicle_id, kind, state, requested_at, settled_at)"
        " values (%s, %s, %s, 'START', 'confirmed', now() - interval '1 day', now()) returning id",
        *(uuid4(), account.user_id, account.vehicle_id),
    )
    assert await check_stale_commands(observer.runtime) == 2
    states = {minutes: (await fetch_state(pool, command))[0] for minutes, command in commands.items()}
    assert states == {90: "unknown", 60: "unknown", 46: "pending", 44: "pending"}
    assert await check_stale_commands(observer.runtime) == 1
    assert await check_stale_commands(observer.runtime) == 0
    assert (await fetch_state(pool, commands[44]))[0] == "pending"
    assert observer.checks == []


async def test_stale_commands_are_checked_every_minute(observer, monkeypatch):
    waits, checks = [], []

    async def count_checks(_runtime):
        checks.append(len(waits))

    async def wait(seconds):
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(check_outcome, "check_stale_commands", count_checks)
    monkeypatch.setattr(check_outcome.asyncio, "sleep", wait)
    with pytest.raises(KeyboardInterrupt):
        await check_outcome.run_stale_command_loop(observer.runtime)
    assert (waits, checks) == ([60, 60, 60], [0, 1, 2])
