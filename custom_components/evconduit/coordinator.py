"""Coordinator of the account: holds what the relay reported and informs the entities."""

from collections.abc import Callable, Iterable
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .availability import RelayAvailability
from .client import (
    Account,
    JsonObject,
    Message,
    RelayClient,
    Snapshot,
    Transition,
    VehicleRecord,
    VehicleRemoved,
    is_at_or_before,
)
from .const import LOGGER
from .device_registry import async_register_account, async_register_vehicle, async_remove_other_devices
from .repair_issues import RepairIssues
from .vehicle_coordinator import VehicleCoordinator


class AccountCoordinator(DataUpdateCoordinator[Account]):
    """The account, its vehicles, and whether their data is current.

    The stream, the webhook and polling pass what they receive to it; it depends on none of them. Its listeners are
    called when a vehicle is added or removed, or gains capabilities. A change of one vehicle goes to that vehicle's
    coordinator.
    """

    config_entry: ConfigEntry[Any]

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        client: RelayClient,
        on_account_change: Callable[[Account | None, Account], None],
    ) -> None:
        """Call `on_account_change` with the previous and the new account each time the relay sends one."""
        super().__init__(hass, LOGGER, config_entry=entry, name="account", update_interval=None)
        self.client = client
        self.vehicles: dict[str, VehicleCoordinator] = {}
        self.availability = RelayAvailability(hass, self._async_update_vehicle_listeners)
        self.is_streaming = False
        self.cursor: str | None = None
        self._on_account_change = on_account_change
        self._issues = RepairIssues(hass, entry.entry_id)
        self._account_device_id = ""

    @callback
    def async_apply(self, message: Message, cursor: str | None) -> None:
        """Apply a message, unless the other channel delivered it before."""
        # A snapshot is applied even if it is old, because newer messages may already be applied on top of what it
        # replaces. A snapshot after a gap also resets the cursor.
        is_old = is_at_or_before(cursor, self.cursor) and not (isinstance(message, Snapshot) and message.gap)
        if not is_old or not isinstance(message, Transition | VehicleRemoved):
            self._async_apply_message(message)
        if not is_old:
            self.cursor = cursor or self.cursor

    @callback
    def async_apply_snapshot(self, snapshot: Snapshot) -> None:
        """Replace everything, even by something older: the relay may have been restored from a backup."""
        self.async_set_account(snapshot.account)
        for record in snapshot.vehicles:
            self._async_apply_record(record, is_authoritative=True)
        self.vehicles = {record.id: self.vehicles[record.id] for record in snapshot.vehicles}
        self._async_remove_stale_devices()
        self._async_update_issues()

    @callback
    def async_restore_vehicles(self, records: Iterable[VehicleRecord]) -> None:
        """Show vehicles from storage. Removes no device: storage can be older than the registry."""
        for record in records:
            self._async_apply_record(record, is_authoritative=True)
        self._async_update_issues()

    @callback
    def async_set_account(self, account: Account) -> None:
        """Store the account and update its device."""
        previous, self.data = self.data, account
        self._on_account_change(previous, account)
        self._account_device_id = async_register_account(
            self.hass, self.config_entry.entry_id, account, self.config_entry.data[CONF_URL]
        )

    @callback
    def async_clear_issues(self) -> None:
        """Remove the repair issues of this account."""
        self._issues.async_clear()

    @callback
    def get_state(self) -> JsonObject:
        """Return what to store, in the relay's own JSON."""
        return {
            "account": self.data.raw,
            "vehicles": [vehicle.data.raw for vehicle in self.vehicles.values()],
            "cursor": self.cursor,
        }

    @callback
    def _async_apply_message(self, message: Message) -> None:
        match message:
            case Snapshot():
                self.async_apply_snapshot(message)
                self.async_set_updated_data(self.data)  # also cancels a scheduled poll
            case VehicleRecord():
                if self._async_apply_record(message):
                    self.async_update_listeners()
                self._async_update_issues()
            case VehicleRemoved(id=vehicle_id):
                if self.vehicles.pop(vehicle_id, None):
                    self._async_update_issues()
                    self._async_remove_stale_devices()
                    self.async_update_listeners()
            case Account():
                self.async_set_account(message)
            case Transition():
                pass  # the vehicle's record, sent as well, has the resulting state

    @callback
    def _async_apply_record(self, record: VehicleRecord, *, is_authoritative: bool = False) -> bool:
        """Update or add a vehicle. Return whether it may need new entities.

        A record that is not authoritative is ignored unless its revision is higher than the current one.
        """
        vehicle = self.vehicles.get(record.id)
        if vehicle is None:
            self._async_register_vehicle(record)
            self.vehicles[record.id] = VehicleCoordinator(self.hass, self.config_entry, self, record)
            return True
        current = vehicle.data
        if not is_authoritative and record.revision <= current.revision:
            return False
        if record.vehicle.information != current.vehicle.information:
            self._async_register_vehicle(record)
        vehicle.async_set_record(record)
        return record.vehicle.capabilities != current.vehicle.capabilities

    @callback
    def _async_register_vehicle(self, record: VehicleRecord) -> None:
        async_register_vehicle(self.hass, self.config_entry.entry_id, record, self._account_device_id)

    @callback
    def _async_remove_stale_devices(self) -> None:
        async_remove_other_devices(self.hass, self.config_entry.entry_id, {self.data.id, *self.vehicles})

    @callback
    def _async_update_issues(self) -> None:
        self._issues.async_update((vehicle.data for vehicle in self.vehicles.values()), self.data.features)

    @callback
    def _async_update_vehicle_listeners(self) -> None:
        for vehicle in self.vehicles.values():
            vehicle.async_update_listeners()
