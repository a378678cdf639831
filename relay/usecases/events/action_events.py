"""Handlers of Enode's events about actions, which settle the commands that the actions carry out."""

from dataclasses import replace
from itertools import chain, repeat
from typing import LiteralString
from uuid import UUID

from psycopg.rows import dict_row

from relay.gateways.enode import ChargeAction, EnodeProtocolError
from relay.gateways.enode.json_fields import parse_object
from relay.kit.database import fetch_all
from relay.usecases.commands.update_state import get_action_outcome, record_command_outcome
from relay.usecases.events.event_context import MAX_ID_LENGTH, EventContext, MalformedEventError, require_member

# The webhook can arrive before Enode's answer to our request, when the command does not have its action's id yet. Then
# the newest matching command counts. An action created over a minute (clock skew) before the request is another one.
LIST_COMMANDS_FOR_ACTION: LiteralString = """
with by_action as (select id from commands where user_id = %(user_id)s and enode_action_id = %(action_id)s)
select id from by_action
union all
(select c.id from commands c join vehicle_links l on l.vehicle_id = c.vehicle_id
 where not exists (select from by_action) and c.user_id = %(user_id)s and l.enode_vehicle_id = %(target_id)s
   and c.kind = %(kind)s and c.amps is not distinct from %(amps)s::float8
   and c.state = 'sending' and c.enode_action_id is null
   and c.requested_at < %(created_at)s + interval '1 minute'
 order by c.requested_at desc limit 1)
"""


async def handle_vendor_action_updated(context: EventContext) -> bool:
    """Update the commands of an action. An action that belongs to none of our commands changes nothing."""
    try:
        action = ChargeAction.from_json(require_member(context.event, "vendorAction"), context.event.name)
    except EnodeProtocolError as error:
        raise MalformedEventError("no action") from error
    if len(action.id) > MAX_ID_LENGTH:
        raise MalformedEventError("an id that is too long")
    outcome = get_action_outcome(action)
    reported_at = outcome.settled_at or action.updated_at or context.event.created_at
    outcome = replace(outcome, settled_at=min(reported_at, context.event.created_at))
    # One action can belong to several commands, but transitions are unique by vehicle, event and kind. So only the
    # first command's transition names the event.
    source_event_ids = chain([context.event.id], repeat(None))
    command_ids = await _list_commands_for_action(context, action)
    changed = [
        await record_command_outcome(
            context.connection, command_id, outcome, source_event_id=source_event_id, live=not context.event.replayed
        )
        for command_id, source_event_id in zip(command_ids, source_event_ids, strict=False)
    ]
    return any(changed)


async def handle_charge_action_updated(context: EventContext) -> bool:
    """Handle an action event under its former name, which Enode documents without a shape. No action, no effect."""
    return await handle_vendor_action_updated(context) if parse_object(context.event.payload, "vendorAction") else False


async def _list_commands_for_action(context: EventContext, action: ChargeAction) -> list[UUID]:
    parameters = {
        "user_id": context.user_id,
        "action_id": action.id,
        "target_id": action.target_id,
        "kind": action.kind or "MAX_CURRENT",
        "amps": None if action.kind else action.max_current,
        "created_at": context.event.created_at,
    }
    rows = await fetch_all(context.connection, LIST_COMMANDS_FOR_ACTION, parameters, dict_row)
    return [row["id"] for row in rows]
