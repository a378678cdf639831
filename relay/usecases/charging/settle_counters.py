"""Show what is counted once it is settled, for vehicles that report nothing more.

The shown counters lag behind what late events may still lower (relay/vehicles/charging/counters.py). Usually the next
sample lets them catch up. Enode sends nothing while nothing changes, so after a charge there may be none for days.
"""

import asyncio
import logging
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row, scalar_row

from relay.feed.sequence import advance_feed
from relay.kit.database import Connection, Pool, fetch_all
from relay.kit.stored_times import format_interval, is_due
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.record_change import bump_vehicle_revisions
from relay.vehicles.charging.counters import LAG

log = logging.getLogger(__name__)

SETTLE_INTERVAL_SECONDS = 30.0
BATCH_SIZE = 500
"""Users per round; those left over are due in the next one."""

_IS_DUE: LiteralString = is_due("e.settle_at", format_interval(LAG))
LIST_USERS_DUE: LiteralString = f"""
select distinct v.user_id from vehicle_energy e join vehicles v on v.id = e.vehicle_id where {_IS_DUE} limit %s
"""  # noqa: S608 - our own constant
SETTLE: LiteralString = f"""
update vehicle_energy e
set (lifetime_kwh, home_kwh, discharged_kwh, settle_at)
    = (greatest(e.lifetime_kwh, e.counted_kwh),
       case when e.home_kwh is not null then greatest(e.home_kwh, e.counted_home_kwh) end,
       greatest(e.discharged_kwh, e.counted_discharged_kwh), null)
from vehicles v
where v.id = e.vehicle_id and v.user_id = %s and {_IS_DUE}
returning v.id, v.gone_at is null and v.link_state <> 'over_limit' as is_shown
"""  # noqa: S608 - our own constant


async def run_settling_loop(runtime: Runtime) -> None:
    """Settle counters every half minute until cancelled."""
    while True:
        try:
            runtime.feed_waker.wake(await settle_counters(runtime.pool))
        except psycopg.Error as error:
            log.warning("settling failed error=%s retry_in=%gs", type(error).__name__, SETTLE_INTERVAL_SECONDS)
        await asyncio.sleep(SETTLE_INTERVAL_SECONDS)


async def settle_counters(pool: Pool) -> list[UUID]:
    """Show the counters that are due, with new revisions of their vehicles; returns the users who see something new."""
    async with pool.connection() as connection:
        users: list[UUID] = await fetch_all(connection, LIST_USERS_DUE, [BATCH_SIZE], scalar_row)
        return [user_id for user_id in users if await _settle_user(connection, user_id)]


async def _settle_user(connection: Connection, user_id: UUID) -> bool:
    async with connection.transaction():
        try:
            await advance_feed(connection, user_id, 0)
        except LookupError:
            return False  # the account has just been deleted
        rows = await fetch_all(connection, SETTLE, [user_id], dict_row)
        shown = [row["id"] for row in rows if row["is_shown"]]
        await bump_vehicle_revisions(connection, user_id, shown)
    return bool(shown)
