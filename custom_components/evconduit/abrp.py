"""Telemetry for A Better Routeplanner (ABRP), sent with the user's own token.

https://documenter.getpostman.com/view/7396339/SWTK5a8w describes the API.
"""

from datetime import datetime
from typing import Any, Final

from aiohttp import ClientError, ClientTimeout
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.json import json_dumps
from homeassistant.util import dt as dt_util

from .client import Vehicle
from .const import DOMAIN
from .vehicle_coordinator import VehicleCoordinator

URL: Final = "https://api.iternio.com/1/tlm/send"
TIMEOUT: Final = ClientTimeout(total=15)
SUBENTRY_TYPE: Final = "abrp"
CONF_VEHICLE_ID: Final = "vehicle_id"
CONF_ABRP_TOKEN: Final = "abrp_token"  # noqa: S105 - the key of a token
OK_STATUS: Final = "ok"


def find_token(entry: ConfigEntry[Any], vehicle_id: str) -> str | None:
    """Return the ABRP token of a vehicle, which the user entered in a subentry. None if there is none."""
    for subentry in entry.subentries.values():
        if subentry.subentry_type == SUBENTRY_TYPE and subentry.data[CONF_VEHICLE_ID] == vehicle_id:
            return str(subentry.data[CONF_ABRP_TOKEN])
    return None


async def async_send_telemetry(hass: HomeAssistant, vehicle: VehicleCoordinator) -> None:
    """Send the vehicle's last state to ABRP. Raises a translated HomeAssistantError."""
    token = find_token(vehicle.entry, vehicle.data.id)
    if token is None:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_abrp_token")
    telemetry = create_telemetry(vehicle.data.vehicle, dt_util.utcnow())
    if telemetry is None:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_battery_level")
    try:
        # In the body, because addresses end up in the logs of proxies.
        async with async_get_clientsession(hass).post(
            URL, data={"token": token, "tlm": json_dumps(telemetry)}, timeout=TIMEOUT, allow_redirects=False
        ) as response:
            answer: Any = await response.json(content_type=None)
    except ClientError, OSError, ValueError:
        # Not the original error, whose text can contain the request.
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="abrp_unavailable") from None
    if not isinstance(answer, dict) or answer.get("status") != OK_STATUS:
        raise HomeAssistantError(translation_domain=DOMAIN, translation_key="abrp_refused")


def create_telemetry(vehicle: Vehicle, now: datetime) -> dict[str, float] | None:
    """Return ABRP's telemetry, None if the level is unknown: ABRP needs it. Power is negative while charging."""
    charge, location = vehicle.charge_state, vehicle.location
    if charge.battery_level is None:
        return None
    reported_at = vehicle.last_seen or now
    values: dict[str, float | None] = {
        "utc": int(min(reported_at, now).timestamp()),
        "soc": charge.battery_level,
        "is_charging": None if charge.is_charging is None else int(charge.is_charging),
        "power": -charge.charge_rate if charge.is_charging and charge.charge_rate is not None else None,
        "lat": location.latitude if location.longitude is not None else None,
        "lon": location.longitude if location.latitude is not None else None,
        "capacity": charge.battery_capacity,
        "est_battery_range": charge.range,
        "odometer": vehicle.odometer,
    }
    return {key: value for key, value in values.items() if value is not None}
