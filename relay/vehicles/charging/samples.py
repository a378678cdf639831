"""Charging samples: a vehicle's state at one moment, as checked by the plausibility stage."""

from dataclasses import dataclass, field
from datetime import datetime

from relay.vehicles.models import GroupVersion


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargeReading:
    """A plausible charge state; None is unknown. `soc` is in percent, `capacity_kwh` is usable capacity.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them, and give new ones
    a default.
    """

    charging: bool | None = None
    # Feeding energy from the battery through the plug (V2L, V2H, V2G).
    discharging: bool | None = None
    plugged_in: bool | None = None
    soc: float | None = None
    # Greater than 0; known only while charging.
    power_kw: float | None = None
    # Greater than 0; known only while discharging.
    discharge_kw: float | None = None
    capacity_kwh: float | None = None
    # The smallest step of the level that this vehicle has shown, in percentage points; None: not known yet.
    step: float | None = None
    # The level before can't be compared with this one, and nothing was charged or discharged in between.
    rebased: bool = False
    # The level before was a fault, and so was what the vehicle seemed to have charged up to then.
    returned: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class VehiclePlace:
    """Position in degrees and odometer in km; None is unknown."""

    latitude: float | None = field(default=None, repr=False)
    longitude: float | None = field(default=None, repr=False)
    odometer_km: float | None = None


UNKNOWN_PLACE = VehiclePlace()


@dataclass(frozen=True, kw_only=True, slots=True)
class ChargingSample:
    """A reading and a place at one moment, each with the version of the event that reported it.

    Field names are JSON keys in `vehicle_energy.tail` and `vehicle_energy.base`: don't rename them.
    """

    at: datetime
    reading: ChargeReading
    version: GroupVersion
    place: VehiclePlace = UNKNOWN_PLACE
    place_version: GroupVersion
