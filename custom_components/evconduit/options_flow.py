from typing import Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult, OptionsFlowWithReload
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
)

from .client import RelayClient, RelayError
from .device_registry import get_vehicle_name
from .electricity_price import parse_price_unit
from .home_sync import get_uploaded_home, get_zone_home, is_own
from .options import (
    CONF_ELECTRICITY_PRICE,
    CONF_EXCLUDED_VEHICLES,
    CONF_EXPOSE_LOCATION,
    CONF_PRICE_ENTITY,
    CONF_PUSH_CHANNEL,
    CONF_USE_HOME_ZONE,
    CONF_VIN_AS_SERIAL,
    Options,
    PushChannel,
)
from .price_sync import MAX_PRICE
from .relay_search import get_error_key
from .runtime import EVConduitConfigEntry

CONF_VEHICLES: Final = "vehicles"
"""In the form: the cars to show. The entry stores the others, so that a new car is shown."""

PRICE_DOMAINS: Final = ["sensor", "input_number", "number"]


class EVConduitOptionsFlow(OptionsFlowWithReload):
    """Asks for all options in one form."""

    config_entry: EVConduitConfigEntry

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Show the options of the entry, and store them."""
        if self.config_entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self._async_check(user_input)
            if not errors:
                return self.async_create_entry(data=self._create_options(user_input))
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                self._create_schema(),  # type: ignore[arg-type] # as in config_flow.py
                user_input or self._get_current_values(),
            ),
            errors=errors,
            description_placeholders={"currency": self.hass.config.currency},
        )

    async def _async_check(self, user_input: dict[str, Any]) -> dict[str, str]:
        entity_id = user_input.get(CONF_PRICE_ENTITY)
        if entity_id is not None:
            if CONF_ELECTRICITY_PRICE in user_input:
                return {CONF_ELECTRICITY_PRICE: "two_prices"}
            state = self.hass.states.get(entity_id)
            unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) if state else None
            # Without a state there may be no unit yet.
            if unit is not None and parse_price_unit(unit, self.hass.config.currency) is None:
                return {CONF_PRICE_ENTITY: "no_price_unit"}
            if unit is None and state is not None and state.state not in {"unavailable", "unknown"}:
                return {CONF_PRICE_ENTITY: "no_price_unit"}
        if user_input[CONF_USE_HOME_ZONE] and not Options.parse(self.config_entry.options).use_home_zone:
            return await self._async_check_home(self.config_entry.runtime_data.client)
        return {}

    async def _async_check_home(self, client: RelayClient) -> dict[str, str]:
        """Check that the home isn't another installation's."""
        try:
            current = await client.get_home()
        except RelayError as err:
            return {"base": get_error_key(err)}
        if is_own(current, get_uploaded_home(self.config_entry)) or (
            current is not None and current.is_same(get_zone_home(self.hass))
        ):
            return {}
        return {CONF_USE_HOME_ZONE: "home_set_elsewhere"}

    def _create_options(self, user_input: dict[str, Any]) -> dict[str, Any]:
        options = {key: value for key, value in user_input.items() if key != CONF_VEHICLES}
        # Cars that aren't known now, for example because the calls are used up, stay as they were selected.
        excluded = Options.parse(self.config_entry.options).excluded_vehicles
        if CONF_VEHICLES in user_input:
            excluded = (excluded | set(self._list_vehicles())) - set(user_input[CONF_VEHICLES])
        if excluded:
            options[CONF_EXCLUDED_VEHICLES] = sorted(excluded)
        return options

    def _create_schema(self) -> vol.Schema:
        vehicles = self._list_vehicles()
        currency = self.hass.config.currency
        fields: dict[vol.Marker, Any] = {
            vol.Required(CONF_PUSH_CHANNEL): SelectSelector(
                SelectSelectorConfig(options=list(PushChannel), translation_key=CONF_PUSH_CHANNEL)
            ),
            vol.Required(CONF_EXPOSE_LOCATION): BooleanSelector(),
            vol.Required(CONF_USE_HOME_ZONE): BooleanSelector(),
            vol.Optional(CONF_ELECTRICITY_PRICE): NumberSelector(
                NumberSelectorConfig(
                    min=-MAX_PRICE,
                    max=MAX_PRICE,
                    step="any",
                    mode=NumberSelectorMode.BOX,
                    unit_of_measurement=f"{currency}/kWh",
                )
            ),
            vol.Optional(CONF_PRICE_ENTITY): EntitySelector(EntitySelectorConfig(domain=PRICE_DOMAINS)),
            vol.Required(CONF_VIN_AS_SERIAL): BooleanSelector(),
        }
        if vehicles:
            fields[vol.Required(CONF_VEHICLES)] = SelectSelector(
                SelectSelectorConfig(
                    options=[SelectOptionDict(value=id_, label=name) for id_, name in vehicles.items()], multiple=True
                )
            )
        return vol.Schema(fields)

    def _get_current_values(self) -> dict[str, Any]:
        options = Options.parse(self.config_entry.options)
        return {
            CONF_PUSH_CHANNEL: options.push_channel.value,
            CONF_EXPOSE_LOCATION: options.expose_location,
            CONF_USE_HOME_ZONE: options.use_home_zone,
            CONF_ELECTRICITY_PRICE: options.electricity_price,
            CONF_PRICE_ENTITY: options.price_entity,
            CONF_VIN_AS_SERIAL: options.vin_as_serial_number,
            CONF_VEHICLES: [id_ for id_ in self._list_vehicles() if id_ not in options.excluded_vehicles],
        }

    def _list_vehicles(self) -> dict[str, str]:
        """Return all cars of the account with their names, also those that aren't shown."""
        coordinator = self.config_entry.runtime_data.coordinator
        records = [vehicle.data for vehicle in coordinator.vehicles.values()]
        return {record.id: get_vehicle_name(record) for record in (*records, *coordinator.excluded.values())}
