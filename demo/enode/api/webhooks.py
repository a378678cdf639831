"""Webhook subscriptions."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demo.enode import subscriptions
from demo.enode.api.shared import engine_of, no_content, sim_of
from demo.enode.deliveries import Answer
from demo.enode.paging import page, page_request
from demo.enode.problems import Json, read_body
from demo.enode.subscriptions import NOT_VALID, CreateBody, UpdateBody
from demo.enode.world import Webhook


async def create_webhook(request: Request) -> Response:
    """A new subscription."""
    body = await read_body(request, CreateBody, title=NOT_VALID)
    return JSONResponse(subscriptions.show(subscriptions.create(sim_of(request), body)))


async def list_webhooks(request: Request) -> Response:
    """All subscriptions."""
    webhooks = list(sim_of(request).world.webhooks.values())
    return JSONResponse(page(webhooks, lambda it: (it.created_at, it.id), subscriptions.show, page_request(request)))


async def get_webhook(request: Request) -> Response:
    """One subscription."""
    return JSONResponse(subscriptions.show(_webhook(request)))


async def update_webhook(request: Request) -> Response:
    """Change a subscription, and wake it up if it was switched off."""
    webhook = _webhook(request)
    body = await read_body(request, UpdateBody, title=NOT_VALID)
    changed = subscriptions.update(sim_of(request), webhook, body)
    engine_of(request).office.retry_now(changed.id)
    return JSONResponse(subscriptions.show(changed))


async def delete_webhook(request: Request) -> Response:
    """End a subscription."""
    webhook = _webhook(request)
    del sim_of(request).world.webhooks[webhook.id]
    await engine_of(request).office.drop(webhook.id)
    return no_content()


async def test_webhook(request: Request) -> Response:
    """Send a test event; a webhook that takes it is active again."""
    webhook = _webhook(request)
    answer = await engine_of(request).office.test(webhook)
    if answer.taken and webhook.id in sim_of(request).world.webhooks:
        subscriptions.reactivate(sim_of(request), webhook.id)
        engine_of(request).office.retry_now(webhook.id)
    return JSONResponse(_show_test(answer))


def _show_test(answer: Answer) -> Json:
    # SIM: the sentences are not published
    if answer.code is None:
        return {"status": "FAILURE", "description": "The webhook could not be reached in time.", "response": None}
    return {
        "status": "SUCCESS" if answer.taken else "FAILURE",
        "description": "The webhook took the test event." if answer.taken else "The webhook refused the test event.",
        "response": {"code": answer.code, "body": answer.body, "headers": list(answer.headers)},
    }


def _webhook(request: Request) -> Webhook:
    return subscriptions.find(sim_of(request), request.path_params["webhook_id"])


ROUTES = [
    Route("/webhooks", create_webhook, methods=["POST"]),
    Route("/webhooks", list_webhooks, methods=["GET"]),
    Route("/webhooks/{webhook_id}", get_webhook, methods=["GET"]),
    Route("/webhooks/{webhook_id}", update_webhook, methods=["PATCH"]),
    Route("/webhooks/{webhook_id}", delete_webhook, methods=["DELETE"]),
    Route("/webhooks/{webhook_id}/test", test_webhook, methods=["POST"]),
]
