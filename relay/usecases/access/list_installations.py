"""List and disconnect installations: the credentials of an account, and how each receives vehicle updates."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.delivery.stream_lease import IS_FREE_OF_STREAMS
from relay.kit.database import fetch_all
from relay.kit.outbound import OutboundFailure
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime

type DeliveryChannel = Literal["stream", "webhook", "webhook_off", "polling", "none"]
"""How updates arrive: an open stream, a webhook, a webhook turned off after failures, polling, or not at all."""

POLLING_WINDOW = timedelta(hours=13)
"""A polling client calls at least this often: the relay never plans a wait longer than twelve hours."""

# The integration's endpoint, else the newest classic one.
_SELECT_INSTALLATIONS: LiteralString = f"""
select c.id, c.kind, c.name, c.scopes, c.created_at, c.last_used_at, k.prefix,
       e.id is not null as has_endpoint, coalesce(not {IS_FREE_OF_STREAMS}, false) as is_streaming, e.last_success_at,
       e.last_failure, e.failing_since, e.off_at, e.kind = 'v2' as can_test
from credentials c
left join api_keys k on k.id = c.id
left join lateral (
    select * from endpoints e where e.credential_id = c.id order by e.kind desc, e.created_at desc limit 1
) e on true
where c.user_id = %(user_id)s and c.revoked_at is null
"""  # noqa: S608 - our own constant
LIST_INSTALLATIONS: LiteralString = (
    f"{_SELECT_INSTALLATIONS} order by c.last_used_at desc nulls last, c.created_at desc, c.id"
)
FIND_INSTALLATION: LiteralString = f"{_SELECT_INSTALLATIONS} and c.id = %(id)s"
REVOKE_CREDENTIAL: tuple[LiteralString, ...] = (
    "update api_keys set revoked_at = now() where user_id = %s and id = %s and revoked_at is null",
    "update oauth_grants set revoked_at = now() where user_id = %s and id = %s and revoked_at is null",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Installation:
    """An active credential with the state of its endpoint. `last_failure` is the kind of the last delivery failure.

    `prefix` is the start of an API key.
    """

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
    prefix: str | None = None

    @property
    def channel(self) -> DeliveryChannel:
        """How the installation receives updates now."""
        if self.is_streaming:
            return "stream"
        if self.has_endpoint:
            return "webhook" if self.off_at is None else "webhook_off"
        last_used_at = self.last_used_at
        is_polling = last_used_at is not None and last_used_at > datetime.now(UTC) - POLLING_WINDOW
        return "polling" if is_polling else "none"


async def list_installations(runtime: Runtime, user_id: UUID) -> list[Installation]:
    """The user's installations, the most recently used first."""
    return await _fetch_installations(runtime, LIST_INSTALLATIONS, {"user_id": user_id})


async def get_installation(runtime: Runtime, user_id: UUID, installation_id: UUID) -> Installation:
    """The user's installation with this id. Raises Problem 404."""
    installations = await _fetch_installations(runtime, FIND_INSTALLATION, {"user_id": user_id, "id": installation_id})
    if not installations:
        raise _create_installation_not_found_problem()
    return installations[0]


async def disconnect_installation(runtime: Runtime, user_id: UUID, installation_id: UUID) -> None:
    """Revoke the credential: its calls are refused at once and its streams closed. Raises Problem 404."""
    async with runtime.pool.connection() as connection:
        revoked = [
            (await connection.execute(statement, [user_id, installation_id])).rowcount
            for statement in REVOKE_CREDENTIAL
        ]
    if not any(revoked):
        raise _create_installation_not_found_problem()
    runtime.hub.close_credential_streams(installation_id)


async def _fetch_installations(
    runtime: Runtime, statement: LiteralString, parameters: dict[str, UUID]
) -> list[Installation]:
    async with runtime.pool.connection() as connection:
        installations = await fetch_all(connection, statement, parameters, class_row(Installation))
    # A stream is recorded in the database only if the installation also has an endpoint. Without an endpoint, a stream
    # of another process isn't detected.
    return [
        replace(installation, is_streaming=installation.is_streaming or runtime.hub.has_stream(installation.id))
        for installation in installations
    ]


def _create_installation_not_found_problem() -> Problem:
    return Problem(404, "not-found", "No installation with this id. It may have been disconnected.")
