"""Fix flow that links a vehicle again, after its vendor revoked Enode's access or because Enode asks for it."""

import asyncio
from datetime import timedelta
from typing import Any, Final, override

import voluptuous as vol
from homeassistant.components.repairs import ConfirmRepairFlow, RepairsFlow, RepairsFlowResult, repairs_flow_manager
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .client import Intervention, LinkPage, LinkState, NotBrokenError, NotFoundError, RelayError
from .device_registry import get_vehicle_name
from .link_wait import LinkWait
from .repair_issues import get_intervention_texts
from .runtime import EVConduitConfigEntry
from .vehicle_coordinator import VehicleCoordinator

SIGN_IN_TIMEOUT: Final = timedelta(minutes=15)

type IssueData = dict[str, str | int | float | None]


class RelinkFlow(RepairsFlow):
    """Opens the vendor's sign-in page and waits until the vehicle is linked, or the intervention is done."""

    def __init__(
        self, entry: EVConduitConfigEntry, vehicle: VehicleCoordinator, intervention: Intervention | None = None
    ) -> None:
        self._entry = entry
        self._client = entry.runtime_data.client
        self._vehicle = vehicle
        self._intervention = intervention
        # Only for whether the entry is still loaded, before there is a page.
        self._wait = LinkWait(entry, LinkPage(id=None, url=""), SIGN_IN_TIMEOUT, self._is_solved)
        self._wait_task: asyncio.Task[None] | None = None
        self._url = ""
        self._next_step: str | None = None
        """What follows, as soon as the result is known."""

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
            description_placeholders={
                "name": get_vehicle_name(self._vehicle.data),
                **(get_intervention_texts(self._intervention) if self._intervention else {}),
            },
        )

    async def async_step_relink(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Open the vendor's sign-in in another window."""
        if self._next_step is not None:
            return self.async_external_step_done(next_step_id=self._next_step)
        if self._wait_task is not None:  # the frontend asks for the present step
            return self.async_external_step(step_id="relink", url=self._url)
        if (ending := self._wait.get_ending(self._vehicle)) is not None:
            return self.async_abort(reason=ending)
        try:
            page = await self._async_create_page()
        except RelayError as err:
            return self.async_abort(reason=_get_abort_reason(err))
        self._url, self._wait = page.url, LinkWait(self._entry, page, SIGN_IN_TIMEOUT, self._is_solved)
        self._wait_task = self.hass.async_create_background_task(self._async_wait_for_link(), "evconduit relink")
        return self.async_external_step(step_id="relink", url=page.url)

    async def _async_create_page(self) -> LinkPage:
        """Create the page. An intervention can need it although the link works. Raises RelayError."""
        try:
            return await self._client.create_relink_page(self._vehicle.data.id)
        except NotBrokenError:
            if self._intervention is None:
                raise
            return await self._client.create_link_page(self._vehicle.data.vehicle.vendor)

    def _is_solved(self) -> bool:
        record = self._vehicle.data
        if self._intervention is None:
            return record.link_state is not LinkState.BROKEN
        return all(intervention.id != self._intervention.id for intervention in record.interventions)

    async def async_step_vehicle_linked(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Finish: the vehicle is linked."""
        return self.async_create_entry(data={})

    async def async_step_cancelled(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: the user left the page."""
        return self.async_abort(reason="cancelled")

    async def async_step_failed(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: the vendor or Enode reported an error."""
        return self.async_abort(reason="failed")

    async def async_step_timeout(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: nobody signed in before the page expired."""
        return self.async_abort(reason="timeout")

    async def async_step_vehicle_gone(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: the vehicle was removed from the account."""
        return self.async_abort(reason="vehicle_gone")

    async def async_step_entry_unloaded(self, _user_input: dict[str, Any] | None = None) -> RepairsFlowResult:
        """Abort: the entry was unloaded or reloaded, so this flow no longer receives updates."""
        return self.async_abort(reason="entry_unloaded")

    async def _async_wait_for_link(self) -> None:
        """Wait until the vehicle is linked or can't be any more, then continue the flow."""
        self._next_step = await self._wait.async_run(self._vehicle)
        self.hass.async_create_task(self._async_continue_flow())

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
            id_ = data.get("intervention_id")
            intervention = next((row for row in vehicle.data.interventions if row.id == id_), None)
            if (intervention is None) is (id_ is None):
                return RelinkFlow(entry, vehicle, intervention)
    return ConfirmRepairFlow()  # the vehicle or the intervention is gone, and the issue with it
