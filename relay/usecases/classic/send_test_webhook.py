"""Send a connection test to a classic client's webhook, so that its user knows whether it can be reached."""

import json
from datetime import timedelta
from functools import partial
from typing import TypedDict

from fastapi import APIRouter

from relay.delivery.classic_payload import CLASSIC_OK
from relay.delivery.classic_repository import claim_classic_test, find_newest_classic_endpoint
from relay.delivery.models import EndpointTarget
from relay.delivery.repository import mark_reachable
from relay.identity.credentials import Credential
from relay.kit.outbound import OutboundError, OutboundFailure, RequestWithdrawnError
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller, require_installation_id
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.classic.problem_details import ClassicRoute
from relay.usecases.endpoints.send_test_message import is_test_wanted

TEST_INTERVAL = timedelta(seconds=10)
JSON_HEADERS = {"Content-Type": "application/json"}
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
    """POST a connection test to this key's webhook that was registered last. Once every ten seconds. Costs nothing."""
    endpoint = await _claim_test(runtime, authorization)
    confirm = partial(is_test_wanted, runtime, endpoint)
    try:
        answer = await runtime.outbound.post(endpoint.url, TEST_BODY, JSON_HEADERS, confirm=confirm)
    except RequestWithdrawnError:
        raise _create_no_webhook_problem() from None
    except OutboundError as error:
        message = BAD_REQUEST_DETAIL if error.status == BAD_REQUEST else None
        return {"delivered": False, "failure": error.failure, "message": message}
    if not answer.startswith(CLASSIC_OK):
        return {"delivered": False, "failure": "answer", "message": None}
    async with runtime.pool.connection() as connection:
        await mark_reachable(connection, endpoint.id)
    return {"delivered": True, "failure": None, "message": None}


async def _claim_test(runtime: Runtime, credential: Credential | None) -> EndpointTarget:
    """Claim a test of the installation's newest endpoint and return it. Raises Problem 401, 403, 404, 429."""
    async with runtime.pool.connection() as connection:
        caller = (await authenticate_caller(connection, credential, scope="control")).caller
        if caller.plan not in runtime.plans.push_plans:
            raise Problem(403, "plan-required", "Pro tier required: the plan does not include live updates.")
        endpoint = await find_newest_classic_endpoint(connection, require_installation_id(caller))
        if endpoint is None:
            raise _create_no_webhook_problem()
        if not await claim_classic_test(connection, endpoint.id, min_interval=TEST_INTERVAL):
            headers = {"Retry-After": str(int(TEST_INTERVAL.total_seconds()))}
            detail = "A webhook can be tested once every ten seconds. Try again in a few seconds."
            raise Problem(429, "too-many-tests", detail, headers=headers)
    return endpoint


def _create_no_webhook_problem() -> Problem:
    return Problem(404, "no-webhook", "This key has no webhook. Register one at POST /api/ha/webhook/register.")
