"""The control surface under /_sim/: whoever plays with this world moves its cars and breaks its calls here. SIM."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode import mischief
from demo.enode.activities import Wish, activity_of, change
from demo.enode.api.shared import engine_of, no_content, sim_of
from demo.enode.control_wishes import invalid, read_wish
from demo.enode.engine import FASTEST
from demo.enode.faults import Fault
from demo.enode.fleet import look, pass_time
from demo.enode.linking import invalidate, lose, validate
from demo.enode.problems import Json, ProblemError, problem_body
from demo.enode.sim import Simulator
from demo.enode.world import Vehicle

THROTTLED = 429
LONGEST_JUMP = 7 * 86_400.0


class ClockWish(BaseModel):
    """Body of POST /_sim/clock."""

    model_config = ConfigDict(extra="forbid", strict=True)

    speed: float | None = Field(default=None, ge=0, le=FASTEST)
    advance: float | None = Field(default=None, gt=0, le=LONGEST_JUMP)
    """Simulated seconds to jump, with all that happens in them."""


class FaultWish(BaseModel):
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
    engine = engine_of(request)
    world = engine.sim.world
    return JSONResponse(
        {
            "status": "ok",
            "speed": engine.sim.clock.speed,
            "users": len(world.users),
            "vehicles": len(world.vehicles),
            "webhooks": len(world.webhooks),
            "pending_events": engine.office.pending(),
        }
    )


async def list_vehicles(request: Request) -> Response:
    """Every linked car: as Enode shows it, and what it does in truth."""
    sim = sim_of(request)
    return JSONResponse([_row(sim, it) for it in sim.world.vehicles.values()])


async def get_vehicle(request: Request) -> Response:
    """One of them."""
    return JSONResponse(_row(sim_of(request), _vehicle(request)))


async def change_vehicle(request: Request) -> Response:
    """Have a car do or be something, at once."""
    sim, vehicle = sim_of(request), _vehicle(request)
    wish = await read_wish(request, Wish)
    car = sim.car_of(vehicle)
    if wish.odometer is not None and wish.odometer < car.state.odometer_km:
        raise invalid([{"path": ["odometer"], "message": "an odometer never falls"}])
    sim.world.cars[car.key] = change(car, wish)
    if wish.credentials_valid is True:
        validate(sim, vehicle.user_id, vehicle.vendor)
    elif wish.credentials_valid is False and sim.is_valid(vehicle):
        invalidate(sim, vehicle.user_id, vehicle.vendor)
    look(sim, vehicle.id)  # what a hand does here is seen at once
    return JSONResponse(_row(sim, sim.world.vehicles[vehicle.id]))


async def get_clock(request: Request) -> Response:
    """How fast time passes, and how much has passed."""
    clock = sim_of(request).clock
    return JSONResponse({"speed": clock.speed, "seconds": clock.seconds, "now": clock.now()})


async def set_clock(request: Request) -> Response:
    """Another speed, or a jump."""
    sim = sim_of(request)
    wish = await read_wish(request, ClockWish)
    if wish.speed is not None:
        sim.clock.speed = wish.speed
    if wish.advance is not None:
        pass_time(sim, wish.advance)
    return await get_clock(request)


async def list_faults(request: Request) -> Response:
    """The faults that wait for their call."""
    return JSONResponse([asdict(it) for it in engine_of(request).faults.waiting])


async def add_fault(request: Request) -> Response:
    """Order a fault."""
    wish = await read_wish(request, FaultWish)
    status, headers = wish.status, dict(wish.headers)
    if wish.retry_after is not None:  # SIM: nothing is published of how Enode throttles
        status = status or THROTTLED
        headers["retry-after"] = str(wish.retry_after)
    body = wish.problem or problem_body(status or 500, "Simulated fault", "This call was ordered to fail.")
    fault = Fault(
        method=wish.method,
        path=wish.path,
        times=wish.times,
        status=status,
        body=body,
        headers=headers,
        delay=wish.delay,
    )
    engine_of(request).faults.waiting.append(fault)
    return JSONResponse(asdict(fault))


async def clear_faults(request: Request) -> Response:
    """Forget all faults."""
    engine_of(request).faults.waiting.clear()
    return no_content()


async def revoke_tokens(request: Request) -> Response:
    """Make all access tokens worthless."""
    engine_of(request).tokens.revoke_all()
    return no_content()


async def reset_world(request: Request) -> Response:
    """Forget everything but the client and its tokens; the clock keeps its speed."""
    engine = engine_of(request)
    await engine.office.stop()
    engine.office.recent.clear()
    engine.office.mischief.set(mischief.Wish())
    engine.faults.waiting.clear()
    engine.truth.clear()
    engine.sim.world.clear()
    return no_content()


async def lose_vehicle(request: Request) -> Response:
    """A car leaves its vendor's account; the account stays linked."""
    lose(sim_of(request), _vehicle(request))
    return no_content()


def _row(sim: Simulator, vehicle: Vehicle) -> Json:
    car = sim.car_of(vehicle)
    return {"vehicle": vehicle.shown, "activity": activity_of(car), "pinned": car.pinned}


def _vehicle(request: Request) -> Vehicle:
    vehicle = sim_of(request).world.vehicles.get(request.path_params["vehicle_id"])
    if vehicle is None:
        raise ProblemError(404, "Not Found", "No linked vehicle has this id.")
    return vehicle


ROUTES = [
    Route("/_sim/health", health, methods=["GET"]),
    Route("/_sim/vehicles", list_vehicles, methods=["GET"]),
    Route("/_sim/vehicles/{vehicle_id}", get_vehicle, methods=["GET"]),
    Route("/_sim/vehicles/{vehicle_id}", change_vehicle, methods=["POST"]),
    Route("/_sim/vehicles/{vehicle_id}", lose_vehicle, methods=["DELETE"]),
    Route("/_sim/clock", get_clock, methods=["GET"]),
    Route("/_sim/clock", set_clock, methods=["POST"]),
    Route("/_sim/faults", list_faults, methods=["GET"]),
    Route("/_sim/faults", add_fault, methods=["POST"]),
    Route("/_sim/faults", clear_faults, methods=["DELETE"]),
    Route("/_sim/world", reset_world, methods=["DELETE"]),
    Route("/_sim/tokens", revoke_tokens, methods=["DELETE"]),
]
