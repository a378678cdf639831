"""What several chapters of the API need."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from demo.enode.engine import Engine
from demo.enode.paging import page, page_request
from demo.enode.problems import not_found
from demo.enode.sim import Simulator
from demo.enode.world import Vehicle


def engine_of(request: Request) -> Engine:
    """The running simulator."""
    engine: Engine = request.state.engine
    return engine


def sim_of(request: Request) -> Simulator:
    """The running world."""
    return engine_of(request).sim


def vehicle_of(request: Request) -> Vehicle:
    """The vehicle that the path names. Raises 404."""
    vehicle_id = request.path_params["vehicle_id"]
    vehicle = sim_of(request).world.vehicles.get(vehicle_id)
    if vehicle is None:
        raise not_found("Vehicle not found", f"Could not find vehicle {vehicle_id}")
    return vehicle


def vehicle_page(request: Request, vehicles: list[Vehicle]) -> Response:
    """A page of vehicles, in the order in which they were linked."""
    wanted = page_request(request)
    return JSONResponse(page(vehicles, lambda it: (it.linked_at, it.id), lambda it: it.shown, wanted))


NO_CONTENT = 204


def no_content() -> Response:
    """Done, nothing to say."""
    return Response(status_code=NO_CONTENT)
