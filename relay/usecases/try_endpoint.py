"""Somebody wants to know whether an installation's endpoint can be reached: it is sent a test message."""

import time
from datetime import timedelta
from uuid import UUID

from relay.delivery.dialects import is_acknowledged, test_body
from relay.delivery.endpoints import claim_test, note_reached
from relay.delivery.signing import endpoint_secret, message_id, signed_headers
from relay.kit.outbound import Failure, OutboundError
from relay.usecases.runtime import Runtime

TEST_EVERY = timedelta(seconds=10)


class TooManyTestsError(Exception):
    """There was a test just now, or there is no endpoint."""


async def try_endpoint(runtime: Runtime, *, user_id: UUID, credential_id: UUID) -> Failure | None:
    """POST a test message now; what went wrong, or None. Success switches the endpoint on. Raises TooManyTestsError."""
    async with runtime.pool.connection() as connection:
        claimed = await claim_test(connection, credential_id, every=TEST_EVERY)
    if claimed is None:
        raise TooManyTestsError
    endpoint_id, url, salt = claimed
    body = test_body()
    # Two tests are two messages, although their bytes are the same.
    message = message_id(endpoint_id, body + str(time.time_ns()).encode())
    headers = signed_headers(endpoint_secret(runtime.key, endpoint_id, salt), message, body, at=int(time.time()))
    try:
        answer = await runtime.outbound.post(url, body, headers)
    except OutboundError as error:
        return error.failure
    if not is_acknowledged(answer, message):
        return "answer"
    async with runtime.pool.connection() as connection:
        await note_reached(connection, endpoint_id)
    runtime.feed_waker.wake([user_id])
    return None
