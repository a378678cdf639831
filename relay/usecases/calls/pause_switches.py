"""What an operator can pause while the relay runs. Read by the statements that act, so it holds everywhere at once."""

from typing import LiteralString

from psycopg.types.json import Jsonb

from relay.feed.delivery_switch import DELIVERY_PAUSED_KEY
from relay.kit.database import SyncConnection

PAUSE_SWITCHES: dict[str, str] = {"delivery": DELIVERY_PAUSED_KEY, "commands": "commands_paused"}
"""What can be paused, and its row in `settings`."""

COMMANDS_PAUSED: LiteralString = "exists (select from settings where key = 'commands_paused' and value = 'true')"

SET_SWITCH: LiteralString = """
insert into settings (key, value) values (%s, %s)
on conflict (key) do update set value = excluded.value, updated_at = now()
"""
LIST_PAUSED_SWITCHES: LiteralString = "select key from settings where key = any (%s) and value = 'true'"


def set_paused(connection: SyncConnection, switch: str, *, paused: bool) -> None:
    """Pause or resume. Raises KeyError for what cannot be paused."""
    connection.execute(SET_SWITCH, [PAUSE_SWITCHES[switch], Jsonb(paused)])


def list_paused(connection: SyncConnection) -> list[str]:
    """What is paused now."""
    keys = {row[0] for row in connection.execute(LIST_PAUSED_SWITCHES, [list(PAUSE_SWITCHES.values())]).fetchall()}
    return [what for what, key in PAUSE_SWITCHES.items() if key in keys]
