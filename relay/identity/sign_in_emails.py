"""Which requests for a sign-in link send an email.

Each new email of Supabase makes the link in the one before it invalid. So a request from another network than that of
an outstanding link sends none: a stranger can't make the link of an address's owner invalid.
"""

from datetime import timedelta
from typing import LiteralString
from uuid import UUID

from psycopg.rows import scalar_row

from relay.identity.credentials import hash_secret
from relay.identity.sign_in_attempts import LOCK
from relay.kit.database import Connection, fetch_one
from relay.kit.stored_times import is_recent

PROTECTION = timedelta(minutes=10)
"""How long only the network that requested a link can have it replaced."""
MAX_REPLACEMENTS = 3
"""How often that network can have a link replaced during this time."""
MAX_HOLD = PROTECTION
"""After this time, a network gets no further link before another one that has asked in vain, so that nobody can be shut
out by requests in a row."""
WAITING_TIME = timedelta(minutes=20)
"""How long such a request counts. The protection may take half of it, and then there's time to ask again."""
HOLD_MEMORY = timedelta(minutes=30)
"""How long a network's first link of a row counts: longer than the waiting time."""
NETWORK_MEMORY = timedelta(days=90)
"""How long a network stays known after a sign-in from it. As long as the log of calls."""
QUOTA_PERIOD = timedelta(hours=1)
"""The period of Supabase's limit of emails per project. An exhausted limit is announced for as long."""

# The outstanding links are those of the last minutes that weren't used. A network from which this address has signed in
# doesn't wait for a stranger's link.
_HAS_HELD_TOO_LONG: LiteralString = f"""
exists (select from sign_in_attempts own
        where own.address_hash = a.address_hash and own.source_hash = a.source_hash
          and own.mail_requested_at < now() - %(max_hold)s and {is_recent("own.mail_requested_at", "%(hold_memory)s")})
and exists (select from sign_in_attempts w
            where w.address_hash = a.address_hash and w.source_hash <> a.source_hash
              and w.mail_requested_at is null and {is_recent("w.created_at", "%(waiting)s")})
"""  # noqa: S608 - our own constant
_RESERVE: LiteralString = f"""
with outstanding as (
    select o.source_hash, o.mail_requested_at from sign_in_attempts a
    join sign_in_attempts o on o.address_hash = a.address_hash
    where a.token_hash = %(token)s and {is_recent("o.mail_requested_at", "%(protection)s")}
)
update sign_in_attempts a set mail_requested_at = clock_timestamp()
where a.token_hash = %(token)s and a.address_hash is not null
  and (select count(*) from outstanding o where o.source_hash = a.source_hash) <= %(replacements)s
  and ((not exists (select from outstanding)
        or a.source_hash = (select o.source_hash from outstanding o order by o.mail_requested_at desc limit 1))
       and not ({_HAS_HELD_TOO_LONG})
       or exists (select from sign_in_networks n
                  where n.address_hash = a.address_hash and n.source_hash = a.source_hash
                    and {is_recent("n.signed_in_at", "%(memory)s")}))
returning true
"""  # noqa: S608 - our own constant
_RELEASE: LiteralString = "update sign_in_attempts set mail_requested_at = null where token_hash = %s"
_END_OUTSTANDING: LiteralString = (
    "update sign_in_attempts set mail_requested_at = null where address_hash = %(address_hash)s"
)
_REMEMBER_NETWORK: LiteralString = """
insert into sign_in_networks (address_hash, source_hash, user_id)
values (%(address_hash)s, %(source_hash)s, %(user_id)s)
on conflict (address_hash, source_hash) do update set user_id = excluded.user_id, signed_in_at = now()
"""
_SET_QUOTA_EXHAUSTED: LiteralString = """
insert into supabase_status (mail_quota_exhausted_at) values (now())
on conflict (only_row) do update set mail_quota_exhausted_at = now()
"""
_CLEAR_QUOTA: LiteralString = """
update supabase_status set mail_quota_exhausted_at = null where mail_quota_exhausted_at is not null
"""
_IS_QUOTA_EXHAUSTED: LiteralString = f"""
select exists (select from supabase_status where {is_recent("mail_quota_exhausted_at", "%s")})
"""  # noqa: S608 - our own constant


async def reserve_sign_in_email(connection: Connection, token: str) -> bool:
    """Return whether an email may be sent for this attempt, and record that it is being sent."""
    parameters = {
        "token": hash_secret(token),
        "protection": PROTECTION,
        "replacements": MAX_REPLACEMENTS,
        "memory": NETWORK_MEMORY,
        "max_hold": MAX_HOLD,
        "hold_memory": HOLD_MEMORY,
        "waiting": WAITING_TIME,
    }
    async with connection.transaction():
        await connection.execute(LOCK)
        return await fetch_one(connection, _RESERVE, parameters, scalar_row) is not None


async def release_sign_in_email(connection: Connection, token: str) -> None:
    """Record that no email was sent for this attempt."""
    await connection.execute(_RELEASE, [hash_secret(token)])


async def record_sign_in_network(
    connection: Connection, user_id: UUID, *, address_hash: bytes, source_hash: bytes
) -> None:
    """Record that this address has signed in from this network, which also ends its outstanding links."""
    parameters = {"user_id": user_id, "address_hash": address_hash, "source_hash": source_hash}
    await connection.execute(_END_OUTSTANDING, parameters)
    await connection.execute(_REMEMBER_NETWORK, parameters)


async def set_mail_quota_exhausted(connection: Connection, *, is_exhausted: bool) -> None:
    """Record whether Supabase has just refused an email because the project may send no more this hour."""
    await connection.execute(_SET_QUOTA_EXHAUSTED if is_exhausted else _CLEAR_QUOTA)


async def is_mail_quota_exhausted(connection: Connection) -> bool:
    """Return whether the project's emails of the hour are used up, as far as the relay knows."""
    return bool(await fetch_one(connection, _IS_QUOTA_EXHAUSTED, [QUOTA_PERIOD], scalar_row))
