"""Cancel a command that is still open, at Enode and in our database."""

import asyncio
import logging

from psycopg.rows import DictRow

from relay.gateways.enode import EnodeError, EnodeNotFound
from relay.kit.problems import Problem
from relay.usecases.calls.runtime import Runtime
from relay.usecases.commands.repository import find_command_by_id
from relay.usecases.commands.update_state import (
    ACTION_NOT_FOUND_DETAIL,
    CommandOutcome,
    get_action_outcome,
    record_command_outcome,
)
from relay.vehicles.records import render_command_record

log = logging.getLogger(__name__)

NOT_SENT_RETRY_AFTER_SECONDS = 5


async def cancel_open_command(runtime: Runtime, command: DictRow) -> DictRow:
    """Cancel the command (a row of `commands`) and return its row; a settled command is returned unchanged.

    Raises Problem 409 `not-sent` while Enode's answer to the command is outstanding, 502 when Enode does not cancel it.
    """
    if command["settled_at"] is not None:
        return command
    if command["enode_action_id"] is None:
        raise Problem(
            409,
            "not-sent",
            "Enode has not accepted this command yet, so there is nothing to cancel. Try again in a few seconds.",
            headers={"Retry-After": str(NOT_SENT_RETRY_AFTER_SECONDS)},
            command=render_command_record(command),
        )
    # Shielded: if the client disconnects, a cancellation at Enode must still be stored.
    return await asyncio.shield(_cancel_and_record(runtime, command))


async def _cancel_and_record(runtime: Runtime, command: DictRow) -> DictRow:
    outcome = await _cancel_at_enode(runtime, command["enode_action_id"])
    async with runtime.pool.connection() as connection:
        await record_command_outcome(connection, command["id"], outcome)
        updated = await find_command_by_id(connection, command["user_id"], command["id"])
    runtime.feed_waker.wake([command["user_id"]])
    return updated or command


async def _cancel_at_enode(runtime: Runtime, action_id: str) -> CommandOutcome:
    if runtime.enode is None:
        detail = "This relay has no access to Enode. Ask its operator to configure Enode's credentials."
        raise Problem(502, "enode-unavailable", detail)
    try:
        return get_action_outcome(await runtime.enode.actions.cancel(action_id))
    except EnodeNotFound:
        return CommandOutcome.unknown(ACTION_NOT_FOUND_DETAIL)
    except EnodeError as error:
        log.warning("command not cancelled action=%s error=%r", action_id, str(error))
        detail = "Enode did not cancel the command, so it stays open. Try again in a few seconds."
        raise Problem(502, "enode-unavailable", detail) from None
