"""The stream route: a snapshot, the transitions that the client missed, then every change as it is committed."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Header, Response

from relay.delivery.stream_lease import StreamLease, release_stream_lease
from relay.feed.cursor import Cursor, parse_cursor
from relay.feed.messages import AccountMessage, ByeMessage
from relay.kit.problems import Problem
from relay.streams.delivered_cursor import ASSUME_DELIVERED_AFTER, DeliveredCursorTracker
from relay.streams.listener import StreamListener
from relay.streams.response import EventStreamResponse
from relay.streams.sse import render_event
from relay.usecases.calls.authorize import (
    AuthorizedCall,
    authenticate_caller,
    get_installation_call,
    require_installation_id,
)
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.usecases.feed.account_and_vehicles import AccountRecord, render_account_record
from relay.usecases.feed.reader import FeedSnapshot, read_snapshot

PLAN_RETRY_AFTER_SECONDS = 3600
"""When a client whose plan has lost the stream may try again; plans don't change within minutes."""
NO_PUSH_DETAIL = "Your plan doesn't include live updates. Poll GET /api/ha/v2/vehicles, or upgrade the plan."

router = APIRouter(prefix="/api/ha/v2")


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStream:
    """A stream's listener at the hub, and the account record that its client got first."""

    listener: StreamListener
    account: AccountRecord
    cursor_tracker: DeliveredCursorTracker = field(
        default_factory=lambda: DeliveredCursorTracker(ASSUME_DELIVERED_AFTER)
    )
    lease: StreamLease = field(default_factory=StreamLease)


async def open_stream(runtime: RuntimeDependency, authorization: CredentialDependency) -> AsyncIterator[OpenStream]:
    """Register a stream at the hub until its response has ended. Raises Problem 401, 403, 429, 503."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
    account = render_account_record(call, runtime.plans, runtime.identity)
    if not account["push"]:
        raise Problem(403, "plan-required", NO_PUSH_DETAIL)
    with runtime.hub.open_listener(call.caller.user_id, require_installation_id(call.caller)) as listener:
        stream = OpenStream(listener=listener, account=account)
        try:
            yield stream
        finally:
            await resume_endpoint_delivery(runtime, stream)


@router.get(
    "/stream",
    response_model=None,
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Server-sent events."}
    },
)
async def get_stream(
    runtime: RuntimeDependency,
    stream: Annotated[OpenStream, Depends(open_stream)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStreamResponse:
    """Server-sent events. `Last-Event-ID` resumes and replays transitions of the last 24 hours. Costs no call."""
    since = parse_cursor(last_event_id)
    async with runtime.pool.connection() as connection:
        snapshot = await read_snapshot(connection, stream.listener.user_id, since)
        await stream.lease.renew(connection, stream.listener.credential_id)
    stream.listener.start(snapshot.cursor, render_initial_events(snapshot, stream.account, since))
    rules = runtime.hub.rules
    return EventStreamResponse(
        stream.listener,
        heartbeat_interval=rules.heartbeat_interval,
        send_timeout=rules.send_timeout,
        monitor=lambda: recheck_stream(runtime, stream),
    )


def render_initial_events(snapshot: FeedSnapshot, account: AccountRecord, since: Cursor | None) -> list[bytes]:
    """Render the snapshot and the replayed transitions.

    If there are any to replay, the snapshot's event id is still the client's own cursor. Otherwise a connection that
    breaks between snapshot and transitions would lose them.
    """
    message = snapshot.create_message(account)
    return [
        render_event(message, since if snapshot.replay else snapshot.cursor),
        *(render_event(transition, cursor) for transition, cursor in snapshot.pair_replay_with_cursors()),
    ]


async def recheck_stream(runtime: Runtime, stream: OpenStream) -> None:
    """Check regularly that installation and plan still allow this stream, and send the account when it has changed.

    Checks at once when another process says that access may have been revoked. Renews the endpoint's lease as well. The
    access token that opened the stream may have expired meanwhile: a stream may stay open as long as its installation
    exists.
    """
    interval = runtime.hub.rules.recheck_interval.total_seconds()
    min_interval = min(runtime.hub.rules.min_recheck_interval.total_seconds(), interval / 2)
    account: AccountRecord | None = stream.account
    while account is not None:
        # Random, so that streams that were opened together don't query the database together.
        await stream.listener.wait_for_recheck(interval * random.uniform(0.6, 1) - min_interval)  # noqa: S311 - no secret
        account = await _check_access(runtime, stream, account)
        await asyncio.sleep(min_interval)


async def _check_access(runtime: Runtime, stream: OpenStream, account: AccountRecord) -> AccountRecord | None:
    """Check access once, and send the account if it differs from `account`; returns it, None if the stream ends."""

    async def renew() -> AuthorizedCall:
        async with runtime.pool.connection() as connection:
            call = await get_installation_call(connection, stream.listener.credential_id)
            now = asyncio.get_running_loop().time()
            delivered_cursor = stream.cursor_tracker.update(stream.listener.consumed_cursor, now)
            await stream.lease.renew(connection, stream.listener.credential_id, delivered_cursor)
            return call

    try:
        # Not cancelled halfway: a lease can only be released with the end time that renewing it returns.
        call = await run_until_done(renew())
    except psycopg.Error:
        return account  # a database failure doesn't mean that access was revoked
    except Problem:
        stream.listener.end(ByeMessage(reason="revoked", retry_after=0))
        return None
    new_account = render_account_record(call, runtime.plans, runtime.identity)
    if not new_account["push"]:
        stream.listener.end(ByeMessage(reason="plan", retry_after=PLAN_RETRY_AFTER_SECONDS))
        return None
    if new_account != account:
        stream.listener.send_message(AccountMessage(record=new_account))
    return new_account


async def run_until_done[T](coroutine: Coroutine[None, None, T]) -> T:
    """Return the coroutine's result. When the caller is cancelled, the coroutine still runs to its end first."""
    task = asyncio.create_task(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def resume_endpoint_delivery(runtime: Runtime, stream: OpenStream) -> None:
    """Release the endpoint's lease after the stream has ended, so that deliveries go to the endpoint again.

    A lease that can't be released, because the database fails, runs out by itself.
    """
    listener, held_until = stream.listener, stream.lease.held_until
    # An endpoint registered since the last recheck has a lease whose end time no stream holds. It is released
    # only by the last stream of the credential.
    if held_until is None and runtime.hub.has_stream(listener.credential_id, other_than=listener):
        return
    try:
        async with runtime.pool.connection() as connection:
            is_released = await release_stream_lease(connection, listener.credential_id, held_until)
    except psycopg.Error:
        return
    if is_released:
        runtime.feed_waker.wake([listener.user_id])
