"""Entities of the account's device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .client import Account
from .const import DOMAIN
from .runtime import EVConduitConfigEntry, EVConduitRuntime


@dataclass(frozen=True, kw_only=True)
class AccountEntityDescription(EntityDescription):
    """Describes an entity of the account. `supported_fn` returns whether an account like this has it.

    `needs_contact`: whether it is unavailable without contact with the relay.
    """

    supported_fn: Callable[[Account], bool] = lambda _: True
    needs_contact: bool = True


class AccountEntity(Entity):
    """Base of all entities of the account."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    entity_description: AccountEntityDescription

    def __init__(self, runtime: EVConduitRuntime, description: AccountEntityDescription) -> None:
        account_id = runtime.coordinator.data.id
        self.runtime = runtime
        self.entity_description = description
        self._attr_translation_key = description.key
        self._attr_unique_id = f"{account_id}_{description.key}"  # never changes: it is stored in entity registries
        # The coordinator registers and renames the device.
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, account_id)})

    @property
    @override
    def available(self) -> bool:
        return not self.entity_description.needs_contact or self.runtime.coordinator.availability.is_available

    @override
    async def async_added_to_hass(self) -> None:
        self.async_on_remove(self.runtime.coordinator.async_add_account_listener(self.async_write_ha_state))


@callback
def async_add_account_entities[DescriptionT: AccountEntityDescription](
    entry: EVConduitConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    descriptions: tuple[DescriptionT, ...],
    create_entity: Callable[[EVConduitRuntime, DescriptionT], AccountEntity],
) -> None:
    """Add entities now, and again when the account gains what they need."""
    runtime = entry.runtime_data
    added: set[str] = set()

    @callback
    def add_missing() -> None:
        if entry.state is ConfigEntryState.UNLOAD_IN_PROGRESS:
            return  # nothing would remove them; they are added when the entry is loaded again
        account = runtime.coordinator.data
        missing = [row for row in descriptions if row.key not in added and row.supported_fn(account)]
        added.update(row.key for row in missing)
        if missing:
            async_add_entities([create_entity(runtime, row) for row in missing])

    entry.async_on_unload(runtime.coordinator.async_add_account_listener(add_missing))
    add_missing()
