"""A notification with the one-time page on which a car is linked again: a button can't open a page in a browser."""

from homeassistant.components import persistent_notification
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.translation import async_get_translations

from .client import RelayError
from .const import DOMAIN
from .device_registry import get_vehicle_name
from .error_messages import create_relink_error
from .vehicle_coordinator import VehicleCoordinator


async def async_show_relink_page(vehicle: VehicleCoordinator) -> None:
    """Create the page and show a link to it. Raises a translated HomeAssistantError."""
    hass = vehicle.hass
    try:
        page = await vehicle.client.create_relink_page(vehicle.data.id)
    except RelayError as err:
        raise create_relink_error(err) from err
    texts = await async_get_translations(hass, hass.config.language, "common", [DOMAIN])
    placeholders = {"name": get_vehicle_name(vehicle.data), "url": page.url}
    persistent_notification.async_create(
        hass,
        texts[f"component.{DOMAIN}.common.relink_message"].format(**placeholders),
        texts[f"component.{DOMAIN}.common.relink_title"].format(**placeholders),
        _get_notification_id(vehicle),
    )


@callback
def async_dismiss_relink_page(hass: HomeAssistant, vehicle: VehicleCoordinator) -> None:
    """Remove the notification, if there is one: the link works again."""
    persistent_notification.async_dismiss(hass, _get_notification_id(vehicle))


def _get_notification_id(vehicle: VehicleCoordinator) -> str:
    return f"{DOMAIN}_relink_{vehicle.data.id}"
