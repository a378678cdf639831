"""Routes of webhook subscriptions."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode import webhook_subscriptions
from demo.enode.api.request_helpers import get_engine, get_simulator, no_content
from demo.enode.deliveries import WebhookAnswer
from demo.enode.paging import build_page, parse_page_request
from demo.enode.problems import Json, read_body
from demo.enode.webhook_subscriptions import INVALID_INPUT_TITLE, CreateBody, UpdateBody
from demo.enode.world import WebhookSubscription


async def create_webhook(request: Request) -> Response:
    """Create a subscription."""
    body = await read_body(request, CreateBody, title=INVALID_INPUT_TITLE)
    return JSONResponse(
        webhook_subscriptions.render_subscription(
            webhook_subscriptions.create_subscription(get_simulator(request), body)
        )
    )


async def list_webhooks(request: Request) -> Response:
    """List all subscriptions."""
    webhooks = list(get_simulator(request).world.webhooks.values())
    return JSONResponse(
        build_page(
            webhooks,
            lambda webhook: (webhook.created_at, webhook.id),
            webhook_subscriptions.render_subscription,
            parse_page_request(request),
        )
    )


async def get_webhook(request: Request) -> Response:
    """Return one subscription."""
    return JSONResponse(webhook_subscriptions.render_subscription(_get_requested_subscription(request)))


async def update_webhook(request: Request) -> Response:
    """Update a subscription, and reactivate it if it was inactive."""
    webhook = _get_requested_subscription(request)
    body = await read_body(request, UpdateBody, title=INVALID_INPUT_TITLE)
    changed = webhook_subscriptions.update_subscription(get_simulator(request), webhook, body)
    get_engine(request).webhooks.retry_now(changed.id)
    return JSONResponse(webhook_subscriptions.render_subscription(changed))


async def delete_webhook(request: Request) -> Response:
    """Delete a subscription."""
    webhook = _get_requested_subscription(request)
    del get_simulator(request).world.webhooks[webhook.id]
    await get_engine(request).webhooks.remove_webhook(webhook.id)
    return no_content()


async def test_webhook(request: Request) -> Response:
    """Send a test event. A webhook that accepts it is active again."""
    webhook = _get_requested_subscription(request)
    answer = await get_engine(request).webhooks.send_test_event(webhook)
    if answer.is_accepted and webhook.id in get_simulator(request).world.webhooks:
        webhook_subscriptions.reactivate_subscription(get_simulator(request), webhook.id)
        get_engine(request).webhooks.retry_now(webhook.id)
    return JSONResponse(_render_test_result(answer))


def _render_test_result(answer: WebhookAnswer) -> Json:
    # SIM: the texts are not published
    if answer.code is None:
        return {"status": "FAILURE", "description": "The webhook did not answer in time.", "response": None}
    return {
        "status": "SUCCESS" if answer.is_accepted else "FAILURE",
        "description": "The webhook accepted the test event."
        if answer.is_accepted
        else "The webhook refused the test event.",
        "response": {"code": answer.code, "body": answer.body, "headers": list(answer.headers)},
    }


def _get_requested_subscription(request: Request) -> WebhookSubscription:
    return webhook_subscriptions.get_subscription(get_simulator(request), request.path_params["webhook_id"])


ROUTES = [
    Route("/webhooks", create_webhook, methods=["POST"]),
    Route("/webhooks", list_webhooks, methods=["GET"]),
    Route("/webhooks/{webhook_id}", get_webhook, methods=["GET"]),
    Route("/webhooks/{webhook_id}", update_webhook, methods=["PATCH"]),
    Route("/webhooks/{webhook_id}", delete_webhook, methods=["DELETE"]),
    Route("/webhooks/{webhook_id}/test", test_webhook, methods=["POST"]),
]
