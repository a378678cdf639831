"""Repairs at a button's press: a car whose maker does not let Enode in any more is linked again."""

import asyncio
from datetime import timedelta
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow, RepairsFlowResult, repairs_flow_manager
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .client import LinkState, NotBrokenError, NotFoundError, RelayClient, RelayError
from .device_registry import vehicle_name
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

SIGN_IN_WITHIN: Final = timedelta(minutes=15)

type IssueData = dict[str, str | int | float | None]


class RelinkFlow(RepairsFlow):
    """Leads to a page of Enode's, and waits until the relay says that the link is in order."""

    def __init__(self, client: RelayClient, vehicle: VehicleCoordinator) -> None:
        self._client = client
        self._vehicle = vehicle
        self._waiting: asyncio.Task[bool] | None = None

    async def async_step_init(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """The first step."""
        return await self.async_step_confirm()

    async def async_step_confirm(self, user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Tell what comes: the page can be used only once, so it is asked for only when it is wanted."""
        if user_input is not None:
            return await self.async_step_relink()
        return self.async_show_form(
            step_id="confirm",
            data_schema=vol.Schema({}),  # type: ignore[arg-type] # voluptuous is probatio when Home Assistant runs
            description_placeholders={"name": vehicle_name(self._vehicle.data)},
        )

    async def async_step_relink(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """The maker's sign-in, in another window."""
        if self._waiting is not None:
            return self.async_external_step_done(next_step_id="done" if await self._waiting else "timeout")
        try:
            url = await self._client.relink(self._vehicle.data.id)
        except RelayError as err:
            return self.async_abort(reason=_reason(err))
        self._waiting = self.hass.async_create_background_task(self._async_wait(), "evconduit relink")
        return self.async_external_step(step_id="relink", url=url)

    async def async_step_done(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """It is linked again."""
        return self.async_create_entry(data={})

    async def async_step_timeout(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """The page has expired."""
        return self.async_abort(reason="timeout")

    async def _async_wait(self) -> bool:
        """Whether the car's link came to be in order in time; then the flow goes on by itself."""
        changed = asyncio.Event()
        stop = self._vehicle.async_add_listener(changed.set)
        try:
            async with asyncio.timeout(SIGN_IN_WITHIN.total_seconds()):
                while self._vehicle.data.link_state is LinkState.BROKEN:
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            return False
        finally:
            stop()
            self.hass.async_create_task(self._async_go_on())
        return True

    async def _async_go_on(self) -> None:
        manager = repairs_flow_manager(self.hass)
        if manager is not None and any(it["flow_id"] == self.flow_id for it in manager.async_progress()):
            await manager.async_configure(self.flow_id)

    @override
    @callback
    def async_remove(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()


def _reason(error: RelayError) -> str:
    if isinstance(error, NotBrokenError):
        return "not_broken"
    return "vehicle_gone" if isinstance(error, NotFoundError) else "cannot_relink"


async def async_create_fix_flow(hass: HomeAssistant, _issue_id: str, data: IssueData | None) -> RepairsFlow:
    """The flow for an issue of ours."""
    known = data or {}
    entry: EVConduitConfigEntry | None = hass.config_entries.async_get_entry(str(known.get("entry_id")))
    if entry is not None and entry.state is ConfigEntryState.LOADED:
        vehicle = entry.runtime_data.coordinator.vehicles.get(str(known.get("vehicle_id")))
        if vehicle is not None:
            return RelinkFlow(entry.runtime_data.client, vehicle)
    return ConfirmRepairFlow()  # its car is gone, and so is the issue
