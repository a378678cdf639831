"""Enode's vehicle object. Any value may be missing; members that Enode adds later are ignored."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from .json_reader import JsonReader


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
    """Brand, model and name. The VIN is deliberately not read: see device_registry.py."""

    brand: str | None
    model: str | None
    display_name: str | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `information`."""
        return cls(
            brand=reader.get_str("brand"), model=reader.get_str("model"), display_name=reader.get_str("displayName")
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeState:
    """Battery and charging. Levels in %, range in km, capacity in kWh, rate in kW, time remaining in minutes."""

    battery_level: float | None
    range: float | None
    is_plugged_in: bool | None
    is_charging: bool | None
    is_fully_charged: bool | None
    battery_capacity: float | None
    charge_limit: float | None
    charge_rate: float | None
    charge_time_remaining: float | None
    power_delivery_state: PowerDeliveryState | None

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
            power_delivery_state=reader.get_enum("powerDeliveryState", PowerDeliveryState),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Position in degrees. Known only if both coordinates are."""

    latitude: float | None
    longitude: float | None

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `location`."""
        return cls(latitude=reader.get_number("latitude"), longitude=reader.get_number("longitude"))


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

    @classmethod
    def parse(cls, reader: JsonReader) -> Self:
        """Parse the member `capabilities`."""
        return cls(
            charge_state=Capability.parse(reader.get_object("chargeState")),
            location=Capability.parse(reader.get_object("location")),
            odometer=Capability.parse(reader.get_object("odometer")),
            start_charging=Capability.parse(reader.get_object("startCharging")),
            stop_charging=Capability.parse(reader.get_object("stopCharging")),
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
            capabilities=Capabilities.parse(reader.get_object("capabilities")),
        )
