"""Classic routes to register, unregister and look up a client's webhook."""

from typing import Annotated, Literal, NotRequired, TypedDict

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.outbound_rules import MAX_URL_LENGTH
from relay.usecases.calls.authorize import Scope, authenticate_caller
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
    """Whether a webhook is registered. The other members are always null."""

    registered: bool
    webhook_id: NotRequired[None]
    external_url: NotRequired[None]


@router.post("/register", response_model=None, responses={200: {"model": WebhookRegistrationRecord}})
async def register_ha_webhook(
    body: WebhookRegistrationRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> WebhookRegistrationRecord:
    """Have every change POSTed to `{external_url}/api/webhook/{webhook_id}`. Needs a plan with push. Costs nothing."""
    caller = await _get_caller(runtime, authorization, scope="control")
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
    """Unregister this webhook of this key, or all of its webhooks if no id is given. Costs nothing."""
    caller = await _get_caller(runtime, authorization, scope="control")
    count = await unregister_classic_webhooks(runtime, caller, webhook_id)
    return {"status": "success", "message": f"Webhooks unregistered: {count}."}


@router.get("/status", response_model=None, responses={200: {"model": WebhookStatusRecord}})
async def get_ha_webhook_status(runtime: RuntimeDependency, authorization: CredentialDependency) -> WebhookStatusRecord:
    """Return whether this key has a webhook. Costs nothing.

    The classic keys `webhook_id` and `external_url` are null: who knows them can send data to Home Assistant.
    """
    caller = await _get_caller(runtime, authorization, scope="read")
    if not await list_classic_webhooks(runtime, caller):
        return {"registered": False}
    return {"registered": True, "webhook_id": None, "external_url": None}


async def _get_caller(runtime: Runtime, credential: Credential | None, *, scope: Scope) -> Caller:
    async with runtime.pool.connection() as connection:
        return (await authenticate_caller(connection, credential, scope=scope)).caller
