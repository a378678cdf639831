"""The control API of deliveries: list them, inject faults, compare with all events as created. SIM."""

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
    """List the recent deliveries, oldest first; `events=false` leaves their events out."""
    with_events = request.query_params.get("events") != "false"
    recent = get_engine(request).webhooks.recent.values()
    return JSONResponse([_render_delivery(delivery, with_events=with_events) for delivery in recent])


async def send_heartbeat(request: Request) -> Response:
    """Send a heartbeat now."""
    get_engine(request).webhooks.publish_heartbeat()
    return no_content()


async def get_delivery_faults(request: Request) -> Response:
    """Return the active faults, how often each was triggered, and how each extra POST was answered."""
    faults = get_engine(request).webhooks.faults
    return JSONResponse({**faults.settings.model_dump(), "played": faults.triggered, "answers": faults.answers})


async def set_delivery_faults(request: Request) -> Response:
    """Set the active faults, replacing earlier ones, and release the held-back events."""
    settings = await read_control_body(request, DeliveryFaultSettings)
    webhooks = get_engine(request).webhooks
    webhooks.faults.configure(settings)
    webhooks.release_held_events()
    return await get_delivery_faults(request)


async def clear_delivery_faults(request: Request) -> Response:
    """End all faults and release the held-back events. The counts stay readable."""
    webhooks = get_engine(request).webhooks
    webhooks.faults.settings = DeliveryFaultSettings()
    webhooks.release_held_events()
    return no_content()


async def get_ground_truth(request: Request) -> Response:
    """Return all events as they were created, whatever happened to their deliveries."""
    engine = get_engine(request)
    return JSONResponse(engine.ground_truth.render(engine.sim.world))


def _render_delivery(delivery: Delivery, *, with_events: bool) -> Json:
    row: dict[str, Any] = {
        "id": delivery.id,
        "webhook_id": delivery.webhook_id,
        "created_at": delivery.created_at,
        "state": delivery.state,
        "attempts": delivery.attempts,
    }
    return {**row, "events": delivery.events} if with_events else row


ROUTES = [
    Route("/_sim/deliveries", list_deliveries, methods=["GET"]),
    Route("/_sim/heartbeat", send_heartbeat, methods=["POST"]),
    Route("/_sim/mischief", get_delivery_faults, methods=["GET"]),
    Route("/_sim/mischief", set_delivery_faults, methods=["POST"]),
    Route("/_sim/mischief", clear_delivery_faults, methods=["DELETE"]),
    Route("/_sim/truth", get_ground_truth, methods=["GET"]),
]
