"""Somebody wants to know whether an installation's endpoint can be reached: it is sent a test message."""

import time
from datetime import timedelta
from uuid import UUID

from relay.delivery.endpoints import claim_test_message, mark_reachable
from relay.delivery.payloads import is_acknowledged, render_test_body
from relay.delivery.signing import create_signed_headers, derive_endpoint_secret, derive_message_id
from relay.kit.outbound import OutboundError, OutboundFailure
from relay.usecases.calls.runtime import Runtime

TEST_INTERVAL = timedelta(seconds=10)


class TooManyTestsError(Exception):
    """There was a test just now, or there is no endpoint."""


async def send_test_message(runtime: Runtime, *, user_id: UUID, credential_id: UUID) -> OutboundFailure | None:
    """POST a test message now; what went wrong, or None. Success switches the endpoint on. Raises TooManyTestsError."""
    async with runtime.pool.connection() as connection:
        claimed = await claim_test_message(connection, credential_id, min_interval=TEST_INTERVAL)
    if claimed is None:
        raise TooManyTestsError
    endpoint_id, url, salt = claimed
    body = render_test_body()
    # Two tests are two messages, although their bytes are the same.
    message = derive_message_id(endpoint_id, body + str(time.time_ns()).encode())
    headers = create_signed_headers(
        derive_endpoint_secret(runtime.secret_key, endpoint_id, salt), message, body, timestamp=int(time.time())
    )
    try:
        answer = await runtime.outbound.post(url, body, headers)
    except OutboundError as error:
        return error.failure
    if not is_acknowledged(answer, message):
        return "answer"
    async with runtime.pool.connection() as connection:
        await mark_reachable(connection, endpoint_id)
    runtime.feed_waker.wake([user_id])
    return None
