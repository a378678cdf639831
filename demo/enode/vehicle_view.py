"""Enode's view of a car: the vehicle object, what its vendor and its scopes leave of it, and what changed in it."""

import math
from typing import Any

from demo.enode.interventions import CONTROL_CAPABILITIES, INTERVENTIONS, SIGN_IN_AGAIN
from demo.enode.physics import CarState, Power, battery_percent, charge_kw, minutes_to_limit
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
TIMED_GROUPS = ("chargeState", "location", "odometer")  # the groups with a lastUpdated of their own
UNREPORTED_FIELDS = frozenset({"lastSeen", "lastUpdated"})  # no news by themselves
KM_PER_DEGREE = 111.32
POLICY = {"isEnabled": False, "deadline": None, "minimumChargeLimit": 0}


def build_observed_vehicle(car: Car, vehicle: Vehicle, *, valid: bool, now: str, place_id: str | None) -> Json:
    """The vehicle object as Enode would know it after asking the vendor at `now`."""
    seen = _clear_withheld_fields(car, _build_full_vehicle(car, vehicle, valid=valid, place_id=place_id))
    if "vehicle:read:location" not in vehicle.scopes:  # SIM: how a missing scope shows is not published
        seen["location"] = {"id": None, "latitude": None, "longitude": None}
    for group in TIMED_GROUPS:
        seen[group]["lastUpdated"] = _get_group_timestamp(vehicle.shown[group], seen[group], now)
    return {**seen, "lastSeen": now}


def build_unobserved_vehicle(car: Car, vehicle: Vehicle, *, valid: bool) -> Json:
    """The vehicle object when the vendor cannot tell anything new: the last one, and that it is out of reach."""
    reachable = None if "isReachable" in car.model.withheld_fields else car.reachable and valid
    return {
        **vehicle.shown,
        "isReachable": reachable,
        "capabilities": build_capabilities(car, vehicle.scopes, valid=valid),
        "smartChargingPolicy": vehicle.policy,
    }


def build_discovered_vehicle(car: Car, vehicle: Vehicle) -> Json:
    """The vehicle object right after linking: who the car is, and nulls."""
    charge = dict.fromkeys(_build_charge_state(car), None)
    whole = _clear_withheld_fields(car, _build_full_vehicle(car, vehicle, valid=True, place_id=None))
    return {
        **whole,
        "lastSeen": vehicle.linked_at,
        "isReachable": None,
        "chargeState": {**charge, "powerDeliveryState": Power.UNKNOWN.value, "lastUpdated": None},
        "location": {"id": None, "latitude": None, "longitude": None, "lastUpdated": None},
        "odometer": {"distance": None, "lastUpdated": None},
    }


def list_updated_fields(old: Json, new: Json) -> list[str]:
    """Dotted paths of what differs; empty when only the times of looking do. SIM: their form is not published."""
    changed = sorted(_find_differences(old, new, ""))
    return changed if any(path.rpartition(".")[2] not in UNREPORTED_FIELDS for path in changed) else []


def get_position(car: Car) -> tuple[float, float]:
    """Latitude and longitude of the car: its loop road is a circle that starts and ends at its home."""
    radius = car.model.spec.loop_km / (2 * math.pi) / KM_PER_DEGREE
    turn = 2 * math.pi * car.state.loop_km / car.model.spec.loop_km
    latitude, longitude = car.model.home
    stretch = math.cos(math.radians(latitude))
    return (
        round(latitude + radius * math.sin(turn), 5),
        round(longitude + radius * (1 - math.cos(turn)) / stretch, 5),
    )


def build_capabilities(car: Car, scopes: tuple[str, ...], *, valid: bool) -> Json:
    """What can be had from the car, and what stands before it."""
    return {name: _build_capability(car, scopes, name, valid=valid) for name in CAPABILITIES}


def _build_capability(car: Car, scopes: tuple[str, ...], name: str, *, valid: bool) -> Json:
    obstacles = [car.model.interventions[name]] if name in car.model.interventions else []
    obstacles += [
        it for it in car.interventions if name in INTERVENTIONS[it].blocked_capabilities and it not in obstacles
    ]
    if not valid:
        obstacles.append(SIGN_IN_AGAIN.id)
    granted = (name != "location" or "vehicle:read:location" in scopes) and (
        name not in CONTROL_CAPABILITIES or "vehicle:control:charging" in scopes
    )
    return {
        "isCapable": granted and not obstacles and name not in car.model.missing_capabilities,
        "interventionIds": obstacles,
    }


def _build_full_vehicle(car: Car, vehicle: Vehicle, *, valid: bool, place_id: str | None) -> Json:
    model = car.model
    latitude, longitude = get_position(car)
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
        "chargeState": _build_charge_state(car),
        "smartChargingPolicy": vehicle.policy,
        "location": {"id": place_id, "latitude": latitude, "longitude": longitude},
        "odometer": {"distance": math.floor(car.state.odometer_km)},
        "capabilities": build_capabilities(car, vehicle.scopes, valid=valid),
        "scopes": list(vehicle.scopes),
    }


def _build_charge_state(car: Car) -> Json:
    spec, state = car.model.spec, car.state
    power = _get_reported_power(car, state)
    known = power is not Power.UNKNOWN
    charging = power is Power.CHARGING
    percent = battery_percent(spec, state)
    full = state.power is Power.COMPLETE or percent >= state.limit_percent
    return {
        "batteryLevel": math.floor(percent + 1e-6),
        "range": math.floor(state.energy_kwh / spec.kwh_per_km),
        "isPluggedIn": power.is_plugged_in if known else None,
        "isCharging": charging if known else None,
        "isFullyCharged": full if known else None,
        "batteryCapacity": spec.battery_kwh,
        "chargeLimit": state.limit_percent,
        "chargeRate": round(charge_kw(spec, state), 1) if charging else None,
        "chargeTimeRemaining": math.ceil(minutes_to_limit(spec, state)) if charging else None,
        "maxCurrent": state.max_current,
        "powerDeliveryState": power.value,
        "pluggedInChargerId": None,
    }


def _get_reported_power(car: Car, state: CarState) -> Power:
    if car.model.reports_unplugged_when_full and state.power is Power.COMPLETE:
        return Power.UNPLUGGED
    return state.power


def _clear_withheld_fields(car: Car, seen: Json) -> Json:
    for path in car.model.withheld_fields:
        group, _, name = path.rpartition(".")
        (seen[group] if group else seen)[name] = None
    return seen


def _get_group_timestamp(old: Json, new: Json, now: str) -> str | None:
    """When a group last changed; null for one of which nothing is ever told."""
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
