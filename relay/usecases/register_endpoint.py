"""A Home Assistant says where it can be told without a stream: registered, looked at, tried out, taken back."""

from typing import TypedDict

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from relay.delivery.endpoints import (
    NOBODY_S,
    Endpoint,
    EndpointRecord,
    find_endpoint,
    hold_for_stream,
    put_endpoint,
    remove_endpoint,
)
from relay.delivery.signing import endpoint_secret, shown_secret
from relay.identity.credentials import Credential
from relay.identity.models import Caller
from relay.kit.addresses import LONGEST_URL, MalformedUrlError
from relay.kit.outbound import Failure, Outbound, OutboundError
from relay.kit.problems import Problem
from relay.usecases.authorize import authenticate, require_installation
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency
from relay.usecases.try_endpoint import TEST_EVERY, TooManyTestsError, try_endpoint

NONE = "No endpoint is registered with this key."

router = APIRouter(prefix="/api/ha/v2/endpoint", tags=["Home Assistant"])


class EndpointRequest(BaseModel):
    """Where to POST to: `https://…`, or also `http://…` on a self-hosted relay."""

    url: str = Field(min_length=1, max_length=LONGEST_URL)


class TestRecord(TypedDict):
    """Whether a test message was acknowledged; if not, the class of what went wrong, and no more."""

    delivered: bool
    failure: Failure | None


@router.put("", response_model=None, responses={200: {"model": EndpointRecord}})
async def put(wanted: EndpointRequest, runtime: RuntimeDependency, authorization: Authorization) -> EndpointRecord:
    """Register this key's endpoint, or switch it on again. The answer has the secret that messages are signed with."""
    caller = await _caller(runtime, authorization)
    await require_reachable(runtime.outbound, wanted.url)
    async with runtime.pool.connection() as connection:
        endpoint = await put_endpoint(
            connection, user_id=caller.user_id, credential_id=require_installation(caller), url=wanted.url
        )
        if runtime.hub.tells(require_installation(caller)):  # of streams elsewhere we hear at their next look
            await hold_for_stream(connection, require_installation(caller), None, held=NOBODY_S)
    runtime.feed_waker.wake([caller.user_id])
    secret = endpoint_secret(runtime.key, endpoint.id, endpoint.salt)
    return {**endpoint.record(), "secret": shown_secret(secret)}


@router.get("", response_model=None, responses={200: {"model": EndpointRecord}})
async def get(runtime: RuntimeDependency, authorization: Authorization) -> EndpointRecord:
    """How delivery to this key's endpoint goes."""
    caller = await _caller(runtime, authorization)
    return (await _endpoint(runtime, caller)).record()


@router.delete("", status_code=204, response_class=Response)
async def delete(runtime: RuntimeDependency, authorization: Authorization) -> None:
    """Nothing is POSTed any more."""
    caller = await _caller(runtime, authorization)
    async with runtime.pool.connection() as connection:
        if not await remove_endpoint(connection, require_installation(caller)):
            raise Problem(404, "not-found", NONE)


@router.post("/test", response_model=None, responses={200: {"model": TestRecord}})
async def test(runtime: RuntimeDependency, authorization: Authorization) -> TestRecord:
    """POST a test message now and tell what came of it. Once in ten seconds. Success switches the endpoint on."""
    caller = await _caller(runtime, authorization)
    try:
        failure = await try_endpoint(runtime, user_id=caller.user_id, credential_id=require_installation(caller))
    except TooManyTestsError:
        await _endpoint(runtime, caller)
        again = {"Retry-After": str(int(TEST_EVERY.total_seconds()))}
        raise Problem(429, "too-many-tests", "An endpoint can be tested once in ten seconds.", headers=again) from None
    return {"delivered": failure is None, "failure": failure}


async def require_reachable(outbound: Outbound, url: str) -> None:
    """Raises Problem 422 for a URL that is malformed, or leads where this relay must not go."""
    try:
        await outbound.check(url)
    except MalformedUrlError as error:
        errors = [{"loc": ["body", "url"], "msg": str(error)}]
        raise Problem(422, "invalid-request", str(error), errors=errors) from None
    except OutboundError as error:
        raise Problem(422, "endpoint-refused", _refusal(outbound), failure=error.failure) from None


def _refusal(outbound: Outbound) -> str:
    if outbound.rules.private:
        return (
            "The address leads nowhere, or to this machine, a link-local network or a reserved one. "
            "The operator can list hosts in EVCONDUIT_OUTBOUND_ALLOW."
        )
    return "The address must be https on port 443 or from 1024 up, and lead to the public internet only."


async def _caller(runtime: Runtime, authorization: Credential | None) -> Caller:
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
    runtime.bursts.take(call.caller.holder)
    if call.caller.plan not in runtime.plans.push:
        raise Problem(403, "plan-required", "The plan does not include live updates; ask for the vehicles instead.")
    return call.caller


async def _endpoint(runtime: Runtime, caller: Caller) -> Endpoint:
    async with runtime.pool.connection() as connection:
        endpoint = await find_endpoint(connection, require_installation(caller))
    if endpoint is None:
        raise Problem(404, "not-found", NONE)
    return endpoint
