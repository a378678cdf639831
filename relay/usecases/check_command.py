"""The bounded checks behind Enode's webhook: a command whose outcome nobody told us of is asked for, then unknown."""

import asyncio
import logging
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.usecases.command_charging import CHECK, CHECKS
from relay.usecases.move_command import Outcome, move_command, outcome_of
from relay.usecases.runtime import Runtime

log = logging.getLogger(__name__)

# A check dies with its worker, and nobody does it again; so this long after the last one was due, one more is made.
FORGOTTEN_AFTER = CHECKS[-1] + timedelta(minutes=10)
LOOK_SECONDS = 60.0
AT_ONCE = 100
FORGOTTEN: LiteralString = """
select id from commands where settled_at is null and requested_at < now() - %s order by requested_at limit %s
"""


async def check_command(runtime: Runtime, command_id: UUID, number: int) -> None:
    """Settle the command if Enode knows better, plan the next check if not, call it unknown after the last."""
    async with runtime.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "select user_id, enode_action_id from commands where id = %s and settled_at is null", [command_id]
        )
        row = await cursor.fetchone()
    if row is None:
        return
    outcome = await _ask(runtime, row["enode_action_id"])
    last = number + 1 == len(CHECKS)
    if last and (outcome is None or not outcome.settled):
        outcome = Outcome.unknown("Nobody told the relay how this ended.")
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await move_command(connection, command_id, outcome)
        if not last and (outcome is None or not outcome.settled):
            after = CHECKS[number + 1] - CHECKS[number]
            await runtime.jobs.defer(CHECK, after=after, command_id=str(command_id), number=number + 1)
    if outcome is not None:
        runtime.feed_waker.wake([row["user_id"]])
        if outcome.settled:
            runtime.look_soon()


async def check_forgotten(runtime: Runtime) -> int:
    """Settle commands that no check will come for any more; returns how many those were."""
    async with runtime.pool.connection() as connection:
        rows = await (await connection.execute(FORGOTTEN, [FORGOTTEN_AFTER, AT_ONCE])).fetchall()
    for row in rows:
        await check_command(runtime, UUID(str(row[0])), len(CHECKS) - 1)
    return len(rows)


async def check_forgotten_for_ever(runtime: Runtime) -> None:
    """Look for such commands until cancelled. Raises psycopg.Error."""
    while True:
        await check_forgotten(runtime)
        await asyncio.sleep(LOOK_SECONDS)


async def _ask(runtime: Runtime, action_id: str | None) -> Outcome | None:
    """What Enode says, None when it says nothing of use."""
    if runtime.enode is None or action_id is None:
        return None
    try:
        outcome = outcome_of(await runtime.enode.actions.get(action_id))
    except EnodeNotFound:
        return Outcome.unknown("Enode does not know this action any more.")
    except EnodeError as error:
        log.info("a command could not be checked: %s", type(error).__name__)
        return None
    return outcome
