"""Sensors of charging sessions and of what charging costs."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, override

from homeassistant.components.sensor import SensorDeviceClass, SensorStateClass
from homeassistant.components.zone import ENTITY_ID_HOME, async_active_zone
from homeassistant.const import PERCENTAGE, STATE_HOME, UnitOfEnergy
from homeassistant.helpers.restore_state import ExtraStoredData, RestoreEntity
from homeassistant.util import dt as dt_util

from .client import Capabilities, ChargingSession, DataKind, VehicleRecord
from .vehicle_coordinator import DataScope, VehicleCoordinator
from .vehicle_sensors import VehicleSensor, VehicleSensorDescription

STATE_AWAY: Final = "away"


@dataclass(frozen=True, kw_only=True, slots=True)
class TotalPeriod:
    """What a total is about: the id of a session or a currency, and when it began."""

    id: str
    started_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class TotalSensorDescription(VehicleSensorDescription):
    """Describes a total that begins again from zero. `period_fn`: what it is about now."""

    period_fn: Callable[[VehicleRecord], TotalPeriod | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPeriod(ExtraStoredData):
    """The period of a total, as stored when Home Assistant stops."""

    period: TotalPeriod | None

    @override
    def as_dict(self) -> dict[str, Any]:
        if self.period is None or self.period.started_at is None:
            return {}
        return {"id": self.period.id, "started_at": self.period.started_at.isoformat()}


class SessionSensor(VehicleSensor):
    """A sensor of a charging session. Its unit is the currency if it shows money."""

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        if self.device_class is SensorDeviceClass.MONETARY:
            return self.coordinator.data.currency
        return super().native_unit_of_measurement


class TotalSensor(SessionSensor, RestoreEntity):
    """A total with `last_reset`.

    Home Assistant restarts a total when `last_reset` changes. Late reports move the start of a session, so that the
    first start of each session is kept for as long as it is shown, also over a restart.
    """

    entity_description: TotalSensorDescription
    _period: TotalPeriod | None = None

    @override
    async def async_added_to_hass(self) -> None:
        await super().async_added_to_hass()
        if (stored := await self.async_get_last_extra_data()) is not None:
            values = stored.as_dict()
            started_at = dt_util.parse_datetime(str(values.get("started_at")))
            if started_at is not None:
                self._period = TotalPeriod(id=str(values.get("id")), started_at=started_at)

    @property
    @override
    def extra_restore_state_data(self) -> StoredPeriod:
        return StoredPeriod(period=self._period)

    @property
    @override
    def last_reset(self) -> datetime | None:
        period = self.entity_description.period_fn(self.coordinator.data)
        if period is None:
            return None
        if self._period is None or self._period.id != period.id:
            self._period = period
        return self._period.started_at


class SessionPlaceSensor(SessionSensor):
    """Whether the last session was at home: the home of the relay, or Home Assistant's if the relay has none."""

    @property
    @override
    def native_value(self) -> str | None:
        session = self.coordinator.data.last_session
        if session is None:
            return None
        if session.at_home is not None:
            return STATE_HOME if session.at_home else STATE_AWAY
        if session.latitude is None or session.longitude is None:
            return None
        zone = async_active_zone(self.hass, session.latitude, session.longitude)
        return STATE_HOME if zone is not None and zone.entity_id == ENTITY_ID_HOME else STATE_AWAY


def _get_session_period(record: VehicleRecord) -> TotalPeriod | None:
    session = record.session
    return None if session is None else TotalPeriod(id=session.id, started_at=session.started_at)


def _get_cost_period(record: VehicleRecord) -> TotalPeriod | None:
    cost = record.energy.cost if record.energy else None
    return None if cost is None else TotalPeriod(id=cost.currency, started_at=cost.since)


def _get_total_cost(record: VehicleRecord) -> float | None:
    return record.energy.cost.amount if record.energy and record.energy.cost else None


def _get_cost(record: VehicleRecord, session: ChargingSession) -> float | None:
    """Return the cost of a session, None if it isn't in the unit of the sensors: the currency that was used last."""
    return session.cost if session.currency == record.currency else None


def _always(_: Capabilities) -> bool:
    return True


def _of_session(value_fn: Callable[[ChargingSession], float | None]) -> Callable[[VehicleRecord], float | None]:
    """Return the value of the session that is under way, or else of the last one."""
    return lambda record: None if record.session is None else value_fn(record.session)


def _of_last_session[T](value_fn: Callable[[ChargingSession], T | None]) -> Callable[[VehicleRecord], T | None]:
    """Return the value of the last session that has ended."""
    return lambda record: None if record.last_session is None else value_fn(record.last_session)


TOTAL_SENSORS: tuple[TotalSensorDescription, ...] = (
    TotalSensorDescription(
        key="charge_energy_session",
        device_class=SensorDeviceClass.ENERGY,
        state_class=SensorStateClass.TOTAL,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=_of_session(lambda session: session.energy_kwh),
        period_fn=_get_session_period,
    ),
    TotalSensorDescription(
        key="charge_cost_session",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        supported_fn=_always,
        data_kind=DataKind.COST,
        scope=DataScope.HISTORY,
        value_fn=lambda record: None if record.session is None else _get_cost(record, record.session),
        period_fn=_get_session_period,
    ),
    TotalSensorDescription(
        key="charge_cost_total",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        supported_fn=_always,
        data_kind=DataKind.COST,
        scope=DataScope.HISTORY,
        value_fn=_get_total_cost,
        period_fn=_get_cost_period,
    ),
)
LAST_SESSION_SENSORS: tuple[VehicleSensorDescription, ...] = (
    VehicleSensorDescription(
        key="last_session_started",
        device_class=SensorDeviceClass.TIMESTAMP,
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=_of_last_session(lambda session: session.started_at),
    ),
    VehicleSensorDescription(
        key="last_session_ended",
        device_class=SensorDeviceClass.TIMESTAMP,
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=_of_last_session(lambda session: session.ended_at),
    ),
    VehicleSensorDescription(
        key="last_session_energy",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=1,
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=_of_last_session(lambda session: session.energy_kwh),
    ),
    VehicleSensorDescription(
        key="last_session_cost",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=2,
        supported_fn=_always,
        data_kind=DataKind.COST,
        scope=DataScope.HISTORY,
        value_fn=lambda record: None if record.last_session is None else _get_cost(record, record.last_session),
    ),
    VehicleSensorDescription(
        key="last_session_level_start",  # no device class, as charge_limit
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=_of_last_session(lambda session: session.level_start),
    ),
    VehicleSensorDescription(
        key="last_session_level_end",
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=_of_last_session(lambda session: session.level_end),
    ),
    VehicleSensorDescription(
        key="last_session_place",
        device_class=SensorDeviceClass.ENUM,
        options=[STATE_HOME, STATE_AWAY],
        supported_fn=_always,
        data_kind=DataKind.SESSION,
        scope=DataScope.HISTORY,
        value_fn=lambda _: None,
    ),
)


def create_total_sensor(coordinator: VehicleCoordinator, description: TotalSensorDescription) -> TotalSensor:
    """Create a sensor of a row of TOTAL_SENSORS."""
    return TotalSensor(coordinator, description)


def create_last_session_sensor(coordinator: VehicleCoordinator, description: VehicleSensorDescription) -> SessionSensor:
    """Create a sensor of a row of LAST_SESSION_SENSORS."""
    sensor_type = SessionPlaceSensor if description.key == "last_session_place" else SessionSensor
    return sensor_type(coordinator, description)
