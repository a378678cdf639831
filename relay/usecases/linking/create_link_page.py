"""Create link pages: web pages of the relay for linking a vehicle to the user's account, usable once within a day."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import tuple_row

from relay.identity.credentials import hash_secret
from relay.kit.database import Connection, fetch_one

PAGE_LIFETIME = timedelta(hours=24)
"""How long an unopened page stays usable; as long as Enode keeps an unused link session."""
MAX_UNOPENED_PAGES = 20
"""Unopened pages per account; a new one replaces the oldest."""
RETENTION = timedelta(days=30)

TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

# The parts of a statement see the same snapshot, so the new page doesn't count towards the limit of the deletion.
INSERT: LiteralString = """
with old as (
    delete from link_pages where user_id = %(user_id)s and (
        created_at < now() - %(retention)s
        or id in (select id from link_pages where user_id = %(user_id)s and opened_at is null
                  order by created_at desc, id offset %(max_unopened)s - 1)
    )
)
insert into link_pages (user_id, token_hash, vendor, vehicle_id, expires_at)
values (%(user_id)s, %(token_hash)s, %(vendor)s, %(vehicle_id)s, now() + %(lifetime)s)
returning id, expires_at
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedLinkPage:
    """An unopened page. Anyone with the path can use it; `id` only gives access to the result, for its owner."""

    id: UUID
    path: str = field(repr=False)
    expires_at: datetime


async def create_link_page(
    connection: Connection, user_id: UUID, *, vendor: str | None = None, vehicle_id: UUID | None = None
) -> CreatedLinkPage:
    """Create a page for linking vehicles of `vendor` (None: chosen on Enode's page), or for relinking `vehicle_id`."""
    token = secrets.token_urlsafe(32)
    values = {
        "user_id": user_id,
        "token_hash": hash_secret(token),
        "vendor": vendor,
        "vehicle_id": vehicle_id,
        "lifetime": PAGE_LIFETIME,
        "retention": RETENTION,
        "max_unopened": MAX_UNOPENED_PAGES,
    }
    row = await fetch_one(connection, INSERT, values, tuple_row)
    assert row is not None  # noqa: S101 - just inserted
    return CreatedLinkPage(id=row[0], path=f"/link/{token}", expires_at=row[1])
