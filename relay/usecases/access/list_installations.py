"""A person looks at what acts in the account's name: every Home Assistant and script, and how it is told of cars."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.kit.outbound import OutboundFailure
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime

type DeliveryChannel = Literal["stream", "webhook", "webhook_off", "polling", "none"]
"""Told over a connection that is open now, by POSTs, by none after lasting failures, not at all but asking, idle."""

POLLING_WINDOW = timedelta(hours=13)
"""Whoever polls asks at least this often: the relay never plans a longer wait than twelve hours."""

# The endpoint of the integration, else the classic one that was registered last.
_SELECT_INSTALLATIONS: LiteralString = """
select c.id, c.kind, c.name, c.scopes, c.created_at, c.last_used_at,
       e.id is not null as has_endpoint, coalesce(e.streaming_until > now(), false) as is_streaming, e.last_success_at,
       e.last_failure, e.failing_since, e.off_at, e.kind = 'v2' as can_test
from credentials c
left join lateral (
    select * from endpoints e where e.credential_id = c.id order by e.kind desc, e.created_at desc limit 1
) e on true
where c.user_id = %(user_id)s and c.revoked_at is null
"""
LIST: LiteralString = f"{_SELECT_INSTALLATIONS} order by c.last_used_at desc nulls last, c.created_at desc, c.id"
FIND: LiteralString = f"{_SELECT_INSTALLATIONS} and c.id = %(id)s"
REVOKE: tuple[LiteralString, ...] = (
    "update api_keys set revoked_at = now() where user_id = %s and id = %s and revoked_at is null",
    "update oauth_grants set revoked_at = now() where user_id = %s and id = %s and revoked_at is null",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """A credential that works, and how its holder is told. `last_failure` is the class of what went wrong last."""

    id: UUID
    kind: Literal["key", "oauth"]
    name: str
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None
    has_endpoint: bool
    is_streaming: bool
    last_success_at: datetime | None
    last_failure: OutboundFailure | None
    failing_since: datetime | None
    off_at: datetime | None
    can_test: bool | None

    @property
    def channel(self) -> DeliveryChannel:
        """How it learns what is new."""
        if self.is_streaming:
            return "stream"
        if self.has_endpoint:
            return "webhook" if self.off_at is None else "webhook_off"
        used = self.last_used_at
        return "polling" if used is not None and used > datetime.now(UTC) - POLLING_WINDOW else "none"


async def list_installations(runtime: Runtime, user_id: UUID) -> list[Installation]:
    """The user's, those that were used last first."""
    return await _fetch_installations(runtime, LIST, {"user_id": user_id})


async def get_installation(runtime: Runtime, user_id: UUID, installation_id: UUID) -> Installation:
    """One of the user's. Raises Problem 404."""
    found = await _fetch_installations(runtime, FIND, {"user_id": user_id, "id": installation_id})
    if not found:
        raise _installation_not_found()
    return found[0]


async def disconnect_installation(runtime: Runtime, user_id: UUID, installation_id: UUID) -> None:
    """Let it out: calls are refused at once and its streams closed. Raises Problem 404 when it is not there."""
    async with runtime.pool.connection() as connection:
        ended = [(await connection.execute(it, [user_id, installation_id])).rowcount for it in REVOKE]
    if not any(ended):
        raise _installation_not_found()
    runtime.hub.close_credential_streams(installation_id)


async def _fetch_installations(
    runtime: Runtime, statement: LiteralString, parameters: dict[str, UUID]
) -> list[Installation]:
    async with (
        runtime.pool.connection() as connection,
        connection.cursor(row_factory=class_row(Installation)) as cursor,
    ):
        await cursor.execute(statement, parameters)
        found = await cursor.fetchall()
    # Of streams in other processes the database knows only where there is an endpoint that they stand in for.
    return [replace(it, is_streaming=it.is_streaming or runtime.hub.has_stream(it.id)) for it in found]


def _installation_not_found() -> Problem:
    return Problem(404, "not-found", "No such installation.")
