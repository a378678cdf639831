"""The lease that suspends delivery to a credential's endpoint while the credential has a stream open (decision 0011).

The lease is the column `endpoints.streaming_until`. Its holder is identified by the end time that it got, so a stream
that a newer one has replaced can neither renew nor release it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import scalar_row

from relay.feed.cursor import Cursor
from relay.kit.database import Connection, fetch_one
from relay.kit.stored_times import format_interval, is_due

LEASE_DURATION = timedelta(seconds=60)
"""How long delivery to an endpoint stays suspended after its stream last renewed the lease."""

IS_FREE_OF_STREAMS: LiteralString = (
    f"(e.streaming_until is null or {is_due('e.streaming_until', format_interval(LEASE_DURATION))})"
)
"""The condition that no stream holds the lease of an endpoint `e`."""

# A stream that starts proves that the installation is there, and delivers what the endpoint could not. So earlier
# failures are over. Their delays would keep the endpoint from taking over when the stream ends, and the failures of
# short interruptions would add up until the endpoint is off.
_ENDS_FAILURES: LiteralString = "%(held)s::timestamptz is null and off_at is null"

# The cursor only moves forwards, or into the epoch of the stream.
ACQUIRE: LiteralString = f"""
update endpoints e set streaming_until = now() + %(lease)s,
    failures = case when {_ENDS_FAILURES} then 0 else failures end,
    failing_since = case when {_ENDS_FAILURES} then null else failing_since end,
    next_try_at = case when {_ENDS_FAILURES} then now() else next_try_at end,
    epoch = coalesce(%(epoch)s, epoch),
    seq = case when %(epoch)s::text is null then seq when epoch = %(epoch)s then greatest(seq, %(seq)s) else %(seq)s end
where kind = 'v2' and credential_id = %(credential_id)s
  and (%(held)s::timestamptz is null or streaming_until = %(held)s or {IS_FREE_OF_STREAMS})
returning streaming_until
"""  # noqa: S608 - our own constant
RELEASE: LiteralString = """
update endpoints set streaming_until = null
where kind = 'v2' and credential_id = %(credential_id)s and streaming_until is not null
  and (%(held)s::timestamptz is null or streaming_until = %(held)s)
"""
UNHELD_LEASE = datetime.min.replace(tzinfo=UTC)
"""An end time that no lease has: acquiring with it succeeds only where the lease is free."""


@dataclass(kw_only=True, slots=True)
class StreamLease:
    """One stream's hold on the lease. `held_until`: the end time that identifies it; None before the first renewal."""

    held_until: datetime | None = None

    async def renew(self, connection: Connection, credential_id: UUID, delivered_cursor: Cursor | None = None) -> None:
        """Acquire or extend the lease. Changes nothing when a newer stream holds it."""
        held = await acquire_stream_lease(connection, credential_id, delivered_cursor, held_until=self.held_until)
        self.held_until = held or self.held_until


async def acquire_stream_lease(
    connection: Connection, credential_id: UUID, delivered_cursor: Cursor | None, *, held_until: datetime | None = None
) -> datetime | None:
    """Suspend delivery to the credential's endpoint for another LEASE_DURATION; returns the end of the lease.

    `delivered_cursor`: how far the client is certain to have received the feed. `held_until`: what the last call for
    the same stream returned; None takes the lease from any other stream. Returns None where there is no endpoint, or
    a newer stream holds the lease.
    """
    parameters = {
        "epoch": delivered_cursor and delivered_cursor.epoch,
        "seq": delivered_cursor and delivered_cursor.seq,
        "credential_id": credential_id,
        "lease": LEASE_DURATION,
        "held": held_until,
    }
    ends_at: datetime | None = await fetch_one(connection, ACQUIRE, parameters, scalar_row)
    return ends_at


async def release_stream_lease(connection: Connection, credential_id: UUID, held_until: datetime | None) -> bool:
    """Release the lease with this end time (None: whichever there is); True when an endpoint takes over delivery."""
    parameters = {"credential_id": credential_id, "held": held_until}
    return (await connection.execute(RELEASE, parameters)).rowcount > 0
