"""List charging sessions of one vehicle or of all, newest first, in pages. Costs no call."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, LiteralString, Self, TypedDict, override
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import DictRow, dict_row

from relay.identity.credentials import Credential
from relay.kit.database import Connection, fetch_all
from relay.kit.problems import Problem
from relay.usecases.calls.authorize import authenticate_caller
from relay.usecases.calls.resolve_credential import CredentialDependency
from relay.usecases.calls.runtime import Runtime, RuntimeDependency
from relay.vehicles.charging.session_records import IS_UNDER_WAY, SessionRecord, render_session_record
from relay.vehicles.lookup import find_vehicle_within_limit

MAX_SESSIONS = 200

# Without vehicles over the plan's limit, but with unlinked ones: they keep their history.
LIST_SESSIONS: LiteralString = f"""
select s.*, {IS_UNDER_WAY} as under_way
from vehicles v join charging_sessions s on s.vehicle_id = v.id
where v.user_id = %(user_id)s and v.link_state <> 'over_limit' and not s.deleted_by_owner
  and (%(vehicle_id)s::uuid is null or v.id = %(vehicle_id)s)
  and (s.started_at, s.id) < (%(before_at)s, %(before_id)s)
order by s.started_at desc, s.id desc limit %(limit)s
"""  # noqa: S608 - our own constant
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = APIRouter(prefix="/api/ha/v2")

type Limit = Annotated[int, Query(ge=1, le=MAX_SESSIONS)]
type Before = Annotated[str | None, Query(max_length=80, description="`next_before` of the previous page.")]


class SessionPage(TypedDict):
    """Sessions, newest first. Pass `next_before` as `before` to get older ones; null: there are none."""

    sessions: list[SessionRecord]
    next_before: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionCursor:
    """The last session of a page, as an opaque text for clients."""

    started_at: datetime
    session_id: UUID

    @override
    def __str__(self) -> str:
        return f"{(self.started_at - UNIX_EPOCH) // timedelta(microseconds=1)}.{self.session_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text of a cursor. Raises Problem 422."""
        started_us, _, session_id = text.partition(".")
        try:
            return cls(started_at=UNIX_EPOCH + timedelta(microseconds=int(started_us)), session_id=UUID(session_id))
        except ValueError, OverflowError:
            raise Problem(
                422, "invalid-request", "`before` isn't a page cursor. Use the `next_before` of the previous page."
            ) from None


START_CURSOR = SessionCursor(started_at=datetime.max.replace(tzinfo=UTC), session_id=UUID(int=2**128 - 1))


@router.get("/sessions", response_model=None, responses={200: {"model": SessionPage}})
async def get_sessions(
    runtime: RuntimeDependency, authorization: CredentialDependency, limit: Limit = 50, before: Before = None
) -> SessionPage:
    """Charging sessions of all vehicles. Costs no call."""
    return await _get_session_page(runtime, authorization, None, limit, before)


@router.get("/vehicles/{vehicle_id}/sessions", response_model=None, responses={200: {"model": SessionPage}})
async def get_vehicle_sessions(
    vehicle_id: str,
    runtime: RuntimeDependency,
    authorization: CredentialDependency,
    limit: Limit = 50,
    before: Before = None,
) -> SessionPage:
    """Charging sessions of one vehicle. Costs no call."""
    return await _get_session_page(runtime, authorization, vehicle_id, limit, before)


async def resolve_vehicle_id(connection: Connection, user_id: UUID, vehicle_id: str) -> UUID:
    """Our id of the user's vehicle with this id, ours or Enode's, also an unlinked one. Raises Problem 404."""
    resolved_id = await find_vehicle_within_limit(connection, user_id, vehicle_id)
    if resolved_id is None:
        raise Problem(404, "not-found", "No such vehicle.")
    return resolved_id


async def _get_session_page(
    runtime: Runtime, authorization: Credential | None, vehicle_id: str | None, limit: int, before: str | None
) -> SessionPage:
    cursor = START_CURSOR if before is None else SessionCursor.parse(before)
    async with runtime.pool.connection() as connection:
        user_id = (await authenticate_caller(connection, authorization, scope="read")).caller.user_id
        rows = await _fetch_sessions(
            connection,
            {
                "user_id": user_id,
                "vehicle_id": None if vehicle_id is None else await resolve_vehicle_id(connection, user_id, vehicle_id),
                "before_at": cursor.started_at,
                "before_id": cursor.session_id,
                "limit": limit + 1,
            },
        )
    page = rows[:limit]
    next_before = None
    if len(rows) > limit:
        next_before = str(SessionCursor(started_at=page[-1]["started_at"], session_id=page[-1]["id"]))
    return {"sessions": [render_session_record(row) for row in page], "next_before": next_before}


async def _fetch_sessions(connection: Connection, parameters: dict[str, object]) -> list[DictRow]:
    return await fetch_all(connection, LIST_SESSIONS, parameters, dict_row)
