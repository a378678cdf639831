"""Enode's vehicle object of a car: values, capabilities, withheld fields and changed fields."""

import math
from typing import Any

from demo.enode.interventions import CONTROL_CAPABILITIES, INTERVENTIONS, SIGN_IN_AGAIN
from demo.enode.physics import CarSpec, CarState, Power, battery_percent, charge_kw, minutes_to_limit
from demo.enode.problems import Json
from demo.enode.world import Car, Vehicle

CAPABILITIES = (
    "information",
    "chargeState",
    "location",
    "odometer",
    "setMaxCurrent",
    "startCharging",
    "stopCharging",
    "smartCharging",
)
TIMED_GROUPS = ("chargeState", "location", "odometer")  # have their own lastUpdated
UNREPORTED_FIELDS = frozenset({"lastSeen", "lastUpdated"})  # changes of these alone cause no event
KM_PER_DEGREE = 111.32
MAX_REAL_KMH = 200.0
"""The fastest that a car drives by the real clock. At a higher time factor, it drives less far in the same time."""
POLICY = {"isEnabled": False, "deadline": None, "minimumChargeLimit": 0}


def build_observed_vehicle(  # noqa: PLR0913 - what an observation depends on
    car: Car, vehicle: Vehicle, *, valid: bool, now: str, location_id: str | None, time_factor: float = 1.0
) -> Json:
    """Build the vehicle object after a poll of the vendor at `now`.

    Timestamps are real, so power, remaining time and distances are those of the real clock, too: a car that lives
    `time_factor` times as fast charges with that many times its power.
    """
    vehicle_object = _clear_withheld_fields(
        car, _build_full_vehicle(car, vehicle, valid=valid, location_id=location_id, time_factor=time_factor)
    )
    if "vehicle:read:location" not in vehicle.scopes:  # SIM: the effect of a missing scope is not published
        vehicle_object["location"] = {"id": None, "latitude": None, "longitude": None}
    for group in TIMED_GROUPS:
        vehicle_object[group]["lastUpdated"] = _get_group_timestamp(vehicle.shown[group], vehicle_object[group], now)
    return {**vehicle_object, "lastSeen": now}


def build_unobserved_vehicle(car: Car, vehicle: Vehicle, *, valid: bool) -> Json:
    """Build the vehicle object of a car that can't be polled: the last values, and that it is unreachable."""
    reachable = None if "isReachable" in car.model.withheld_fields else car.reachable and valid
    return {
        **vehicle.shown,
        "isReachable": reachable,
        "capabilities": build_capabilities(car, vehicle.scopes, valid=valid),
        "smartChargingPolicy": vehicle.policy,
    }


def build_discovered_vehicle(car: Car, vehicle: Vehicle) -> Json:
    """Build the vehicle object right after linking: identity only, all values null."""
    charge = dict.fromkeys(_build_charge_state(car), None)
    vehicle_object = _clear_withheld_fields(car, _build_full_vehicle(car, vehicle, valid=True, location_id=None))
    return {
        **vehicle_object,
        "lastSeen": vehicle.linked_at,
        "isReachable": None,
        "chargeState": {**charge, "powerDeliveryState": Power.UNKNOWN.value, "lastUpdated": None},
        "location": {"id": None, "latitude": None, "longitude": None, "lastUpdated": None},
        "odometer": {"distance": None, "lastUpdated": None},
    }


def list_updated_fields(old: Json, new: Json) -> list[str]:
    """List the dotted paths of changed fields; empty if only poll times changed. SIM: the format is not published."""
    changed = sorted(_find_differences(old, new, ""))
    return changed if any(path.rpartition(".")[2] not in UNREPORTED_FIELDS for path in changed) else []


def get_distance_share(spec: CarSpec, time_factor: float) -> float:
    """Return the share of its distances that a car drives, so that it is never faster than MAX_REAL_KMH."""
    return min(1.0, MAX_REAL_KMH / (spec.cruise_kmh * time_factor))


def get_position(car: Car, time_factor: float = 1.0) -> tuple[float, float]:
    """Return latitude and longitude of the car. Its circular road starts and ends at its home."""
    loop_km = car.model.spec.loop_km * get_distance_share(car.model.spec, time_factor)
    radius = loop_km / (2 * math.pi) / KM_PER_DEGREE
    turn = 2 * math.pi * car.state.loop_km / car.model.spec.loop_km
    latitude, longitude = car.model.home
    longitude_scale = math.cos(math.radians(latitude))
    return (
        round(latitude + radius * math.sin(turn), 5),
        round(longitude + radius * (1 - math.cos(turn)) / longitude_scale, 5),
    )


def build_capabilities(car: Car, scopes: tuple[str, ...], *, valid: bool) -> Json:
    """Build the capabilities of the car, with the interventions that block them."""
    return {name: _build_capability(car, scopes, name, valid=valid) for name in CAPABILITIES}


def _build_capability(car: Car, scopes: tuple[str, ...], name: str, *, valid: bool) -> Json:
    blocking = [car.model.interventions[name]] if name in car.model.interventions else []
    blocking += [
        intervention
        for intervention in car.interventions
        if name in INTERVENTIONS[intervention].blocked_capabilities and intervention not in blocking
    ]
    if not valid:
        blocking.append(SIGN_IN_AGAIN.id)
    granted = (name != "location" or "vehicle:read:location" in scopes) and (
        name not in CONTROL_CAPABILITIES or "vehicle:control:charging" in scopes
    )
    return {
        "isCapable": granted and not blocking and name not in car.model.missing_capabilities,
        "interventionIds": blocking,
    }


def _build_full_vehicle(
    car: Car, vehicle: Vehicle, *, valid: bool, location_id: str | None, time_factor: float = 1.0
) -> Json:
    model = car.model
    latitude, longitude = get_position(car, time_factor)
    return {
        "id": vehicle.id,
        "userId": vehicle.user_id,
        "vendor": vehicle.vendor,
        "isReachable": True,
        "information": {
            "vin": car.vin,
            "brand": model.brand,
            "model": model.name,
            "year": model.year,
            "displayName": model.nickname,
        },
        "chargeState": _build_charge_state(car, time_factor),
        "smartChargingPolicy": vehicle.policy,
        "location": {"id": location_id, "latitude": latitude, "longitude": longitude},
        "odometer": {"distance": math.floor(car.state.odometer_km)},
        "capabilities": build_capabilities(car, vehicle.scopes, valid=valid),
        "scopes": list(vehicle.scopes),
    }


def _build_charge_state(car: Car, time_factor: float = 1.0) -> Json:
    spec, state = car.model.spec, car.state
    power = _get_reported_power(car, state)
    is_known = power is not Power.UNKNOWN
    charging = power is Power.CHARGING
    percent = battery_percent(spec, state)
    full = state.power is Power.COMPLETE or percent >= state.limit_percent
    return {
        "batteryLevel": math.floor(percent / car.model.level_step + 1e-6) * car.model.level_step,
        "range": math.floor(state.energy_kwh / spec.kwh_per_km),
        "isPluggedIn": power.is_plugged_in if is_known else None,
        "isCharging": charging if is_known else None,
        "isFullyCharged": full if is_known else None,
        "batteryCapacity": car.model.reported_battery_kwh or spec.battery_kwh,
        "chargeLimit": state.limit_percent,
        "chargeRate": round(charge_kw(spec, state) * time_factor, 1) if charging else None,
        "chargeTimeRemaining": math.ceil(minutes_to_limit(spec, state) / time_factor) if charging else None,
        "maxCurrent": state.max_current,
        "powerDeliveryState": power.value,
        "pluggedInChargerId": None,
    }


def _get_reported_power(car: Car, state: CarState) -> Power:
    if car.model.reports_unplugged_when_full and state.power is Power.COMPLETE:
        return Power.UNPLUGGED
    return state.power


def _clear_withheld_fields(car: Car, vehicle_object: Json) -> Json:
    for path in car.model.withheld_fields:
        group, _, name = path.rpartition(".")
        (vehicle_object[group] if group else vehicle_object)[name] = None
    return vehicle_object


def _get_group_timestamp(old: Json, new: Json, now: str) -> str | None:
    """Return when a group last changed; null for a group without any value."""
    if all(value is None for value in new.values()):
        return None
    before: str | None = old["lastUpdated"]
    same = all(old[name] == value for name, value in new.items())
    return before if same and before is not None else now


def _find_differences(old: Any, new: Any, path: str) -> set[str]:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return set() if old == new else {path}
    found: set[str] = set()
    for name in old.keys() | new.keys():
        found |= _find_differences(old.get(name), new.get(name), f"{path}.{name}" if path else name)
    return found
