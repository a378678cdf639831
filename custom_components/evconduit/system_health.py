from typing import Any

from homeassistant.components import system_health
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .client import RelayError
from .const import DOMAIN
from .credentials import create_client
from .runtime import EVConduitConfigEntry


@callback
def async_register(_hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register what the page about the system's health shows."""
    register.async_register_info(async_get_info)


async def async_get_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return the state of each account's relay. Values that need a request are awaited by the page."""
    entries: list[EVConduitConfigEntry] = [
        entry
        for entry in hass.config_entries.async_entries(DOMAIN, include_ignore=False, include_disabled=False)
        if CONF_URL in entry.data
    ]
    if len(entries) == 1:
        return _describe(hass, entries[0])
    return {
        f"{key}_{number}": value
        for number, entry in enumerate(entries, start=1)
        for key, value in _describe(hass, entry).items()
    }


def _describe(hass: HomeAssistant, entry: EVConduitConfigEntry) -> dict[str, Any]:
    info: dict[str, Any] = {"relay_responds": _async_check_relay(hass, entry)}
    if entry.state is ConfigEntryState.LOADED:
        coordinator = entry.runtime_data.coordinator
        last_contact_at = coordinator.availability.last_contact_at
        info |= {
            "relay_version": coordinator.data.relay_version,
            "plan": coordinator.data.plan,
            "stream_connected": coordinator.is_streaming,
            "last_contact": dt_util.as_local(last_contact_at) if last_contact_at else None,
            "cars": len(coordinator.vehicles),
        }
    return info


async def _async_check_relay(hass: HomeAssistant, entry: EVConduitConfigEntry) -> Any:
    """Request the account, with the entry's credential and certificate."""
    try:
        await create_client(hass, entry).get_account()
    except RelayError as err:
        return {"type": "failed", "error": type(err).__name__}
    return "ok"
