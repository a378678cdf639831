"""A person wants to know whether the classic client's webhook can be reached: it is sent a connection test."""

import json
from datetime import timedelta
from typing import LiteralString, TypedDict
from uuid import UUID

from fastapi import APIRouter

from relay.delivery.dialects import CLASSIC_OK
from relay.delivery.endpoints import note_reached
from relay.identity.credentials import Credential
from relay.kit.outbound import Failure, OutboundError
from relay.kit.problems import Problem
from relay.usecases.answer_in_classic_words import ClassicRoute
from relay.usecases.authorize import authenticate
from relay.usecases.present_credential import Authorization
from relay.usecases.runtime import Runtime, RuntimeDependency

TRY_EVERY = timedelta(seconds=10)
BODY = json.dumps({"event": "connection_test", "source": "evconduit", "test": True}).encode()
BAD_REQUEST = 400
WORDS_FOR_400 = (
    "Home Assistant answered 400. Classic clients up to 1.9.5 answer so to every connection test, because there is no "
    "vehicle in it; so does a Home Assistant that does not trust the proxy before it."
)

NEWEST: LiteralString = """
select id, url from endpoints where kind = 'classic' and user_id = %s order by created_at desc, id desc limit 1
"""
CLAIM: LiteralString = """
update endpoints set tested_at = now() where id = %s and (tested_at is null or tested_at <= now() - %s)
"""

router = APIRouter(prefix="/api/ha/webhook", tags=["Classic"], route_class=ClassicRoute)


class ConnectionTestRecord(TypedDict):
    """Whether the client said OK; if not, the class of what went wrong and, where we know more, a sentence."""

    delivered: bool
    failure: Failure | None
    message: str | None


@router.post("/test", response_model=None, responses={200: {"model": ConnectionTestRecord}})
async def post_test(runtime: RuntimeDependency, authorization: Authorization) -> ConnectionTestRecord:
    """POST a connection test to the webhook that was registered last. Once in ten seconds. Costs nothing."""
    endpoint_id, url = await _claim(runtime, authorization)
    try:
        answer = await runtime.outbound.post(url, BODY, {"Content-Type": "application/json"})
    except OutboundError as error:
        words = WORDS_FOR_400 if error.status == BAD_REQUEST else None
        return {"delivered": False, "failure": error.failure, "message": words}
    if not answer.startswith(CLASSIC_OK):
        return {"delivered": False, "failure": "answer", "message": None}
    async with runtime.pool.connection() as connection:
        await note_reached(connection, endpoint_id)
    return {"delivered": True, "failure": None, "message": None}


async def _claim(runtime: Runtime, authorization: Credential | None) -> tuple[UUID, str]:
    async with runtime.pool.connection() as connection:
        caller = (await authenticate(connection, authorization, scope="read")).caller
        if caller.plan not in runtime.plans.push:
            raise Problem(403, "plan-required", "Pro tier required: the plan does not include live updates.")
        row = await (await connection.execute(NEWEST, [caller.user_id])).fetchone()
        if row is None:
            raise Problem(404, "no-webhook", "No webhook is registered.")
        endpoint_id, url = UUID(str(row[0])), str(row[1])
        if not (await connection.execute(CLAIM, [endpoint_id, TRY_EVERY])).rowcount:
            again = {"Retry-After": str(int(TRY_EVERY.total_seconds()))}
            raise Problem(429, "too-many-tests", "A webhook can be tested once in ten seconds.", headers=again)
    return endpoint_id, url
