"""Cars of many kinds, one row each: what differs from a car that reports everything."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from relay_double import TESLA, make_enode_vehicle

ENERGY = {"lifetime_kwh": 312.5, "home_kwh": 280.125, "discharged_kwh": 0}
COST = {"amount": 78.125, "currency": "EUR", "since": "2026-11-01T00:00:00.000Z"}
LAST_SESSION = {
    "id": "b1f0c2d4-0000-4000-8000-000000000001",
    "started_at": "2026-11-19T20:00:00.000Z",
    "ended_at": "2026-11-19T23:30:00.000Z",
    "energy_kwh": 24.5,
    "soc_start": 30,
    "soc_end": 72,
    "at_home": True,
    "latitude": 52.0907,
    "longitude": 5.1214,
    "cost": {"amount": 6.125, "currency": "EUR", "per_kwh": 0.25},
}
CURRENT_SESSION = LAST_SESSION | {
    "id": "b1f0c2d4-0000-4000-8000-000000000002",
    "started_at": "2026-11-20T17:00:00.000Z",
    "ended_at": None,
    "energy_kwh": 7.25,
    "soc_start": 45,
    "soc_end": 57,
    "at_home": False,
    "cost": None,
}
NOT_CAPABLE = {"isCapable": False, "interventionIds": []}
CHARGING_ONLY = ("information", "chargeState")
NOTHING = dict.fromkeys(
    ("batteryLevel", "range", "isPluggedIn", "isCharging", "isFullyCharged", "batteryCapacity", "chargeLimit",
     "chargeRate", "chargeTimeRemaining", "lastUpdated", "maxCurrent", "powerDeliveryState", "pluggedInChargerId")
)  # fmt: skip
IDLE = {"isCharging": False, "chargeRate": None, "chargeTimeRemaining": None}
PARKED = IDLE | {"isPluggedIn": False, "powerDeliveryState": "UNPLUGGED"}


@dataclass(frozen=True, kw_only=True)
class Car:
    """A car. `vehicle` is merged into the groups of Enode's object, `record` replaces members of the record."""

    name: str
    vendor: str
    model: str
    year: int | None = 2025
    capable_of: tuple[str, ...] | None = None
    vehicle: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    def make_record(self, number: int) -> dict[str, Any]:
        """Return the relay's record of the car, with an id made from `number`."""
        enode = make_enode_vehicle(TESLA)
        enode |= {"id": f"enode-{number}", "vendor": self.vendor}
        enode["information"] |= {"brand": self.vendor.title(), "model": self.model, "year": self.year}
        enode["information"] |= {"displayName": self.name, "vin": f"VIN{number:014}"}
        for key, value in deepcopy(self.vehicle).items():
            enode[key] = enode[key] | value if isinstance(value, dict) else value
        if self.capable_of is not None:
            missing = [name for name in enode["capabilities"] if name not in self.capable_of]
            enode["capabilities"] |= dict.fromkeys(missing, NOT_CAPABLE)
        return {
            "id": f"a1f0c2d4-0000-4000-8000-0000000001{number:02}",
            "revision": number,
            "link": {"state": "ok", "since": "2026-11-01T10:00:00.000Z"},
            "vehicle": enode,
            "corrections": [],
            "command": None,
            "energy": ENERGY,
        } | self.record


CARS = (
    Car(
        name="Charging",
        vendor="TESLA",
        model="Model Y",
        record={
            "energy": ENERGY | {"cost": COST},
            "charging_sessions": {"current": CURRENT_SESSION, "last": LAST_SESSION},
        },
    ),
    Car(name="Parked", vendor="VOLKSWAGEN", model="ID.4", vehicle={"chargeState": PARKED}),
    Car(
        name="Stopped",
        vendor="KIA",
        model="EV6",
        vehicle={"chargeState": IDLE | {"powerDeliveryState": "PLUGGED_IN:STOPPED", "chargeLimit": None}},
    ),
    Car(
        name="Full",
        vendor="RENAULT",
        model="Zoe",
        capable_of=(*CHARGING_ONLY, "odometer"),
        vehicle={
            "chargeState": IDLE
            | {"batteryLevel": 100, "isFullyCharged": True, "powerDeliveryState": "PLUGGED_IN:COMPLETE"}
        },
    ),
    Car(
        name="Faulty",
        vendor="FORD",
        model="Mustang Mach-E",
        vehicle={"chargeState": IDLE | {"powerDeliveryState": "PLUGGED_IN:FAULT"}},
        record={"corrections": ["chargeState.chargeRate", "chargeState.isCharging"]},
    ),
    Car(
        name="No power",
        vendor="BMW",
        model="i4",
        vehicle={"chargeState": IDLE | {"powerDeliveryState": "PLUGGED_IN:NO_POWER"}},
    ),
    Car(
        name="Discharging",
        vendor="HYUNDAI",
        model="Ioniq 5",
        vehicle={"chargeState": IDLE | {"chargeRate": -3.5, "powerDeliveryState": "PLUGGED_IN:DISCHARGING"}},
        record={"energy": ENERGY | {"discharged_kwh": 41.75}},
    ),
    Car(
        name="Asleep",
        vendor="AUDI",
        model="e-tron",
        vehicle={"isReachable": False, "lastSeen": "2026-11-18T06:00:00Z", "chargeState": PARKED},
    ),
    Car(
        name="Without values",
        vendor="VOLVO",
        model="EX30",
        year=None,
        vehicle={
            "chargeState": NOTHING,
            "odometer": {"distance": None, "lastUpdated": None},
            "location": {"latitude": None, "longitude": None, "lastUpdated": None},
            "isReachable": None,
            "lastSeen": None,
        },
        record={"energy": None},
    ),
    Car(
        name="Over limit",
        vendor="SKODA",
        model="Enyaq",
        capable_of=(),
        vehicle={"chargeState": NOTHING, "isReachable": None, "lastSeen": None},
        record={"link": {"state": "over_limit", "since": "2026-11-10T10:00:00Z"}, "energy": None},
    ),
    Car(
        name="Link broken",
        vendor="MERCEDES",
        model="EQA",
        record={
            "link": {"state": "broken", "since": "2026-11-10T10:00:00Z"},
            "energy": ENERGY | {"cost": COST},
            "charging_sessions": {"current": None, "last": LAST_SESSION},
        },
    ),
    Car(
        name="Plug-in hybrid",
        vendor="TOYOTA",
        model="RAV4",
        capable_of=(*CHARGING_ONLY, "location", "odometer"),
        vehicle={"chargeState": PARKED | {"batteryCapacity": 18.1, "batteryLevel": 0, "range": 0}},
        record={"energy": {"lifetime_kwh": 0, "home_kwh": None, "discharged_kwh": 0}},
    ),
    Car(name="Without capabilities", vendor="NIO", model="ET5", capable_of=(), record={"energy": None}),
    Car(
        name="Initializing",
        vendor="POLESTAR",
        model="Polestar 2",
        vehicle={"chargeState": IDLE | {"powerDeliveryState": "PLUGGED_IN:INITIALIZING", "isCharging": None}},
    ),
)
