"""Devices: a service for the account, and a device behind it for each vehicle."""

from collections.abc import Collection

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .client import Account, JsonReader, VehicleRecord
from .const import DOMAIN


@callback
def async_register_account(hass: HomeAssistant, entry_id: str, account: Account, url: str) -> str:
    """Create or update the account's device. Return its id in the device registry."""
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
def async_register_vehicle(
    hass: HomeAssistant, entry_id: str, record: VehicleRecord, account_device_id: str, *, vin_as_serial_number: bool
) -> None:
    """Create or update a vehicle's device. The VIN, which identifies a person, is shown only if the user wants it."""
    information = record.vehicle.information
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry_id,
        identifiers={(DOMAIN, record.id)},
        manufacturer=_get_manufacturer(record),
        model=information.model,
        model_id=None if information.year is None else str(information.year),
        name=get_vehicle_name(record),
        serial_number=_get_vin(record) if vin_as_serial_number else None,
        via_device_id=account_device_id,
    )


def get_vehicle_name(record: VehicleRecord) -> str:
    """Return the owner's name for the vehicle, or else its manufacturer and model."""
    information = record.vehicle.information
    model_name = " ".join(filter(None, (_get_manufacturer(record), information.model)))
    return information.display_name or model_name or "Vehicle"


def _get_vin(record: VehicleRecord) -> str | None:
    """Return the VIN. Read only here, and on request, so that nothing else can pass it on by accident."""
    return JsonReader(record.raw).get_object("vehicle").get_object("information").get_str("vin")


def _get_manufacturer(record: VehicleRecord) -> str | None:
    return record.vehicle.information.brand or _format_vendor(record.vehicle.vendor)


def _format_vendor(vendor: str | None) -> str | None:
    """Format Enode's vendor id: TESLA is a name, BMW an abbreviation."""
    if vendor is None:
        return None
    return vendor if len(vendor) <= len("BMW") else vendor.title()


@callback
def async_remove_devices(hass: HomeAssistant, entry_id: str, ids: Collection[str]) -> None:
    """Remove the devices of the entry, and their entities, whose account or vehicle id is in `ids`."""
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry_id):
        if any(domain == DOMAIN and id_ in ids for domain, id_ in device.identifiers):
            registry.async_remove_device(device.id)


@callback
def async_remove_other_devices(hass: HomeAssistant, entry_id: str, ids: Collection[str]) -> None:
    """Remove all devices of the entry, and their entities, whose account or vehicle id is not in `ids`."""
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry_id):
        if not any(domain == DOMAIN and id_ in ids for domain, id_ in device.identifiers):
            registry.async_remove_device(device.id)
