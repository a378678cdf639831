"""Smart charging: policy, override and status. smart_plans.py makes the plans."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from demo.enode import events
from demo.enode.actions import start_charging_action
from demo.enode.physics import Power
from demo.enode.problems import Json, ProblemError, bad_request, not_found
from demo.enode.simulator import Simulator
from demo.enode.smart_plans import advance_plan
from demo.enode.vehicle_view import list_updated_fields
from demo.enode.world import Vehicle

REFUSED_TITLE = "Cannot activate smart charging"

HourMinute = Annotated[str, Field(pattern=r"^(((?:[01]\d|2[0-3]):[0-5]\d)|24:00)$")]


class PolicyBody(BaseModel):
    """Body of PUT /vehicles/{id}/smart-charging-policy: any of the fields."""

    model_config = ConfigDict(extra="forbid", strict=True)

    is_enabled: bool = Field(alias="isEnabled", default=False)
    deadline: HourMinute = ""
    minimum_charge_limit: float = Field(alias="minimumChargeLimit", default=0, ge=0, le=100)


def set_policy(sim: Simulator, vehicle: Vehicle, body: PolicyBody) -> Json:
    """Update the policy and return it.

    Raises the 400 of the sandbox, of an incapable car, and of a missing deadline.
    """
    policy = {**vehicle.policy, **body.model_dump(by_alias=True, include=body.model_fields_set)}
    if policy["isEnabled"] and sim.sandbox:
        raise bad_request("Smart charging is not supported in the sandbox.", title=REFUSED_TITLE)
    if policy["isEnabled"] and not vehicle.shown["capabilities"]["smartCharging"]["isCapable"]:
        raise bad_request("The vehicle is not capable of smartCharging.", title=REFUSED_TITLE)
    if policy["isEnabled"] and policy["deadline"] is None:
        raise bad_request("A deadline is needed.", title=REFUSED_TITLE)
    changed = replace(vehicle, policy=policy, shown={**vehicle.shown, "smartChargingPolicy": policy})
    sim.world.vehicles[vehicle.id] = changed
    if fields := list_updated_fields(vehicle.shown, changed.shown):
        sim.publish_for_user(vehicle.user_id, events.vehicle_updated(sim.clock.next_timestamp(), changed.shown, fields))
    update_smart_charging_status(sim, vehicle.id)
    return policy


def start_override(sim: Simulator, vehicle: Vehicle) -> Json:
    """Charge now regardless of the policy, until the override ends."""
    override: Json = {
        "createdAt": sim.clock.now(),
        "endedAt": None,
        "targetType": "vehicle",
        "targetId": vehicle.id,
        "vendorActionId": None,
    }
    vehicle = replace(vehicle, override=override)
    sim.world.vehicles[vehicle.id] = vehicle
    with suppress(ProblemError):  # a charging or full car needs no action
        override = {**override, "vendorActionId": start_charging_action(sim, vehicle, "START").id}
        sim.world.vehicles[vehicle.id] = replace(vehicle, override=override)
    update_smart_charging_status(sim, vehicle.id)
    return _with_owner(vehicle, override)


def end_override(sim: Simulator, vehicle: Vehicle) -> Json:
    """End the override. Raises the 404 if there is none."""
    if vehicle.override is None:
        raise not_found("Not Found", "The vehicle has no active smart override.")
    ended = {**vehicle.override, "endedAt": sim.clock.now()}
    sim.world.vehicles[vehicle.id] = replace(vehicle, override=None)
    update_smart_charging_status(sim, vehicle.id)
    return _with_owner(vehicle, ended)


def update_smart_charging_status(sim: Simulator, vehicle_id: str) -> None:
    """Update the smart charging status, and publish an event if it changed."""
    vehicle = sim.world.vehicles[vehicle_id]
    before = render_status(sim, vehicle)
    vehicle, plan_state = advance_plan(sim, vehicle)
    sim.world.vehicles[vehicle_id] = vehicle
    state = plan_state or _compute_state(vehicle)
    if state == vehicle.smart_state:
        return
    vehicle = replace(vehicle, smart_state=state, smart_changed_at=sim.clock.now())
    sim.world.vehicles[vehicle_id] = vehicle
    after = render_status(sim, vehicle)
    event = events.smart_charging_updated(sim.clock.next_timestamp(), after, list_updated_fields(before, after))
    sim.publish_for_user(vehicle.user_id, event)


def render_status(sim: Simulator, vehicle: Vehicle) -> Json:
    """Render the smart charging status as Enode does."""
    power = sim.get_car(vehicle).state.power
    considered = {
        "isPluggedIn": power.is_plugged_in,
        "isCharging": power is Power.CHARGING,
        "atChargingLocation": vehicle.shown["location"]["id"] is not None,
        "hasTimeEstimate": vehicle.shown["chargeState"]["chargeTimeRemaining"] is not None,
    }
    return {
        "updatedAt": vehicle.smart_changed_at,
        "vehicleId": vehicle.id,
        "userId": vehicle.user_id,
        "vendor": vehicle.vendor,
        "state": vehicle.smart_state,
        "stateChangedAt": vehicle.smart_changed_at,
        "consideration": considered if vehicle.smart_state == "CONSIDERING" else None,
        "plan": vehicle.plan,
        "smartOverride": vehicle.override,
    }


def _compute_state(vehicle: Vehicle) -> str:
    charge: dict[str, Any] = vehicle.shown["chargeState"]
    if not vehicle.policy["isEnabled"]:
        return "DISABLED"
    if charge["isFullyCharged"] is None:
        return "UNKNOWN"
    return "FULLY_CHARGED" if charge["isFullyCharged"] else "CONSIDERING"


def _with_owner(vehicle: Vehicle, override: Json) -> Json:
    return {**override, "userId": vehicle.user_id, "vendor": vehicle.vendor}
