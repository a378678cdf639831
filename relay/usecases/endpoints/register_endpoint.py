"""A Home Assistant says where it can be told without a stream: registered, looked at, tried out, taken back."""

from typing import TypedDict

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from relay.delivery.endpoints import (
    UNHELD_LEASE,
    Endpoint,
    EndpointRecord,
    acquire_stream_lease,
    delete_endpoint,
    find_endpoint,
    upsert_endpoint,
)
from relay.delivery.signing import derive_endpoint_secret, encode_secret
from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.outbound import OutboundClient, OutboundError, OutboundFailure
from relay.kit.outbound_rules import MAX_URL_LENGTH, MalformedUrlError
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller, require_installation_id
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.endpoints.send_test_message import TEST_INTERVAL, TooManyTestsError, send_test_message

NO_ENDPOINT_DETAIL = "No endpoint is registered with this key."

router = APIRouter(prefix="/api/ha/v2/endpoint", tags=["Home Assistant"])


class EndpointRequest(BaseModel):
    """Where to POST to: `https://…`, or also `http://…` on a self-hosted relay."""

    url: str = Field(min_length=1, max_length=MAX_URL_LENGTH)


class EndpointTestRecord(TypedDict):
    """Whether a test message was acknowledged; if not, the class of what went wrong, and no more."""

    delivered: bool
    failure: OutboundFailure | None


@router.put("", response_model=None, responses={200: {"model": EndpointRecord}})
async def register_endpoint(
    body: EndpointRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> EndpointRecord:
    """Register this key's endpoint, or switch it on again. The answer has the secret that messages are signed with."""
    caller = await _require_push_caller(runtime, authorization)
    await require_allowed_url(runtime.outbound, body.url)
    async with runtime.pool.connection() as connection:
        endpoint = await upsert_endpoint(
            connection, user_id=caller.user_id, credential_id=require_installation_id(caller), url=body.url
        )
        if runtime.hub.has_stream(require_installation_id(caller)):  # of streams elsewhere we hear at their next look
            await acquire_stream_lease(connection, require_installation_id(caller), None, held_until=UNHELD_LEASE)
    runtime.feed_waker.wake([caller.user_id])
    secret = derive_endpoint_secret(runtime.secret_key, endpoint.id, endpoint.salt)
    return {**endpoint.to_record(), "secret": encode_secret(secret)}


@router.get("", response_model=None, responses={200: {"model": EndpointRecord}})
async def get_registered_endpoint(runtime: RuntimeDependency, authorization: CredentialDependency) -> EndpointRecord:
    """How delivery to this key's endpoint goes."""
    caller = await _require_push_caller(runtime, authorization)
    return (await _get_endpoint(runtime, caller)).to_record()


@router.delete("", status_code=204, response_class=Response)
async def unregister_endpoint(runtime: RuntimeDependency, authorization: CredentialDependency) -> None:
    """Nothing is POSTed any more."""
    caller = await _require_push_caller(runtime, authorization)
    async with runtime.pool.connection() as connection:
        if not await delete_endpoint(connection, require_installation_id(caller)):
            raise Problem(404, "not-found", NO_ENDPOINT_DETAIL)


@router.post("/test", response_model=None, responses={200: {"model": EndpointTestRecord}})
async def post_endpoint_test(runtime: RuntimeDependency, authorization: CredentialDependency) -> EndpointTestRecord:
    """POST a test message now and tell what came of it. Once in ten seconds. Success switches the endpoint on."""
    caller = await _require_push_caller(runtime, authorization)
    try:
        failure = await send_test_message(
            runtime, user_id=caller.user_id, credential_id=require_installation_id(caller)
        )
    except TooManyTestsError:
        await _get_endpoint(runtime, caller)
        again = {"Retry-After": str(int(TEST_INTERVAL.total_seconds()))}
        raise Problem(429, "too-many-tests", "An endpoint can be tested once in ten seconds.", headers=again) from None
    return {"delivered": failure is None, "failure": failure}


async def require_allowed_url(outbound: OutboundClient, url: str) -> None:
    """Raises Problem 422 for a URL that is malformed, or leads where this relay must not go."""
    try:
        await outbound.check_url(url)
    except MalformedUrlError as error:
        errors = [{"loc": ["body", "url"], "msg": str(error)}]
        raise Problem(422, "invalid-request", str(error), errors=errors) from None
    except OutboundError as error:
        raise Problem(422, "endpoint-refused", _describe_refusal(outbound), failure=error.failure) from None


def _describe_refusal(outbound: OutboundClient) -> str:
    if outbound.rules.allow_private:
        return (
            "The address leads nowhere, or to this machine, a link-local network or a reserved one. "
            "The operator can list hosts in EVCONDUIT_OUTBOUND_ALLOW."
        )
    return "The address must be https on port 443 or from 1024 up, and lead to the public internet only."


async def _require_push_caller(runtime: Runtime, credential: Credential | None) -> Caller:
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, credential, scope="read")
    runtime.rate_limiter.check(call.caller.rate_limit_key)
    if call.caller.plan not in runtime.plans.push_plans:
        raise Problem(403, "plan-required", "The plan does not include live updates; ask for the vehicles instead.")
    return call.caller


async def _get_endpoint(runtime: Runtime, caller: Caller) -> Endpoint:
    async with runtime.pool.connection() as connection:
        endpoint = await find_endpoint(connection, require_installation_id(caller))
    if endpoint is None:
        raise Problem(404, "not-found", NO_ENDPOINT_DETAIL)
    return endpoint
