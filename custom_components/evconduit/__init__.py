"""EVConduit: any electric car that Enode reaches, live in Home Assistant."""

from typing import Final

from homeassistant.const import CONF_URL, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .const import LOGGER
from .credentials import async_last_credentials, async_revoke, client_with, relay_client, secret_of
from .runtime import EVConduitConfigEntry, EVConduitRuntime
from .storage import SnapshotStore
from .webhook_registration import async_forget

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.DEVICE_TRACKER,
    Platform.SENSOR,
    Platform.SWITCH,
)


async def async_setup_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Know the account's cars and show them."""
    runtime = EVConduitRuntime(hass, entry, relay_client(hass, entry))
    await runtime.async_start()
    entry.runtime_data = runtime
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Show nothing more and hang up."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.async_stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> None:
    """Leave nothing behind."""
    data = await async_last_credentials(hass, entry.data)
    await async_forget(hass, entry, client_with(hass, data[CONF_URL], secret_of(data)))
    await async_revoke(hass, data)
    await SnapshotStore(hass, entry.entry_id).async_remove()


async def async_remove_config_entry_device(
    _hass: HomeAssistant, entry: EVConduitConfigEntry, device: DeviceEntry
) -> bool:
    """A user may remove what is not there any more; what is there would only come back."""
    account = entry.runtime_data.coordinator
    present = {account.data.id, *account.vehicles}
    return not any(id_ in present for _, id_ in device.identifiers)


async def async_migrate_entry(_hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Refuse the entries of the classic integration, which had the same domain (version 1)."""
    if entry.version == 1:
        LOGGER.error(
            "The entry %r was made by the classic EVConduit integration and cannot be taken over: remove it and add "
            "EVConduit again",
            entry.title,
        )
        return False
    return True
