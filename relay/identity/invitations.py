"""Invitation codes, for relays where registration is by invitation. They are designed to be typed by hand."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row, scalar_row

from relay.identity.credentials import hash_secret
from relay.kit.database import Connection, fetch_all, fetch_one

# Crockford's Base32 alphabet, without characters that look alike.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUP_COUNT, GROUP_LENGTH = 4, 4
"""Sixteen characters are 80 random bits."""
_NORMALIZATION = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})

_INSERT: LiteralString = """
insert into invitations (code_hash, prefix, note, uses, expires_at) values (%s, %s, %s, %s, now() + %s)
"""
_LIST: LiteralString = """
select id, prefix, note, uses, used, expires_at, revoked_at from invitations order by created_at, id
"""
_REVOKE: LiteralString = "update invitations set revoked_at = now() where id = %s and revoked_at is null"
_FIND: LiteralString = """
select id from invitations where code_hash = %s and revoked_at is null and expires_at > now() and used < uses
"""
_REDEEM: LiteralString = """
update invitations set used = used + 1
where id = %s and revoked_at is null and expires_at > now() and used < uses returning id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """An invitation without its code, which is shown only once."""

    id: UUID
    prefix: str
    note: str
    uses: int
    used: int
    expires_at: datetime
    revoked_at: datetime | None


def generate_invitation_code() -> str:
    """Return a new code, such as `7K3M-…`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUP_COUNT))


def hash_invitation_code(typed_code: str) -> bytes:
    """Return the hash that the database stores of a code, regardless of case, dashes and look-alike letters."""
    return hash_secret(typed_code.upper().translate(_NORMALIZATION))


async def create_invitation(connection: Connection, code: str, *, uses: int, lifetime: timedelta, note: str) -> None:
    """Store an invitation that lets `uses` people register with this code."""
    await connection.execute(_INSERT, [hash_invitation_code(code), code[:GROUP_LENGTH], note, uses, lifetime])


async def list_invitations(connection: Connection) -> list[Invitation]:
    """All invitations, oldest first."""
    return await fetch_all(connection, _LIST, [], class_row(Invitation))


async def revoke_invitation(connection: Connection, invitation_id: UUID) -> None:
    """Revoke an invitation. Accounts registered with it stay."""
    await connection.execute(_REVOKE, [invitation_id])


async def find_invitation(connection: Connection, typed_code: str) -> UUID | None:
    """Find the invitation with this code; None if it is unknown, expired, revoked or used up."""
    invitation_id: UUID | None = await fetch_one(connection, _FIND, [hash_invitation_code(typed_code)], scalar_row)
    return invitation_id


async def redeem_invitation(connection: Connection, invitation_id: UUID) -> bool:
    """Use an invitation for one registration; False if it is no longer valid. Safe under concurrency."""
    return (await connection.execute(_REDEEM, [invitation_id])).rowcount > 0
