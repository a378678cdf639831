"""Delete rows that are past their retention, and archive old charging samples."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg.rows import dict_row

from relay.delivery.repository import delete_orphaned_endpoints
from relay.feed.sequence import advance_feed
from relay.identity.oauth_pruning import prune_oauth
from relay.identity.sign_in_emails import NETWORK_MEMORY
from relay.kit.database import Connection, Pool, fetch_all
from relay.kit.logs import get_error_location
from relay.vehicles.charging.recording import archive_samples

log = logging.getLogger(__name__)

BATCH_SIZE = 5000
"""Rows per statement. Short statements block no other work and stay within the statement time-out."""

_DELETE_INBOX_EVENTS: LiteralString = """
delete from webhook_logs where id in (
    select id from webhook_logs where created_at < now() - %s and state = any (%s) limit %s)
"""
# A user's newest expired transition is kept: by its age, read_snapshot reports a gap to a client that was away longer.
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
_LIST_VEHICLES_WITH_OLD_SAMPLES: LiteralString = """
select v.id, v.user_id from vehicles v
where exists (select from charging_samples s where s.vehicle_id = v.id and s.at < %s) limit %s
"""
# An intervention that a vehicle refers to is fetched again every day, so it never expires.
_DELETE_INTERVENTIONS: LiteralString = """
delete from interventions where (id, language) in (
    select id, language from interventions where fetched_at < now() - %s limit %s)
"""
# Deleted as soon as they expire, because an unfinished attempt may hold an email address.
_DELETE_SIGN_IN_ATTEMPTS: LiteralString = "delete from sign_in_attempts where expires_at < now()"
_DELETE_SIGN_IN_NETWORKS: LiteralString = "delete from sign_in_networks where signed_in_at < now() - %s"
# Enode still sends events about an account after its deletion, such as the deletion of its vehicles.
_DELETE_EVENTS_OF_DELETED_USERS: LiteralString = """
delete from webhook_logs where id in (
    select w.id from webhook_logs w join deleted_users d on d.id = w.user_id where w.state <> 'pending' limit %s)
"""

PRUNE_INTERVAL_SECONDS = 3600.0
# Streams replay transitions of the last 24 hours; the extra hour covers readers that are late.
TRANSITION_RETENTION = timedelta(hours=25)
AMENDMENT_WINDOW = timedelta(days=14)
"""Age up to which a late charging sample still amends sessions and counters."""
ARCHIVE_INTERVAL = timedelta(days=1)
"""Archiving reads all of a vehicle's samples, so it runs once a day for each vehicle and not every hour."""
INTERVENTION_RETENTION = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """Retention of inbox rows (processed, or set aside for review) and of the log of metered calls."""

    processed: timedelta = timedelta(hours=72)
    set_aside: timedelta = timedelta(days=30)
    # The daily usage in usage_days is kept.
    calls: timedelta = timedelta(days=90)


async def run_pruning_loop(pool: Pool, retention: Retention) -> None:
    """Prune every hour until cancelled."""
    while True:
        try:
            async with pool.connection() as connection:
                await prune_old_rows(connection, retention)
        except psycopg.Error as error:
            log.warning("pruning failed error=%s retry_in=%gs", type(error).__name__, PRUNE_INTERVAL_SECONDS)
        await asyncio.sleep(PRUNE_INTERVAL_SECONDS)


async def prune_old_rows(connection: Connection, retention: Retention) -> int:
    """Delete expired rows and return their number, plus that of vehicles archived. Pending inbox rows are kept."""
    count = 0
    count += await _delete_in_batches(connection, _DELETE_INBOX_EVENTS, retention.processed, ["done", "ignored"])
    count += await _delete_in_batches(connection, _DELETE_INBOX_EVENTS, retention.set_aside, ["set_aside"])
    count += await _delete_in_batches(connection, _DELETE_EVENTS_OF_DELETED_USERS)
    count += await _delete_in_batches(connection, _DELETE_TRANSITIONS, TRANSITION_RETENTION, TRANSITION_RETENTION)
    count += await _delete_in_batches(connection, _DELETE_CALLS, retention.calls)
    count += await delete_orphaned_endpoints(connection)
    count += (await connection.execute(_DELETE_SIGN_IN_ATTEMPTS)).rowcount
    count += (await connection.execute(_DELETE_SIGN_IN_NETWORKS, [NETWORK_MEMORY])).rowcount
    count += await prune_oauth(connection, datetime.now(UTC), batch_size=BATCH_SIZE)
    count += await _archive_old_samples(connection)
    count += await _delete_in_batches(connection, _DELETE_INTERVENTIONS, INTERVENTION_RETENTION)
    if count:
        log.info("expired rows deleted count=%d", count)
    return count


async def _archive_old_samples(connection: Connection) -> int:
    """Archive old samples of each vehicle under the lock of its user's feed; returns the number of vehicles."""
    before = datetime.now(UTC) - AMENDMENT_WINDOW
    parameters = [before - ARCHIVE_INTERVAL, BATCH_SIZE]
    rows = await fetch_all(connection, _LIST_VEHICLES_WITH_OLD_SAMPLES, parameters, dict_row)
    for row in rows:
        try:
            async with connection.transaction():
                await advance_feed(connection, row["user_id"], 0)
                await archive_samples(connection, row["id"], before)
        except psycopg.OperationalError:
            raise  # caused by the database, not by this vehicle
        except Exception as error:  # noqa: BLE001 - one vehicle's failure must not stop the others
            # No traceback, because the error's text may quote samples.
            log.error(  # noqa: TRY400 - see the comment above
                "samples not archived vehicle=%s error=%s at=%s",
                row["id"],
                type(error).__name__,
                get_error_location(error),
            )
    return len(rows)


async def _delete_in_batches(connection: Connection, statement: LiteralString, *parameters: object) -> int:
    deleted = 0
    while True:
        batch_size = (await connection.execute(statement, [*parameters, BATCH_SIZE])).rowcount
        deleted += batch_size
        if batch_size < BATCH_SIZE:
            return deleted
