"""Switches by which an operator pauses delivery or commands of a running relay.

The statements that act read them, so a switch takes effect in every process at once.
"""

from typing import LiteralString

from psycopg.rows import scalar_row
from psycopg.types.json import Jsonb

from relay.kit.database import Connection, fetch_all
from relay.usecases.calls.pause_switch_keys import PAUSE_SWITCHES

COMMANDS_PAUSED: LiteralString = "exists (select from settings where key = 'commands_paused' and value = 'true')"

SET_SWITCH: LiteralString = """
insert into settings (key, value) values (%s, %s)
on conflict (key) do update set value = excluded.value, updated_at = now()
"""
LIST_PAUSED_SWITCHES: LiteralString = "select key from settings where key = any (%s) and value = 'true'"


async def set_paused(connection: Connection, switch: str, *, paused: bool) -> None:
    """Pause or resume `switch`. Raises KeyError for an unknown switch."""
    await connection.execute(SET_SWITCH, [PAUSE_SWITCHES[switch], Jsonb(paused)])


async def list_paused(connection: Connection) -> list[str]:
    """Names of the switches that are paused now."""
    paused_keys = await fetch_all(connection, LIST_PAUSED_SWITCHES, [list(PAUSE_SWITCHES.values())], scalar_row)
    return [switch for switch, key in PAUSE_SWITCHES.items() if key in paused_keys]
