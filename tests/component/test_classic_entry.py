"""Removal of entries of the classic integration, and flows of one that isn't migrated because it is disabled."""

from http import HTTPStatus
from typing import Any

import pytest
from homeassistant.config_entries import ConfigEntryDisabler
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.evconduit.const import DEFAULT_URL, DOMAIN

ACCOUNT_URL = f"{DEFAULT_URL}/api/ha/v2/account"
REGISTER_URL = f"{DEFAULT_URL}/api/ha/webhook/register"
CLASSIC_KEY = "evc_" + "c" * 43
ENTRIES = {
    "01M8K56SKVVRHS09YJBA653SCR": ("Family car", "c9c32076-aa75-5521-a117-133450c56b41"),
    "01M8K56T6MN16T10794S1V8NJE": ("Blue car", "68ccdbf6-2424-5ab5-8573-169259bea4b0"),
    "01M8K57JSKQ9HSSSV0M6MF2B8Z": ("Nissan LEAF", "3acdda3c-473d-5ed0-b309-9777c6de0c6c"),
}
"""As the classic integration 1.9.5 created them, one for each car."""


def get_store_key(entry: MockConfigEntry) -> str:
    return f"{DOMAIN}.charging_sessions.{entry.entry_id}"


@pytest.fixture
async def classic_entries(
    hass: HomeAssistant, hass_storage: dict[str, Any], aioclient_mock: AiohttpClientMocker
) -> list[MockConfigEntry]:
    """Entries with a device, entities and stored sessions. The relay didn't answer when Home Assistant started."""
    aioclient_mock.get(ACCOUNT_URL, exc=TimeoutError())
    entries = []
    for entry_id, (title, vehicle_id) in ENTRIES.items():
        entry = MockConfigEntry(
            domain=DOMAIN,
            version=1,
            minor_version=1,
            entry_id=entry_id,
            title=title,
            unique_id=vehicle_id,
            data={"abrp_token": "abrp", "api_key": CLASSIC_KEY, "environment": "prod", "vehicle_id": vehicle_id},
            options={"charging_history": True, "electricity_rate_entity": "sensor.rate", "update_interval": 1},
        )
        entry.add_to_hass(hass)
        device = dr.async_get(hass).async_get_or_create(
            config_entry_id=entry_id, identifiers={(DOMAIN, entry_id)}, manufacturer="EVConduit", name=title
        )
        er.async_get(hass).async_get_or_create(
            "sensor",
            DOMAIN,
            f"evconduit-{entry_id}-vehicle-chargeState.batteryLevel",
            config_entry=entry,
            device_id=device.id,
        )
        sessions = {"last_sync": "2026-11-29T08:09:36.021001Z", "sessions": []}
        hass_storage[get_store_key(entry)] = {"version": 1, "minor_version": 1, "key": "x", "data": sessions}
        entries.append(entry)
    await hass.config_entries.async_setup(entries[0].entry_id)
    await hass.async_block_till_done()
    aioclient_mock.mock_calls.clear()
    return entries


@pytest.mark.parametrize("answer", ["ok", "unknown key", "down", "broken"])
async def test_removal_leaves_nothing_behind(
    hass: HomeAssistant,
    classic_entries: list[MockConfigEntry],
    *,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
    hass_storage: dict[str, Any],
    aioclient_mock: AiohttpClientMocker,
    caplog: pytest.LogCaptureFixture,
    answer: str,
):
    """Whatever the relay answers. It would otherwise POST to the webhook for days."""
    response: dict[str, Any] = {
        "ok": {"json": {"status": "success"}},
        "unknown key": {"status": HTTPStatus.UNAUTHORIZED},
        "down": {"exc": TimeoutError()},
        "broken": {"exc": RuntimeError("any other error")},
    }[answer]
    aioclient_mock.delete(REGISTER_URL, **response)
    for entry in classic_entries:
        await hass.config_entries.async_remove(entry.entry_id)
        _, url, _, headers = aioclient_mock.mock_calls[-1]
        assert dict(url.query) == {"webhook_id": entry.entry_id}
        assert headers["Authorization"] == f"Bearer {CLASSIC_KEY}"
        assert get_store_key(entry) not in hass_storage
        assert dr.async_entries_for_config_entry(device_registry, entry.entry_id) == []
        assert er.async_entries_for_config_entry(entity_registry, entry.entry_id) == []
    await hass.async_block_till_done()
    assert hass.config_entries.async_entries(DOMAIN) == []
    assert len(aioclient_mock.mock_calls) == 3
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.exc_info and record.levelname != "DEBUG"] == []
    assert CLASSIC_KEY not in caplog.text


async def test_disabled_entry_can_be_removed(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker, caplog: pytest.LogCaptureFixture
):
    """Its data may lack anything: it was never loaded by this version."""
    aioclient_mock.delete(REGISTER_URL, json={})
    entry = MockConfigEntry(domain=DOMAIN, version=1, data={}, disabled_by=ConfigEntryDisabler.USER)
    entry.add_to_hass(hass)
    assert await async_setup_component(hass, DOMAIN, {})
    await hass.config_entries.async_remove(entry.entry_id)
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("source", ["reconfigure", "reauth"])
async def test_flow_of_a_disabled_entry_says_to_enable_it(hass: HomeAssistant, source: str):
    entry = MockConfigEntry(domain=DOMAIN, version=1, data={}, disabled_by=ConfigEntryDisabler.USER)
    entry.add_to_hass(hass)
    assert await async_setup_component(hass, DOMAIN, {})
    start = entry.start_reconfigure_flow if source == "reconfigure" else entry.start_reauth_flow
    result = await start(hass)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "classic_entry")


async def test_classic_device_is_not_removed_alone(hass: HomeAssistant, classic_entries, hass_ws_client):
    """It would take its name, area and history with it, which the entry needs if it is used again."""
    assert await async_setup_component(hass, "config", {})
    entry = classic_entries[0]
    (device,) = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    response = await (await hass_ws_client(hass)).remove_device(device.id)
    assert not response["success"]
