"""A classic client says where its Home Assistant can be told, asks what is known of that, and takes it back."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.addresses import LONGEST_URL
from relay.usecases.answer_in_classic_words import ClassicRoute
from relay.usecases.authorize import authenticate
from relay.usecases.present_credential import Authorization
from relay.usecases.register_classic import find_classic, register_classic, unregister_classic
from relay.usecases.runtime import Runtime, RuntimeDependency

router = APIRouter(prefix="/api/ha/webhook", tags=["Classic"], route_class=ClassicRoute)


class Registration(BaseModel):
    """A Home Assistant's own address, the id of a webhook there, and the car that it wants (none: all)."""

    webhook_id: str = Field(min_length=1, max_length=255)
    external_url: str = Field(min_length=1, max_length=LONGEST_URL)
    vehicle_id: str | None = Field(default=None, max_length=255)


@router.post("/register", response_model=None)
async def register(body: Registration, runtime: RuntimeDependency, authorization: Authorization) -> dict[str, Any]:
    """Have every change POSTed to `{external_url}/api/webhook/{webhook_id}`. Costs nothing; needs a plan with push."""
    caller = await _caller(runtime, authorization)
    await register_classic(
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


@router.delete("/register", response_model=None)
async def unregister(
    runtime: RuntimeDependency,
    authorization: Authorization,
    webhook_id: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,255}$")] = None,
) -> dict[str, Any]:
    """Tell this webhook nothing more, or none of the account when no id is given. Costs nothing."""
    caller = await _caller(runtime, authorization)
    ended = await unregister_classic(runtime, caller, webhook_id)
    return {"status": "success", "message": f"Webhooks unregistered: {ended}."}


@router.get("/status", response_model=None)
async def get_webhook_status(runtime: RuntimeDependency, authorization: Authorization) -> dict[str, Any]:
    """The webhook that was registered last. Costs nothing."""
    caller = await _caller(runtime, authorization)
    endpoints = await find_classic(runtime, caller)
    if not endpoints:
        return {"registered": False}
    newest = endpoints[-1]
    return {
        "registered": True,
        "webhook_id": newest.webhook_id,
        "external_url": newest.url.removesuffix(f"/api/webhook/{newest.webhook_id}"),
    }


async def _caller(runtime: Runtime, authorization: Credential | None) -> Caller:
    async with runtime.pool.connection() as connection:
        return (await authenticate(connection, authorization, scope="read")).caller
