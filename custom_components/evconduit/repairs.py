"""Fix flow that links a vehicle again after its vendor revoked Enode's access."""

import asyncio
from datetime import timedelta
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow, RepairsFlowResult, repairs_flow_manager
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .client import LinkState, NotBrokenError, NotFoundError, RelayError
from .device_registry import get_vehicle_name
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

SIGN_IN_TIMEOUT: Final = timedelta(minutes=15)

type IssueData = dict[str, str | int | float | None]


class RelinkFlow(RepairsFlow):
    """Opens Enode's sign-in page and waits until the relay reports that the link works."""

    def __init__(self, entry: EVConduitConfigEntry, vehicle: VehicleCoordinator) -> None:
        self._entry = entry
        self._runtime = entry.runtime_data
        self._vehicle = vehicle
        self._wait_task: asyncio.Task[str] | None = None

    async def async_step_init(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Start the flow."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Explain the next step. The single-use page is created only after the user continues."""
        if user_input is not None:
            return await self.async_step_relink()
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),  # type: ignore[arg-type] # as in config_flow.py
            description_placeholders={"name": get_vehicle_name(self._vehicle.data)},
        )

    async def async_step_relink(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Open the vendor's sign-in in another window."""
        if self._wait_task is not None:
            return self.async_external_step_done(next_step_id=await self._wait_task)
        if (ending := self._get_ending()) is not None:
            return self.async_abort(reason=ending)
        try:
            url = await self._runtime.client.create_relink_url(self._vehicle.data.id)
        except RelayError as err:
            return self.async_abort(reason=_get_abort_reason(err))
        self._wait_task = self.hass.async_create_background_task(self._async_wait_for_link(), "evconduit relink")
        return self.async_external_step(step_id="relink", url=url)

    async def async_step_done(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Finish: the vehicle is linked."""
        return self.async_create_entry(data={})

    async def async_step_timeout(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: nobody signed in before the page expired."""
        return self.async_abort(reason="timeout")

    async def async_step_vehicle_gone(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: the vehicle was removed from the account."""
        return self.async_abort(reason="vehicle_gone")

    async def async_step_entry_unloaded(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: the entry was unloaded or reloaded, so this flow no longer receives updates."""
        return self.async_abort(reason="entry_unloaded")

    async def _async_wait_for_link(self) -> str:
        """Wait until the link works or can't any more, then continue the flow. Return the next step."""
        changed = asyncio.Event()
        unsubscribe = (
            self._vehicle.async_add_listener(changed.set),
            self._runtime.coordinator.async_add_listener(changed.set),  # when vehicles are removed
            self._entry.async_on_state_change(changed.set),
        )
        try:
            async with asyncio.timeout(SIGN_IN_TIMEOUT.total_seconds()):
                while (ending := self._get_ending()) is None and self._vehicle.data.link_state is LinkState.BROKEN:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return "timeout"
        finally:
            for stop in unsubscribe:
                stop()
            self.hass.async_create_task(self._async_continue_flow())
        return ending or "done"

    def _get_ending(self) -> str | None:
        """Return why waiting is pointless: the entry or the vehicle is gone. None if it isn't."""
        if self._entry.state is not ConfigEntryState.LOADED or self._entry.runtime_data is not self._runtime:
            return "entry_unloaded"
        if self._runtime.coordinator.vehicles.get(self._vehicle.data.id) is not self._vehicle:
            return "vehicle_gone"
        return None

    async def _async_continue_flow(self) -> None:
        manager = repairs_flow_manager(self.hass)
        if manager is not None and any(flow["flow_id"] == self.flow_id for flow in manager.async_progress()):
            await manager.async_configure(self.flow_id)

    @override
    @callback
    def async_remove(self) -> None:
        if self._wait_task is not None:
            self._wait_task.cancel()


def _get_abort_reason(error: RelayError) -> str:
    if isinstance(error, NotBrokenError):
        return "not_broken"
    return "vehicle_gone" if isinstance(error, NotFoundError) else "cannot_relink"


async def async_create_fix_flow(hass: HomeAssistant, _issue_id: str, data: IssueData | None) -> RepairsFlow:
    """Create the fix flow for a repair issue."""
    data = data or {}
    entry: EVConduitConfigEntry | None = hass.config_entries.async_get_entry(str(data.get("entry_id")))
    if entry is not None and entry.state is ConfigEntryState.LOADED:
        vehicle = entry.runtime_data.coordinator.vehicles.get(str(data.get("vehicle_id")))
        if vehicle is not None:
            return RelinkFlow(entry, vehicle)
    return ConfirmRepairFlow()  # the vehicle was removed, and the issue with it
