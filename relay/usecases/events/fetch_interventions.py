"""Fetch interventions from Enode: what a user must do to give a vehicle more capabilities, in the user's language.

Vehicles hold only the ids of interventions. A loop fetches those that are missing or a day old. A changed one gives the
vehicles that refer to it a new revision, so that streams deliver it.
"""

import asyncio
import logging
from typing import LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from relay.gateways.enode import (
    EnodeClient,
    EnodeError,
    EnodeNotFound,
    EnodeProblemError,
    EnodeProtocolError,
    Intervention,
)
from relay.kit.database import Connection, fetch_all, fetch_one
from relay.kit.stored_times import is_before
from relay.usecases.calls.runtime import Runtime
from relay.usecases.feed.record_change import bump_vehicle_revisions

log = logging.getLogger(__name__)

FETCH_INTERVAL_SECONDS = 15.0
FAILURE_DELAY_SECONDS = 120.0
"""Delay before the next attempt when Enode or the database did not answer."""
BATCH_SIZE = 50
MAX_ID_LENGTH = 100
MAX_TEXT_LENGTH = 4000
"""Of an intervention, in characters: every record of its vehicles has the text."""

# `intervention_ids <> '[]'` is the condition of the partial index that answers this.
LIST_INTERVENTIONS_TO_FETCH: LiteralString = f"""
select distinct named.id, u.language
from vehicles v join users u on u.id = v.user_id and u.closed_at is null
cross join lateral jsonb_array_elements_text(v.intervention_ids) named (id)
left join interventions i on i.id = named.id and i.language = u.language
where v.intervention_ids <> '[]' and v.gone_at is null and length(named.id) between 1 and %s
  and (i.fetched_at is null or {is_before("i.fetched_at", "interval '1 day'")})
limit %s
"""  # noqa: S608 - our own constant
UPSERT_INTERVENTION: LiteralString = """
with before as (select payload from interventions where id = %(id)s and language = %(language)s)
insert into interventions as i (id, language, payload) values (%(id)s, %(language)s, %(payload)s)
on conflict (id, language) do update set payload = excluded.payload, fetched_at = now()
returning payload is distinct from (select payload from before) as is_changed
"""
LIST_VEHICLES_WITH_INTERVENTION: LiteralString = """
select v.user_id, array_agg(v.id order by v.id) as vehicle_ids from vehicles v join users u on u.id = v.user_id
where v.intervention_ids <> '[]' and v.intervention_ids ? %s and v.gone_at is null and u.language = %s
group by v.user_id order by v.user_id
"""


async def run_intervention_fetch_loop(runtime: Runtime) -> None:
    """Fetch missing and outdated interventions until cancelled."""
    while True:
        delay = FETCH_INTERVAL_SECONDS
        try:
            await fetch_interventions(runtime)
        except (EnodeError, psycopg.Error) as error:
            delay = FAILURE_DELAY_SECONDS
            log.warning("interventions not fetched error=%s retry_in=%gs", type(error).__name__, delay)
        await asyncio.sleep(delay)


async def fetch_interventions(runtime: Runtime) -> int:
    """Fetch one batch of interventions and return how many changed. Raises EnodeError, psycopg.Error."""
    if runtime.enode is None:
        return 0
    async with runtime.pool.connection() as connection:
        rows = await fetch_all(connection, LIST_INTERVENTIONS_TO_FETCH, [MAX_ID_LENGTH, BATCH_SIZE], dict_row)
    changed = 0
    for row in rows:
        payload = await _fetch_intervention(runtime.enode, row["id"], row["language"])
        changed += await _store_intervention(runtime, row["id"], row["language"], payload)
    return changed


async def _fetch_intervention(enode: EnodeClient, intervention_id: str, language: str) -> dict[str, str | None] | None:
    """Return the intervention as records show it; None if Enode has none. Raises EnodeError if a retry may help."""
    try:
        return _render_intervention(await enode.interventions.get(intervention_id, language=language))
    except EnodeNotFound:
        return None
    except (EnodeProblemError, EnodeProtocolError) as error:  # one unusable answer must not delay the others
        log.warning("intervention skipped language=%s error=%r", language, str(error))
        return None


def _render_intervention(intervention: Intervention) -> dict[str, str | None]:
    texts = {
        "id": intervention.id,
        "title": intervention.title,
        "description": intervention.description,
        "access": intervention.access,
        "agent": intervention.agent,
        "action": intervention.action,
    }
    return {name: None if text is None else text[:MAX_TEXT_LENGTH] for name, text in texts.items()}


async def _store_intervention(
    runtime: Runtime, intervention_id: str, language: str, payload: dict[str, str | None] | None
) -> bool:
    """Store the intervention, and publish the vehicles that refer to it; False if nothing changed."""
    values = {"id": intervention_id, "language": language, "payload": None if payload is None else Jsonb(payload)}
    async with runtime.pool.connection() as connection, connection.transaction():
        stored = await fetch_one(connection, UPSERT_INTERVENTION, values, dict_row)
        if stored is None or not stored["is_changed"]:
            return False
        user_ids = await _publish_vehicles(connection, intervention_id, language)
    runtime.feed_waker.wake(user_ids)
    return True


async def _publish_vehicles(connection: Connection, intervention_id: str, language: str) -> list[UUID]:
    """Give the vehicles that refer to the intervention new revisions, and return their users."""
    # Ordered by user, so that concurrent transactions lock feeds in the same order and can't deadlock.
    rows = await fetch_all(connection, LIST_VEHICLES_WITH_INTERVENTION, [intervention_id, language], dict_row)
    for row in rows:
        await bump_vehicle_revisions(connection, row["user_id"], row["vehicle_ids"])
    return [row["user_id"] for row in rows]
