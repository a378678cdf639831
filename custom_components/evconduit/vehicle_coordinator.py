import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final, Protocol, override
from uuid import uuid4

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .availability import RelayAvailability
from .client import (
    Command,
    CommandKind,
    CommandRefusedError,
    EnodeUnavailableError,
    LinkState,
    RelayClient,
    RelayConnectionError,
    RelayError,
    UnauthorizedError,
    VehicleRecord,
)
from .const import DOMAIN, LOGGER
from .error_messages import create_command_error, create_refresh_error

COMMAND_CHECK_DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 15, 30, 60, 120, 240, 600, 1200))
"""Delays between checks of a command while the stream is down. Vendors take up to half an hour."""


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
        self.data = record

    @property
    def client(self) -> RelayClient:
        """The client of the account."""
        return self._account.client

    @property
    def available(self) -> bool:
        """Whether the data is current and the plan covers the vehicle. A sleeping vehicle is available."""
        return self._account.availability.is_available and self.data.link_state is not LinkState.OVER_LIMIT

    @property
    def open_command_kind(self) -> CommandKind | None:
        """The kind of the command whose outcome is open, if any."""
        command = self.data.command
        return command.kind if command is not None and command.is_open else None

    @callback
    def async_set_record(self, record: VehicleRecord) -> None:
        """Set the record. One of the same revision doesn't know of a command that was sent since."""
        if record.revision == self.data.revision:
            record = replace(record, command=self.data.command)
        if record != self.data:
            self.async_set_updated_data(record)

    async def async_send_charging_command(self, kind: CommandKind) -> None:
        """Start or stop charging. Returns when the command is sent. Commands to one vehicle are sent one by one.

        Raises a translated HomeAssistantError, with the vehicle's reason if it refused.
        """
        async with self._command_lock:
            await self._async_send_and_apply_command(kind)

    async def async_refresh_vehicle(self) -> None:
        """Request new data from the vendor; it arrives like any update. Raises a translated HomeAssistantError."""
        try:
            await self._account.client.refresh_vehicle(self.data.id)
        except RelayError as err:
            if isinstance(err, UnauthorizedError):
                self._entry.async_start_reauth(self.hass)
            raise create_refresh_error(err) from err

    async def _async_send_and_apply_command(self, kind: CommandKind) -> None:
        try:
            command = await self._async_send_command(kind, uuid4().hex)
        except RelayError as err:
            if isinstance(err, UnauthorizedError):
                self._entry.async_start_reauth(self.hass)
            if isinstance(err, EnodeUnavailableError) and err.command is not None:
                self._async_apply_command(err.command)
            raise create_command_error(err) from err
        self._async_apply_command(command)
        if command.is_refused:  # Enode may accept a command and cancel it at once
            raise create_command_error(CommandRefusedError(command.reason))

    async def _async_send_command(self, kind: CommandKind, key: str) -> Command:
        try:
            return await self._account.client.send_charging_command(self.data.id, kind, idempotency_key=key)
        except RelayConnectionError as err:
            if isinstance(err.__cause__, TimeoutError):
                raise  # a retry would double a wait that is long already
            # Usually an idle connection that the relay closed. The key prevents a second command.
            return await self._account.client.send_charging_command(self.data.id, kind, idempotency_key=key)

    @callback
    def _async_apply_command(self, command: Command) -> None:
        """Apply the response to a command, unless the stream already delivered something newer."""
        if (current := self.data.command) is not None:
            is_settled = current.id == command.id and not current.is_open
            if is_settled or _get_request_time(current) > _get_request_time(command):
                return
        self.async_set_updated_data(replace(self.data, command=command))
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
                await self._account.async_request_refresh()
                return

    @override
    async def _async_update_data(self) -> VehicleRecord:
        """Handle homeassistant.update_entity. With a stream there is nothing newer to request."""
        if not self._account.is_streaming:
            await self._account.async_request_refresh()
        return self.data


def _get_request_time(command: Command) -> float:
    return command.requested_at.timestamp() if command.requested_at else 0.0
