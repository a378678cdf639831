"""The control surface over deliveries: what went out, what mischief is done to it, and what is true. SIM."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode.api.request_helpers import get_engine, no_content
from demo.enode.control_body import read_control_body
from demo.enode.delivery_faults import DeliveryFaultSettings
from demo.enode.problems import Json
from demo.enode.world import Delivery


async def list_deliveries(request: Request) -> Response:
    """The deliveries of the recent past, oldest first; without their events when `events=false` is asked for."""
    whole = request.query_params.get("events") != "false"
    return JSONResponse([_render_delivery(it, whole=whole) for it in get_engine(request).webhooks.recent.values()])


async def send_heartbeat(request: Request) -> Response:
    """A heartbeat now."""
    get_engine(request).webhooks.publish_heartbeat()
    return no_content()


async def get_delivery_faults(request: Request) -> Response:
    """The mischief in force, how often each trick was played since, and how what was posted by it was answered."""
    mischief = get_engine(request).webhooks.faults
    return JSONResponse({**mischief.settings.model_dump(), "played": mischief.triggered, "answers": mischief.answers})


async def set_delivery_faults(request: Request) -> Response:
    """Begin mischief; what went before ends."""
    wish = await read_control_body(request, DeliveryFaultSettings)
    office = get_engine(request).webhooks
    office.faults.configure(wish)
    office.release_held_events()
    return await get_delivery_faults(request)


async def clear_delivery_faults(request: Request) -> Response:
    """No more of it: what was held back goes out. The counts stay to be read."""
    office = get_engine(request).webhooks
    office.faults.settings = DeliveryFaultSettings()
    office.release_held_events()
    return no_content()


async def get_ground_truth(request: Request) -> Response:
    """What really happened, whatever was made of it on the way."""
    engine = get_engine(request)
    return JSONResponse(engine.ground_truth.render(engine.sim.world))


def _render_delivery(delivery: Delivery, *, whole: bool) -> Json:
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
    Route("/_sim/heartbeat", send_heartbeat, methods=["POST"]),
    Route("/_sim/mischief", get_delivery_faults, methods=["GET"]),
    Route("/_sim/mischief", set_delivery_faults, methods=["POST"]),
    Route("/_sim/mischief", clear_delivery_faults, methods=["DELETE"]),
    Route("/_sim/truth", get_ground_truth, methods=["GET"]),
]
