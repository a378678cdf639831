from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_API_KEY, CONF_TOKEN, CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant

from .client import JsonObject
from .coordinator import AccountCoordinator, EVConduitConfigEntry
from .credentials import CONF_INSTALLATION
from .webhook import CONF_SECRET

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
    account = entry.runtime_data
    return {
        "entry": async_redact_data(dict(entry.data), PERSONAL),
        "account": async_redact_data(account.data.raw, PERSONAL),
        "channel": _channel(account),
        "webhook": account.webhook.diagnostics(),
        "vehicles": [async_redact_data(vehicle.data.raw, PERSONAL) for vehicle in account.vehicles.values()],
    }


def _channel(account: AccountCoordinator) -> JsonObject:
    heard_at = account.contact.heard_at
    interval = account.update_interval
    return {
        "streaming": account.streaming,
        "cursor": account.cursor,
        "received": dict(account.received),
        "in_contact": account.contact.kept,
        "heard_at": heard_at.isoformat() if heard_at else None,
        "polls_every_seconds": interval.total_seconds() if interval else None,
        "last_poll_error": type(account.last_exception).__name__ if account.last_exception else None,
    }
