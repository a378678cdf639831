"""Send a connection test to a classic client's webhook, so that its user knows whether it can be reached."""

import json
from datetime import timedelta
from typing import TypedDict
from uuid import UUID

from fastapi import APIRouter

from relay.delivery.classic_payload import CLASSIC_OK
from relay.delivery.classic_repository import claim_classic_test, find_newest_classic_endpoint
from relay.delivery.repository import mark_reachable
from relay.identity.credentials import Credential
from relay.kit.outbound import OutboundError, OutboundFailure
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.classic.problem_details import ClassicRoute

TEST_INTERVAL = timedelta(seconds=10)
TEST_BODY = json.dumps({"event": "connection_test", "source": "evconduit", "test": True}).encode()
BAD_REQUEST = 400
BAD_REQUEST_DETAIL = (
    "Home Assistant answered with status 400. Classic clients up to 1.9.5 answer every connection test so, because it "
    "contains no vehicle; so does a Home Assistant that doesn't trust its reverse proxy."
)

router = APIRouter(prefix="/api/ha/webhook", route_class=ClassicRoute)


class ConnectionTestRecord(TypedDict):
    """Whether the client acknowledged the test; if not, the kind of failure and, for some, an explanation."""

    delivered: bool
    failure: OutboundFailure | None
    message: str | None


@router.post("/test", response_model=None, responses={200: {"model": ConnectionTestRecord}})
async def post_connection_test(runtime: RuntimeDependency, authorization: CredentialDependency) -> ConnectionTestRecord:
    """POST a connection test to the webhook that was registered last. Once every ten seconds. Costs nothing."""
    endpoint_id, url = await _claim_test(runtime, authorization)
    try:
        answer = await runtime.outbound.post(url, TEST_BODY, {"Content-Type": "application/json"})
    except OutboundError as error:
        message = BAD_REQUEST_DETAIL if error.status == BAD_REQUEST else None
        return {"delivered": False, "failure": error.failure, "message": message}
    if not answer.startswith(CLASSIC_OK):
        return {"delivered": False, "failure": "answer", "message": None}
    async with runtime.pool.connection() as connection:
        await mark_reachable(connection, endpoint_id)
    return {"delivered": True, "failure": None, "message": None}


async def _claim_test(runtime: Runtime, credential: Credential | None) -> tuple[UUID, str]:
    """Claim a test of the newest endpoint; return its id and URL. Raises Problem 401, 403, 404, 429."""
    async with runtime.pool.connection() as connection:
        caller = (await authenticate_caller(connection, credential, scope="read")).caller
        if caller.plan not in runtime.plans.push_plans:
            raise Problem(403, "plan-required", "Pro tier required: the plan does not include live updates.")
        endpoint = await find_newest_classic_endpoint(connection, caller.user_id)
        if endpoint is None:
            detail = "No webhook is registered. Register one at POST /api/ha/webhook/register."
            raise Problem(404, "no-webhook", detail)
        if not await claim_classic_test(connection, endpoint.id, min_interval=TEST_INTERVAL):
            headers = {"Retry-After": str(int(TEST_INTERVAL.total_seconds()))}
            detail = "A webhook can be tested once every ten seconds. Try again in a few seconds."
            raise Problem(429, "too-many-tests", detail, headers=headers)
    return endpoint.id, endpoint.url
