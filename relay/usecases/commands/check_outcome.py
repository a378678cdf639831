"""Check open commands at Enode, in case its webhook does not report their outcome.

The number of checks is bounded. A command that is still open after the last one is settled as `unknown`.
"""

import asyncio
import logging
from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.kit.database import fetch_all, fetch_one
from relay.kit.stored_times import CLOCK_TOLERANCE
from relay.usecases.calls.runtime import Runtime
from relay.usecases.commands.update_state import (
    ACTION_NOT_FOUND_DETAIL,
    CommandOutcome,
    get_action_outcome,
    record_command_outcome,
)

log = logging.getLogger(__name__)

CHECK_COMMAND_JOB = "check_command"
CHECK_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 600, 2100))
"""Times after sending at which an open command is checked. Usually Enode's webhook settles it first.

Enode's own time-out is 30 minutes for most vendors.
"""

# A check is lost if its worker dies, and is not retried. So an open command gets one more check this long after it was
# sent.
STALE_AFTER = CHECK_DELAYS[-1] + timedelta(minutes=10)
CHECK_INTERVAL_SECONDS = 60.0
BATCH_SIZE = 100
FIND_OPEN_COMMAND: LiteralString = """
select user_id, enode_action_id from commands where id = %s and settled_at is null
"""
# It is unknown when a command was sent while the clock was ahead. It counts as sent now.
CORRECT_FUTURE_COMMANDS: LiteralString = f"""
update commands set requested_at = now()
where settled_at is null and requested_at > now() + {CLOCK_TOLERANCE} returning id
"""  # noqa: S608 - our own constant
LIST_STALE_COMMANDS: LiteralString = """
select id from commands where settled_at is null and requested_at < now() - %s order by requested_at limit %s
"""


async def check_command(runtime: Runtime, command_id: UUID, check_index: int) -> None:
    """Settle the command if Enode has its outcome; else schedule the next check, or settle as unknown after the last.

    `check_index` is the position in CHECK_DELAYS of this check.
    """
    async with runtime.pool.connection() as connection:
        command = await fetch_one(connection, FIND_OPEN_COMMAND, [command_id], dict_row)
    if command is None:
        return
    outcome = await _fetch_outcome(runtime, command["enode_action_id"])
    is_last = check_index + 1 == len(CHECK_DELAYS)
    if is_last and (outcome is None or not outcome.is_settled):
        outcome = CommandOutcome.unknown("Enode never reported the outcome.")
    async with runtime.pool.connection() as connection:
        if outcome is not None:
            await record_command_outcome(connection, command_id, outcome)
        if not is_last and (outcome is None or not outcome.is_settled):
            after = CHECK_DELAYS[check_index + 1] - CHECK_DELAYS[check_index]
            await runtime.jobs.defer(CHECK_COMMAND_JOB, after=after, command_id=str(command_id), number=check_index + 1)
    if outcome is not None:
        runtime.feed_waker.wake([command["user_id"]])
        if outcome.is_settled:
            runtime.request_poll()


async def check_stale_commands(runtime: Runtime) -> int:
    """Settle open commands whose checks were lost, and return their number.

    Commands from a time at which the clock was ahead are checked from the beginning, and counted too.
    """
    async with runtime.pool.connection() as connection:
        stale = await fetch_all(connection, LIST_STALE_COMMANDS, [STALE_AFTER, BATCH_SIZE], dict_row)
        future = await fetch_all(connection, CORRECT_FUTURE_COMMANDS, [], dict_row)
    for row in stale:
        await check_command(runtime, row["id"], len(CHECK_DELAYS) - 1)
    for row in future:
        await check_command(runtime, row["id"], 0)
    return len(stale) + len(future)


async def run_stale_command_loop(runtime: Runtime) -> None:
    """Settle stale commands every minute until cancelled. Raises psycopg.Error."""
    while True:
        await check_stale_commands(runtime)
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


async def _fetch_outcome(runtime: Runtime, action_id: str | None) -> CommandOutcome | None:
    """Return the outcome that Enode has for the action; None when Enode can't be queried."""
    if runtime.enode is None or action_id is None:
        return None
    try:
        return get_action_outcome(await runtime.enode.actions.get(action_id))
    except EnodeNotFound:
        return CommandOutcome.unknown(ACTION_NOT_FOUND_DETAIL)
    except EnodeError as error:
        log.info("command check failed action=%s error=%s", action_id, type(error).__name__)
        return None
