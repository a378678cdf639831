from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant

from .client import JsonObject
from .credentials import CONF_INSTALLATION
from .runtime import EVConduitConfigEntry, EVConduitRuntime
from .webhook_registration import CONF_SECRET

# Credentials, and values that identify a person, a vehicle or a place.
TO_REDACT: Final = {
    "abrp_token",  # of the classic integration's entries
    CONF_API_KEY,
    CONF_INSTALLATION,
    CONF_SECRET,
    CONF_TOKEN,
    CONF_WEBHOOK_ID,
    "displayName",
    "former_ids",
    "id",
    "latitude",
    "longitude",
    "pluggedInChargerId",
    "title",
    "userId",
    "vehicle_id",
    "vin",
}


async def async_get_config_entry_diagnostics(_hass: HomeAssistant, entry: EVConduitConfigEntry) -> dict[str, Any]:
    """Return diagnostics without credentials and personal data."""
    data = async_redact_data(dict(entry.data), TO_REDACT)
    if entry.state is not ConfigEntryState.LOADED:
        return {"entry": data, "version": entry.version, "state": entry.state.value, "reason": entry.reason}
    runtime = entry.runtime_data
    coordinator = runtime.coordinator
    return {
        "entry": data,
        "account": async_redact_data(coordinator.data.raw, TO_REDACT),
        "channel": _get_channel_diagnostics(runtime),
        "webhook": runtime.webhook.get_diagnostics(),
        "vehicles": [async_redact_data(vehicle.data.raw, TO_REDACT) for vehicle in coordinator.vehicles.values()],
    }


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
