"""Unloading, reloading and removing an entry stops all tasks and leaves no data."""

import asyncio
import gc
from collections import Counter

import pytest
from config_flow_helpers import remove_entries
from freezegun.api import FrozenDateTimeFactory
from helpers import MINUTE, SetupEntry, advance_time, wait_until
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_platform
from relay_double import RENAULT, Problem, RelayDouble, make_account, make_record
from webhook_helpers import Post, create_delivery

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


async def test_vehicle_that_appears_during_unloading_leaves_no_entity(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, monkeypatch: pytest.MonkeyPatch
):
    """It has entities once the entry is loaded again."""
    del relay.records[RENAULT]
    entry = await setup_entry()
    coordinator = entry.runtime_data.coordinator
    unload = hass.config_entries.async_forward_entry_unload

    async def add_vehicle_first(*args) -> bool:
        if RENAULT not in relay.records:
            relay.push_record(make_record(RENAULT, 2))
            await wait_until(lambda: RENAULT in coordinator.vehicles)
            await asyncio.sleep(0)
        return await unload(*args)

    async def add_vehicle_after(*args) -> bool:
        result = await unload(*args)
        if RENAULT not in relay.records:
            relay.push_record(make_record(RENAULT, 2))
            await wait_until(lambda: RENAULT in coordinator.vehicles)
        return result

    for add_vehicle in (add_vehicle_first, add_vehicle_after):
        with monkeypatch.context() as patched:
            patched.setattr(hass.config_entries, "async_forward_entry_unload", add_vehicle)
            assert await hass.config_entries.async_unload(entry.entry_id)
        await hass.async_block_till_done()
        entities = [
            entity.entity_id
            for platform in entity_platform.async_get_platforms(hass, DOMAIN)
            for entity in platform.entities.values()
        ]
        assert entities == []
        assert {state.state for state in hass.states.async_all() if state.domain != "zone"} <= {STATE_UNAVAILABLE}
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        coordinator = entry.runtime_data.coordinator
        assert hass.states.get("sensor.renault_zoe_battery_level").state == "100"
        relay.remove_vehicle(RENAULT)
        await wait_until(lambda: RENAULT not in entry.runtime_data.coordinator.vehicles)


@pytest.mark.usefixtures("webhook_supported")
async def test_delivery_to_an_entry_that_stopped_is_not_acknowledged(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, hass_client_no_auth, freezer, hass_storage
):
    """The relay keeps it. If it were applied, its state would be stored after the entry was removed."""
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get("webhook_secret"))
    post = Post(await hass_client_no_auth(), entry)
    runtime = entry.runtime_data
    relay.problems["stream"] = Problem(502, is_relay=False)
    relay.break_streams()
    await wait_until(lambda: not runtime.coordinator.is_streaming)
    await runtime.async_stop()
    assert await post(create_delivery(("vehicle", "e1.9", make_record(RENAULT, 9)))) == 503
    await remove_entries(hass)
    await advance_time(hass, freezer, 2 * MINUTE)
    assert f"{DOMAIN}.{entry.entry_id}" not in hass_storage
