"""Review corrections that end after some time, and ask Enode to refresh vehicles whose level is held.

A level that can't be true is held until the vehicle's next reports decide. That may take
hours, so Enode is asked once to read the vehicle, and a level that nothing contradicts is shown in the end.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from relay.feed.sequence import advance_feed
from relay.gateways.enode import EnodeError
from relay.kit.database import fetch_all
from relay.kit.logs import get_error_location
from relay.kit.stored_times import format_interval, is_due
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.record_change import record_change
from relay.vehicles import repository
from relay.vehicles.changes import review_corrections
from relay.vehicles.charging.rows import parse_ledger
from relay.vehicles.corrections import MAX_REVIEW_AHEAD
from relay.vehicles.models import VehicleChange

log = logging.getLogger(__name__)

REVIEW_INTERVAL_SECONDS = 30.0
REFRESH_AFTER = timedelta(minutes=5)
"""How long a level is held before Enode is asked: most faults are over with the next report."""
REFRESH_WITHIN = timedelta(minutes=30)
"""No refresh for a level that was held longer ago, as when old events are replayed."""
BATCH_SIZE = 100

_IS_DUE: LiteralString = is_due("review_at", format_interval(MAX_REVIEW_AHEAD))
LIST_DUE_VEHICLES: LiteralString = f"""
select id, user_id from vehicles where {_IS_DUE} and gone_at is null order by review_at limit %s
"""  # noqa: S608 - our own constant
# Also claims them, so that Enode is asked once for each held level, whatever the outcome.
CLAIM_REFRESHES: LiteralString = """
update vehicles v set refresh_asked_for = v.held_since, refreshed_at = now()
from vehicle_links l
where l.vehicle_id = v.id and l.ended_at is null and v.gone_at is null and v.link_state = 'ok'
  and v.held_since between now() - %s and now() - %s and v.refresh_asked_for is distinct from v.held_since
returning v.id, l.enode_vehicle_id
"""


async def run_correction_review_loop(runtime: Runtime) -> None:
    """Review corrections until cancelled."""
    while True:
        try:
            await request_refreshes(runtime)
            await review_due_vehicles(runtime)
        except psycopg.Error as error:
            log.warning("review failed error=%s retry_in=%gs", type(error).__name__, REVIEW_INTERVAL_SECONDS)
        await asyncio.sleep(REVIEW_INTERVAL_SECONDS)


async def request_refreshes(runtime: Runtime) -> int:
    """Ask Enode to read each vehicle whose level has been held for five minutes; returns how many."""
    if runtime.enode is None:
        return 0
    async with runtime.pool.connection() as connection:
        rows = await fetch_all(connection, CLAIM_REFRESHES, [REFRESH_WITHIN, REFRESH_AFTER], dict_row)
    for row in rows:
        try:
            await runtime.enode.vehicles.send_refresh_hint(row["enode_vehicle_id"])
        except EnodeError as error:
            log.info("vehicle refresh failed vehicle_id=%s error=%s", row["id"], error)
    if rows:
        runtime.request_poll()
    return len(rows)


async def review_due_vehicles(runtime: Runtime) -> int:
    """Correct the vehicles again for which something else is shown by now; returns how many."""
    async with runtime.pool.connection() as connection:
        rows = await fetch_all(connection, LIST_DUE_VEHICLES, [BATCH_SIZE], dict_row)
    for row in rows:
        try:
            await _review_vehicle(runtime, row["user_id"], row["id"])
        except psycopg.OperationalError:
            raise  # caused by the database, not by this vehicle
        except Exception as error:  # noqa: BLE001 - one vehicle's failure must not stop the others
            log.error(  # noqa: TRY400 - without a traceback, because the error's text may quote the vehicle
                "vehicle not reviewed vehicle_id=%s error=%s at=%s",
                row["id"],
                type(error).__name__,
                get_error_location(error),
            )
    return len(rows)


async def _review_vehicle(runtime: Runtime, user_id: UUID, vehicle_id: UUID) -> None:
    async with runtime.pool.connection() as connection, connection.transaction():
        await advance_feed(connection, user_id, 0)
        vehicle = await repository.find_vehicle(connection, vehicle_id)
        now = datetime.now(UTC)
        if vehicle is None or not _is_due(vehicle.corrected.review_at, now):
            return
        plausibility = parse_ledger(vehicle.ledger).state.plausibility
        change = _limit_review_time(review_corrections(vehicle, plausibility, now), now)
        has_updates = await record_change(connection, change, source_event_id=None)
    if has_updates:
        runtime.feed_waker.wake([user_id])


def _is_due(review_at: datetime | None, now: datetime) -> bool:
    """Whether the time has come, or is further ahead than a right clock can have set it."""
    return review_at is not None and not now < review_at <= now + MAX_REVIEW_AHEAD


def _limit_review_time(change: VehicleChange, now: datetime) -> VehicleChange:
    """The change with a next review that a right clock can have set, also after reports from the future."""
    corrected = change.after.corrected
    if corrected.review_at is None or corrected.review_at <= now + MAX_REVIEW_AHEAD:
        return change
    corrected = replace(corrected, review_at=now + MAX_REVIEW_AHEAD)
    return replace(change, after=replace(change.after, corrected=corrected))
