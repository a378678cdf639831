"""Routes of smart charging."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import get_requested_vehicle, get_simulator
from demo.enode.problems import not_found, read_body
from demo.enode.smart_charging import REFUSED_TITLE, PolicyBody, end_override, render_status, set_policy, start_override


async def get_policy(request: Request) -> Response:
    """Return the smart charging policy."""
    return JSONResponse(get_requested_vehicle(request).policy)


async def put_policy(request: Request) -> Response:
    """Update the smart charging policy."""
    vehicle = get_requested_vehicle(request)
    body = await read_body(request, PolicyBody, title=REFUSED_TITLE)
    return JSONResponse(set_policy(get_simulator(request), vehicle, body))


async def get_status(request: Request) -> Response:
    """Return the smart charging status."""
    return JSONResponse(render_status(get_simulator(request), get_requested_vehicle(request)))


async def post_override(request: Request) -> Response:
    """Start a smart override."""
    return JSONResponse(start_override(get_simulator(request), get_requested_vehicle(request)))


async def delete_override(request: Request) -> Response:
    """End the smart override."""
    return JSONResponse(end_override(get_simulator(request), get_requested_vehicle(request)))


async def get_plan(request: Request) -> Response:
    """Return the plan with this id, or the latest. Only the latest is kept."""
    vehicle = get_requested_vehicle(request)
    if vehicle.plan is None or request.path_params["plan_id"] not in {"latest", vehicle.plan["id"]}:
        raise not_found("Not Found", f"Vehicle {vehicle.id} has no such smart charging plan.")
    return JSONResponse(vehicle.plan)


ROUTES = [
    Route("/vehicles/{vehicle_id}/smart-charging-policy", get_policy, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/smart-charging-policy", put_policy, methods=["PUT"]),
    Route("/vehicles/{vehicle_id}/smart-charging-status", get_status, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/smart-charging-plans/{plan_id}", get_plan, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/smart-override", post_override, methods=["POST"]),
    Route("/vehicles/{vehicle_id}/smart-override", delete_override, methods=["DELETE"]),
]
