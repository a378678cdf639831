"""A Home Assistant listens: a snapshot first, what it missed, then every change as it is committed."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

import psycopg
from fastapi import APIRouter, Depends, Header, Response

from relay.delivery.messages import Account, Bye, Cursor, Snapshot, frame, read_cursor
from relay.delivery.stream import EventStream
from relay.delivery.subscription import Subscription
from relay.kit.problems import Problem
from relay.kit.web import AuthorizationHeader
from relay.usecases.answer_home_assistant import AccountRecord, account_record
from relay.usecases.authorize import authenticate
from relay.usecases.read_feed import FeedSnapshot, read_snapshot
from relay.usecases.runtime import Runtime, RuntimeDependency

# A plan without push does not get it back within minutes.
PLAN_RETRY_AFTER = 3600

router = APIRouter(prefix="/api/ha/v2", tags=["Home Assistant"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A place at the hub, and whose it is as of the last look."""

    subscription: Subscription
    authorization: str | None
    account: AccountRecord


async def open_place(runtime: RuntimeDependency, authorization: AuthorizationHeader) -> AsyncIterator[Opened]:
    """A place for the stream, given up when the answer has ended. Raises Problem 401, 403, 429, 503."""
    async with runtime.pool.connection() as connection:
        call = await authenticate(connection, authorization, scope="read")
    account = account_record(call, runtime.version)
    if not account["push"]:
        raise Problem(403, "plan-required", "The plan does not include live updates; ask for the vehicles instead.")
    with runtime.hub.subscribe(call.caller.user_id, call.caller.credential_id) as subscription:
        yield Opened(subscription=subscription, authorization=authorization, account=account)


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
    """Look regularly whether credential and plan still allow this stream, and whether the account has changed."""
    every = runtime.hub.rules.recheck_every.total_seconds()
    account = opened.account
    while True:
        # Spread, so that streams that were opened together do not ask together for ever.
        await asyncio.sleep(every * random.uniform(0.6, 1))  # noqa: S311 - no secret
        try:
            async with runtime.pool.connection() as connection:
                call = await authenticate(connection, opened.authorization, scope="read")
        except psycopg.Error:
            continue  # a database that does not answer revokes nobody
        except Problem:
            opened.subscription.end(Bye(reason="revoked", retry_after=0))
            return
        fresh = account_record(call, runtime.version)
        if not fresh["push"]:
            opened.subscription.end(Bye(reason="plan", retry_after=PLAN_RETRY_AFTER))
            return
        if fresh != account:
            account = fresh
            opened.subscription.tell(Account(record=account))
