"""Smart charging of a vehicle."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.shared import sim_of, vehicle_of
from demo.enode.problems import not_found, read_body
from demo.enode.smart import REFUSED, PolicyBody, end_override, set_policy, show_status, start_override


async def get_policy(request: Request) -> Response:
    """What the user wants of smart charging."""
    return JSONResponse(vehicle_of(request).policy)


async def put_policy(request: Request) -> Response:
    """Change it."""
    vehicle = vehicle_of(request)
    body = await read_body(request, PolicyBody, title=REFUSED)
    return JSONResponse(set_policy(sim_of(request), vehicle, body))


async def get_status(request: Request) -> Response:
    """What smart charging makes of it."""
    return JSONResponse(show_status(sim_of(request), vehicle_of(request)))


async def post_override(request: Request) -> Response:
    """Charge now all the same."""
    return JSONResponse(start_override(sim_of(request), vehicle_of(request)))


async def delete_override(request: Request) -> Response:
    """No longer."""
    return JSONResponse(end_override(sim_of(request), vehicle_of(request)))


async def get_plan(request: Request) -> Response:
    """No plan is ever made here."""
    raise not_found("Not Found", f"Vehicle {vehicle_of(request).id} has no such smart charging plan.")


ROUTES = [
    Route("/vehicles/{vehicle_id}/smart-charging-policy", get_policy, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/smart-charging-policy", put_policy, methods=["PUT"]),
    Route("/vehicles/{vehicle_id}/smart-charging-status", get_status, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/smart-charging-plans/{plan_id}", get_plan, methods=["GET"]),
    Route("/vehicles/{vehicle_id}/smart-override", post_override, methods=["POST"]),
    Route("/vehicles/{vehicle_id}/smart-override", delete_override, methods=["DELETE"]),
]
