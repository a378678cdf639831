"""Enode's vehicle object. Any value may be missing; members that Enode adds later are ignored."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from .json_reader import JsonReader
from .smart_charging import SmartChargingSettings


class PowerDeliveryState(StrEnum):
    """Enode's power delivery state. UNKNOWN, and values that Enode adds later, are read as None."""

    UNPLUGGED = "UNPLUGGED"
    INITIALIZING = "PLUGGED_IN:INITIALIZING"
    CHARGING = "PLUGGED_IN:CHARGING"
    STOPPED = "PLUGGED_IN:STOPPED"
    COMPLETE = "PLUGGED_IN:COMPLETE"
    NO_POWER = "PLUGGED_IN:NO_POWER"
    FAULT = "PLUGGED_IN:FAULT"
    DISCHARGING = "PLUGGED_IN:DISCHARGING"


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleInformation:
    """Brand, model, model year and name. The VIN is deliberately not read: see device_registry.py."""

    brand: str | None
    model: str | None
    year: int | None
    display_name: str | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `information`."""
        return cls(
            brand=reader.get_str("brand"),
            model=reader.get_str("model"),
            year=reader.get_int("year"),
            display_name=reader.get_str("displayName"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeState:
    """Battery and charging. Levels in %, range in km, capacity in kWh, rate in kW, time remaining in minutes.

    `updated_at` is when the vehicle reported them, as for the other groups.
    """

    battery_level: float | None
    range: float | None
    is_plugged_in: bool | None
    is_charging: bool | None
    is_fully_charged: bool | None
    battery_capacity: float | None
    charge_limit: float | None
    charge_rate: float | None
    charge_time_remaining: float | None
    max_current: float | None
    power_delivery_state: PowerDeliveryState | None
    updated_at: datetime | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `chargeState`."""
        return cls(
            battery_level=reader.get_number("batteryLevel"),
            range=reader.get_number("range"),
            is_plugged_in=reader.get_bool("isPluggedIn"),
            is_charging=reader.get_bool("isCharging"),
            is_fully_charged=reader.get_bool("isFullyCharged"),
            battery_capacity=reader.get_number("batteryCapacity"),
            charge_limit=reader.get_number("chargeLimit"),
            charge_rate=reader.get_number("chargeRate"),
            charge_time_remaining=reader.get_number("chargeTimeRemaining"),
            max_current=reader.get_number("maxCurrent"),
            power_delivery_state=reader.get_enum("powerDeliveryState", PowerDeliveryState),
            updated_at=reader.get_datetime("lastUpdated"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Position in degrees. Known only if both coordinates are."""

    latitude: float | None
    longitude: float | None
    updated_at: datetime | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `location`."""
        return cls(
            latitude=reader.get_number("latitude"),
            longitude=reader.get_number("longitude"),
            updated_at=reader.get_datetime("lastUpdated"),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """Whether the vehicle is capable of something, and the interventions that would make it capable."""

    is_capable: bool
    intervention_ids: tuple[str, ...]

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse one member of `capabilities`."""
        return cls(
            is_capable=reader.get_bool("isCapable") is True, intervention_ids=reader.get_str_list("interventionIds")
        )

    @property
    def is_supported(self) -> bool:
        """Whether the vehicle is capable, or would be after an intervention."""
        return self.is_capable or bool(self.intervention_ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What the vehicle can report and do."""

    charge_state: Capability
    location: Capability
    odometer: Capability
    start_charging: Capability
    stop_charging: Capability
    set_max_current: Capability
    smart_charging: Capability

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `capabilities`."""
        return cls(
            charge_state=Capability.parse(reader.get_object("chargeState")),
            location=Capability.parse(reader.get_object("location")),
            odometer=Capability.parse(reader.get_object("odometer")),
            start_charging=Capability.parse(reader.get_object("startCharging")),
            stop_charging=Capability.parse(reader.get_object("stopCharging")),
            set_max_current=Capability.parse(reader.get_object("setMaxCurrent")),
            smart_charging=Capability.parse(reader.get_object("smartCharging")),
        )

    @property
    def has_commands(self) -> bool:
        """Whether there is any command that the vehicle can carry out, or could after an intervention."""
        return any(
            capability.is_supported for capability in (self.start_charging, self.stop_charging, self.set_max_current)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """The last state that Enode reported. `odometer` in km."""

    vendor: str | None
    last_seen: datetime | None
    is_reachable: bool | None
    information: VehicleInformation
    charge_state: ChargeState
    location: Location
    odometer: float | None
    odometer_updated_at: datetime | None
    smart_charging: SmartChargingSettings
    capabilities: Capabilities

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse Enode's vehicle object. Never fails."""
        return cls(
            vendor=reader.get_str("vendor"),
            last_seen=reader.get_datetime("lastSeen"),
            is_reachable=reader.get_bool("isReachable"),
            information=VehicleInformation.parse(reader.get_object("information")),
            charge_state=ChargeState.parse(reader.get_object("chargeState")),
            location=Location.parse(reader.get_object("location")),
            odometer=reader.get_object("odometer").get_number("distance"),
            odometer_updated_at=reader.get_object("odometer").get_datetime("lastUpdated"),
            smart_charging=SmartChargingSettings.parse_policy(reader.get_object("smartChargingPolicy")),
            capabilities=Capabilities.parse(reader.get_object("capabilities")),
        )
