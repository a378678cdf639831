"""Where Enode POSTs to."""

from typing import cast

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from relay.inbox.service import Inbox
from relay.kit.problems import Problem

router = APIRouter(tags=["Enode"])

ENODE_WEBHOOK_PATH = "/api/webhook/enode"


def get_inbox(request: Request) -> Inbox:
    """The inbox of the app that serves this request."""
    return cast("Inbox", request.app.state.inbox)


@router.post(ENODE_WEBHOOK_PATH, response_model=None)
async def receive_enode_delivery(request: Request) -> JSONResponse:
    """Keep a signed delivery and say so; 2xx means that it is stored, however odd it is."""
    inbox = get_inbox(request)
    raw = await _read_body(request, inbox.max_body_bytes)
    receipt = await inbox.receive(raw, request.headers.get("x-enode-signature"))
    return JSONResponse({"status": "ok", "stored": receipt.stored, "known": receipt.known})


async def _read_body(request: Request, limit: int) -> bytes:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > limit:
        raise _create_too_large_problem(limit)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise _create_too_large_problem(limit)
    except ClientDisconnect:
        raise Problem(400, "invalid-request", "The request ended early.") from None
    return bytes(body)


def _create_too_large_problem(limit: int) -> Problem:
    return Problem(413, "too-large", f"A delivery may have {limit} bytes.")
