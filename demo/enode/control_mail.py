"""The control surface over deliveries: what went out, what mischief is done to it, and what is true. SIM."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.shared import engine_of, no_content
from demo.enode.control_wishes import read_wish
from demo.enode.mischief import Wish
from demo.enode.problems import Json
from demo.enode.world import Delivery


async def list_deliveries(request: Request) -> Response:
    """The deliveries of the recent past, oldest first; without their events when `events=false` is asked for."""
    whole = request.query_params.get("events") != "false"
    return JSONResponse([_show(it, whole=whole) for it in engine_of(request).office.recent.values()])


async def beat(request: Request) -> Response:
    """A heartbeat now."""
    engine_of(request).office.beat()
    return no_content()


async def get_mischief(request: Request) -> Response:
    """The mischief in force, how often each trick was played since, and how what was posted by it was answered."""
    mischief = engine_of(request).office.mischief
    return JSONResponse({**mischief.wish.model_dump(), "played": mischief.played, "answers": mischief.answers})


async def set_mischief(request: Request) -> Response:
    """Begin mischief; what went before ends."""
    wish = await read_wish(request, Wish)
    office = engine_of(request).office
    office.mischief.set(wish)
    office.let_go()
    return await get_mischief(request)


async def end_mischief(request: Request) -> Response:
    """No more of it: what was held back goes out. The counts stay to be read."""
    office = engine_of(request).office
    office.mischief.wish = Wish()
    office.let_go()
    return no_content()


async def get_truth(request: Request) -> Response:
    """What really happened, whatever was made of it on the way."""
    engine = engine_of(request)
    return JSONResponse(engine.truth.show(engine.sim.world))


def _show(delivery: Delivery, *, whole: bool) -> Json:
    row: dict[str, Any] = {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "created_at": delivery.created_at,
        "state": delivery.state,
        "attempts": delivery.attempts,
    }
    return {**row, "events": delivery.events} if whole else row


ROUTES = [
    Route("/_sim/deliveries", list_deliveries, methods=["GET"]),
    Route("/_sim/heartbeat", beat, methods=["POST"]),
    Route("/_sim/mischief", get_mischief, methods=["GET"]),
    Route("/_sim/mischief", set_mischief, methods=["POST"]),
    Route("/_sim/mischief", end_mischief, methods=["DELETE"]),
    Route("/_sim/truth", get_truth, methods=["GET"]),
]
