"""A page of ours on which a person links a car: good once, for a day, and it says whose account gets the car."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from relay.identity.credentials import hash_secret
from relay.kit.database import Connection

PAGE_LIFETIME = timedelta(hours=24)
"""How long a page waits for its person; as long as Enode keeps an unused link session."""
MAX_UNOPENED_PAGES = 20
"""Pages of one account that wait at once; a new one takes the place of the oldest."""
RETENTION = timedelta(days=30)

TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

# A statement sees the rows as they were, so that the new page is not among those that make room.
INSERT: LiteralString = """
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
class CreatedLinkPage:
    """A page that waits for its person. Who has the path can use it; `id` only tells how it went."""

    id: UUID
    path: str = field(repr=False)
    expires_at: datetime


async def create_link_page(
    connection: Connection, user_id: UUID, *, vendor: str | None = None, vehicle_id: UUID | None = None
) -> CreatedLinkPage:
    """A page for linking cars of `vendor` (None: chosen at Enode), or for renewing the sign-in behind `vehicle_id`."""
    token = secrets.token_urlsafe(32)
    values = {
        "user_id": user_id,
        "token_hash": hash_secret(token),
        "vendor": vendor,
        "vehicle_id": vehicle_id,
        "lives": PAGE_LIFETIME,
        "kept": RETENTION,
        "most": MAX_UNOPENED_PAGES,
    }
    row: Any = await (await connection.execute(INSERT, values)).fetchone()
    return CreatedLinkPage(id=row[0], path=f"/link/{token}", expires_at=row[1])
