"""Links a car from inside Home Assistant, as a subentry flow that stores no subentry."""

import asyncio
from datetime import timedelta
from typing import Any, Final, override

from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
    ConfigSubentryFlow,
    FlowType,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import FlowResultType

from .client import EnodeUnavailableError, ForbiddenError, RelayError, VehicleLimitError
from .const import DOMAIN, LOGGER
from .link_wait import NewVehicleWait

SUBENTRY_TYPE_VEHICLE: Final = "vehicle"
LINK_TIMEOUT: Final = timedelta(minutes=30)
"""How long to wait. The relay's page stays valid for longer, and a car that is linked later appears all the same."""

# The first class that matches is used: subclasses come before their base.
ABORT_REASONS: Final[tuple[tuple[type[RelayError], str], ...]] = (
    (VehicleLimitError, "vehicle_limit"),
    (ForbiddenError, "not_allowed"),
    (EnodeUnavailableError, "enode_unavailable"),
    (RelayError, "cannot_connect"),
)


class VehicleSubentryFlow(ConfigSubentryFlow):
    """Opens the relay's one-time page, and ends by itself when a car is linked on it."""

    def __init__(self) -> None:
        self._wait: NewVehicleWait | None = None
        self._task: asyncio.Task[None] | None = None
        self._url = ""
        self._next_step: str | None = None
        """What follows, as soon as the result is known."""

    async def async_step_user(self, _user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Open the page in another window, and wait for its result."""
        if self._next_step is not None:
            return self.async_external_step_done(next_step_id=self._next_step)
        if self._task is not None:  # the frontend asks for the present step
            return self.async_external_step(step_id="user", url=self._url)
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        try:
            page = await entry.runtime_data.client.create_link_page()
        except RelayError as err:
            LOGGER.debug("Link page not created: %s", err)
            return self.async_abort(reason=next(key for type_, key in ABORT_REASONS if isinstance(err, type_)))
        self._url, self._wait = page.url, NewVehicleWait(entry, page, LINK_TIMEOUT)
        self._task = self.hass.async_create_background_task(self._async_wait(self._wait), f"{DOMAIN} link")
        return self.async_external_step(step_id="user", url=page.url)

    async def _async_wait(self, wait: NewVehicleWait) -> None:
        """Wait for the result, then continue the flow."""
        self._next_step = await wait.async_run()
        self.hass.async_create_task(self.hass.config_entries.subentries.async_configure(self.flow_id), f"{DOMAIN} link")

    async def async_step_vehicle_linked(self, _user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Abort: a car is linked. There is nothing to store."""
        names = self._wait.vehicle_names if self._wait else ()
        return self.async_abort(
            reason="vehicle_linked" if names else "vehicle_linked_soon",
            description_placeholders={"name": ", ".join(names)},
        )

    async def async_step_cancelled(self, _user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Abort: the user left the page."""
        return self.async_abort(reason="cancelled")

    async def async_step_failed(self, _user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Abort: the manufacturer or Enode reported an error."""
        return self.async_abort(reason="failed")

    async def async_step_timeout(self, _user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Abort: nobody linked a car in time."""
        return self.async_abort(reason="timeout")

    async def async_step_entry_unloaded(self, _user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Abort: the entry was unloaded or reloaded meanwhile."""
        return self.async_abort(reason="entry_unloaded")

    @override
    @callback
    def async_remove(self) -> None:
        if self._task is not None:
            self._task.cancel()


async def async_offer_first_vehicle(hass: HomeAssistant, result: ConfigFlowResult) -> ConfigFlowResult:
    """Continue a flow that created an entry with linking a car, if the account has none and the relay can link one."""
    entry: ConfigEntry[Any] = result["result"]
    if entry.state is not ConfigEntryState.LOADED or entry.runtime_data.coordinator.has_vehicles:
        return result
    flow = await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_TYPE_VEHICLE), context=SubentryFlowContext(source=SOURCE_USER)
    )
    if flow["type"] is not FlowResultType.ABORT:
        result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, flow["flow_id"])
    return result
