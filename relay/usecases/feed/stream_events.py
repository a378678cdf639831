"""A Home Assistant listens: a snapshot first, what it missed, then every change as it is committed."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import psycopg
from fastapi import APIRouter, Depends, Header, Response

from relay.delivery.endpoints import acquire_stream_lease, release_stream_lease
from relay.feed.messages import AccountMessage, ByeMessage, Cursor, SnapshotMessage, parse_cursor, render_event
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.streams.listener import StreamListener
from relay.streams.response import EventStreamResponse
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

# A plan without push does not get it back within minutes.
PLAN_RETRY_AFTER_SECONDS = 3600
# What was sent so long ago has been received, or the server has noticed that nobody receives (relay/server.py).
ASSUME_DELIVERED_AFTER = timedelta(seconds=60)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class DeliveredCursorTracker:
    """Remembers how far a stream was at each look, and says how far its client surely is: as far as a while ago."""

    def __init__(self, lag: timedelta) -> None:
        self._lag = lag.total_seconds()
        self._samples: deque[tuple[float, Cursor]] = deque()

    def update(self, cursor: Cursor | None, now: float) -> Cursor | None:
        """Note that by `now` (seconds) everything up to `cursor` is sent; returns the cursor of a while ago."""
        if cursor is not None:
            self._samples.append((now, cursor))
        while len(self._samples) > 1 and self._samples[1][0] <= now - self._lag:
            self._samples.popleft()
        return self._samples[0][1] if self._samples and self._samples[0][0] <= now - self._lag else None


@dataclass(kw_only=True, slots=True)
class StreamLease:
    """The silence of the endpoint that is told in the stream's place; `until` names the hold on it."""

    held_until: datetime | None = None

    async def renew(self, connection: Connection, credential_id: UUID, delivered_cursor: Cursor | None = None) -> None:
        """Hold, or hold on, unless a newer stream does."""
        held = await acquire_stream_lease(connection, credential_id, delivered_cursor, held_until=self.held_until)
        self.held_until = held or self.held_until


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStream:
    """A place at the hub, and whose it is as of the last look."""

    listener: StreamListener
    account: AccountRecord
    cursor_tracker: DeliveredCursorTracker = field(
        default_factory=lambda: DeliveredCursorTracker(ASSUME_DELIVERED_AFTER)
    )
    lease: StreamLease = field(default_factory=StreamLease)


async def open_stream(runtime: RuntimeDependency, authorization: CredentialDependency) -> AsyncIterator[OpenStream]:
    """A place for the stream, given up when the answer has ended. Raises Problem 401, 403, 429, 503."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
    account = render_account_record(call, runtime.plans, runtime.version)
    if not account["push"]:
        raise Problem(403, "plan-required", "The plan does not include live updates; ask for the vehicles instead.")
    with runtime.hub.open_listener(call.caller.user_id, require_installation_id(call.caller)) as subscription:
        opened = OpenStream(listener=subscription, account=account)
        try:
            yield opened
        finally:
            await resume_endpoint_delivery(runtime, opened)


@router.get(
    "/stream",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events, without an end."}},
)
async def get_stream(
    runtime: RuntimeDependency,
    stream: Annotated[OpenStream, Depends(open_stream)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStreamResponse:
    """Server-sent events. `Last-Event-ID` resumes: transitions of the last 24 hours are told again. Costs nothing."""
    since = parse_cursor(last_event_id)
    async with runtime.pool.connection() as connection:
        found = await read_snapshot(connection, stream.listener.user_id, since)
        await stream.lease.renew(connection, stream.listener.credential_id)
    stream.listener.start(found.cursor, render_first_frames(found, stream.account, since))
    rules = runtime.hub.rules
    return EventStreamResponse(
        stream.listener,
        heartbeat_interval=rules.heartbeat_interval,
        send_timeout=rules.send_timeout,
        monitor=lambda: recheck_stream(runtime, stream),
    )


def render_first_frames(feed_snapshot: FeedSnapshot, account: AccountRecord, since: Cursor | None) -> list[bytes]:
    """The snapshot and what is told again.

    While transitions follow it, the snapshot's id is still the client's own cursor: else a connection that breaks
    between the two would lose them.
    """
    snapshot = SnapshotMessage(
        at=feed_snapshot.at, account=account, vehicles=feed_snapshot.vehicles, gap=feed_snapshot.gap
    )
    return [
        render_event(snapshot, since if feed_snapshot.replay else feed_snapshot.cursor),
        *(render_event(it, Cursor(epoch=feed_snapshot.cursor.epoch, seq=it.seq)) for it in feed_snapshot.replay),
    ]


async def recheck_stream(runtime: Runtime, stream: OpenStream) -> None:
    """Look regularly whether installation and plan still allow this stream, and whether the account has changed.

    The access token that opened it may have expired since: a stream lives as long as its installation.
    """
    every = runtime.hub.rules.recheck_interval.total_seconds()
    account = stream.account
    loop = asyncio.get_running_loop()

    async def check_access() -> AuthorizedCall:
        async with runtime.pool.connection() as connection:
            call = await get_installation_call(connection, stream.listener.credential_id)
            told = stream.cursor_tracker.update(stream.listener.consumed_cursor, loop.time())
            await stream.lease.renew(connection, stream.listener.credential_id, told)
            return call

    while True:
        # Spread, so that streams that were opened together do not ask together for ever.
        await asyncio.sleep(every * random.uniform(0.6, 1))  # noqa: S311 - no secret
        try:
            # A hold whose name we did not get to know would keep the endpoint silent after this stream.
            call = await run_until_done(check_access())
        except psycopg.Error:
            continue  # a database that does not answer revokes nobody
        except Problem:
            stream.listener.end(ByeMessage(reason="revoked", retry_after=0))
            return
        fresh = render_account_record(call, runtime.plans, runtime.version)
        if not fresh["push"]:
            stream.listener.end(ByeMessage(reason="plan", retry_after=PLAN_RETRY_AFTER_SECONDS))
            return
        if fresh != account:
            account = fresh
            stream.listener.send_message(AccountMessage(record=account))


async def run_until_done[T](coroutine: Coroutine[None, None, T]) -> T:
    """Its result. Who is cancelled meanwhile waits for the end of it all the same."""
    task = asyncio.create_task(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def resume_endpoint_delivery(runtime: Runtime, stream: OpenStream) -> None:
    """The stream has ended: from now on its endpoint is told. A lease that cannot be ended runs out."""
    subscription, held = stream.listener, stream.lease.held_until
    # An endpoint that was registered since our last look has a hold that is named to nobody.
    if held is None and runtime.hub.has_stream(subscription.credential_id, other_than=subscription):
        return
    try:
        async with runtime.pool.connection() as connection:
            released = await release_stream_lease(connection, subscription.credential_id, held)
    except psycopg.Error:
        return
    if released:
        runtime.feed_waker.wake([subscription.user_id])
