"""The dialog for the token with which the state of a car is sent to A Better Routeplanner (ABRP)."""

from typing import Any

import probatio as vol
from homeassistant.config_entries import ConfigEntryState, ConfigSubentryFlow, SubentryFlowResult
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from .abrp import CONF_ABRP_TOKEN, CONF_VEHICLE_ID, find_token
from .device_registry import get_vehicle_name

TOKEN_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))


class AbrpSubentryFlow(ConfigSubentryFlow):
    """Adds the token of a car, or changes it."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for a car that has no token yet, and its token."""
        if self._get_entry().state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        names = self._list_names()
        if not names:
            return self.async_abort(reason="no_vehicle")
        if user_input is not None:
            vehicle_id = user_input[CONF_VEHICLE_ID]
            return self.async_create_entry(
                title=names[vehicle_id],
                data={CONF_VEHICLE_ID: vehicle_id, CONF_ABRP_TOKEN: user_input[CONF_ABRP_TOKEN].strip()},
                unique_id=f"abrp_{vehicle_id}",
            )
        options = [SelectOptionDict(value=vehicle_id, label=name) for vehicle_id, name in names.items()]
        schema = vol.Schema(
            {
                vol.Required(CONF_VEHICLE_ID, default=options[0]["value"]): SelectSelector(
                    SelectSelectorConfig(options=options)
                ),
                vol.Required(CONF_ABRP_TOKEN): TOKEN_FIELD,
            }
        )
        return self.async_show_form(step_id="user", data_schema=schema)

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for another token of the same car."""
        subentry = self._get_reconfigure_subentry()
        if user_input is not None:
            return self.async_update_and_abort(
                self._get_entry(), subentry, data_updates={CONF_ABRP_TOKEN: user_input[CONF_ABRP_TOKEN].strip()}
            )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=vol.Schema({vol.Required(CONF_ABRP_TOKEN): TOKEN_FIELD}),
            description_placeholders={"name": subentry.title},
        )

    def _list_names(self) -> dict[str, str]:
        """Return the names of the cars without a token, by vehicle id."""
        entry = self._get_entry()
        vehicles = entry.runtime_data.coordinator.vehicles
        return {
            vehicle_id: get_vehicle_name(vehicle.data)
            for vehicle_id, vehicle in vehicles.items()
            if find_token(entry, vehicle_id) is None
        }
