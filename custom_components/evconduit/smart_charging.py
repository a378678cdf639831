"""Changes of a vehicle's smart charging: shows what was requested until the vehicle's record has it."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from homeassistant.core import callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.util import dt as dt_util

from .client import JsonObject, SmartChargingSettings, set_override, set_smart_charging
from .const import DOMAIN
from .vehicle_coordinator import VehicleCoordinator

MAX_WAIT: Final = timedelta(minutes=2)
"""How long the requested settings are shown. Enode reports a change of its own settings within seconds."""


async def async_change_smart_charging(vehicle: VehicleCoordinator, **changes: bool | str | float) -> None:
    """Change settings of smart charging. Raises a translated HomeAssistantError."""
    body: JsonObject = {**changes, "time_zone": vehicle.hass.config.time_zone}
    settings = await vehicle.async_request(set_smart_charging(vehicle.client, vehicle.data.id, body))
    vehicle.async_show_settings(settings, until=dt_util.utcnow() + MAX_WAIT)


async def async_set_override(vehicle: VehicleCoordinator, *, is_active: bool) -> None:
    """Charge now regardless of the plan, or return to it. Raises a translated HomeAssistantError."""
    if is_active and not get_settings(vehicle).is_enabled:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="smart_charging_off")
    await vehicle.async_request(set_override(vehicle.client, vehicle.data.id, is_active=is_active))
    status = replace(vehicle.data.smart_charging, is_overridden=is_active)
    vehicle.async_set_updated_data(replace(vehicle.data, smart_charging=status))


@callback
def get_settings(vehicle: VehicleCoordinator) -> SmartChargingSettings:
    """Return the settings: the requested ones while they are not reported yet."""
    requested, until = vehicle.requested_settings
    if requested is None or dt_util.utcnow() >= until:
        return vehicle.data.vehicle.smart_charging
    return requested
