"""The EVConduit integration: electric vehicles that Enode supports, with live data."""

from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_TOKEN, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .actions import async_setup_actions
from .classic_entry import (
    ClassicEntry,
    async_mark_pending,
    async_remove_classic_leftovers,
    is_classic_entry,
    is_pending_entry,
)
from .classic_issue import async_create_migration_issue, async_delete_migration_issue
from .classic_migration import async_merge_classic_entries
from .const import DOMAIN
from .credentials import (
    async_refresh_for_removal,
    async_revoke_tokens,
    create_client,
    create_client_with_token,
)
from .home_sync import async_delete_uploaded_home
from .price_sync import async_end_sent_price
from .repair_issues import async_delete_left_issues
from .runtime import EVConduitConfigEntry, EVConduitRuntime
from .storage import SnapshotStore
from .webhook_registration import async_remove_webhook

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CALENDAR,
    Platform.DEVICE_TRACKER,
    Platform.EVENT,
    Platform.NUMBER,
    Platform.SENSOR,
    Platform.SWITCH,
    Platform.TIME,
)


CONFIG_SCHEMA: Final = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, _config: ConfigType) -> bool:
    """Register the actions."""
    async_setup_actions(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Set up a config entry."""
    client = create_client(hass, entry)
    if not await async_merge_classic_entries(hass, entry, client):
        return False
    runtime = EVConduitRuntime(hass, entry, client)
    await runtime.async_start()
    entry.runtime_data = runtime
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    async_create_migration_issue(hass, entry.entry_id)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> bool:
    """Unload a config entry."""
    if is_pending_entry(entry):
        return True  # it was merged into another one, and nothing of it was set up
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.async_stop()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: EVConduitConfigEntry) -> None:
    """Remove what the entry left at the relay, in the cloud, and in storage."""
    if (classic := ClassicEntry.parse(entry)) is not None:
        await async_remove_classic_leftovers(hass, classic)
        if CONF_TOKEN not in entry.data:
            return
    # Each request below needs a valid token.
    data = await async_refresh_for_removal(hass, entry.data)
    client = create_client_with_token(hass, data)
    await async_delete_uploaded_home(entry, client)
    await async_end_sent_price(data, client)
    await async_remove_webhook(hass, entry, client)
    await async_revoke_tokens(hass, data)
    async_delete_left_issues(hass, entry.entry_id)
    async_delete_migration_issue(hass, entry.entry_id)
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
    """Migrate an entry of the classic integration, which has the same domain and version 1."""
    if is_classic_entry(entry):
        async_mark_pending(hass, entry)
    return True
