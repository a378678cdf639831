"""Vehicles and the commands to them."""

import uuid
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.shared import no_content, sim_of, vehicle_of, vehicle_page
from demo.enode.commands import cancel, request_charging, request_max_current
from demo.enode.fleet import look_soon
from demo.enode.problems import bad_request, not_found, read_body
from demo.enode.sim import show_action
from demo.enode.world import Action

CONFLICT = 409


class ChargingBody(BaseModel):
    """Body of POST /vehicles/{id}/charging."""

    model_config = ConfigDict(extra="forbid", strict=True)

    action: Literal["START", "STOP"]


class MaxCurrentBody(BaseModel):
    """Body of POST /vehicles/{id}/max-current."""

    model_config = ConfigDict(extra="forbid", strict=True)

    max_current: float = Field(alias="maxCurrent", gt=0, allow_inf_nan=False)


async def list_vehicles(request: Request) -> Response:
    """All vehicles of all users."""
    return vehicle_page(request, list(sim_of(request).world.vehicles.values()))


async def get_vehicle(request: Request) -> Response:
    """A vehicle as Enode last saw it."""
    return JSONResponse(vehicle_of(request).shown)


async def hint_refresh(request: Request) -> Response:
    """Ask for an early look. Answers before anything new is known."""
    sim = sim_of(request)
    look_soon(sim, vehicle_of(request), sim.delays.hinted_look)
    return no_content()


async def control_charging(request: Request) -> Response:
    """Start or stop charging."""
    vehicle = vehicle_of(request)
    body = await read_body(request, ChargingBody)
    return JSONResponse(show_action(request_charging(sim_of(request), vehicle, body.action)))


async def set_max_current(request: Request) -> Response:
    """Limit the current, A."""
    vehicle = vehicle_of(request)
    body = await read_body(request, MaxCurrentBody)
    return JSONResponse(show_action(request_max_current(sim_of(request), vehicle, body.max_current)))


async def get_action(request: Request) -> Response:
    """A command as it stands."""
    return JSONResponse(show_action(_action(request)))


async def cancel_action(request: Request) -> Response:
    """Stop waiting for a command. One that is over is answered as it ended, with 409."""
    action = _action(request)
    if action.state != "PENDING":
        return JSONResponse(show_action(action), CONFLICT)
    return JSONResponse(show_action(cancel(sim_of(request), action)))


def _action(request: Request) -> Action:
    action_id = request.path_params["action_id"]
    try:
        uuid.UUID(action_id)
    except ValueError:
        raise bad_request("actionId: must be a UUID") from None
    action = sim_of(request).world.actions.get(action_id)
    if action is None:
        raise not_found("Action not found", f"Could not find action {action_id}")
    return action


ROUTES = [
    Route("/vehicles", list_vehicles, methods=["GET"]),
    Route("/vehicles/actions/{action_id}", get_action, methods=["GET"]),
    Route("/vehicles/actions/{action_id}/cancel", cancel_action, methods=["POST"]),
    Route("/vehicles/{vehicle_id}", get_vehicle, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/refresh-hint", hint_refresh, methods=["POST"]),
    Route("/vehicles/{vehicle_id}/charging", control_charging, methods=["POST"]),
    Route("/vehicles/{vehicle_id}/max-current", set_max_current, methods=["POST"]),
]
