"""Helpers shared by the routes."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.enode.engine import Engine
from demo.enode.paging import build_page, parse_page_request
from demo.enode.problems import not_found
from demo.enode.simulator import Simulator
from demo.enode.world import Vehicle


def get_engine(request: Request) -> Engine:
    """Return the running engine."""
    engine: Engine = request.state.engine
    return engine


def get_simulator(request: Request) -> Simulator:
    """Return the running simulator."""
    return get_engine(request).sim


def get_requested_vehicle(request: Request) -> Vehicle:
    """Return the vehicle in the request's path. Raises the 404."""
    vehicle_id = request.path_params["vehicle_id"]
    vehicle = get_simulator(request).world.vehicles.get(vehicle_id)
    if vehicle is None:
        raise not_found("Vehicle not found", f"Could not find vehicle {vehicle_id}")
    return vehicle


def render_vehicle_page(request: Request, vehicles: list[Vehicle]) -> Response:
    """Render a page of vehicles, in the order in which they were linked."""
    page_request = parse_page_request(request)
    return JSONResponse(
        build_page(
            vehicles, lambda vehicle: (vehicle.linked_at, vehicle.id), lambda vehicle: vehicle.shown, page_request
        )
    )


NO_CONTENT = 204


def no_content() -> Response:
    """Create a 204."""
    return Response(status_code=NO_CONTENT)
