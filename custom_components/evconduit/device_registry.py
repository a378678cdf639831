"""Our devices in Home Assistant's registry: a service for the account, and behind it a device for each car."""

from collections.abc import Collection

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .client import Account, VehicleRecord
from .const import DOMAIN


@callback
def async_register_account(hass: HomeAssistant, entry_id: str, account: Account, url: str) -> str:
    """Make or refresh the account's device; its id in the registry."""
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry_id,
        identifiers={(DOMAIN, account.id)},
        entry_type=dr.DeviceEntryType.SERVICE,
        manufacturer="EVConduit",
        model="Relay",
        name=account.title or "EVConduit",
        sw_version=account.relay_version,
        configuration_url=url,
    )
    return device.id


@callback
def async_register_vehicle(hass: HomeAssistant, entry_id: str, record: VehicleRecord, account_device_id: str) -> None:
    """Make or refresh a car's device. No VIN and no serial number: they identify a person."""
    car = record.vehicle.information
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry_id,
        identifiers={(DOMAIN, record.id)},
        manufacturer=_maker_of(record),
        model=car.model,
        name=vehicle_name(record),
        via_device_id=account_device_id,
    )


def vehicle_name(record: VehicleRecord) -> str:
    """What its owner calls it, or else what it is."""
    car = record.vehicle.information
    return car.display_name or " ".join(filter(None, (_maker_of(record), car.model))) or "Vehicle"


def _maker_of(record: VehicleRecord) -> str | None:
    return record.vehicle.information.brand or _maker(record.vehicle.vendor)


def _maker(vendor: str | None) -> str | None:
    """Enode's word for a vendor as people write it: TESLA is a name, BMW an abbreviation."""
    if vendor is None:
        return None
    return vendor if len(vendor) <= len("BMW") else vendor.title()


@callback
def async_remove_other_devices(hass: HomeAssistant, entry_id: str, ids: Collection[str]) -> None:
    """Remove our devices that go by none of `ids` (of cars, and of the account), and their entities with them."""
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry_id):
        if not any(domain == DOMAIN and id_ in ids for domain, id_ in device.identifiers):
            registry.async_remove_device(device.id)
