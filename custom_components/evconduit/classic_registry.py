"""Moves the devices and entities of a classic entry to the entry of the account."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from .classic_entities import (
    ClassicEntity,
    ClassicState,
    Fate,
    Owner,
    Successor,
    plan_fates,
)
from .const import DOMAIN


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where the devices and entities of a classic entry go.

    `vehicle_id` and `capabilities` are those of the entry's vehicle; the id is None if the account doesn't have it.
    """

    entry: ConfigEntry[Any]
    account_id: str
    account_device_id: str
    vehicle_id: str | None
    capabilities: frozenset[str] | None

    def get_owner_id(self, successor: Successor) -> str | None:
        """Return the id of the vehicle or account that has the successor."""
        return self.account_id if successor.owner is Owner.ACCOUNT else self.vehicle_id


@dataclass(frozen=True, kw_only=True, slots=True)
class RemovedEntity:
    """An entity that is removed although it was in use, and what replaces it, if anything."""

    entity_id: str
    row: ClassicEntity | None
    replacement: Successor | None
    replacement_unique_id: str | None


@callback
def async_move_registries(hass: HomeAssistant, classic_entry_id: str, target: Target) -> list[RemovedEntity]:
    """Move the device and the entities of a classic entry. Return what was removed.

    Entities change first: Home Assistant removes those that stay with the old entry when their device is moved.
    """
    registry = er.async_get(hass)
    device_id = _find_target_device(hass, classic_entry_id, target)
    removed = []
    for fate in plan_fates(classic_entry_id, _list_states(registry, classic_entry_id), target.capabilities):
        is_enabled = registry.entities[fate.entity_id].disabled_by is None
        if fate.successor is not None and _carry_entity(registry, fate, target, device_id):
            continue
        registry.async_remove(fate.entity_id)
        if is_enabled:
            removed.append(_describe_removed(fate, target))
    _move_device(hass, classic_entry_id, target)
    return removed


def _list_states(registry: er.EntityRegistry, classic_entry_id: str) -> Iterable[ClassicState]:
    """List all entities of the entry. It was never loaded since, so all are classic, also of an unknown version."""
    return [
        ClassicState(entity_id=entry.entity_id, unique_id=entry.unique_id, is_enabled=entry.disabled_by is None)
        for entry in er.async_entries_for_config_entry(registry, classic_entry_id)
    ]


def _carry_entity(registry: er.EntityRegistry, fate: Fate, target: Target, device_id: str | None) -> bool:
    """Let the entity become its successor. False if there is one already, or no vehicle.

    All that the user changed stays: name, icon, area, labels, aliases, options, disabled, hidden.
    """
    successor = fate.successor
    if successor is None or (owner_id := target.get_owner_id(successor)) is None:
        return False
    unique_id = successor.create_unique_id(owner_id)
    if registry.async_get_entity_id(successor.platform, DOMAIN, unique_id) is not None:
        return False
    is_account = successor.owner is Owner.ACCOUNT
    registry.async_update_entity(
        fate.entity_id,
        config_entry_id=target.entry.entry_id,
        device_id=target.account_device_id if is_account else device_id,
        new_unique_id=unique_id,
    )
    return True


def _describe_removed(fate: Fate, target: Target) -> RemovedEntity:
    replacement = fate.replacement or fate.successor
    owner_id = target.get_owner_id(replacement) if replacement is not None else None
    if replacement is None or owner_id is None:
        return RemovedEntity(entity_id=fate.entity_id, row=fate.row, replacement=None, replacement_unique_id=None)
    return RemovedEntity(
        entity_id=fate.entity_id,
        row=fate.row,
        replacement=replacement,
        replacement_unique_id=replacement.create_unique_id(owner_id),
    )


def find_classic_device(hass: HomeAssistant, classic_entry_id: str) -> dr.DeviceEntry | None:
    """Return the device that a classic entry has."""
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, classic_entry_id), classic_entry_id)


def _find_vehicle_device(hass: HomeAssistant, target: Target) -> dr.DeviceEntry | None:
    if target.vehicle_id is None:
        return None
    return dr.async_get(hass).async_get_device_by_identifier((DOMAIN, target.vehicle_id), target.entry.entry_id)


def _find_target_device(hass: HomeAssistant, classic_entry_id: str, target: Target) -> str | None:
    """Return the id of the device that the carried entities have: the vehicle's if there is one, else the classic."""
    device = _find_vehicle_device(hass, target) or find_classic_device(hass, classic_entry_id)
    return device.id if device is not None else None


def _move_device(hass: HomeAssistant, classic_entry_id: str, target: Target) -> None:
    """Let the classic device become the vehicle's. If there is one already, or no vehicle, the classic is removed."""
    registry = dr.async_get(hass)
    device = find_classic_device(hass, classic_entry_id)
    if device is None:
        return
    current = _find_vehicle_device(hass, target)
    if target.vehicle_id is not None and current is None:
        registry.async_update_device(
            device.id,
            new_config_entry_id=target.entry.entry_id,
            new_identifiers={(DOMAIN, target.vehicle_id)},
        )
        return
    if current is not None:
        registry.async_update_device(
            current.id,
            area_id=current.area_id or device.area_id,
            labels=current.labels | device.labels,
            name_by_user=current.name_by_user or device.name_by_user,
        )
    registry.async_remove_device(device.id)
