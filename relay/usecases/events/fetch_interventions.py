"""What a person must do before a car can do more: fetched from Enode in the user's language, and kept for a day.

Cars only name interventions. Beside the drain, what is named and not known (any more) is looked for now and then and
fetched; what is new gives the cars that name it a new revision, so that streams tell it.
"""

import asyncio
import logging
from typing import Any, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from relay.gateways.enode import (
    EnodeClient,
    EnodeError,
    EnodeNotFound,
    EnodeProblemError,
    EnodeProtocolError,
    Intervention,
)
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.record_change import bump_vehicle_revisions

log = logging.getLogger(__name__)

FETCH_INTERVAL_SECONDS = 15.0
"""Seconds between two looks for interventions to fetch."""
FAILURE_DELAY_SECONDS = 120.0
"""Seconds before the next look when Enode did not answer."""
BATCH_SIZE = 50
MAX_ID_LENGTH = 100

# Cars without an intervention are not in the index that answers this.
LIST_INTERVENTIONS_TO_FETCH: LiteralString = """
select distinct named.id, u.language
from vehicles v join users u on u.id = v.user_id and u.closed_at is null
cross join lateral jsonb_array_elements_text(v.intervention_ids) named (id)
left join interventions i on i.id = named.id and i.language = u.language
where v.intervention_ids <> '[]' and v.gone_at is null and length(named.id) between 1 and %s
  and (i.fetched_at is null or i.fetched_at < now() - interval '1 day')
limit %s
"""
UPSERT_INTERVENTION: LiteralString = """
with before as (select payload from interventions where id = %(id)s and language = %(language)s)
insert into interventions as i (id, language, payload) values (%(id)s, %(language)s, %(payload)s)
on conflict (id, language) do update set payload = excluded.payload, fetched_at = now()
returning payload is distinct from (select payload from before)
"""
LIST_VEHICLES_WITH_INTERVENTION: LiteralString = """
select v.user_id, array_agg(v.id order by v.id) from vehicles v join users u on u.id = v.user_id
where v.intervention_ids <> '[]' and v.intervention_ids ? %s and v.gone_at is null and u.language = %s
group by v.user_id order by v.user_id
"""


async def run_intervention_fetch_loop(runtime: Runtime) -> None:
    """Fetch what is wanted until cancelled."""
    while True:
        pause = FETCH_INTERVAL_SECONDS
        try:
            await fetch_interventions(runtime)
        except (EnodeError, psycopg.Error) as error:
            log.warning("interventions could not be fetched: %s", type(error).__name__)
            pause = FAILURE_DELAY_SECONDS
        await asyncio.sleep(pause)


async def fetch_interventions(runtime: Runtime) -> int:
    """Fetch those that are wanted and return how many had something new. Raises EnodeError, psycopg.Error."""
    if runtime.enode is None:
        return 0
    async with runtime.pool.connection() as connection:
        cursor = await connection.execute(LIST_INTERVENTIONS_TO_FETCH, [MAX_ID_LENGTH, BATCH_SIZE])
        wanted: list[Any] = await cursor.fetchall()
    new = 0
    for intervention_id, language in wanted:
        payload = await _fetch_intervention(runtime.enode, intervention_id, language)
        new += await _store_intervention(runtime, intervention_id, language, payload)
    return new


async def _fetch_intervention(enode: EnodeClient, intervention_id: str, language: str) -> dict[str, str | None] | None:
    """What to show, None for what Enode does not know. Raises EnodeError when it is worth asking again."""
    try:
        return _render_intervention(await enode.interventions.get(intervention_id, language=language))
    except EnodeNotFound:
        return None
    except (EnodeProblemError, EnodeProtocolError) as error:  # one such must not keep the others waiting
        log.warning("an intervention was not told: %s", error)
        return None


def _render_intervention(it: Intervention) -> dict[str, str | None]:
    return {
        "id": it.id,
        "title": it.title,
        "description": it.description,
        "access": it.access,
        "agent": it.agent,
        "action": it.action,
    }


async def _store_intervention(
    runtime: Runtime, intervention_id: str, language: str, payload: dict[str, str | None] | None
) -> bool:
    """Write it, and tell those whose cars name it if it is new. Feeds are locked in order, so that none deadlock."""
    values = {"id": intervention_id, "language": language, "payload": None if payload is None else Jsonb(payload)}
    async with runtime.pool.connection() as connection, connection.transaction():
        row = await (await connection.execute(UPSERT_INTERVENTION, values)).fetchone()
        if row is None or not row[0]:
            return False
        named_by: list[Any] = await (
            await connection.execute(LIST_VEHICLES_WITH_INTERVENTION, [intervention_id, language])
        ).fetchall()
        for user_id, vehicle_ids in named_by:
            await bump_vehicle_revisions(connection, user_id, vehicle_ids)
    runtime.feed_waker.wake([user_id for user_id, _ in named_by])
    return True
