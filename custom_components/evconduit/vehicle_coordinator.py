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

FOLLOW_AFTER: Final = tuple(timedelta(seconds=it) for it in (5, 10, 15, 30, 60, 120, 240, 600, 1200))
"""When to ask how a command goes while no stream tells: half an hour in all, as long as carmakers take."""


class Account(Protocol):
    """What a car needs of its account."""

    client: RelayClient
    availability: RelayAvailability
    is_streaming: bool

    async def async_request_refresh(self) -> None:
        """Ask for all cars, soon."""


class VehicleCoordinator(DataUpdateCoordinator[VehicleRecord]):
    """One car. Its listeners hear of nothing but it, so that a push writes only its own entities."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], account: Account, record: VehicleRecord) -> None:
        super().__init__(hass, LOGGER, config_entry=entry, name="vehicle", update_interval=None)
        self._entry = entry
        self._account = account
        self.data = record

    @property
    def available(self) -> bool:
        """What we show of the car is still the relay's word. A sleeping car is available, one not served is not."""
        return self._account.availability.is_available and self.data.link_state is not LinkState.OVER_LIMIT

    @property
    def requested(self) -> CommandKind | None:
        """What the car has been asked and has not answered yet."""
        command = self.data.command
        return command.kind if command is not None and command.is_open else None

    @callback
    def async_set_record(self, record: VehicleRecord) -> None:
        """The car's record from now on."""
        if record != self.data:
            self.async_set_updated_data(record)

    async def async_charge(self, kind: CommandKind) -> None:
        """Ask the car to start or stop charging; returns when the command is on its way.

        Raises HomeAssistantError, translated, with the relay's reason.
        """
        try:
            command = await self._async_send(kind, uuid4().hex)
        except RelayError as err:
            if isinstance(err, UnauthorizedError):
                self._entry.async_start_reauth(self.hass)
            if isinstance(err, EnodeUnavailableError) and err.command is not None:
                self._async_note(err.command)
            raise create_command_error(err) from err
        self._async_note(command)
        if command.is_refused:  # Enode may take a command and cancel it in the same breath
            raise create_command_error(CommandRefusedError(command.reason))

    async def async_ask_for_news(self) -> None:
        """Have the car's maker asked; what it says comes like all news. Raises HomeAssistantError, translated."""
        try:
            await self._account.client.refresh(self.data.id)
        except RelayError as err:
            if isinstance(err, UnauthorizedError):
                self._entry.async_start_reauth(self.hass)
            raise create_refresh_error(err) from err

    async def _async_send(self, kind: CommandKind, key: str) -> Command:
        try:
            return await self._account.client.charge(self.data.id, kind, idempotency_key=key)
        except RelayConnectionError as err:
            if isinstance(err.__cause__, TimeoutError):
                raise  # nobody should wait so long twice
            # Most often an idle connection that the relay had closed. Under the same key it stays one command.
            return await self._account.client.charge(self.data.id, kind, idempotency_key=key)

    @callback
    def _async_note(self, command: Command) -> None:
        """Show what the relay answered, unless the stream has told more already."""
        if (known := self.data.command) is not None:
            is_settled = known.id == command.id and not known.is_open
            if is_settled or _time(known) > _time(command):
                return
        self.async_set_updated_data(replace(self.data, command=command))
        if command.is_open and not self._account.is_streaming:
            self._entry.async_create_background_task(self.hass, self._async_follow(command.id), f"{DOMAIN} command")

    async def _async_follow(self, command_id: str) -> None:
        for wait in FOLLOW_AFTER:
            await asyncio.sleep(wait.total_seconds())
            known = self.data.command
            if self._account.is_streaming or known is None or known.id != command_id or not known.is_open:
                return
            try:
                command = await self._account.client.command(command_id)
            except RelayError:
                continue  # there is a next time, and in the end the poll
            if not command.is_open:
                self.async_set_updated_data(replace(self.data, command=command))
                await self._account.async_request_refresh()
                return

    @override
    async def _async_update_data(self) -> VehicleRecord:
        """Only when a user asks (homeassistant.update_entity): with a stream there is nothing newer to be had."""
        if not self._account.is_streaming:
            await self._account.async_request_refresh()
        return self.data


def _time(command: Command) -> float:
    return command.requested_at.timestamp() if command.requested_at else 0.0
