"""The entities of the classic integration, and what becomes of each: a table, and the choice between its rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from homeassistant.const import Platform

from .const import DOMAIN


class Owner(Enum):
    """Whose id the unique id of a successor begins with."""

    VEHICLE = "vehicle"
    ACCOUNT = "account"


@dataclass(frozen=True, kw_only=True, slots=True)
class Successor:
    """An entity of this integration that shows the same.

    `capability`: the vehicle's capability without which there is no such entity.
    """

    platform: Platform
    key: str
    owner: Owner = Owner.VEHICLE
    capability: str | None = None

    def create_unique_id(self, owner_id: str) -> str:
        """Return the unique id of the successor that the vehicle or account `owner_id` has."""
        return f"{owner_id}_{self.key}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicEntity:
    """A row: an entity that the classic integration has for each entry.

    `suffix` follows `evconduit-<entry id>-` in its unique id. `label` is the name of the row in the repair issue, where
    rows with the same label are one.
    """

    suffix: str
    label: str
    platform: Platform = Platform.SENSOR
    successor: Successor | None = None

    @property
    def is_carried(self) -> bool:
        """Whether the entity itself can become its successor: an entity can't change its platform."""
        return self.successor is not None and self.successor.platform == self.platform

    def create_unique_id(self, entry_id: str) -> str:
        """Return the unique id that the entity of this entry has."""
        return f"{create_unique_id_prefix(entry_id)}{self.suffix}"


def _sensor(key: str, owner: Owner = Owner.VEHICLE, *, capability: str | None = None) -> Successor:
    return Successor(platform=Platform.SENSOR, key=key, owner=owner, capability=capability)


def _charge_sensor(key: str) -> Successor:
    return _sensor(key, capability="charge_state")


def _binary_sensor(key: str, *, capability: str | None = None) -> Successor:
    return Successor(platform=Platform.BINARY_SENSOR, key=key, capability=capability)


LOCATION: Final = Successor(platform=Platform.DEVICE_TRACKER, key="location", capability="location")
SMART_CHARGING: Final = Successor(platform=Platform.SWITCH, key="smart_charging", capability="smart_charging")
ABRP_SUFFIXES: Final = (
    *("soh", "voltage", "current", "batt_temp", "ext_temp", "cabin_temp", "hvac_power", "speed", "elevation"),
    *("is_parked", "odometer", "is_dcfc"),
    *("tire_pressure_fl", "tire_pressure_fr", "tire_pressure_rl", "tire_pressure_rr"),
)

CLASSIC_ENTITIES: Final = (
    ClassicEntity(
        suffix="vehicle-chargeState.batteryLevel", label="Battery Level", successor=_charge_sensor("battery_level")
    ),
    ClassicEntity(suffix="vehicle-chargeState.range", label="Range", successor=_charge_sensor("range")),
    ClassicEntity(suffix="vehicle-chargingState", label="Charging State", successor=_charge_sensor("charging_state")),
    # The same value under another name: carried only if Charging State is disabled.
    ClassicEntity(
        suffix="vehicle-chargeState.powerDeliveryState",
        label="Power Delivery State",
        successor=_charge_sensor("charging_state"),
    ),
    ClassicEntity(
        suffix="vehicle-chargeState.chargeRate", label="Charge Rate", successor=_charge_sensor("charge_power")
    ),
    ClassicEntity(
        suffix="vehicle-chargeState.chargeTimeRemaining",
        label="Charge Time Remaining",
        successor=_charge_sensor("charge_time_remaining"),
    ),
    ClassicEntity(
        suffix="vehicle-chargeState.chargeLimit", label="Charge Limit", successor=_charge_sensor("charge_limit")
    ),
    ClassicEntity(
        suffix="vehicle-chargeState.batteryCapacity",
        label="Battery Capacity",
        successor=_charge_sensor("battery_capacity"),
    ),
    ClassicEntity(
        suffix="vehicle-odometer.distance",
        label="Odometer Distance",
        successor=_sensor("odometer", capability="odometer"),
    ),
    ClassicEntity(suffix="vehicle-lastSeen", label="Last Seen", successor=_sensor("last_seen")),
    ClassicEntity(
        suffix="device-tracker", label="Device tracker", platform=Platform.DEVICE_TRACKER, successor=LOCATION
    ),
    ClassicEntity(
        suffix="vehicle-chargeState.isPluggedIn",
        label="Is Plugged In",
        successor=_binary_sensor("plugged_in", capability="charge_state"),
    ),
    ClassicEntity(
        suffix="vehicle-chargeState.isCharging",
        label="Is Charging",
        successor=_binary_sensor("charging", capability="charge_state"),
    ),
    ClassicEntity(suffix="vehicle-isReachable", label="Is Reachable", successor=_binary_sensor("reachable")),
    ClassicEntity(suffix="location", label="Location", successor=LOCATION),
    ClassicEntity(suffix="vehicle-location.latitude", label="Latitude, Longitude", successor=LOCATION),
    ClassicEntity(suffix="vehicle-location.longitude", label="Latitude, Longitude", successor=LOCATION),
    ClassicEntity(suffix="vehicle-lastSeenLocal", label="Last Seen Local"),
    ClassicEntity(suffix="vehicle-vehicleName", label="Vehicle information"),
    ClassicEntity(suffix="vehicle-information.displayName", label="Vehicle information"),
    ClassicEntity(suffix="vehicle-information.brand", label="Vehicle information"),
    ClassicEntity(suffix="vehicle-information.model", label="Vehicle information"),
    ClassicEntity(suffix="vehicle-information.year", label="Vehicle information"),
    ClassicEntity(suffix="vehicle-information.vin", label="Vehicle information"),
    ClassicEntity(suffix="vehicle-vendor", label="Vehicle information"),
    ClassicEntity(
        suffix="vehicle-smartChargingPolicy.isEnabled", label="Smart Charging Enabled", successor=SMART_CHARGING
    ),
    ClassicEntity(suffix="vehicle-smartChargingPolicy.minimumChargeLimit", label="Min Charge Limit"),
    *(ClassicEntity(suffix=f"vehicle-abrp_extra.{suffix}", label="ABRP") for suffix in ABRP_SUFFIXES),
    ClassicEntity(suffix="tier", label="Tier", successor=_sensor("plan", Owner.ACCOUNT)),
    ClassicEntity(suffix="email", label="Account"),
    ClassicEntity(suffix="name", label="Account"),
    ClassicEntity(suffix="role", label="Account"),
    ClassicEntity(suffix="sms_credits", label="Account"),
    ClassicEntity(suffix="webhookId", label="Account"),
    # The classic values are of the last session of any of the account's cars.
    ClassicEntity(suffix="ch-last_charge_energy", label="Last Charge Energy", successor=_sensor("last_session_energy")),
    ClassicEntity(suffix="ch-last_charge_cost", label="Last Charge Cost", successor=_sensor("last_session_cost")),
    ClassicEntity(
        suffix="ch-last_charge_location", label="Last Charge Location", successor=_sensor("last_session_place")
    ),
    ClassicEntity(suffix="ch-last_charge_date", label="Last Charge Date", successor=_sensor("last_session_ended")),
    ClassicEntity(suffix="ch-last_charge_duration", label="Last Charge Duration"),
    ClassicEntity(suffix="ch-monthly_charge_energy", label="Monthly charging"),
    ClassicEntity(suffix="ch-monthly_charge_cost", label="Monthly charging"),
    ClassicEntity(suffix="ch-monthly_charge_count", label="Monthly charging"),
)
"""All 57 entities of version 1.9.5, which every entry has. Of rows with one successor, the first is carried."""

CAPABILITIES: Final = frozenset(
    row.successor.capability
    for row in CLASSIC_ENTITIES
    if row.successor is not None and row.successor.capability is not None
)
"""The members of Capabilities that decide whether a vehicle has a successor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassicState:
    """What the choice between rows depends on, of an entity in the registry."""

    entity_id: str
    unique_id: str
    is_enabled: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What becomes of an entity: it becomes `successor`, or is removed if that is None. `row`: None for an unknown one.

    `replacement`: what shows the same as a removed entity, under an entity id of its own.
    """

    entity_id: str
    row: ClassicEntity | None
    successor: Successor | None
    replacement: Successor | None = None


def create_unique_id_prefix(entry_id: str) -> str:
    """Return what the unique ids of all classic entities of an entry begin with."""
    return f"{DOMAIN}-{entry_id}-"


def plan_fates(entry_id: str, states: Iterable[ClassicState], capabilities: frozenset[str] | None) -> list[Fate]:
    """Decide about the entities of one entry. `capabilities`: the vehicle's, None if they aren't known.

    Of several entities with the same successor, an enabled one is carried rather than a disabled one.
    """
    rows = {row.create_unique_id(entry_id): (number, row) for number, row in enumerate(CLASSIC_ENTITIES)}
    unknown_row = (len(rows), None)
    ordered = sorted(states, key=lambda state: (not state.is_enabled, rows.get(state.unique_id, unknown_row)[0]))
    carried: set[Successor] = set()
    fates = []
    for state in ordered:
        row = rows.get(state.unique_id, unknown_row)[1]
        successor = row.successor if row is not None and _exists(row.successor, capabilities) else None
        if row is not None and successor is not None and row.is_carried and successor not in carried:
            carried.add(successor)
            fates.append(Fate(entity_id=state.entity_id, row=row, successor=successor))
        else:
            fates.append(Fate(entity_id=state.entity_id, row=row, successor=None, replacement=successor))
    return fates


def _exists(successor: Successor | None, capabilities: frozenset[str] | None) -> bool:
    if successor is None:
        return False
    return successor.capability is None or capabilities is None or successor.capability in capabilities
