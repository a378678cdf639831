"""What an operator can pause while the relay runs. Read by the statements that act, so it holds everywhere at once."""

from typing import LiteralString

from psycopg.types.json import Jsonb

from relay.kit.database import Connection

PAUSE_SWITCHES: dict[str, str] = {"delivery": "delivery_paused", "commands": "commands_paused"}
"""What can be paused, and its row in `settings`."""

DELIVERY_PAUSED: LiteralString = "exists (select from settings where key = 'delivery_paused' and value = 'true')"
COMMANDS_PAUSED: LiteralString = "exists (select from settings where key = 'commands_paused' and value = 'true')"

SET_SWITCH: LiteralString = """
insert into settings (key, value) values (%s, %s)
on conflict (key) do update set value = excluded.value, updated_at = now()
"""
LIST_PAUSED_SWITCHES: LiteralString = "select key from settings where key = any (%s) and value = 'true'"


async def set_paused(connection: Connection, switch: str, *, paused: bool) -> None:
    """Pause or resume. Raises KeyError for what cannot be paused."""
    await connection.execute(SET_SWITCH, [PAUSE_SWITCHES[switch], Jsonb(paused)])


async def list_paused(connection: Connection) -> list[str]:
    """What is paused now."""
    rows = await (await connection.execute(LIST_PAUSED_SWITCHES, [list(PAUSE_SWITCHES.values())])).fetchall()
    keys = {row[0] for row in rows}
    return [what for what, key in PAUSE_SWITCHES.items() if key in keys]
