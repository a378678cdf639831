"""The control API under /_sim/: change cars, set the clock, inject API faults. SIM."""

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
    """Simulated seconds to advance, with everything that happens in them."""


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
    """Seconds for the Retry-After header; it makes 429 the default status."""
    delay: float = Field(default=0.0, ge=0, le=120)


async def health(request: Request) -> Response:
    """Return the status and the numbers of records."""
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
    """List all linked cars: Enode's vehicle object and the real activity."""
    sim = get_simulator(request)
    return JSONResponse([_render_vehicle(sim, vehicle) for vehicle in sim.world.vehicles.values()])


async def get_vehicle(request: Request) -> Response:
    """Return one linked car."""
    return JSONResponse(_render_vehicle(get_simulator(request), _get_vehicle(request)))


async def change_vehicle(request: Request) -> Response:
    """Change a car; Enode polls it at once."""
    sim, vehicle = get_simulator(request), _get_vehicle(request)
    changes = await read_control_body(request, VehicleChanges)
    car = sim.get_car(vehicle)
    if changes.odometer is not None and changes.odometer < car.state.odometer_km:
        raise unprocessable([{"path": ["odometer"], "message": "must not be less than the present value"}])
    sim.world.cars[car.key] = apply_changes(car, changes)
    if changes.credentials_valid is True:
        restore_sign_in(sim, vehicle.user_id, vehicle.vendor)
    elif changes.credentials_valid is False and sim.is_sign_in_valid(vehicle):
        invalidate_sign_in(sim, vehicle.user_id, vehicle.vendor)
    poll_vehicle(sim, vehicle.id)
    return JSONResponse(_render_vehicle(sim, sim.world.vehicles[vehicle.id]))


async def get_clock(request: Request) -> Response:
    """Return the speed and the simulated seconds."""
    clock = get_simulator(request).clock
    return JSONResponse({"speed": clock.speed, "seconds": clock.seconds, "now": clock.now()})


async def set_clock(request: Request) -> Response:
    """Set the speed, or advance the clock."""
    sim = get_simulator(request)
    body = await read_control_body(request, ClockBody)
    if body.speed is not None and body.speed != sim.clock.speed:
        sim.clock.speed = body.speed
        for vehicle in list(sim.world.vehicles.values()):
            if vehicle.shown["chargeState"]["isCharging"]:
                poll_vehicle(sim, vehicle.id)  # power and remaining time depend on the speed
    if body.advance is not None:
        advance_time(sim, body.advance)
    return await get_clock(request)


async def list_faults(request: Request) -> Response:
    """List the pending API faults."""
    return JSONResponse([asdict(fault) for fault in get_engine(request).api_faults.pending])


async def add_fault(request: Request) -> Response:
    """Add an API fault."""
    body = await read_control_body(request, FaultBody)
    status, headers = body.status, dict(body.headers)
    if body.retry_after is not None:  # SIM: how Enode throttles is not published
        status = status or TOO_MANY_REQUESTS
        headers["retry-after"] = str(body.retry_after)
    problem = body.problem or build_problem(status or 500, "Simulated fault", "Injected through the control API.")
    fault = ApiFault(
        method=body.method,
        path=body.path,
        times=body.times,
        status=status,
        body=problem,
        headers=headers,
        delay=body.delay,
    )
    get_engine(request).api_faults.pending.append(fault)
    return JSONResponse(asdict(fault))


async def clear_faults(request: Request) -> Response:
    """Remove all pending API faults."""
    get_engine(request).api_faults.pending.clear()
    return no_content()


async def revoke_tokens(request: Request) -> Response:
    """Revoke all access tokens."""
    get_engine(request).tokens.revoke_all()
    return no_content()


async def reset_world(request: Request) -> Response:
    """Delete all records and faults. The client, its tokens and the speed stay."""
    engine = get_engine(request)
    await engine.webhooks.stop()
    engine.webhooks.recent.clear()
    engine.webhooks.faults.configure(DeliveryFaultSettings())
    engine.api_faults.pending.clear()
    engine.ground_truth.clear()
    engine.sim.world.clear()
    return no_content()


async def remove_vehicle(request: Request) -> Response:
    """Remove a car from its vendor's account, which stays linked."""
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
