"""Manage accounts for the operator: the functions behind `evconduit user`."""

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from relay.gateways.enode.languages import match_language
from relay.identity.roles import Role
from relay.identity.supabase_identities import reconnect_account
from relay.identity.users import create_user
from relay.kit.database import Connection, fetch_all
from relay.plans import OPERATOR_PLAN, PlanName
from relay.streams.hub import CloseStreams

APPROVE: LiteralString = "update users set approved_at = now() where id = %s and approved_at is null"
SET_PLAN: LiteralString = "update users set plan = %s where id = %s"
SET_ROLE: LiteralString = "update users set role = %s where id = %s"
DISABLE: LiteralString = "update users set disabled_at = now() where id = %s"
ENABLE: LiteralString = "update users set disabled_at = null where id = %s"
LIST: LiteralString = """
select u.id, u.email, u.name, u.role, u.plan, u.disabled_at is not null as is_disabled,
       u.approved_at is not null as is_approved, u.created_at,
       (select count(*) from vehicles v where v.user_id = u.id and v.gone_at is null) as vehicles
from users u where u.closed_at is null order by u.created_at, u.id limit %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedUser:
    """An open account, as the operator's list shows it."""

    id: UUID
    email: str | None
    name: str
    role: Role
    plan: PlanName
    is_disabled: bool
    is_approved: bool
    vehicles: int
    created_at: datetime


async def list_users(connection: Connection, limit: int) -> list[ListedUser]:
    """List open accounts, oldest first."""
    return await fetch_all(connection, LIST, [limit], class_row(ListedUser))


async def add_user(connection: Connection, *, email: str, name: str, language: str) -> UUID:
    """Create an account on the operator's plan, in the supported language nearest to `language` (BCP 47)."""
    return await create_user(connection, email=email, name=name, language=match_language(language), plan=OPERATOR_PLAN)


async def approve_user(connection: Connection, user_id: UUID) -> bool:
    """Approve an account that awaits approval (EVCONDUIT_APPROVAL); False if it was approved before."""
    return (await connection.execute(APPROVE, [user_id])).rowcount == 1


async def reconnect_user(connection: Connection, user_id: UUID) -> bool:
    """Give an account to the new Supabase user who has its email address; False if none waits for it."""
    return await reconnect_account(connection, user_id)


async def set_plan(connection: Connection, user_id: UUID, plan: PlanName) -> None:
    """Move an account to another plan. It applies from the next call on; this month's usage stays."""
    await connection.execute(SET_PLAN, [plan, user_id])


async def set_role(connection: Connection, user_id: UUID, role: Role) -> None:
    """Give an account this role. It applies from the next page on."""
    await connection.execute(SET_ROLE, [role, user_id])


async def disable_user(connection: Connection, user_id: UUID, close_streams: CloseStreams) -> None:
    """Disable an account: calls are refused, and its open streams end at once. Enode's events are still stored."""
    await connection.execute(DISABLE, [user_id])
    close_streams(user_id)


async def enable_user(connection: Connection, user_id: UUID) -> None:
    """Enable a disabled account."""
    await connection.execute(ENABLE, [user_id])
