import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, Protocol, override
from uuid import uuid4

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .availability import RelayAvailability
from .broken_link import BrokenLinkGrace
from .client import (
    Command,
    CommandKind,
    CommandRefusedError,
    EnodeUnavailableError,
    LinkState,
    RelayClient,
    RelayConnectionError,
    RelayError,
    SmartChargingSettings,
    Transition,
    UnauthorizedError,
    VehicleRecord,
    cancel_command,
    set_max_current,
)
from .command_events import async_fire_command_event
from .const import DOMAIN, LOGGER
from .error_messages import create_command_error, create_refresh_error
from .transitions import VehicleEvents

UTC_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
COMMAND_CHECK_DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 15, 30, 60, 120, 240, 600, 1200))
"""Delays between checks of a command while the stream is down. Vendors take up to half an hour."""


class DataScope(Enum):
    """What data is about, which decides how long it is shown.

    `LINK`: the link itself, shown while there is contact with the relay. `HISTORY`: what happened, shown for vehicles
    that the plan covers. `LIVE`: what the vehicle is doing now, shown until the link has been broken for a day.
    """

    LINK = auto()
    HISTORY = auto()
    LIVE = auto()


class AccountState(Protocol):
    """What a vehicle's coordinator needs from the account's."""

    client: RelayClient
    availability: RelayAvailability
    is_streaming: bool

    async def async_request_refresh(self) -> None:
        """Poll all vehicles soon."""


class VehicleCoordinator(DataUpdateCoordinator[VehicleRecord]):
    """One vehicle. A separate coordinator, so that an update writes only the entities of this vehicle."""

    def __init__(
        self, hass: HomeAssistant, entry: ConfigEntry[Any], account: AccountState, record: VehicleRecord
    ) -> None:
        super().__init__(hass, LOGGER, config_entry=entry, name="vehicle", update_interval=None)
        self._entry = entry
        self._account = account
        self._command_lock = asyncio.Lock()
        self._grace = BrokenLinkGrace(hass, self.async_update_listeners)
        self.data = record
        self.events = VehicleEvents(self._async_on_outcome)
        self._async_update_grace()
        self.requested_settings: tuple[SmartChargingSettings | None, datetime] = (None, UTC_EPOCH)
        """Settings of smart charging to show until they are reported, but no longer than until this time."""
        self._cancel_settings_timer: CALLBACK_TYPE | None = None

    @property
    def entry(self) -> ConfigEntry[Any]:
        """The entry of the vehicle's account."""
        return self._entry

    @property
    def client(self) -> RelayClient:
        """The client of the vehicle's account."""
        return self._account.client

    def is_available(self, scope: DataScope) -> bool:
        """Return whether data of this scope is current. A sleeping vehicle's is."""
        if not self._account.availability.is_available:
            return False
        match scope:
            case DataScope.LINK:
                return True
            case DataScope.HISTORY:
                return self.data.link_state is not LinkState.OVER_LIMIT
            case DataScope.LIVE:
                return self.data.link_state is not LinkState.OVER_LIMIT and not self._grace.is_expired

    @property
    def open_command(self) -> Command | None:
        """The command whose outcome is open, if any."""
        command = self.data.command
        return command if command is not None and command.is_open else None

    @property
    def open_command_kind(self) -> CommandKind | None:
        """The kind of the command whose outcome is open, if any."""
        return self.open_command.kind if self.open_command is not None else None

    @callback
    def async_set_record(self, record: VehicleRecord) -> None:
        """Set the record. One of the same revision doesn't know of a command that was sent since."""
        if record.revision == self.data.revision:
            record = replace(record, command=self.data.command)
        if record.vehicle.smart_charging == self.requested_settings[0]:
            self.requested_settings = (None, UTC_EPOCH)
            self._async_cancel_settings_timer()
        if record != self.data:
            previous, self.data = self.data, record
            if (record.link_state, record.link_since) != (previous.link_state, previous.link_since):
                self._async_update_grace()
            self.async_set_updated_data(record)

    @callback
    def async_stop(self) -> None:
        """Cancel the timers."""
        self._grace.async_stop()
        self._async_cancel_settings_timer()

    @callback
    def async_show_settings(self, settings: SmartChargingSettings, until: datetime) -> None:
        """Show settings of smart charging that Enode has accepted, until a record has them."""
        self._async_cancel_settings_timer()
        self.requested_settings = (settings, until)
        self._cancel_settings_timer = async_call_later(
            self.hass, (until - dt_util.utcnow()).total_seconds(), self._async_end_requested_settings
        )
        self.async_update_listeners()

    @callback
    def _async_end_requested_settings(self, _now: datetime) -> None:
        """Show what the vehicle's record has: Enode didn't apply what was requested."""
        self._cancel_settings_timer = None
        self.requested_settings = (None, UTC_EPOCH)
        self.async_update_listeners()

    @callback
    def _async_cancel_settings_timer(self) -> None:
        if self._cancel_settings_timer is not None:
            self._cancel_settings_timer()
            self._cancel_settings_timer = None

    async def async_send_charging_command(self, kind: CommandKind) -> Command:
        """Start or stop charging. Returns when the command is sent. Commands to one vehicle are sent one by one.

        Raises a translated HomeAssistantError, with the vehicle's reason if it refused.
        """

        async def send(key: str) -> Command:
            return await self._account.client.send_charging_command(self.data.id, kind, idempotency_key=key)

        async with self._command_lock:
            return await self._async_send_and_apply_command(send)

    async def async_set_max_current(self, amps: float) -> Command:
        """Limit the charging current. Like `async_send_charging_command`."""

        async def send(key: str) -> Command:
            return await set_max_current(self._account.client, self.data.id, amps, idempotency_key=key)

        async with self._command_lock:
            return await self._async_send_and_apply_command(send)

    async def async_cancel_command(self) -> Command:
        """Cancel the open command. The vehicle may still carry it out. Raises a translated HomeAssistantError."""
        if self.open_command is None:
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_open_command")
        command = await self.async_request(cancel_command(self._account.client, self.open_command.id))
        self._async_apply_command(command)
        return command

    async def async_request[T](self, request: Awaitable[T]) -> T:
        """Await a request to the relay. Raises a translated HomeAssistantError in place of a RelayError."""
        try:
            return await request
        except RelayError as err:
            self.async_handle_unauthorized(err)
            raise create_command_error(err) from err

    @callback
    def async_handle_unauthorized(self, err: RelayError) -> None:
        """Ask for another credential if the relay refused this one."""
        if isinstance(err, UnauthorizedError):
            self._entry.async_start_reauth(self.hass)

    @callback
    def async_handle_transition(self, transition: Transition) -> None:
        """Pass a transition to the event entities."""
        self.events.async_handle_transition(transition, self._account.client.clock.now(), self.data.command)

    async def async_refresh_vehicle(self) -> None:
        """Request new data from the vendor; it arrives like any update. Raises a translated HomeAssistantError."""
        try:
            await self._account.client.refresh_vehicle(self.data.id)
        except RelayError as err:
            self.async_handle_unauthorized(err)
            raise create_refresh_error(err) from err

    async def _async_send_and_apply_command(self, send: Callable[[str], Awaitable[Command]]) -> Command:
        try:
            command = await _async_send_command(send)
        except RelayError as err:
            self.async_handle_unauthorized(err)
            if isinstance(err, EnodeUnavailableError) and err.command is not None:
                self._async_apply_command(err.command)
            raise create_command_error(err) from err
        self._async_apply_command(command)
        if command.is_refused:  # Enode may accept a command and cancel it at once
            raise create_command_error(CommandRefusedError(command.reason))
        return command

    @callback
    def _async_update_grace(self) -> None:
        """Start the grace of a broken link, or end it. Without a time, the link counts as broken since now."""
        now = self._account.client.clock.now()
        is_broken = self.data.link_state is LinkState.BROKEN
        self._grace.async_set_broken_since((self.data.link_since or now) if is_broken else None, now)

    @callback
    def _async_apply_command(self, command: Command) -> None:
        """Apply the response to a command, unless the stream already delivered something newer."""
        if (current := self.data.command) is not None:
            is_settled = current.id == command.id and not current.is_open
            if is_settled or _get_request_time(current) > _get_request_time(command):
                return
        self.async_set_updated_data(replace(self.data, command=command))
        self.events.async_report_outcome(command)
        if command.is_open and not self._account.is_streaming:
            self._entry.async_create_background_task(
                self.hass, self._async_check_command(command.id), f"{DOMAIN} command"
            )

    async def _async_check_command(self, command_id: str) -> None:
        for delay in COMMAND_CHECK_DELAYS:
            await asyncio.sleep(delay.total_seconds())
            current = self.data.command
            if self._account.is_streaming or current is None or current.id != command_id or not current.is_open:
                return
            try:
                command = await self._account.client.get_command(command_id)
            except RelayError:
                continue  # the next check follows, and finally the poll
            if not command.is_open:
                self.async_set_updated_data(replace(self.data, command=command))
                self.events.async_report_outcome(command)
                await self._account.async_request_refresh()
                return

    @callback
    def _async_on_outcome(self, command: Command) -> None:
        async_fire_command_event(self.hass, self._entry.entry_id, self.data, command)

    @override
    async def _async_update_data(self) -> VehicleRecord:
        """Handle homeassistant.update_entity. With a stream there is nothing newer to request."""
        if not self._account.is_streaming:
            await self._account.async_request_refresh()
        return self.data


async def _async_send_command(send: Callable[[str], Awaitable[Command]]) -> Command:
    """Send a command with a new idempotency key, and once more if the connection breaks."""
    key = uuid4().hex
    try:
        return await send(key)
    except RelayConnectionError as err:
        if isinstance(err.__cause__, TimeoutError):
            raise  # a retry would double a wait that is long already
        # Usually an idle connection that the relay closed. The key prevents a second command.
        return await send(key)


def _get_request_time(command: Command) -> float:
    return command.requested_at.timestamp() if command.requested_at else 0.0
