"""The EVConduit integration: electric vehicles that Enode supports, with live data."""

from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .classic_entry import async_reject_classic_entry, async_remove_classic_entry, is_classic_entry
from .credentials import (
    async_refresh_for_removal,
    async_revoke_tokens,
    create_client,
    create_client_with_token,
)
from .repair_issues import async_delete_left_issues
from .runtime import EVConduitConfigEntry, EVConduitRuntime
from .storage import SnapshotStore
from .webhook_registration import async_remove_webhook

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.DEVICE_TRACKER,
    Platform.SENSOR,
    Platform.SWITCH,
)


async def async_setup_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Set up a config entry."""
    runtime = EVConduitRuntime(hass, entry, create_client(hass, entry))
    await runtime.async_start()
    entry.runtime_data = runtime
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Unload a config entry."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.async_stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> None:
    """Remove what the entry left at the relay, in the cloud, and in storage."""
    if is_classic_entry(entry):
        await async_remove_classic_entry(hass, entry)
        return
    # Each request below needs a valid token.
    data = await async_refresh_for_removal(hass, entry.data)
    await async_remove_webhook(hass, entry, create_client_with_token(hass, data))
    await async_revoke_tokens(hass, data)
    async_delete_left_issues(hass, entry.entry_id)
    await SnapshotStore(hass, entry.entry_id).async_remove()


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: EVConduitConfigEntry, device: DeviceEntry
) -> bool:
    """Allow to remove devices that the account no longer has. Others would be added again.

    While the entry isn't loaded, the stored records show what the account has.
    """
    if entry.state is ConfigEntryState.LOADED:
        coordinator = entry.runtime_data.coordinator
        current_ids = {coordinator.data.id, *coordinator.vehicles}
    else:
        vehicle_ids = await SnapshotStore(hass, entry.entry_id).async_load_vehicle_ids()
        if not vehicle_ids:
            return False
        current_ids = {str(entry.unique_id), *vehicle_ids}
    return not any(id_ in current_ids for _, id_ in device.identifiers)


async def async_migrate_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Reject entries of the classic integration, which has the same domain and version 1."""
    if is_classic_entry(entry):
        async_reject_classic_entry(hass, entry)
        return False
    return True
