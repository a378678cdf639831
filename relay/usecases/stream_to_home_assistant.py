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

from relay.delivery.endpoints import hold_for_stream, release_from_stream
from relay.delivery.messages import Account, Bye, Cursor, Snapshot, frame, read_cursor
from relay.delivery.stream import EventStream
from relay.delivery.subscription import Subscription
from relay.kit.database import Connection
from relay.kit.problems import Problem
from relay.usecases.answer_home_assistant import AccountRecord, account_record
from relay.usecases.authorize import Call, account_of, authenticate, require_installation
from relay.usecases.present_credential import Authorization
from relay.usecases.read_feed import FeedSnapshot, read_snapshot
from relay.usecases.runtime import Runtime, RuntimeDependency

# A plan without push does not get it back within minutes.
PLAN_RETRY_AFTER = 3600
# What was sent so long ago has been received, or the server has noticed that nobody receives (relay/server.py).
SURELY_TOLD_AFTER = timedelta(seconds=60)

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


class Told:
    """Remembers how far a stream was at each look, and says how far its client surely is: as far as a while ago."""

    def __init__(self, lag: timedelta) -> None:
        self._lag = lag.total_seconds()
        self._seen: deque[tuple[float, Cursor]] = deque()

    def surely(self, cursor: Cursor | None, now: float) -> Cursor | None:
        """Note that by `now` (seconds) everything up to `cursor` is sent; returns the cursor of a while ago."""
        if cursor is not None:
            self._seen.append((now, cursor))
        while len(self._seen) > 1 and self._seen[1][0] <= now - self._lag:
            self._seen.popleft()
        return self._seen[0][1] if self._seen and self._seen[0][0] <= now - self._lag else None


@dataclass(kw_only=True, slots=True)
class Quiet:
    """The silence of the endpoint that is told in the stream's place; `until` names the hold on it."""

    until: datetime | None = None

    async def hold(self, connection: Connection, credential_id: UUID, told: Cursor | None = None) -> None:
        """Hold, or hold on, unless a newer stream does."""
        held = await hold_for_stream(connection, credential_id, told, held=self.until)
        self.until = held or self.until


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A place at the hub, and whose it is as of the last look."""

    subscription: Subscription
    account: AccountRecord
    told: Told = field(default_factory=lambda: Told(SURELY_TOLD_AFTER))
    quiet: Quiet = field(default_factory=Quiet)


async def open_place(runtime: RuntimeDependency, authorization: Authorization) -> AsyncIterator[Opened]:
    """A place for the stream, given up when the answer has ended. Raises Problem 401, 403, 429, 503."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
    account = account_record(call, runtime.plans, runtime.version)
    if not account["push"]:
        raise Problem(403, "plan-required", "The plan does not include live updates; ask for the vehicles instead.")
    with runtime.hub.subscribe(call.caller.user_id, require_installation(call.caller)) as subscription:
        opened = Opened(subscription=subscription, account=account)
        try:
            yield opened
        finally:
            await take_over(runtime, opened)


@router.get(
    "/stream",
    response_model=None,
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Server-sent events, without an end."}},
)
async def get_stream(
    runtime: RuntimeDependency,
    opened: Annotated[Opened, Depends(open_place)],
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventStream:
    """Server-sent events. `Last-Event-ID` resumes: transitions of the last 24 hours are told again. Costs nothing."""
    since = read_cursor(last_event_id)
    async with runtime.pool.connection() as connection:
        found = await read_snapshot(connection, opened.subscription.user_id, since)
        await opened.quiet.hold(connection, opened.subscription.credential_id)
    opened.subscription.start(found.cursor, first_frames(found, opened.account, since))
    rules = runtime.hub.rules
    return EventStream(
        opened.subscription,
        heartbeat_every=rules.heartbeat_every,
        send_within=rules.send_within,
        beside=lambda: recheck(runtime, opened),
    )


def first_frames(found: FeedSnapshot, account: AccountRecord, since: Cursor | None) -> list[bytes]:
    """The snapshot and what is told again.

    While transitions follow it, the snapshot's id is still the client's own cursor: else a connection that breaks
    between the two would lose them.
    """
    snapshot = Snapshot(at=found.at, account=account, vehicles=found.vehicles, gap=found.gap)
    return [
        frame(snapshot, since if found.replay else found.cursor),
        *(frame(it, Cursor(epoch=found.cursor.epoch, seq=it.seq)) for it in found.replay),
    ]


async def recheck(runtime: Runtime, opened: Opened) -> None:
    """Look regularly whether installation and plan still allow this stream, and whether the account has changed.

    The access token that opened it may have expired since: a stream lives as long as its installation.
    """
    every = runtime.hub.rules.recheck_every.total_seconds()
    account = opened.account
    loop = asyncio.get_running_loop()

    async def look() -> Call:
        async with runtime.pool.connection() as connection:
            call = await account_of(connection, opened.subscription.credential_id)
            told = opened.told.surely(opened.subscription.taken, loop.time())
            await opened.quiet.hold(connection, opened.subscription.credential_id, told)
            return call

    while True:
        # Spread, so that streams that were opened together do not ask together for ever.
        await asyncio.sleep(every * random.uniform(0.6, 1))  # noqa: S311 - no secret
        try:
            # A hold whose name we did not get to know would keep the endpoint silent after this stream.
            call = await to_its_end(look())
        except psycopg.Error:
            continue  # a database that does not answer revokes nobody
        except Problem:
            opened.subscription.end(Bye(reason="revoked", retry_after=0))
            return
        fresh = account_record(call, runtime.plans, runtime.version)
        if not fresh["push"]:
            opened.subscription.end(Bye(reason="plan", retry_after=PLAN_RETRY_AFTER))
            return
        if fresh != account:
            account = fresh
            opened.subscription.tell(Account(record=account))


async def to_its_end[T](coroutine: Coroutine[None, None, T]) -> T:
    """Its result. Who is cancelled meanwhile waits for the end of it all the same."""
    task = asyncio.create_task(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise


async def take_over(runtime: Runtime, opened: Opened) -> None:
    """The stream has ended: from now on its endpoint is told. A lease that cannot be ended runs out."""
    subscription, held = opened.subscription, opened.quiet.until
    # An endpoint that was registered since our last look has a hold that is named to nobody.
    if held is None and runtime.hub.tells(subscription.credential_id, besides=subscription):
        return
    try:
        async with runtime.pool.connection() as connection:
            released = await release_from_stream(connection, subscription.credential_id, held)
    except psycopg.Error:
        return
    if released:
        runtime.feed_waker.wake([subscription.user_id])
