"""What has served its time goes: settled inbox rows, transitions told to nobody again, samples, interventions."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import psycopg

from relay.feed.sequence import advance_feed
from relay.identity.oauth_pruning import prune_oauth
from relay.kit.database import Connection, Pool
from relay.kit.logs import get_error_location
from relay.vehicles.charging.recording import archive_samples

log = logging.getLogger(__name__)

BATCH_SIZE = 5000
"""Rows of one statement: short ones neither block anybody nor run into the time limit."""

_DELETE_INBOX_EVENTS: LiteralString = """
delete from webhook_logs where id in (
    select id from webhook_logs where created_at < now() - %s and state = any (%s) limit %s)
"""
_DELETE_TRANSITIONS: LiteralString = """
delete from transitions where (user_id, seq) in (
    select t.user_id, t.seq from transitions t where t.created_at < now() - %s
    and exists (select from transitions n where n.user_id = t.user_id and n.seq > t.seq and n.created_at < now() - %s)
    limit %s)
"""
_DELETE_CALLS: LiteralString = """
delete from poll_logs where id in (
    select id from poll_logs where created_at < now() - %s order by created_at limit %s)
"""
# The newest of the old ones stays: by it a client that was away for longer learns that something was forgotten.
_LIST_VEHICLES_WITH_OLD_SAMPLES: LiteralString = """
select v.id, v.user_id from vehicles v
where exists (select from charging_samples s where s.vehicle_id = v.id and s.at < %s) limit %s
"""
# One that a car names is fetched again every day.
_DELETE_INTERVENTIONS: LiteralString = """
delete from interventions where (id, language) in (
    select id, language from interventions where fetched_at < now() - %s limit %s)
"""
# Somebody's address may stand in one that was never finished.
_DELETE_SIGN_IN_ATTEMPTS: LiteralString = "delete from sign_in_attempts where expires_at < now()"
# Nobody can see or change them any more.
_DELETE_ORPHANED_ENDPOINTS: LiteralString = """
delete from endpoints e
where not exists (select from credentials k where k.id = e.credential_id and k.revoked_at is null)
"""

# Enode says more of an account after it was deleted, its cars' end for one.
_DELETE_EVENTS_OF_DELETED_USERS: LiteralString = """
delete from webhook_logs where id in (
    select w.id from webhook_logs w join deleted_users d on d.id = w.user_id where w.state <> 'pending' limit %s)
"""

PRUNE_INTERVAL_SECONDS = 3600.0
# They are told again for 24 hours, and read a little later than that.
TRANSITION_RETENTION = timedelta(hours=25)
AMENDMENT_WINDOW = timedelta(days=14)
"""How old news of charging may be and still amend sessions and counters."""
ARCHIVE_INTERVAL = timedelta(days=1)
"""A car's samples are read whole to be folded away, so not every hour."""
INTERVENTION_RETENTION = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """How long inbox rows are kept (acted on, or set aside for a person to look at), and the log of metered calls."""

    processed: timedelta = timedelta(hours=72)
    set_aside: timedelta = timedelta(days=30)
    # What was used stays, day by day, in usage_days.
    calls: timedelta = timedelta(days=90)


async def run_pruning_loop(pool: Pool, retention: Retention) -> None:
    """Prune every hour until cancelled."""
    while True:
        try:
            async with pool.connection() as connection:
                await prune_old_rows(connection, retention)
        except psycopg.Error as error:
            log.warning("old rows were not deleted: %s", type(error).__name__)
        await asyncio.sleep(PRUNE_INTERVAL_SECONDS)


async def prune_old_rows(connection: Connection, retention: Retention) -> int:
    """Delete what is too old to be of use and return how many rows that were. What is pending stays however old."""
    gone = 0
    gone += await _delete_in_batches(connection, _DELETE_INBOX_EVENTS, retention.processed, ["done", "ignored"])
    gone += await _delete_in_batches(connection, _DELETE_INBOX_EVENTS, retention.set_aside, ["set_aside"])
    gone += await _delete_in_batches(connection, _DELETE_EVENTS_OF_DELETED_USERS)
    gone += await _delete_in_batches(connection, _DELETE_TRANSITIONS, TRANSITION_RETENTION, TRANSITION_RETENTION)
    gone += await _delete_in_batches(connection, _DELETE_CALLS, retention.calls)
    gone += (await connection.execute(_DELETE_ORPHANED_ENDPOINTS)).rowcount
    gone += (await connection.execute(_DELETE_SIGN_IN_ATTEMPTS)).rowcount
    gone += await prune_oauth(connection, datetime.now(UTC), batch_size=BATCH_SIZE)
    gone += await _archive_old_samples(connection)
    gone += await _delete_in_batches(connection, _DELETE_INTERVENTIONS, INTERVENTION_RETENTION)
    if gone:
        log.info("%d old rows deleted", gone)
    return gone


async def _archive_old_samples(connection: Connection) -> int:
    """Fold old samples away, a car at a time under the lock of its user's feed; returns for how many cars."""
    before = datetime.now(UTC) - AMENDMENT_WINDOW
    rows = await (
        await connection.execute(_LIST_VEHICLES_WITH_OLD_SAMPLES, [before - ARCHIVE_INTERVAL, BATCH_SIZE])
    ).fetchall()
    for vehicle_id, user_id in rows:
        try:
            async with connection.transaction():
                await advance_feed(connection, UUID(str(user_id)), 0)
                await archive_samples(connection, UUID(str(vehicle_id)), before)
        except psycopg.OperationalError:
            raise  # the database, not the car
        except Exception as error:  # noqa: BLE001 - one car must not keep the others from it; its text may quote samples
            log.error("samples of vehicle %s stay: %s, %s", vehicle_id, type(error).__name__, get_error_location(error))  # noqa: TRY400 - as said
    return len(rows)


async def _delete_in_batches(connection: Connection, statement: LiteralString, *parameters: object) -> int:
    gone = 0
    while True:
        rows = (await connection.execute(statement, [*parameters, BATCH_SIZE])).rowcount
        gone += rows
        if rows < BATCH_SIZE:
            return gone
