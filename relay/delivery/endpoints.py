"""Endpoints in the database: where a Home Assistant wants to be told, and what became of it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, LiteralString, NotRequired, TypedDict
from urllib.parse import urlsplit
from uuid import UUID

from psycopg.rows import class_row

from relay.feed.messages import Cursor
from relay.kit.database import Connection, fetch_all
from relay.kit.outbound import OutboundFailure
from relay.kit.timestamps import format_timestamp

type EndpointKind = Literal["v2", "classic"]

STREAM_LEASE = timedelta(seconds=60)
"""For so long an endpoint stays quiet after a sign of life from the stream that is open in its place."""
MAX_CLASSIC_ENDPOINTS = 20
"""Classic endpoints of one account; the oldest makes room."""

_ENDPOINT_COLUMNS: LiteralString = """
e.id, e.url, e.salt, e.off_at, e.failing_since, e.last_success_at, e.last_failure, e.next_try_at, e.webhook_id,
e.configured_id, e.vehicle_id, (f.epoch, f.seq) is distinct from (e.epoch, e.seq) as pending
"""
# ruff: disable[S608] - put together from the constant above
FIND: LiteralString = f"""
select {_ENDPOINT_COLUMNS} from endpoints e join feeds f using (user_id) where e.kind = 'v2' and e.credential_id = %s
"""
FIND_CLASSIC: LiteralString = f"""
select {_ENDPOINT_COLUMNS} from endpoints e join feeds f using (user_id)
where e.kind = 'classic' and e.user_id = %s order by e.created_at, e.id
"""
# On again, whatever was before. The cursor stays: it is the same Home Assistant at, perhaps, another address.
UPSERT: LiteralString = f"""
with e as (
    insert into endpoints (user_id, credential_id, kind, url)
    values (%(user_id)s, %(credential_id)s, 'v2', %(url)s)
    on conflict (credential_id) where kind = 'v2' do update
    set url = excluded.url, failures = 0, failing_since = null, last_failure = null, off_at = null, slow = false,
        next_try_at = now(), leased_until = null, lease_token = null
    returning *
)
select {_ENDPOINT_COLUMNS} from e join feeds f using (user_id)
"""
# ruff: enable[S608]
UPSERT_CLASSIC: LiteralString = """
insert into endpoints as old (user_id, credential_id, kind, url, webhook_id, configured_id, vehicle_id)
values (%(user_id)s, %(credential_id)s, 'classic', %(url)s, %(webhook_id)s, %(configured_id)s, %(vehicle_id)s)
on conflict (user_id, webhook_id) where kind = 'classic' do update
set credential_id = excluded.credential_id, url = excluded.url, configured_id = excluded.configured_id,
    vehicle_id = excluded.vehicle_id, failures = 0, failing_since = null, last_failure = null, off_at = null,
    slow = false, next_try_at = now(), leased_until = null, lease_token = null,
    epoch = case when old.vehicle_id is not distinct from excluded.vehicle_id then old.epoch end,
    seq = case when old.vehicle_id is not distinct from excluded.vehicle_id then old.seq end
"""
# The latest registration for a car wins, and nobody has more of them than could make sense.
DELETE_SUPERSEDED_CLASSIC: LiteralString = """
delete from endpoints where kind = 'classic' and user_id = %(user_id)s and webhook_id <> %(webhook_id)s
and (vehicle_id = %(vehicle_id)s or id in (
    select id from endpoints where kind = 'classic' and user_id = %(user_id)s and webhook_id <> %(webhook_id)s
    order by created_at desc, id offset %(others)s))
"""
CLAIM_TEST: LiteralString = """
update endpoints set tested_at = now()
where kind = 'v2' and credential_id = %s and (tested_at is null or tested_at <= now() - %s) returning id, url, salt
"""
MARK_REACHABLE: LiteralString = """
update endpoints set failures = 0, failing_since = null, off_at = null, slow = false, last_success_at = now(),
    next_try_at = now()
where id = %s
"""
# A lease on silence, named by its end. The newest stream has it: one that was replaced neither renews nor ends it.
# The cursor only ever follows forwards, or into the epoch that the stream is in.
ACQUIRE_STREAM_LEASE: LiteralString = """
update endpoints set streaming_until = now() + %(lease)s,
    epoch = coalesce(%(epoch)s, epoch),
    seq = case when %(epoch)s::text is null then seq when epoch = %(epoch)s then greatest(seq, %(seq)s) else %(seq)s end
where kind = 'v2' and credential_id = %(credential_id)s
  and (%(held)s::timestamptz is null or streaming_until = %(held)s
       or streaming_until is null or streaming_until < now())
returning streaming_until
"""
RELEASE_STREAM_LEASE: LiteralString = """
update endpoints set streaming_until = null
where kind = 'v2' and credential_id = %(credential_id)s and streaming_until is not null
  and (%(held)s::timestamptz is null or streaming_until = %(held)s)
"""
UNHELD_LEASE = datetime.min.replace(tzinfo=UTC)
"""A hold that nobody has: who names it takes only what is free."""


class EndpointRecord(TypedDict):
    """An endpoint as its user sees it. `secret` is told only to who registers it; the URL never again, but its host."""

    id: str
    host: str
    state: Literal["on", "off"]
    failing_since: str | None
    last_success_at: str | None
    last_failure: OutboundFailure | None
    next_try_at: str | None
    pending: bool
    secret: NotRequired[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A row of `endpoints`, with what its user may ask about it. `pending`: the feed holds what it was not told."""

    id: UUID
    url: str = field(repr=False)
    salt: bytes = field(repr=False)
    off_at: datetime | None
    failing_since: datetime | None
    last_success_at: datetime | None
    last_failure: OutboundFailure | None
    next_try_at: datetime | None
    webhook_id: str | None = field(repr=False)
    configured_id: str | None
    vehicle_id: UUID | None
    pending: bool

    def to_record(self) -> EndpointRecord:
        """Without the secret."""
        return {
            "id": str(self.id),
            "host": urlsplit(self.url).hostname or "",
            "state": "on" if self.off_at is None else "off",
            "failing_since": _format_optional_time(self.failing_since),
            "last_success_at": _format_optional_time(self.last_success_at),
            "last_failure": self.last_failure,
            "next_try_at": _format_optional_time(self.next_try_at) if self.failing_since else None,
            "pending": self.pending,
        }


async def upsert_endpoint(connection: Connection, *, user_id: UUID, credential_id: UUID, url: str) -> Endpoint:
    """Make the credential's endpoint, or give it this URL and switch it on."""
    found = await _fetch_endpoints(connection, UPSERT, {"user_id": user_id, "credential_id": credential_id, "url": url})
    return found[0]


async def find_endpoint(connection: Connection, credential_id: UUID) -> Endpoint | None:
    """The credential's endpoint."""
    found = await _fetch_endpoints(connection, FIND, [credential_id])
    return found[0] if found else None


async def delete_endpoint(connection: Connection, credential_id: UUID) -> bool:
    """Forget the credential's endpoint; False when there was none."""
    statement = "delete from endpoints where kind = 'v2' and credential_id = %s"
    return (await connection.execute(statement, [credential_id])).rowcount > 0


async def claim_test_message(
    connection: Connection, credential_id: UUID, *, min_interval: timedelta
) -> tuple[UUID, str, bytes] | None:
    """Id, URL and salt of the credential's endpoint, for one test message; None too soon after the last, or without."""
    row = await (await connection.execute(CLAIM_TEST, [credential_id, min_interval])).fetchone()
    return None if row is None else (UUID(str(row[0])), str(row[1]), bytes(row[2]))  # type: ignore[call-overload] # bytea


async def mark_reachable(connection: Connection, endpoint_id: UUID) -> None:
    """A message arrived there: whatever was wrong is over, and what is owed may be told at once."""
    await connection.execute(MARK_REACHABLE, [endpoint_id])


async def upsert_classic_endpoint(  # noqa: PLR0913 - the columns
    connection: Connection,
    *,
    user_id: UUID,
    credential_id: UUID,
    url: str,
    webhook_id: str,
    configured_id: str | None,
    vehicle_id: UUID | None,
) -> None:
    """Make, or renew, the endpoint with this webhook id. Another one for the same car goes."""
    columns = {
        "user_id": user_id,
        "credential_id": credential_id,
        "url": url,
        "webhook_id": webhook_id,
        "configured_id": configured_id,
        "vehicle_id": vehicle_id,
        "others": MAX_CLASSIC_ENDPOINTS - 1,
    }
    async with connection.transaction():
        # One registration of a user at a time: two of them would each make room for themselves only.
        await connection.execute("select from users where id = %(user_id)s for no key update", columns)
        await connection.execute(DELETE_SUPERSEDED_CLASSIC, columns)
        await connection.execute(UPSERT_CLASSIC, columns)


async def list_classic_endpoints(connection: Connection, user_id: UUID) -> list[Endpoint]:
    """The account's classic endpoints, oldest first."""
    return await _fetch_endpoints(connection, FIND_CLASSIC, [user_id])


async def delete_classic_endpoints(connection: Connection, user_id: UUID, webhook_id: str | None) -> int:
    """Forget the account's classic endpoint with this webhook id, or all of them; returns how many that were."""
    ended = await connection.execute(
        "delete from endpoints where kind = 'classic' and user_id = %s and webhook_id = coalesce(%s, webhook_id)",
        [user_id, webhook_id],
    )
    return ended.rowcount


async def acquire_stream_lease(
    connection: Connection, credential_id: UUID, delivered_cursor: Cursor | None, *, held_until: datetime | None = None
) -> datetime | None:
    """Keep the credential's endpoint quiet for a minute more; `told`: how far its Home Assistant surely has it.

    `held` is what the last hold of the same stream returned; None takes it from any other stream. Returns None where
    there is no endpoint, or a newer stream has it.
    """
    asked = {
        "epoch": delivered_cursor and delivered_cursor.epoch,
        "seq": delivered_cursor and delivered_cursor.seq,
        "credential_id": credential_id,
    }
    row: Any = await (
        await connection.execute(ACQUIRE_STREAM_LEASE, {**asked, "lease": STREAM_LEASE, "held": held_until})
    ).fetchone()
    return None if row is None else row[0]


async def release_stream_lease(connection: Connection, credential_id: UUID, held_until: datetime | None) -> bool:
    """The stream that has this hold (None: whichever there is) has ended; True when an endpoint takes over."""
    asked = {"credential_id": credential_id, "held": held_until}
    return (await connection.execute(RELEASE_STREAM_LEASE, asked)).rowcount > 0


async def _fetch_endpoints(connection: Connection, statement: LiteralString, parameters: Any) -> list[Endpoint]:
    return await fetch_all(connection, statement, parameters, class_row(Endpoint))


def _format_optional_time(moment: datetime | None) -> str | None:
    return None if moment is None else format_timestamp(moment)
