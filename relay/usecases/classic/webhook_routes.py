"""Classic routes to register, unregister and look up a client's webhook."""

from typing import Annotated, Literal, NotRequired, TypedDict

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.outbound_rules import MAX_URL_LENGTH
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.classic.problem_details import ClassicRoute
from relay.usecases.classic.register_webhook import (
    list_classic_webhooks,
    register_classic_webhook,
    unregister_classic_webhooks,
)

router = APIRouter(prefix="/api/ha/webhook", route_class=ClassicRoute)


class WebhookRegistrationRequest(BaseModel):
    """A Home Assistant's external URL, the id of a webhook there, and the vehicle to deliver (none: all)."""

    webhook_id: str = Field(min_length=1, max_length=255)
    external_url: str = Field(min_length=1, max_length=MAX_URL_LENGTH)
    vehicle_id: str | None = Field(default=None, max_length=255)


class WebhookRegistrationRecord(TypedDict):
    """The webhook that was registered."""

    status: Literal["success"]
    message: str
    webhook_id: str
    external_url: str


class WebhookUnregistrationRecord(TypedDict):
    """How many webhooks were unregistered, in words."""

    status: Literal["success"]
    message: str


class WebhookStatusRecord(TypedDict):
    """Whether a webhook is registered, and which."""

    registered: bool
    webhook_id: NotRequired[str | None]
    external_url: NotRequired[str]


@router.post("/register", response_model=None, responses={200: {"model": WebhookRegistrationRecord}})
async def register_ha_webhook(
    body: WebhookRegistrationRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> WebhookRegistrationRecord:
    """Have every change POSTed to `{external_url}/api/webhook/{webhook_id}`. Needs a plan with push. Costs nothing."""
    caller = await _get_caller(runtime, authorization)
    await register_classic_webhook(
        runtime,
        caller,
        webhook_id=body.webhook_id,
        external_url=body.external_url,
        vehicle_id=body.vehicle_id,
    )
    return {
        "status": "success",
        "message": "Webhook registered.",
        "webhook_id": body.webhook_id,
        "external_url": body.external_url,
    }


@router.delete("/register", response_model=None, responses={200: {"model": WebhookUnregistrationRecord}})
async def unregister_ha_webhook(
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    webhook_id: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,255}$")] = None,
) -> WebhookUnregistrationRecord:
    """Unregister this webhook, or all of the account's if no id is given. Costs nothing."""
    caller = await _get_caller(runtime, authorization)
    count = await unregister_classic_webhooks(runtime, caller, webhook_id)
    return {"status": "success", "message": f"Webhooks unregistered: {count}."}


@router.get("/status", response_model=None, responses={200: {"model": WebhookStatusRecord}})
async def get_ha_webhook_status(runtime: RuntimeDependency, authorization: CredentialDependency) -> WebhookStatusRecord:
    """Return the webhook that was registered last. Costs nothing."""
    caller = await _get_caller(runtime, authorization)
    endpoints = await list_classic_webhooks(runtime, caller)
    if not endpoints:
        return {"registered": False}
    newest = endpoints[-1]
    return {
        "registered": True,
        "webhook_id": newest.webhook_id,
        "external_url": newest.url.removesuffix(f"/api/webhook/{newest.webhook_id}"),
    }


async def _get_caller(runtime: Runtime, credential: Credential | None) -> Caller:
    async with runtime.pool.connection() as connection:
        return (await authenticate_caller(connection, credential, scope="read")).caller
