"""Send a test message to an installation's endpoint, to find out whether it can be reached."""

import time
from datetime import timedelta
from functools import partial
from uuid import UUID

from relay.delivery.models import EndpointTarget
from relay.delivery.payloads import is_acknowledged, render_test_body
from relay.delivery.repository import claim_test_message, is_target_current, mark_reachable
from relay.delivery.signing import create_signed_headers, derive_endpoint_secret, derive_message_id
from relay.kit.outbound import OutboundError, OutboundFailure, RequestWithdrawnError
from relay.usecases.calls.runtime import Runtime

TEST_INTERVAL = timedelta(seconds=10)


class TooManyTestsError(Exception):
    """The last test was less than TEST_INTERVAL ago, or there is no endpoint (any more)."""


async def send_test_message(runtime: Runtime, *, user_id: UUID, credential_id: UUID) -> OutboundFailure | None:
    """POST a test message and return the class of failure, or None. Success switches the endpoint on.

    Raises TooManyTestsError.
    """
    async with runtime.pool.connection() as connection:
        endpoint = await claim_test_message(connection, credential_id, min_interval=TEST_INTERVAL)
    if endpoint is None:
        raise TooManyTestsError
    body = render_test_body()
    # The time makes each test a message of its own, although their bytes are the same.
    message_id = derive_message_id(endpoint.id, body + str(time.time_ns()).encode())
    secret = derive_endpoint_secret(runtime.secret_key, endpoint.id, endpoint.salt)
    headers = create_signed_headers(secret, message_id, body, timestamp=int(time.time()))
    try:
        response = await runtime.outbound.post(
            endpoint.url, body, headers, confirm=partial(is_test_wanted, runtime, endpoint)
        )
    except OutboundError as error:
        return error.failure
    except RequestWithdrawnError:
        raise TooManyTestsError from None
    if not is_acknowledged(response, message_id):
        return "answer"
    async with runtime.pool.connection() as connection:
        await mark_reachable(connection, endpoint.id)
    runtime.feed_waker.wake([user_id])
    return None


async def is_test_wanted(runtime: Runtime, target: EndpointTarget) -> bool:
    """Return whether a test message may still be sent to this endpoint, which may have been deleted meanwhile."""
    async with runtime.pool.connection() as connection:
        return await is_target_current(connection, target)
