"""Unloading, reloading and removing an entry stops all tasks and leaves no data."""

import asyncio
import gc
from collections import Counter

import pytest
from config_flow_helpers import remove_entries
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetupEntry, advance_time, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from relay_double import Problem, RelayDouble, make_account

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.coordinator import AccountCoordinator


@pytest.mark.parametrize("problem", [None, Problem(429, "quota-exhausted", headers={"Retry-After": "7200"})])
async def test_poll_in_progress_is_ignored_after_removal(
    hass: HomeAssistant,
    relay: RelayDouble,
    *,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
    hass_storage,
    caplog,
    problem,
):
    relay.account = make_account(push=False)
    entry = await setup_entry()
    if problem:
        relay.problems["vehicles"] = problem
    requested, may_respond = asyncio.Event(), asyncio.Event()

    async def hold_response() -> None:
        requested.set()
        await may_respond.wait()

    relay.before_response["vehicles"] = hold_response
    poll = hass.async_create_task(entry.runtime_data.coordinator.async_refresh())
    await wait_until(requested.is_set)
    await remove_entries(hass)
    may_respond.set()
    await wait_until(poll.done)
    await advance_time(hass, freezer, 2 * MINUTE)
    assert [record.message for record in caplog.records if record.levelname == "ERROR" and DOMAIN in record.name] == []
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    assert len(relay.get_requests("/vehicles")) == 2


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("push", [True, False])
async def test_reloads_leak_nothing(hass: HomeAssistant, relay: RelayDouble, *, setup_entry: SetupEntry, push: bool):
    relay.account["push"] = push
    entry = await setup_entry()

    async def reload() -> None:
        await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        if push:
            await wait_until(lambda: len(relay.streams) == 1)

    def count_resources() -> tuple[Counter[str], int, int]:
        gc.collect()
        tasks = Counter(task.get_name() for task in asyncio.all_tasks() if DOMAIN in task.get_name())
        coordinators = sum(isinstance(item, AccountCoordinator) for item in gc.get_objects())
        return tasks, sum(hass.bus.async_listeners().values()), coordinators

    await reload()
    tasks, listeners, coordinators = count_resources()
    for _ in range(4):
        await reload()
    now = count_resources()
    assert (now[0], now[2]) == (tasks, coordinators)
    assert now[1] <= listeners  # can be fewer: some listeners wait for a first write


async def test_failed_setup_leaves_no_task_running(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    with relay.failing("stream", "vehicles", with_=Problem(403, "plan-required")):
        entry = await setup_entry()
        assert entry.state is not ConfigEntryState.LOADED
    assert [task for task in asyncio.all_tasks() if DOMAIN in task.get_name()] == []
