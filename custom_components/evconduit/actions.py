"""The integration's actions, registered once for all entries."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import probatio as vol
from homeassistant.const import ATTR_CONFIG_ENTRY_ID, UnitOfLength
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.typing import VolDictType
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonValueType
from homeassistant.util.unit_conversion import DistanceConverter

from .abrp import async_send_telemetry
from .action_targets import ATTR_VEHICLE_ID, async_get_classic_vehicles, async_get_entry, async_get_target_vehicles
from .client import Command, CommandKind, NotFoundError, RelayError, UnauthorizedError, set_odometer
from .command_events import COMMAND_NAMES
from .const import DOMAIN
from .device_registry import get_vehicle_name
from .error_messages import create_command_error
from .price_sync import MAX_PRICE
from .runtime import EVConduitConfigEntry
from .session_rows import async_list_session_rows
from .vehicle_coordinator import VehicleCoordinator

ATTR_AMPS: Final = "amps"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
ATTR_COST_PER_KWH: Final = "cost_per_kwh"
ATTR_CURRENCY: Final = "currency"
ATTR_ODOMETER_KM: Final = "odometer_km"
ATTR_ODOMETER_ENTITY: Final = "odometer_entity"
ATTR_VENDOR: Final = "vendor"
ATTR_ACTION: Final = "action"

DEFAULT_RANGE: Final = timedelta(days=30)
"""How far back charging sessions are listed without a start."""
MAX_AMPS: Final = 100
"""What the relay accepts."""

type Handler = Callable[[ServiceCall], Awaitable[ServiceResponse]]


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action: its name, fields and handler."""

    name: str
    handler: Callable[[HomeAssistant, ServiceCall], Awaitable[ServiceResponse]]
    schema: VolDictType
    response: SupportsResponse = SupportsResponse.OPTIONAL


@callback
def async_setup_actions(hass: HomeAssistant) -> None:
    """Register the actions. Each of them finds its loaded entry, or raises a ServiceValidationError."""

    def register(action: Action) -> None:
        async def handle(call: ServiceCall) -> ServiceResponse:
            return await action.handler(hass, call)

        hass.services.async_register(
            DOMAIN, action.name, handle, schema=vol.Schema(action.schema), supports_response=action.response
        )

    for action in ACTIONS:
        register(action)


async def _async_start_charging(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    return await _async_send_commands(
        async_get_target_vehicles(hass, call), lambda vehicle: vehicle.async_send_charging_command(CommandKind.START)
    )


async def _async_stop_charging(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    return await _async_send_commands(
        async_get_target_vehicles(hass, call), lambda vehicle: vehicle.async_send_charging_command(CommandKind.STOP)
    )


async def _async_set_charging(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Handle the classic integration's action."""
    kind = CommandKind(call.data[ATTR_ACTION])
    return await _async_send_commands(
        async_get_classic_vehicles(hass, call), lambda vehicle: vehicle.async_send_charging_command(kind)
    )


async def _async_set_max_current(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    amps: float = call.data[ATTR_AMPS]
    return await _async_send_commands(
        async_get_target_vehicles(hass, call), lambda vehicle: vehicle.async_set_max_current(amps)
    )


async def _async_cancel_command(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    return await _async_send_commands(
        async_get_target_vehicles(hass, call), lambda vehicle: vehicle.async_cancel_command()
    )


async def _async_refresh(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    vehicles = async_get_target_vehicles(hass, call)
    await _async_run_side_by_side(vehicle.async_refresh_vehicle() for vehicle in vehicles)
    return {"vehicles": [get_vehicle_name(vehicle.data) for vehicle in vehicles]}


async def _async_get_charging_sessions(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    end: datetime = call.data.get(ATTR_END) or dt_util.utcnow()
    start: datetime = call.data.get(ATTR_START) or end - DEFAULT_RANGE
    start, end = dt_util.as_utc(start), dt_util.as_utc(end)
    if start >= end:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="empty_range")
    vehicles = async_get_target_vehicles(hass, call)
    lists = await _async_run_side_by_side(async_list_session_rows(vehicle, start, end) for vehicle in vehicles)
    rows = sorted((row for rows in lists for row in rows), key=lambda row: str(row["started_at"]))
    return {"sessions": [dict(row) for row in rows]}


async def _async_sync_charging_history(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    """Handle the classic integration's action. The relay keeps the history: this reads it again, and counts it."""
    vehicles = async_get_classic_vehicles(hass, call)
    end = dt_util.utcnow()
    lists = await _async_run_side_by_side(
        async_list_session_rows(vehicle, end - DEFAULT_RANGE, end) for vehicle in vehicles
    )
    for vehicle in vehicles:
        vehicle.async_update_listeners()
    return {"sessions": sum(map(len, lists))}


async def _async_set_electricity_rate(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    entry = async_get_entry(hass, call.data.get(ATTR_CONFIG_ENTRY_ID))
    currency = str(call.data.get(ATTR_CURRENCY) or hass.config.currency)
    cost: float = call.data[ATTR_COST_PER_KWH]
    await _async_request(hass, entry, entry.runtime_data.client.set_electricity_rate(cost, currency))
    return {ATTR_COST_PER_KWH: cost, ATTR_CURRENCY: currency}


async def _async_update_odometer(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    vehicles = async_get_classic_vehicles(hass, call)
    kilometers = _get_kilometers(hass, call)
    for vehicle in vehicles:
        try:
            await vehicle.async_request(set_odometer(vehicle.client, vehicle.data.id, kilometers))
        except HomeAssistantError as err:
            if isinstance(err.__cause__, NotFoundError):
                raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_session") from err
            raise
    return {ATTR_ODOMETER_KM: kilometers}


async def _async_link_vehicle(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    entry = async_get_entry(hass, call.data.get(ATTR_CONFIG_ENTRY_ID))
    page = await _async_request(hass, entry, entry.runtime_data.client.create_link_page(call.data.get(ATTR_VENDOR)))
    return {"url": page.url}


async def _async_send_abrp_telemetry(hass: HomeAssistant, call: ServiceCall) -> ServiceResponse:
    vehicles = async_get_classic_vehicles(hass, call)
    await _async_run_side_by_side(async_send_telemetry(hass, vehicle) for vehicle in vehicles)
    return {"vehicles": [get_vehicle_name(vehicle.data) for vehicle in vehicles]}


async def _async_send_commands(
    vehicles: Iterable[VehicleCoordinator], send: Callable[[VehicleCoordinator], Awaitable[Command]]
) -> ServiceResponse:
    """Send commands to vehicles side by side. The response has each command, whose outcome is open as a rule."""

    async def send_and_describe(vehicle: VehicleCoordinator) -> JsonValueType:
        command = await send(vehicle)
        return {
            "vehicle": get_vehicle_name(vehicle.data),
            "vehicle_id": vehicle.data.id,
            "command_id": command.id,
            "command": None if command.kind is None else COMMAND_NAMES[command.kind],
            "state": command.state,
        }

    return {"commands": await _async_run_side_by_side(send_and_describe(vehicle) for vehicle in vehicles)}


async def _async_run_side_by_side[T](tasks: Iterable[Awaitable[T]]) -> list[T]:
    """Await all, so that an error of one vehicle doesn't stop the others. Then raise the first error."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _async_request[T](hass: HomeAssistant, entry: EVConduitConfigEntry, request: Awaitable[T]) -> T:
    try:
        return await request
    except RelayError as err:
        if isinstance(err, UnauthorizedError):
            entry.async_start_reauth(hass)
        if err.is_invalid_request:
            raise ServiceValidationError(translation_domain=DOMAIN, translation_key="invalid_request") from err
        raise create_command_error(err) from err


def _get_kilometers(hass: HomeAssistant, call: ServiceCall) -> float:
    """Return the odometer of the action, or of the entity that it names, in km. Raises ServiceValidationError."""
    if (kilometers := call.data.get(ATTR_ODOMETER_KM)) is not None:
        return float(kilometers)
    state = hass.states.get(call.data.get(ATTR_ODOMETER_ENTITY, ""))
    if state is None:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_odometer")
    try:
        unit = state.attributes.get("unit_of_measurement", UnitOfLength.KILOMETERS)
        value = DistanceConverter.convert(float(state.state), unit, UnitOfLength.KILOMETERS)
        return float(_ODOMETER(value))
    except (ValueError, HomeAssistantError, vol.Invalid) as err:
        raise ServiceValidationError(translation_domain=DOMAIN, translation_key="no_odometer") from err


_ODOMETER: Final = vol.All(vol.Coerce(float), vol.Range(min=0, min_included=False))
_TARGET: Final[VolDictType] = cv.TARGET_SERVICE_FIELDS
_ENTRY: Final[VolDictType] = {vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string}
_CLASSIC_TARGET: Final[VolDictType] = {**_TARGET, vol.Optional(ATTR_VEHICLE_ID): cv.string}

ACTIONS: Final = (
    Action(name="start_charging", handler=_async_start_charging, schema=_TARGET),
    Action(name="stop_charging", handler=_async_stop_charging, schema=_TARGET),
    Action(
        name="set_max_current",
        handler=_async_set_max_current,
        schema={
            **_TARGET,
            vol.Required(ATTR_AMPS): vol.All(vol.Coerce(float), vol.Range(min=0, max=MAX_AMPS, min_included=False)),
        },
    ),
    Action(name="refresh", handler=_async_refresh, schema=_TARGET),
    Action(name="cancel_command", handler=_async_cancel_command, schema=_TARGET),
    Action(
        name="get_charging_sessions",
        handler=_async_get_charging_sessions,
        schema={**_TARGET, vol.Optional(ATTR_START): cv.datetime, vol.Optional(ATTR_END): cv.datetime},
        response=SupportsResponse.ONLY,
    ),
    Action(
        name="set_electricity_rate",
        handler=_async_set_electricity_rate,
        schema={
            **_ENTRY,
            vol.Required(ATTR_COST_PER_KWH): vol.All(vol.Coerce(float), vol.Range(min=-MAX_PRICE, max=MAX_PRICE)),
            vol.Optional(ATTR_CURRENCY): cv.currency,
        },
    ),
    Action(
        name="update_odometer",
        handler=_async_update_odometer,
        schema={
            **_CLASSIC_TARGET,
            vol.Exclusive(ATTR_ODOMETER_KM, "odometer"): _ODOMETER,
            vol.Exclusive(ATTR_ODOMETER_ENTITY, "odometer"): cv.entity_id,
        },
    ),
    Action(
        name="link_vehicle",
        handler=_async_link_vehicle,
        schema={**_ENTRY, vol.Optional(ATTR_VENDOR): cv.string},
        response=SupportsResponse.ONLY,
    ),
    Action(name="send_abrp_telemetry", handler=_async_send_abrp_telemetry, schema=_CLASSIC_TARGET),
    Action(
        name="set_charging",
        handler=_async_set_charging,
        schema={
            **_CLASSIC_TARGET,
            vol.Required(ATTR_ACTION): vol.In([CommandKind.START.value, CommandKind.STOP.value]),
        },
    ),
    Action(name="sync_charging_history", handler=_async_sync_charging_history, schema=_CLASSIC_TARGET),
)
