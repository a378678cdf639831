from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from homeassistant.helpers.device_registry import DeviceEntry

from .client import JsonObject
from .const import DOMAIN
from .credentials import CONF_INSTALLATION
from .discovery import CONF_INSTANCE_ID
from .options import CONF_EXCLUDED_VEHICLES
from .runtime import EVConduitConfigEntry, EVConduitRuntime
from .storage import SnapshotStore
from .webhook_registration import CONF_SECRET

# Credentials, and values that identify a person, a vehicle or a place.
TO_REDACT: Final = {
    "abrp_token",  # of the classic integration's entries
    CONF_API_KEY,
    CONF_EXCLUDED_VEHICLES,
    CONF_INSTALLATION,
    CONF_INSTANCE_ID,
    CONF_SECRET,
    CONF_TOKEN,
    CONF_WEBHOOK_ID,
    "displayName",
    "former_ids",
    "id",
    "instance_id",
    "latitude",
    "longitude",
    "pluggedInChargerId",
    "title",
    "userId",
    "vehicle_id",
    "vin",
}


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: EVConduitConfigEntry) -> dict[str, Any]:
    """Return diagnostics without credentials and personal data. Before the entry is loaded, of what is stored."""
    common = _get_entry_diagnostics(entry)
    if entry.state is not ConfigEntryState.LOADED:
        stored = await SnapshotStore(hass, entry.entry_id).async_load_raw()
        return common | {"stored": async_redact_data(stored, TO_REDACT)}
    runtime = entry.runtime_data
    coordinator = runtime.coordinator
    return common | {
        "account": async_redact_data(coordinator.data.raw, TO_REDACT),
        "channel": _get_channel_diagnostics(runtime),
        "webhook": runtime.webhook.get_diagnostics(),
        "vehicles": [async_redact_data(vehicle.data.raw, TO_REDACT) for vehicle in coordinator.vehicles.values()],
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: EVConduitConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return diagnostics of a car or of the account. Before the entry is loaded, of what is stored."""
    ids = {id_ for domain, id_ in device.identifiers if domain == DOMAIN}
    common = _get_entry_diagnostics(entry)
    if entry.state is not ConfigEntryState.LOADED:
        items = (await SnapshotStore(hass, entry.entry_id).async_load_raw()).get("vehicles")
        vehicles = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        return common | {"vehicle": _find_vehicle(vehicles, ids)}
    runtime = entry.runtime_data
    vehicles = [vehicle.data.raw for vehicle in runtime.coordinator.vehicles.values()]
    return common | {"channel": _get_channel_diagnostics(runtime), "vehicle": _find_vehicle(vehicles, ids)}


def _get_entry_diagnostics(entry: EVConduitConfigEntry) -> dict[str, Any]:
    return {
        "entry": async_redact_data(dict(entry.data), TO_REDACT),
        "options": async_redact_data(dict(entry.options), TO_REDACT),
        "version": entry.version,
        "state": entry.state.value,
        "reason": entry.reason,
    }


def _find_vehicle(vehicles: list[JsonObject], ids: set[str]) -> JsonObject | None:
    found = next((vehicle for vehicle in vehicles if vehicle.get("id") in ids), None)
    return None if found is None else async_redact_data(found, TO_REDACT)


def _get_channel_diagnostics(runtime: EVConduitRuntime) -> JsonObject:
    coordinator = runtime.coordinator
    last_contact_at = coordinator.availability.last_contact_at
    webhook_counts = runtime.webhook.received
    interval = coordinator.update_interval
    return {
        "streaming": coordinator.is_streaming,
        "cursor": coordinator.cursor,
        "received": {**runtime.stream.received, **{f"POST {name}": count for name, count in webhook_counts.items()}},
        "in_contact": coordinator.availability.is_available,
        "heard_at": last_contact_at.isoformat() if last_contact_at else None,
        "polls_every_seconds": interval.total_seconds() if interval else None,
        "last_poll_error": type(coordinator.last_exception).__name__ if coordinator.last_exception else None,
    }
