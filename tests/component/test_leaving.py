"""An entry that is unloaded, reloaded or removed leaves nothing running and nothing behind."""

import asyncio
import gc
from collections import Counter

import pytest
from flows import remove
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetUp, eventually, pass_time
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from relay_double import Problem, RelayDouble, account

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.coordinator import AccountCoordinator


@pytest.mark.parametrize("problem", [None, Problem(429, "quota-exhausted", headers={"Retry-After": "7200"})])
async def test_a_poll_under_way_brings_nothing_of_a_removed_entry_back(
    hass: HomeAssistant,
    relay: RelayDouble,
    *,
    set_up: SetUp,
    freezer: FrozenDateTimeFactory,
    hass_storage,
    caplog,
    problem,
):
    relay.account = account(push=False)
    entry = await set_up()
    if problem:
        relay.problems["vehicles"] = problem
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        asked.set()
        await may_answer.wait()

    relay.before["vehicles"] = hang
    poll = hass.async_create_task(entry.runtime_data.coordinator.async_refresh())
    await eventually(asked.is_set)
    await remove(hass)
    may_answer.set()
    await eventually(poll.done)
    await pass_time(hass, freezer, 2 * MINUTE)
    assert [it.message for it in caplog.records if it.levelname == "ERROR" and DOMAIN in it.name] == []
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
    assert len(relay.asked("/vehicles")) == 2


@pytest.mark.usefixtures("webhooks")
@pytest.mark.parametrize("push", [True, False])
async def test_reloads_pile_nothing_up(hass: HomeAssistant, relay: RelayDouble, *, set_up: SetUp, push: bool):
    relay.account["push"] = push
    entry = await set_up()

    async def reload() -> None:
        await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        if push:
            await eventually(lambda: len(relay.streams) == 1)

    def held() -> tuple[Counter[str], int, int]:
        gc.collect()
        tasks = Counter(it.get_name() for it in asyncio.all_tasks() if DOMAIN in it.get_name())
        coordinators = sum(isinstance(it, AccountCoordinator) for it in gc.get_objects())
        return tasks, sum(hass.bus.async_listeners().values()), coordinators

    await reload()
    tasks, listeners, coordinators = held()
    for _ in range(4):
        await reload()
    now = held()
    assert (now[0], now[2]) == (tasks, coordinators)
    assert now[1] <= listeners  # fewer: some waited for a first write


async def test_a_set_up_that_fails_leaves_nothing_running(hass: HomeAssistant, relay: RelayDouble, set_up: SetUp):
    with relay.failing("stream", "vehicles", with_=Problem(403, "plan-required")):
        entry = await set_up()
        assert entry.state is not ConfigEntryState.LOADED
    assert [it for it in asyncio.all_tasks() if DOMAIN in it.get_name()] == []
