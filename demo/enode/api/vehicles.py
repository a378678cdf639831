"""Routes of vehicles and their commands."""

import uuid
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.actions import cancel_pending_action, start_charging_action, start_max_current_action
from demo.enode.api.request_helpers import get_requested_vehicle, get_simulator, no_content, render_vehicle_page
from demo.enode.problems import bad_request, not_found, read_body
from demo.enode.simulator import render_action
from demo.enode.time_steps import request_poll
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
    """List all vehicles of all users."""
    return render_vehicle_page(request, list(get_simulator(request).world.vehicles.values()))


async def get_vehicle(request: Request) -> Response:
    """Return a vehicle as of Enode's last poll."""
    return JSONResponse(get_requested_vehicle(request).shown)


async def request_refresh(request: Request) -> Response:
    """Schedule an early poll. The response does not wait for it."""
    sim = get_simulator(request)
    request_poll(sim, get_requested_vehicle(request), sim.delays.hinted_poll)
    return no_content()


async def control_charging(request: Request) -> Response:
    """Start or stop charging."""
    vehicle = get_requested_vehicle(request)
    body = await read_body(request, ChargingBody)
    return JSONResponse(render_action(start_charging_action(get_simulator(request), vehicle, body.action)))


async def set_max_current(request: Request) -> Response:
    """Limit the charging current, in A."""
    vehicle = get_requested_vehicle(request)
    body = await read_body(request, MaxCurrentBody)
    return JSONResponse(render_action(start_max_current_action(get_simulator(request), vehicle, body.max_current)))


async def get_action(request: Request) -> Response:
    """Return an action."""
    return JSONResponse(render_action(_get_requested_action(request)))


async def cancel_action(request: Request) -> Response:
    """Cancel a pending action. A finished one is returned with 409."""
    action = _get_requested_action(request)
    if action.state != "PENDING":
        return JSONResponse(render_action(action), CONFLICT)
    return JSONResponse(render_action(cancel_pending_action(get_simulator(request), action)))


def _get_requested_action(request: Request) -> Action:
    action_id = request.path_params["action_id"]
    try:
        uuid.UUID(action_id)
    except ValueError:
        raise bad_request("actionId: must be a UUID") from None
    action = get_simulator(request).world.actions.get(action_id)
    if action is None:
        raise not_found("Action not found", f"Could not find action {action_id}")
    return action


ROUTES = [
    Route("/vehicles", list_vehicles, methods=["GET"]),
    Route("/vehicles/actions/{action_id}", get_action, methods=["GET"]),
    Route("/vehicles/actions/{action_id}/cancel", cancel_action, methods=["POST"]),
    Route("/vehicles/{vehicle_id}", get_vehicle, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/refresh-hint", request_refresh, methods=["POST"]),
    Route("/vehicles/{vehicle_id}/charging", control_charging, methods=["POST"]),
    Route("/vehicles/{vehicle_id}/max-current", set_max_current, methods=["POST"]),
]
