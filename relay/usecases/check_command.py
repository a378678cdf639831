"""The bounded checks behind Enode's webhook: a command whose outcome nobody told us of is asked for, then unknown."""

import logging
from uuid import UUID

from psycopg.rows import dict_row

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.usecases.command_charging import CHECK, CHECKS
from relay.usecases.move_command import Outcome, move_command, outcome_of
from relay.usecases.runtime import Runtime

log = logging.getLogger(__name__)


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
