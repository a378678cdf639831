"""The routes `GET account` (free) and `GET vehicles` (one call), and the records that they return."""

from dataclasses import replace
from typing import Annotated, NotRequired, TypedDict

from fastapi import APIRouter, Header, Query, Response

from relay.feed.cursor import Cursor, parse_cursor
from relay.kit.json_object import JsonObject
from relay.kit.timestamps import format_timestamp
from relay.metering.poll_schedule import VehicleActivity
from relay.plans import Plans
from relay.usecases.calls.authorize import (
    AuthorizedCall,
    CallRequest,
    authenticate_caller,
    authorize_call,
    render_call_headers,
)
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import RelayIdentity, RuntimeDependency
from relay.usecases.feed.plan_polling import fetch_busiest_activity, get_busiest_activity, plan_polling
from relay.usecases.feed.reader import FeedSnapshot, read_snapshot
from relay.vehicles.records import CommandRecord, VehicleRecord

FEATURES = (
    "charging",
    "stream",
    "webhook",
    "sessions",
    "energy_hours",
    "max_current",
    "smart_charging",
    "cancel",
    "refresh",
    "relink",
    "interventions",
)

MAX_CURSOR_LENGTH = 80

router = APIRouter(prefix="/api/ha/v2")


class AllowanceRecord(TypedDict):
    """The calls of this month; `limit` null means unlimited. Purchased `call_tokens` are used after that."""

    limit: int | None
    used: int
    resets_at: str
    call_tokens: int


class RelayRecord(TypedDict):
    """The relay's version, its id, which is the same at every address, and the features that it offers."""

    version: str
    instance_id: str
    features: list[str]


class AccountRecord(TypedDict):
    """The account. `push`: its plan includes the stream. `next_poll_at`: when to poll next without it.

    `language`: which of Enode's languages interventions are in.
    """

    id: str
    title: str
    plan: str
    push: bool
    language: str
    allowance: AllowanceRecord
    next_poll_at: str | None
    relay: RelayRecord


class TransitionRecord(TypedDict):
    """A change of a vehicle that an automation may react to. `command`: the command that has settled, if it is that.

    `recorded_at`: when the relay stored it, which is later than when it occurred.
    """

    id: str
    vehicle_id: str
    type: str
    occurred_at: str
    recorded_at: str
    replayed: bool
    command: NotRequired[CommandRecord]


class SnapshotRecord(TypedDict):
    """The account and all its vehicles at one moment; a vehicle that isn't listed no longer exists.

    `cursor`: what it is complete to. `transitions`: those after the cursor that the client sent.
    """

    at: str
    epoch: str
    account: AccountRecord
    vehicles: list[VehicleRecord]
    cursor: str
    transitions: list[TransitionRecord]


def render_account_record(
    call: AuthorizedCall,
    plans: Plans,
    relay: RelayIdentity,
    activity: VehicleActivity = VehicleActivity.PARKED,
) -> AccountRecord:
    """Render the account as Home Assistant sees it. `activity` only matters for plans without push, to plan polling."""
    quota, limit = call.quota, plans.get(call.caller.plan).monthly_calls
    return {
        "id": str(call.caller.user_id),
        "title": call.caller.title,
        "plan": call.caller.plan,
        "push": call.caller.plan in plans.push_plans,
        "language": call.caller.language,
        "allowance": {
            "limit": limit,
            "used": quota.used,
            "resets_at": format_timestamp(quota.resets_at),
            "call_tokens": quota.call_tokens,
        },
        "next_poll_at": plan_polling(call, plans, activity),
        "relay": {"version": relay.version, "instance_id": relay.instance_id, "features": list(FEATURES)},
    }


@router.get("/account", response_model=None, responses={200: {"model": AccountRecord}})
async def get_account(runtime: RuntimeDependency, authorization: CredentialDependency) -> AccountRecord:
    """The account of this key, its plan and its remaining calls. Costs no call."""
    async with runtime.pool.connection() as connection:
        call = await authenticate_caller(connection, authorization, scope="read")
        activity = await fetch_busiest_activity(connection, call, runtime.plans)
    return render_account_record(call, runtime.plans, runtime.identity, activity)


@router.get("/vehicles", response_model=None, responses={200: {"model": SnapshotRecord}})
async def get_vehicles(
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    response: Response,
    last_event_id: Annotated[str | None, Header()] = None,
    transitions_after: Annotated[str | None, Query(max_length=MAX_CURSOR_LENGTH)] = None,
) -> JsonObject:
    """All vehicles of the account in their last known state. Costs one call. Same body as a stream's first message.

    `Last-Event-ID` is optional: the snapshot has a `gap` if the feed doesn't reach that cursor, as on a stream. With
    `transitions_after`, the body has the transitions after that cursor, for clients that can't keep a stream open.
    """
    after, position = parse_cursor(transitions_after), parse_cursor(last_event_id)
    async with runtime.pool.connection() as connection:
        request = CallRequest(scope="read", endpoint="v2/vehicles")
        call = await authorize_call(connection, authorization, runtime.plans, request)
        snapshot = await read_snapshot(connection, call.caller.user_id, position if after is None else after)
    response.headers.update(render_call_headers(call, runtime.plans))
    account = render_account_record(call, runtime.plans, runtime.identity, get_busiest_activity(snapshot.vehicles))
    if after is not None:
        # What is missing from the transitions says nothing about the client's records: only the position does.
        snapshot = replace(snapshot, gap=_is_beyond(position, snapshot.cursor))
    transitions = [] if after is None else _render_transitions(snapshot)
    return {**snapshot.create_message(account).body(), "cursor": str(snapshot.cursor), "transitions": transitions}


def _render_transitions(snapshot: FeedSnapshot) -> list[JsonObject]:
    return [{"id": str(cursor), **transition.body()} for transition, cursor in snapshot.pair_replay_with_cursors()]


def _is_beyond(position: Cursor | None, end: Cursor) -> bool:
    """Whether a client's position isn't one of the feed that now ends at `end`."""
    return position is not None and (position.epoch != end.epoch or position.seq > end.seq)
