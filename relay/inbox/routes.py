"""The route that Enode's webhook subscription POSTs to."""

from typing import Any, Literal, TypedDict, cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from relay.inbox.service import Inbox
from relay.kit.problems import Problem

router = APIRouter()

ENODE_WEBHOOK_PATH = "/api/webhook/enode"
MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body of a delivery."""


class DeliveryRecord(TypedDict):
    """How many events were stored, and how many were known before."""

    status: Literal["ok"]
    stored: int
    known: int


DELIVERY_SCHEMA: dict[str, Any] = {
    "parameters": [
        {"in": "header", "name": "X-Enode-Signature", "required": True, "schema": {"type": "string"}},
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
    },
}
"""For the OpenAPI document: the signature covers the raw body, so the route reads both itself."""


def get_inbox(request: Request) -> Inbox:
    """Return the inbox of the app that serves this request."""
    return cast("Inbox", request.app.state.inbox)


@router.post(
    ENODE_WEBHOOK_PATH,
    response_model=None,
    responses={200: {"model": DeliveryRecord}},
    openapi_extra=DELIVERY_SCHEMA,
)
async def receive_enode_delivery(request: Request) -> JSONResponse:
    """Store a signed delivery. 2xx means that all of it is stored, valid or not."""
    inbox = get_inbox(request)
    raw = await _read_body(request, MAX_BODY_BYTES)
    receipt = await inbox.receive(raw, request.headers.get("x-enode-signature"))
    return JSONResponse({"status": "ok", "stored": receipt.stored, "known": receipt.known})


async def _read_body(request: Request, limit: int) -> bytes:
    content_length = request.headers.get("content-length", "")
    if content_length.isdecimal() and int(content_length[:20]) > limit:
        raise _create_too_large_problem(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _create_too_large_problem(limit)
    except ClientDisconnect:
        raise Problem(
            400, "invalid-request", "The connection closed before the end of the body. Send the request again."
        ) from None
    return bytes(body)


def _create_too_large_problem(limit: int) -> Problem:
    return Problem(413, "too-large", f"The delivery is larger than {limit} bytes. Send fewer events at once.")
