"""SQL of the table `commands`: insert a command, find a user's command, list a vehicle's commands."""

from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from psycopg.rows import DictRow, dict_row

from relay.identity.models import Caller
from relay.kit.database import Connection, fetch_all, fetch_one

INSERT: LiteralString = """
insert into commands (user_id, vehicle_id, kind, amps, idempotency_key, credential_id)
values (%s, %s, %s, %s, %s, %s)
on conflict (user_id, idempotency_key) do nothing returning id
"""
FIND_BY_ID: LiteralString = "select * from commands where user_id = %s and id = %s"
FIND_BY_IDEMPOTENCY_KEY: LiteralString = "select * from commands where user_id = %s and idempotency_key = %s"
LIST_OF_VEHICLE: LiteralString = """
select * from commands where user_id = %s and vehicle_id = %s order by requested_at desc, id limit %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCommand:
    """A command to insert. `amps` is set for MAX_CURRENT only."""

    vehicle_id: UUID
    kind: str
    amps: float | None
    idempotency_key: str | None


async def insert_command(connection: Connection, caller: Caller, command: NewCommand) -> UUID | None:
    """Insert the command and return its id; None when the user has used its idempotency key before."""
    values = [
        caller.user_id,
        command.vehicle_id,
        command.kind,
        command.amps,
        command.idempotency_key,
        caller.credential_id,
    ]
    row = await fetch_one(connection, INSERT, values, dict_row)
    return None if row is None else row["id"]


async def find_command_by_id(connection: Connection, user_id: UUID, command_id: UUID) -> DictRow | None:
    """The user's command with this id."""
    return await fetch_one(connection, FIND_BY_ID, [user_id, command_id], dict_row)


async def find_command_by_key(connection: Connection, user_id: UUID, idempotency_key: str | None) -> DictRow | None:
    """The user's command that was sent with this idempotency key."""
    return await fetch_one(connection, FIND_BY_IDEMPOTENCY_KEY, [user_id, idempotency_key], dict_row)


async def list_commands(connection: Connection, user_id: UUID, vehicle_id: UUID, limit: int) -> list[DictRow]:
    """The newest commands to this vehicle of the user's, newest first."""
    return await fetch_all(connection, LIST_OF_VEHICLE, [user_id, vehicle_id, limit], dict_row)
