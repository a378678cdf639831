"""Enode's vehicle object as we read it. Any value may be missing; what Enode adds later is passed over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self

from .fields import Fields


class PowerDeliveryState(StrEnum):
    """What happens between plug and battery. Enode's UNKNOWN, and words from the future, are None."""

    UNPLUGGED = "UNPLUGGED"
    INITIALIZING = "PLUGGED_IN:INITIALIZING"
    CHARGING = "PLUGGED_IN:CHARGING"
    STOPPED = "PLUGGED_IN:STOPPED"
    COMPLETE = "PLUGGED_IN:COMPLETE"
    NO_POWER = "PLUGGED_IN:NO_POWER"
    FAULT = "PLUGGED_IN:FAULT"
    DISCHARGING = "PLUGGED_IN:DISCHARGING"


@dataclass(frozen=True, kw_only=True, slots=True)
class Information:
    """What the car is. Its VIN is left behind on purpose: nothing of ours needs it."""

    brand: str | None
    model: str | None
    display_name: str | None

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """From `information`."""
        return cls(brand=it.text("brand"), model=it.text("model"), display_name=it.text("displayName"))


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
    def parse(cls, it: Fields) -> Self:
        """From `chargeState`."""
        return cls(
            battery_level=it.number("batteryLevel"),
            range=it.number("range"),
            is_plugged_in=it.flag("isPluggedIn"),
            is_charging=it.flag("isCharging"),
            is_fully_charged=it.flag("isFullyCharged"),
            battery_capacity=it.number("batteryCapacity"),
            charge_limit=it.number("chargeLimit"),
            charge_rate=it.number("chargeRate"),
            charge_time_remaining=it.number("chargeTimeRemaining"),
            power_delivery_state=it.choice("powerDeliveryState", PowerDeliveryState),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where the car is, in degrees; not known unless both are."""

    latitude: float | None
    longitude: float | None

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """From `location`."""
        return cls(latitude=it.number("latitude"), longitude=it.number("longitude"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Capability:
    """Whether the car can do a thing, and what its owner could do to make it able."""

    is_capable: bool
    intervention_ids: tuple[str, ...]

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """From one member of `capabilities`."""
        return cls(is_capable=it.flag("isCapable") is True, intervention_ids=it.texts("interventionIds"))

    @property
    def is_offered(self) -> bool:
        """The car can, or could after an intervention."""
        return self.is_capable or bool(self.intervention_ids)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """What the car can tell and do."""

    charge_state: Capability
    location: Capability
    odometer: Capability
    start_charging: Capability
    stop_charging: Capability

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """From `capabilities`."""
        return cls(
            charge_state=Capability.parse(it.fields("chargeState")),
            location=Capability.parse(it.fields("location")),
            odometer=Capability.parse(it.fields("odometer")),
            start_charging=Capability.parse(it.fields("startCharging")),
            stop_charging=Capability.parse(it.fields("stopCharging")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """A car as Enode last described it. `odometer` in km."""

    vendor: str | None
    last_seen: datetime | None
    is_reachable: bool | None
    information: Information
    charge_state: ChargeState
    location: Location
    odometer: float | None
    capabilities: Capabilities

    @classmethod
    def parse(cls, it: Fields) -> Self:
        """From Enode's vehicle object; never fails."""
        return cls(
            vendor=it.text("vendor"),
            last_seen=it.time("lastSeen"),
            is_reachable=it.flag("isReachable"),
            information=Information.parse(it.fields("information")),
            charge_state=ChargeState.parse(it.fields("chargeState")),
            location=Location.parse(it.fields("location")),
            odometer=it.fields("odometer").number("distance"),
            capabilities=Capabilities.parse(it.fields("capabilities")),
        )
