"""Finds the vehicles that an action is for, from its target or, for classic actions, from a vehicle id."""

from collections.abc import Iterable
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.service import async_get_config_entry
from homeassistant.helpers.target import TargetSelection, async_extract_referenced_entity_ids

from .client import JsonReader
from .const import DOMAIN
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

ATTR_VEHICLE_ID = "vehicle_id"


@callback
def async_get_target_vehicles(hass: HomeAssistant, call: ServiceCall) -> list[VehicleCoordinator]:
    """Return the vehicles of the devices, entities, areas and labels of the action's target.

    Raises ServiceValidationError if there is none, if a device or entity that the target names is not a vehicle's, and
    if the vehicle's account is not loaded. Other devices of an area or label are left out.
    """
    selection = TargetSelection(call.data)
    selected = async_extract_referenced_entity_ids(hass, selection, primary_entities_only=False)
    named = (selection.device_ids & selected.referenced_devices) | _list_device_ids(hass, selected.referenced)
    found = {device_id: _find_vehicle(hass, device_id) for device_id in selected.referenced_devices | named}
    if any(found[device_id] is None for device_id in named):
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="not_a_vehicle")
    vehicles = {vehicle.data.id: vehicle for vehicle in found.values() if vehicle is not None}
    if not vehicles:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_vehicle")
    return list(vehicles.values())


@callback
def async_get_classic_vehicles(hass: HomeAssistant, call: ServiceCall) -> list[VehicleCoordinator]:
    """Return the vehicle with the id that a classic action has: the relay's, or any that Enode gave the vehicle.

    Without an id, it's the target's vehicles, or else the only vehicle. Raises ServiceValidationError.
    """
    vehicle_id: str | None = call.data.get(ATTR_VEHICLE_ID)
    if vehicle_id is None and TargetSelection(call.data).has_any_target:
        return async_get_target_vehicles(hass, call)
    vehicles = [
        vehicle for entry in _list_loaded_entries(hass) for vehicle in entry.runtime_data.coordinator.vehicles.values()
    ]
    if vehicle_id is not None:
        vehicles = [vehicle for vehicle in vehicles if vehicle_id in _list_ids(vehicle)]
    if not vehicles:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_vehicle")
    if len(vehicles) > 1:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="several_vehicles")
    return vehicles


@callback
def async_get_entry(hass: HomeAssistant, entry_id: str | None) -> EVConduitConfigEntry:
    """Return the loaded entry with this id, or the only one. Raises ServiceValidationError."""
    return async_get_config_entry(hass, DOMAIN, entry_id)


def _list_device_ids(hass: HomeAssistant, entity_ids: Iterable[str]) -> set[str]:
    """Return the devices of entities. Raises ServiceValidationError for an entity without one: it isn't a vehicle's."""
    registry = er.async_get(hass)
    device_ids = {entry.device_id if (entry := registry.async_get(id_)) else None for id_ in entity_ids}
    if None in device_ids:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="not_a_vehicle")
    return {device_id for device_id in device_ids if device_id is not None}


def _find_vehicle(hass: HomeAssistant, device_id: str) -> VehicleCoordinator | None:
    """Return the vehicle of a device, None if it isn't one. Raises ServiceValidationError if its entry isn't loaded."""
    device = dr.async_get(hass).async_get(device_id)
    ids = [id_ for domain, id_ in device.identifiers if domain == DOMAIN] if device is not None else []
    if device is None or not ids:
        return None
    entry = async_get_entry(hass, device.config_entry_id)
    vehicles = entry.runtime_data.coordinator.vehicles
    return next((vehicles[id_] for id_ in ids if id_ in vehicles), None)


def _list_loaded_entries(hass: HomeAssistant) -> list[ConfigEntry[Any]]:
    entries = hass.config_entries.async_entries(DOMAIN)
    return [entry for entry in entries if entry.state is ConfigEntryState.LOADED]


def _list_ids(vehicle: VehicleCoordinator) -> set[str]:
    record = JsonReader(vehicle.data.raw)
    enode_id = record.get_object("vehicle").get_str("id")
    return {vehicle.data.id, *record.get_str_list("former_ids"), *([enode_id] if enode_id else [])}
