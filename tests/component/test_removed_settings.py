"""What an entry that is removed had set at the relay."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from helpers import SetupEntry, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import Problem, RelayDouble

from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.home_sync import CONF_UPLOADED_HOME
from custom_components.evconduit.price_sync import CONF_SENT_PRICE

OTHER_HOME = {"latitude": 59.33, "longitude": 18.07, "radius_m": 100}

type SetupWithOptions = Callable[..., Awaitable[MockConfigEntry]]


@pytest.fixture
def setup_with_options(hass: HomeAssistant, entry: MockConfigEntry, setup_entry: SetupEntry) -> SetupWithOptions:
    """Sets up the entry with options, and waits until the relay has what they are about."""

    async def run(**options: Any) -> MockConfigEntry:
        assert await async_setup_component(hass, "zone", {})
        hass.config_entries.async_update_entry(entry, options=options)
        await setup_entry()
        await wait_until(lambda: (CONF_UPLOADED_HOME in entry.data) is ("use_home_zone" in options))
        await wait_until(lambda: (CONF_SENT_PRICE in entry.data) is ("electricity_price" in options))
        return entry

    return run


@pytest.mark.parametrize("is_own", [True, False])
async def test_removed_entry_takes_its_home_along(
    hass: HomeAssistant, relay: RelayDouble, setup_with_options: SetupWithOptions, *, is_own: bool
):
    entry = await setup_with_options(use_home_zone=True)
    if not is_own:
        relay.setup.home = OTHER_HOME
    await hass.config_entries.async_remove(entry.entry_id)
    assert relay.setup.home == (None if is_own else OTHER_HOME)


@pytest.mark.parametrize("options", [{"electricity_price": 0.25}, {}])
async def test_removed_entry_ends_its_price(
    hass: HomeAssistant, relay: RelayDouble, setup_with_options: SetupWithOptions, *, options: dict[str, Any]
):
    """Nothing would update it any more. A rate that was set elsewhere stays."""
    relay.setup.rate = {"cost_per_kwh": 0.4, "currency": "EUR"}
    entry = await setup_with_options(**options)
    await hass.config_entries.async_remove(entry.entry_id)
    assert (relay.setup.rate is None) is bool(options)


async def test_entry_can_be_removed_while_the_relay_is_away(
    hass: HomeAssistant, relay: RelayDouble, setup_with_options: SetupWithOptions
):
    entry = await setup_with_options(use_home_zone=True, electricity_price=0.25)
    with relay.failing("home", "electricity_rate", with_=Problem(503, "unavailable")):
        await hass.config_entries.async_remove(entry.entry_id)
    assert hass.config_entries.async_entries(DOMAIN) == []
