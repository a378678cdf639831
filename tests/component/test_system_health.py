"""What Home Assistant shows about the system's health."""

from typing import Any

import pytest
from helpers import SetupEntry, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info
from relay_double import KEY, Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN


async def get_info(hass: HomeAssistant) -> dict[str, Any]:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info = await get_system_health_info(hass, DOMAIN)
    return {key: await value if hasattr(value, "__await__") else value for key, value in info.items()}


async def test_health_of_a_loaded_entry(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    await wait_until(lambda: relay.streams)
    info = await get_info(hass)
    assert info.pop("last_contact") is not None
    assert info == {
        "relay_responds": "ok",
        "relay_version": "0.1.0",
        "plan": "pro",
        "stream_connected": True,
        "cars": 3,
    }


@pytest.mark.parametrize(
    ("problem", "error"),
    [(Problem(503, "unavailable"), "TryAgainError"), (Problem(401, "unauthorized"), "UnauthorizedError")],
)
async def test_health_of_an_entry_that_is_not_loaded(
    hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry, *, problem: Problem, error: str
):
    relay.problems["account"] = problem
    assert await async_setup_component(hass, DOMAIN, {})
    info = await get_info(hass)
    assert info == {"relay_responds": {"type": "failed", "error": error}}


async def test_health_of_several_accounts(hass: HomeAssistant, relay: RelayDouble, entry: MockConfigEntry):
    second = MockConfigEntry(domain=DOMAIN, version=2, unique_id="b", data=dict(entry.data))
    second.add_to_hass(hass)
    MockConfigEntry(domain=DOMAIN, version=1, data={"api_key": KEY}).add_to_hass(hass)
    from custom_components.evconduit.system_health import async_get_info  # noqa: PLC0415 - needs no set-up

    info = await async_get_info(hass)
    assert {key: await value for key, value in info.items()} == {"relay_responds_1": "ok", "relay_responds_2": "ok"}
