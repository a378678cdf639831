"""The control surface under /_sim/: whoever plays with this world moves its cars and breaks its calls here. SIM."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.activities import VehicleChanges, apply_changes, get_activity
from demo.enode.api.request_helpers import get_engine, get_simulator, no_content
from demo.enode.api_faults import ApiFault
from demo.enode.control_body import read_control_body, unprocessable
from demo.enode.delivery_faults import DeliveryFaultSettings
from demo.enode.engine import MAX_SPEED
from demo.enode.linking import invalidate_sign_in, restore_sign_in, unlink_vehicle
from demo.enode.problems import Json, ProblemError, build_problem
from demo.enode.simulator import Simulator
from demo.enode.time_steps import advance_time, poll_vehicle
from demo.enode.world import Vehicle

TOO_MANY_REQUESTS = 429
MAX_ADVANCE_SECONDS = 7 * 86_400.0


class ClockBody(BaseModel):
    """Body of POST /_sim/clock."""

    model_config = ConfigDict(extra="forbid", strict=True)

    speed: float | None = Field(default=None, ge=0, le=MAX_SPEED)
    advance: float | None = Field(default=None, gt=0, le=MAX_ADVANCE_SECONDS)
    """Simulated seconds to jump, with all that happens in them."""


class FaultBody(BaseModel):
    """Body of POST /_sim/faults."""

    model_config = ConfigDict(extra="forbid", strict=True)

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "*"] = "*"
    path: str = Field(min_length=1, pattern="^/")
    times: int = Field(default=1, ge=1, le=1_000_000)
    status: int | None = Field(default=None, ge=400, le=599)
    problem: dict[str, Any] | None = None
    headers: dict[str, str] = {}
    retry_after: int | None = Field(default=None, ge=0, le=86_400)
    """Seconds, for the header of that name; with it, the status is 429 unless another is wished."""
    delay: float = Field(default=0.0, ge=0, le=120)


async def health(request: Request) -> Response:
    """The simulator is there."""
    engine = get_engine(request)
    world = engine.sim.world
    return JSONResponse(
        {
            "status": "ok",
            "speed": engine.sim.clock.speed,
            "users": len(world.users),
            "vehicles": len(world.vehicles),
            "webhooks": len(world.webhooks),
            "pending_events": engine.webhooks.count_pending_events(),
        }
    )


async def list_vehicles(request: Request) -> Response:
    """Every linked car: as Enode shows it, and what it does in truth."""
    sim = get_simulator(request)
    return JSONResponse([_render_vehicle(sim, it) for it in sim.world.vehicles.values()])


async def get_vehicle(request: Request) -> Response:
    """One of them."""
    return JSONResponse(_render_vehicle(get_simulator(request), _get_vehicle(request)))


async def change_vehicle(request: Request) -> Response:
    """Have a car do or be something, at once."""
    sim, vehicle = get_simulator(request), _get_vehicle(request)
    wish = await read_control_body(request, VehicleChanges)
    car = sim.get_car(vehicle)
    if wish.odometer is not None and wish.odometer < car.state.odometer_km:
        raise unprocessable([{"path": ["odometer"], "message": "an odometer never falls"}])
    sim.world.cars[car.key] = apply_changes(car, wish)
    if wish.credentials_valid is True:
        restore_sign_in(sim, vehicle.user_id, vehicle.vendor)
    elif wish.credentials_valid is False and sim.is_sign_in_valid(vehicle):
        invalidate_sign_in(sim, vehicle.user_id, vehicle.vendor)
    poll_vehicle(sim, vehicle.id)  # what a hand does here is seen at once
    return JSONResponse(_render_vehicle(sim, sim.world.vehicles[vehicle.id]))


async def get_clock(request: Request) -> Response:
    """How fast time passes, and how much has passed."""
    clock = get_simulator(request).clock
    return JSONResponse({"speed": clock.speed, "seconds": clock.seconds, "now": clock.now()})


async def set_clock(request: Request) -> Response:
    """Another speed, or a jump."""
    sim = get_simulator(request)
    wish = await read_control_body(request, ClockBody)
    if wish.speed is not None:
        sim.clock.speed = wish.speed
    if wish.advance is not None:
        advance_time(sim, wish.advance)
    return await get_clock(request)


async def list_faults(request: Request) -> Response:
    """The faults that wait for their call."""
    return JSONResponse([asdict(it) for it in get_engine(request).api_faults.pending])


async def add_fault(request: Request) -> Response:
    """Order a fault."""
    wish = await read_control_body(request, FaultBody)
    status, headers = wish.status, dict(wish.headers)
    if wish.retry_after is not None:  # SIM: nothing is published of how Enode throttles
        status = status or TOO_MANY_REQUESTS
        headers["retry-after"] = str(wish.retry_after)
    body = wish.problem or build_problem(status or 500, "Simulated fault", "This call was ordered to fail.")
    fault = ApiFault(
        method=wish.method,
        path=wish.path,
        times=wish.times,
        status=status,
        body=body,
        headers=headers,
        delay=wish.delay,
    )
    get_engine(request).api_faults.pending.append(fault)
    return JSONResponse(asdict(fault))


async def clear_faults(request: Request) -> Response:
    """Forget all faults."""
    get_engine(request).api_faults.pending.clear()
    return no_content()


async def revoke_tokens(request: Request) -> Response:
    """Make all access tokens worthless."""
    get_engine(request).tokens.revoke_all()
    return no_content()


async def reset_world(request: Request) -> Response:
    """Forget everything but the client and its tokens; the clock keeps its speed."""
    engine = get_engine(request)
    await engine.webhooks.stop()
    engine.webhooks.recent.clear()
    engine.webhooks.faults.configure(DeliveryFaultSettings())
    engine.api_faults.pending.clear()
    engine.ground_truth.clear()
    engine.sim.world.clear()
    return no_content()


async def remove_vehicle(request: Request) -> Response:
    """A car leaves its vendor's account; the account stays linked."""
    unlink_vehicle(get_simulator(request), _get_vehicle(request))
    return no_content()


def _render_vehicle(sim: Simulator, vehicle: Vehicle) -> Json:
    car = sim.get_car(vehicle)
    return {"vehicle": vehicle.shown, "activity": get_activity(car), "pinned": car.pinned}


def _get_vehicle(request: Request) -> Vehicle:
    vehicle = get_simulator(request).world.vehicles.get(request.path_params["vehicle_id"])
    if vehicle is None:
        raise ProblemError(404, "Not Found", "No linked vehicle has this id.")
    return vehicle


ROUTES = [
    Route("/_sim/health", health, methods=["GET"]),
    Route("/_sim/vehicles", list_vehicles, methods=["GET"]),
    Route("/_sim/vehicles/{vehicle_id}", get_vehicle, methods=["GET"]),
    Route("/_sim/vehicles/{vehicle_id}", change_vehicle, methods=["POST"]),
    Route("/_sim/vehicles/{vehicle_id}", remove_vehicle, methods=["DELETE"]),
    Route("/_sim/clock", get_clock, methods=["GET"]),
    Route("/_sim/clock", set_clock, methods=["POST"]),
    Route("/_sim/faults", list_faults, methods=["GET"]),
    Route("/_sim/faults", add_fault, methods=["POST"]),
    Route("/_sim/faults", clear_faults, methods=["DELETE"]),
    Route("/_sim/world", reset_world, methods=["DELETE"]),
    Route("/_sim/tokens", revoke_tokens, methods=["DELETE"]),
]
