"""Coordinator of the account: holds what the relay reported and informs the entities."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_URL
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .account_issues import AccountIssues
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
from .device_registry import (
    async_register_account,
    async_register_vehicle,
    async_remove_devices,
    async_remove_other_devices,
)
from .options import Options
from .record_order import RecordOrder
from .repair_issues import RepairIssues
from .vehicle_coordinator import VehicleCoordinator

MESSAGE_TIME_STEP: Final = timedelta(minutes=1)
"""How far `last_message_at` may be behind. Each change writes the entities of the account."""


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
        self.excluded: dict[str, VehicleRecord] = {}
        """The vehicles that the user doesn't want to see here. They have no coordinator, device or repair issue."""
        self.availability = RelayAvailability(hass, self._async_on_availability_change)
        self.is_streaming = False
        self.last_message_at: datetime | None = None
        self.on_energy_change: Callable[[str], None] | None = None
        """Called with the id of a vehicle whose counters or charging sessions have changed."""
        self.cursor: str | None = None
        self._on_account_change = on_account_change
        self._issues = RepairIssues(hass, entry.entry_id)
        self.account_issues = AccountIssues(hass, entry.entry_id, self._issues, client.clock)
        self._order = RecordOrder()
        self._account_device_id = ""
        self._options = Options.parse(entry.options)
        self._account_listeners: list[Callable[[], None]] = []

    @property
    def has_vehicles(self) -> bool:
        """Whether the account has a vehicle, shown here or not."""
        return bool(self.vehicles or self.excluded)

    @callback
    def async_apply(
        self, message: Message, cursor: str | None, *, since: int | None = None, position: str | None = None
    ) -> None:
        """Apply a message, unless something newer was received before.

        `since`: see RecordOrder. `position`: what the relay had read when it sent a delivery, if that isn't `cursor`.
        """
        if not isinstance(message, Snapshot) and self._order.is_foreign(cursor):
            return
        # A snapshot after a gap also resets the cursor.
        is_old = is_at_or_before(cursor, self.cursor) and not (isinstance(message, Snapshot) and message.gap)
        # The last transitions of a stream are delivered again to the webhook.
        if not (is_old and isinstance(message, VehicleRemoved | Transition)):
            self._async_apply_message(message, cursor, since=since, position=position)
        if not is_old:
            self.cursor = cursor or self.cursor

    @callback
    def async_apply_snapshot(self, snapshot: Snapshot, cursor: str | None = None, *, since: int | None = None) -> None:
        """Apply a snapshot, except where something newer was received before."""
        revisions = {record.id: record.revision for record in snapshot.vehicles}
        changes = self._order.accept_snapshot(revisions, snapshot.epoch, cursor, since=since, gap=snapshot.gap)
        if changes is None:
            return
        self.async_set_account(snapshot.account)
        for record in snapshot.vehicles:
            if record.id in changes.updated:
                self._async_apply_record(record)
        for vehicle_id in changes.removed:
            self._async_drop_vehicle(vehicle_id)
        self._async_remove_stale_devices()
        self._async_update_issues()

    @callback
    def async_apply_poll(self, snapshot: Snapshot, *, since: int) -> None:
        """Apply the response to a poll: the snapshot, and the transitions that were requested with it."""
        self.async_apply_snapshot(snapshot, since=since)
        for transition in snapshot.transitions:
            self.async_apply(transition, transition.cursor, since=since)
        is_foreign = self._order.is_foreign(snapshot.cursor)  # requested before the present epoch began
        if not is_foreign and (snapshot.gap or not is_at_or_before(snapshot.cursor, self.cursor)):
            self.cursor = snapshot.cursor or self.cursor

    @callback
    def async_restore_vehicles(self, records: Iterable[VehicleRecord]) -> None:
        """Show vehicles from storage of which nothing newer is known.

        Removes no repair issue, and only the devices of vehicles that the user doesn't want to see: storage can be
        older than the registries.
        """
        stored = {record.id: record for record in records}
        for vehicle_id in self._order.restore({id_: record.revision for id_, record in stored.items()}):
            self._async_apply_record(stored[vehicle_id])
        # Without a stream, the next snapshot may be hours away.
        async_remove_devices(self.hass, self.config_entry.entry_id, self.excluded)

    @callback
    def async_mark_request(self) -> int:
        """Return a mark for `since` of what is about to be requested."""
        return self._order.mark()

    @callback
    def get_position(self) -> str | None:
        """Return the cursor of the newest record."""
        return self._order.get_position()

    @callback
    def async_set_account(self, account: Account) -> None:
        """Store the account and update its device."""
        previous, self.data = self.data, account
        self.account_issues.async_update_allowance(account)
        self._on_account_change(previous, account)
        self._account_device_id = async_register_account(
            self.hass, self.config_entry.entry_id, account, self.config_entry.data[CONF_URL]
        )
        self.async_update_account_listeners()

    @callback
    def async_record_message(self) -> None:
        """Note that the relay sent a message, or answered a poll, to within MESSAGE_TIME_STEP."""
        now = dt_util.utcnow()
        if self.last_message_at is None or abs(now - self.last_message_at) >= MESSAGE_TIME_STEP:
            self.last_message_at = now
            self.async_update_account_listeners()

    @callback
    def async_add_account_listener(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call `listener` when the account or the connection to the relay changes. Return how to end that."""
        self._account_listeners.append(listener)
        return partial(self._account_listeners.remove, listener)

    @callback
    def async_update_account_listeners(self) -> None:
        """Call all listeners of the account."""
        for listener in list(self._account_listeners):
            listener()

    @callback
    def async_stop(self) -> None:
        """Cancel the timers."""
        self.availability.async_stop()
        for vehicle in self.vehicles.values():
            vehicle.async_stop()

    @callback
    def async_update_issues(self) -> None:
        """Create the repair issues of what is known now, even if it is from storage. Deletes none."""
        self._issues.async_update(self._get_records(), self.data.features, is_current=False)

    @callback
    def async_clear_issues(self) -> None:
        """Remove the repair issues of this account, except those that the user ignores."""
        self.account_issues.async_cancel_timers()
        self._issues.async_clear()

    @callback
    def async_update_clock_issue(self) -> bool:
        """Create or remove the repair issue about the clocks. Return whether there is one."""
        return self._issues.async_update_clock(self.client.clock.difference)

    @callback
    def get_state(self) -> JsonObject:
        """Return what to store, in the relay's own JSON."""
        return {
            "account": self.data.raw,
            "vehicles": [record.raw for record in (*self._get_records(), *self.excluded.values())],
            "cursor": self.cursor,
        }

    @callback
    def _async_apply_message(
        self, message: Message, cursor: str | None, *, since: int | None, position: str | None
    ) -> None:
        match message:
            case Snapshot():
                self.async_apply_snapshot(message, position or cursor, since=since)
                self.async_set_updated_data(self.data)  # also cancels a scheduled poll
            case VehicleRecord():
                if self._order.accept_record(message.id, message.revision, since=since):
                    if self._async_apply_record(message):
                        self.async_update_listeners()
                    self._async_update_issues()
            case VehicleRemoved(id=vehicle_id):
                if self._order.accept_removal(vehicle_id, cursor, since=since):
                    self._async_remove_vehicle(vehicle_id)
            case Account():
                self._async_apply_account(message)
            case Transition(vehicle_id=vehicle_id):
                if (vehicle := self.vehicles.get(vehicle_id)) is not None:
                    vehicle.async_handle_transition(message)

    @callback
    def _async_apply_account(self, account: Account) -> None:
        previous_features = self.data.features
        self.async_set_account(account)
        if account.features != previous_features:
            self.async_update_listeners()  # they may need new entities

    @callback
    def _async_remove_vehicle(self, vehicle_id: str) -> None:
        was_shown = vehicle_id in self.vehicles
        self._async_drop_vehicle(vehicle_id)
        if was_shown:
            self._async_update_issues()
            self._async_remove_stale_devices()
            self.async_update_listeners()

    @callback
    def _async_apply_record(self, record: VehicleRecord) -> bool:
        """Update or add a vehicle. Return whether it may need new entities."""
        if record.id in self._options.excluded_vehicles:
            self.excluded[record.id] = record
            return False
        vehicle = self.vehicles.get(record.id)
        if vehicle is None:
            self._async_register_vehicle(record)
            self.vehicles[record.id] = VehicleCoordinator(self.hass, self.config_entry, self, record)
            self._async_notify_energy_change(record, None)
            return True
        current = vehicle.data
        if record.vehicle.information != current.vehicle.information:
            self._async_register_vehicle(record)
        vehicle.async_set_record(record)
        self._async_notify_energy_change(record, current)
        has_new_capabilities = record.vehicle.capabilities != current.vehicle.capabilities
        return has_new_capabilities or not record.data_kinds <= current.data_kinds

    @callback
    def _async_notify_energy_change(self, record: VehicleRecord, previous: VehicleRecord | None) -> None:
        if self.on_energy_change is None:
            return
        if previous is None or (record.energy, record.session) != (previous.energy, previous.session):
            self.on_energy_change(record.id)

    @callback
    def _async_drop_vehicle(self, vehicle_id: str) -> None:
        self.excluded.pop(vehicle_id, None)
        vehicle = self.vehicles.pop(vehicle_id, None)
        if vehicle is not None:
            vehicle.async_stop()

    @callback
    def _async_register_vehicle(self, record: VehicleRecord) -> None:
        async_register_vehicle(
            self.hass,
            self.config_entry.entry_id,
            record,
            self._account_device_id,
            vin_as_serial_number=self._options.vin_as_serial_number,
        )

    @callback
    def _async_remove_stale_devices(self) -> None:
        async_remove_other_devices(self.hass, self.config_entry.entry_id, {self.data.id, *self.vehicles})

    @callback
    def _async_update_issues(self) -> None:
        records = self._get_records()
        self._issues.async_update(records, self.data.features)
        self.account_issues.async_update_vehicles(records)

    def _get_records(self) -> list[VehicleRecord]:
        return [vehicle.data for vehicle in self.vehicles.values()]

    @callback
    def _async_on_availability_change(self) -> None:
        for vehicle in self.vehicles.values():
            vehicle.async_update_listeners()
        self.async_update_account_listeners()
