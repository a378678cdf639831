"""The routes that register, show, test and delete the webhook endpoint of a key."""

from typing import TypedDict

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from relay.delivery.models import Endpoint, EndpointRecord
from relay.delivery.repository import delete_endpoint, find_endpoint, upsert_endpoint
from relay.delivery.signing import derive_endpoint_secret, encode_secret
from relay.delivery.stream_lease import UNHELD_LEASE, acquire_stream_lease
from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.outbound import OutboundClient, OutboundError, OutboundFailure
from relay.kit.outbound_rules import MAX_URL_LENGTH, MalformedUrlError
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller, require_installation_id
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.endpoints.send_test_message import TEST_INTERVAL, TooManyTestsError, send_test_message
from relay.usecases.feed.stream_events import NO_PUSH_DETAIL

NO_ENDPOINT_DETAIL = "This key has no endpoint. Register one with PUT /api/ha/v2/endpoint."

router = APIRouter(prefix="/api/ha/v2/endpoint")


class EndpointRequest(BaseModel):
    """Where to POST to: `https://…`, or also `http://…` on a self-hosted relay."""

    url: str = Field(min_length=1, max_length=MAX_URL_LENGTH)


class EndpointTestRecord(TypedDict):
    """Whether a test message was acknowledged; if not, the class of failure and no details."""

    delivered: bool
    failure: OutboundFailure | None


@router.put("", response_model=None, responses={200: {"model": EndpointRecord}})
async def register_endpoint(
    body: EndpointRequest, runtime: RuntimeDependency, authorization: CredentialDependency
) -> EndpointRecord:
    """Register this key's endpoint, or switch it on again. Returns the secret that messages are signed with."""
    caller = await _require_push_caller(runtime, authorization)
    await require_allowed_url(runtime.outbound, body.url)
    credential_id = require_installation_id(caller)
    async with runtime.pool.connection() as connection:
        endpoint = await upsert_endpoint(connection, user_id=caller.user_id, credential_id=credential_id, url=body.url)
        if runtime.hub.has_stream(credential_id):  # streams in other processes acquire the lease at their next recheck
            await acquire_stream_lease(connection, credential_id, None, held_until=UNHELD_LEASE)
    runtime.feed_waker.wake([caller.user_id])
    secret = derive_endpoint_secret(runtime.secret_key, endpoint.id, endpoint.salt)
    return {**endpoint.to_record(), "secret": encode_secret(secret)}


@router.get("", response_model=None, responses={200: {"model": EndpointRecord}})
async def get_registered_endpoint(runtime: RuntimeDependency, authorization: CredentialDependency) -> EndpointRecord:
    """This key's endpoint and the state of delivery to it."""
    caller = await _require_push_caller(runtime, authorization)
    return (await _get_endpoint(runtime, caller)).to_record()


@router.delete("", status_code=204, response_class=Response)
async def unregister_endpoint(runtime: RuntimeDependency, authorization: CredentialDependency) -> None:
    """Delete this key's endpoint; deliveries to it end."""
    caller = await _require_push_caller(runtime, authorization)
    async with runtime.pool.connection() as connection:
        if not await delete_endpoint(connection, require_installation_id(caller)):
            raise Problem(404, "not-found", NO_ENDPOINT_DETAIL)


@router.post("/test", response_model=None, responses={200: {"model": EndpointTestRecord}})
async def post_endpoint_test(runtime: RuntimeDependency, authorization: CredentialDependency) -> EndpointTestRecord:
    """POST a test message now and return the outcome. Once in ten seconds. Success switches the endpoint on."""
    caller = await _require_push_caller(runtime, authorization)
    try:
        failure = await send_test_message(
            runtime, user_id=caller.user_id, credential_id=require_installation_id(caller)
        )
    except TooManyTestsError:
        await _get_endpoint(runtime, caller)
        headers = {"Retry-After": str(int(TEST_INTERVAL.total_seconds()))}
        detail = "This endpoint was tested less than ten seconds ago. Try again in ten seconds."
        raise Problem(429, "too-many-tests", detail, headers=headers) from None
    return {"delivered": failure is None, "failure": failure}


async def require_allowed_url(outbound: OutboundClient, url: str) -> None:
    """Raise Problem 422 for a URL that is malformed or that this relay must not connect to."""
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
            "The address can't be used: it doesn't resolve, or it is on this machine or in a link-local or reserved "
            "network. The operator can allow hosts in EVCONDUIT_OUTBOUND_ALLOW."
        )
    return "The address can't be used. Enter an https address on the public internet, on port 443 or a port from 1024."


async def _require_push_caller(runtime: Runtime, credential: Credential | None) -> Caller:
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, credential, scope="read")
    runtime.rate_limiter.check(call.caller.rate_limit_key)
    if call.caller.plan not in runtime.plans.push_plans:
        raise Problem(403, "plan-required", NO_PUSH_DETAIL)
    return call.caller


async def _get_endpoint(runtime: Runtime, caller: Caller) -> Endpoint:
    async with runtime.pool.connection() as connection:
        endpoint = await find_endpoint(connection, require_installation_id(caller))
    if endpoint is None:
        raise Problem(404, "not-found", NO_ENDPOINT_DETAIL)
    return endpoint
