"""The bounded checks behind Enode's webhook: a command whose outcome nobody told us of is asked for, then unknown."""

import asyncio
import logging
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.usecases.calls.runtime import Runtime
from relay.usecases.commands.send_command import CHECK_COMMAND_JOB, CHECK_DELAYS
from relay.usecases.commands.update_state import CommandOutcome, get_action_outcome, record_command_outcome

log = logging.getLogger(__name__)

# A check dies with its worker, and nobody does it again; so this long after the last one was due, one more is made.
STALE_AFTER = CHECK_DELAYS[-1] + timedelta(minutes=10)
CHECK_INTERVAL_SECONDS = 60.0
BATCH_SIZE = 100
LIST_STALE_COMMANDS: LiteralString = """
select id from commands where settled_at is null and requested_at < now() - %s order by requested_at limit %s
"""


async def check_command(runtime: Runtime, command_id: UUID, check_index: int) -> None:
    """Settle the command if Enode knows better, plan the next check if not, call it unknown after the last."""
    async with runtime.pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "select user_id, enode_action_id from commands where id = %s and settled_at is null", [command_id]
        )
        row = await cursor.fetchone()
    if row is None:
        return
    outcome = await _fetch_outcome(runtime, row["enode_action_id"])
    last = check_index + 1 == len(CHECK_DELAYS)
    if last and (outcome is None or not outcome.is_settled):
        outcome = CommandOutcome.unknown("Nobody told the relay how this ended.")
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await record_command_outcome(connection, command_id, outcome)
        if not last and (outcome is None or not outcome.is_settled):
            after = CHECK_DELAYS[check_index + 1] - CHECK_DELAYS[check_index]
            await runtime.jobs.defer(CHECK_COMMAND_JOB, after=after, command_id=str(command_id), number=check_index + 1)
    if outcome is not None:
        runtime.feed_waker.wake([row["user_id"]])
        if outcome.is_settled:
            runtime.request_poll()


async def check_stale_commands(runtime: Runtime) -> int:
    """Settle commands that no check will come for any more; returns how many those were."""
    async with runtime.pool.connection() as connection:
        rows = await (await connection.execute(LIST_STALE_COMMANDS, [STALE_AFTER, BATCH_SIZE])).fetchall()
    for row in rows:
        await check_command(runtime, UUID(str(row[0])), len(CHECK_DELAYS) - 1)
    return len(rows)


async def run_stale_command_loop(runtime: Runtime) -> None:
    """Look for such commands until cancelled. Raises psycopg.Error."""
    while True:
        await check_stale_commands(runtime)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


async def _fetch_outcome(runtime: Runtime, action_id: str | None) -> CommandOutcome | None:
    """What Enode says, None when it says nothing of use."""
    if runtime.enode is None or action_id is None:
        return None
    try:
        outcome = get_action_outcome(await runtime.enode.actions.get(action_id))
    except EnodeNotFound:
        return CommandOutcome.unknown("Enode does not know this action any more.")
    except EnodeError as error:
        log.info("a command could not be checked: %s", type(error).__name__)
        return None
    return outcome
