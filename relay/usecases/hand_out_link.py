"""A page of ours on which a person links a car: good once, for a day, and it says whose account gets the car."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from relay.identity.credentials import key_hash
from relay.kit.database import Connection

LIVES = timedelta(hours=24)
"""How long a page waits for its person; as long as Enode keeps an unused link session."""
MOST_WAITING = 20
"""Pages of one account that wait at once; a new one takes the place of the oldest."""
KEPT = timedelta(days=30)

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

# A statement sees the rows as they were, so that the new page is not among those that make room.
HAND_OUT: LiteralString = """
with old as (
    delete from link_pages where user_id = %(user_id)s and (
        created_at < now() - %(kept)s
        or id in (select id from link_pages where user_id = %(user_id)s and opened_at is null
                  order by created_at desc, id offset %(most)s - 1)
    )
)
insert into link_pages (user_id, token_hash, vendor, vehicle_id, expires_at)
values (%(user_id)s, %(token_hash)s, %(vendor)s, %(vehicle_id)s, now() + %(lives)s)
returning id, expires_at
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkPage:
    """A page that waits for its person. Who has the path can use it; `id` only tells how it went."""

    id: UUID
    path: str = field(repr=False)
    expires_at: datetime


async def hand_out_link(
    connection: Connection, user_id: UUID, *, vendor: str | None = None, vehicle_id: UUID | None = None
) -> LinkPage:
    """A page for linking cars of `vendor` (None: chosen at Enode), or for renewing the sign-in behind `vehicle_id`."""
    token = secrets.token_urlsafe(32)
    values = {
        "user_id": user_id,
        "token_hash": key_hash(token),
        "vendor": vendor,
        "vehicle_id": vehicle_id,
        "lives": LIVES,
        "kept": KEPT,
        "most": MOST_WAITING,
    }
    row: Any = await (await connection.execute(HAND_OUT, values)).fetchone()
    return LinkPage(id=row[0], path=f"/link/{token}", expires_at=row[1])
