from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant

from .client import JsonObject
from .credentials import CONF_INSTALLATION
from .runtime import EVConduitConfigEntry, EVConduitRuntime
from .webhook_registration import CONF_SECRET

# Keys whose values say who somebody is, where, or let a stranger in.
PERSONAL: Final = {
    CONF_API_KEY,
    CONF_INSTALLATION,
    CONF_SECRET,
    CONF_TOKEN,
    CONF_WEBHOOK_ID,
    "displayName",
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
    """All we know about how an account does, and nothing about whose it is."""
    runtime = entry.runtime_data
    account = runtime.coordinator
    return {
        "entry": async_redact_data(dict(entry.data), PERSONAL),
        "account": async_redact_data(account.data.raw, PERSONAL),
        "channel": _channel(runtime),
        "webhook": runtime.webhook.get_diagnostics(),
        "vehicles": [async_redact_data(vehicle.data.raw, PERSONAL) for vehicle in account.vehicles.values()],
    }


def _channel(runtime: EVConduitRuntime) -> JsonObject:
    account = runtime.coordinator
    heard_at = account.availability.last_contact_at
    posted = runtime.webhook.received
    interval = account.update_interval
    return {
        "streaming": account.is_streaming,
        "cursor": account.cursor,
        "received": {**runtime.stream.received, **{f"POST {it}": count for it, count in posted.items()}},
        "in_contact": account.availability.is_available,
        "heard_at": heard_at.isoformat() if heard_at else None,
        "polls_every_seconds": interval.total_seconds() if interval else None,
        "last_poll_error": type(account.last_exception).__name__ if account.last_exception else None,
    }
