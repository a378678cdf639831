"""`evconduit doctor`: looks at each part the relay needs and says what is wrong and what to do."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from relay.delivery.redis_hints import carries_hints, open_redis
from relay.gateways.enode import EnodeError, open_enode
from relay.gateways.supabase import SupabaseError, open_supabase
from relay.kit.database import as_relay
from relay.kit.errors import StartError
from relay.process import ACCOUNT
from relay.settings import Settings
from relay.startup import ready_database
from relay.usecases.delete_account import WAITING
from relay.usecases.watch_webhook import MEANINGS, State

HEALTH: LiteralString = "select state, since from enode_health where account_id = %s"
WHAT_TO_DO: dict[State, str] = {
    "unreachable": "Check the network, ENODE_BASE_URL and the credentials.",
    "inactive": "Make WEBHOOK_URL answer from outside over https; the relay then switches it on by itself.",
    "signature_failures": "Keep the old secret in ENODE_WEBHOOK_SECRET_PREVIOUS until the new one is pushed.",
    "silent": "See that the relay is reached from outside, and Enode's status page.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One part, whether it works, and what there is to say about it."""

    what: str
    fine: bool
    says: str


async def examine(settings: Settings) -> list[Finding]:
    """Findings in the order in which a person would mend them. Changes nothing but an embedded database's schema."""
    checks: tuple[Callable[[Settings], Awaitable[Finding]], ...] = (
        _mode,
        _database,
        _redis,
        _people,
        _enode,
        _webhook,
        _deletions,
    )
    return [await check(settings) for check in checks]


async def _mode(settings: Settings) -> Finding:
    return Finding(what="mode", fine=True, says=f"{settings.mode}, reached at {settings.base_url}")


async def _database(settings: Settings) -> Finding:
    kind = "embedded" if settings.database_url is None else "DATABASE_URL"
    try:
        with ready_database(settings) as conninfo, psycopg.connect(conninfo) as connection:
            row = connection.execute("show server_version").fetchone()
    except StartError as error:
        return Finding(what="database", fine=False, says=str(error))
    return Finding(what="database", fine=True, says=f"{kind}, PostgreSQL {row[0] if row else '?'}, schema up to date")


async def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding(what="wake-ups", fine=True, says="through the database, because REDIS_URL is not set")
    try:
        async with open_redis(settings.redis_url.get_secret_value()) as client:
            wrong = await carries_hints(client)
    except ValueError:
        wrong = "this is no address of a Redis"
    if wrong:
        return Finding(what="wake-ups", fine=False, says=f"not through Redis: {wrong}; check REDIS_URL")
    return Finding(what="wake-ups", fine=True, says="through Redis")


async def _people(settings: Settings) -> Finding:
    config = settings.supabase_config()
    if config is None:
        return Finding(what="sign-in", fine=True, says="the owner alone, by a link: `evconduit login`")
    try:
        async with open_supabase(config) as supabase:
            known = await supabase.keys.known()
    except SupabaseError as error:
        return Finding(what="sign-in", fine=False, says=f"{error}; check SUPABASE_URL")
    if not known:
        says = "Supabase publishes no ES256 key: in its dashboard, under JWT keys, migrate to signing keys (ECC P-256)"
        return Finding(what="sign-in", fine=False, says=says)
    ways = ", ".join(("a link by mail", *settings.providers))
    approval = ", each approved by hand" if settings.approval else ""
    says = f"Supabase answers; by {ways}; registration {settings.registration}{approval}"
    return Finding(what="sign-in", fine=True, says=says)


async def _enode(settings: Settings) -> Finding:
    config = settings.enode_config()
    if config is None:
        return Finding(what="Enode", fine=False, says="no car can be linked: set ENODE_CLIENT_ID, ENODE_CLIENT_SECRET")
    try:
        async with open_enode(config) as enode:
            vendors = await enode.health.vehicle_vendors()
    except EnodeError as error:
        return Finding(what="Enode", fine=False, says=f"{error}; check ENODE_BASE_URL, ENODE_AUTH_URL, the credentials")
    return Finding(what="Enode", fine=True, says=f"credentials accepted, {len(vendors)} car brands")


async def _webhook(settings: Settings) -> Finding:
    if settings.webhook_url is None:
        return Finding(what="updates", fine=True, says="polling Enode, because WEBHOOK_URL is not set")
    at = f"Enode posts to {settings.webhook_url}"
    try:
        row = _row(settings, HEALTH, [ACCOUNT])
    except StartError:
        return Finding(what="updates", fine=False, says=f"{at}; whether that works cannot be known without a database")
    if row is None:
        return Finding(what="updates", fine=True, says=f"{at}; no worker has looked after it yet: start the relay")
    return webhook_finding(at, state=row[0], since=row[1])


def webhook_finding(at: str, *, state: State, since: datetime) -> Finding:
    """What there is to say of Enode's webhook in this state. What is only starting is no fault."""
    says = f"{at}; {state} since {since:%Y-%m-%d %H:%M} UTC. {MEANINGS[state]}"
    return Finding(what="updates", fine=state in {"ok", "starting"}, says=f"{says} {WHAT_TO_DO.get(state, '')}".strip())


async def _deletions(settings: Settings) -> Finding:
    try:
        row = _row(settings, WAITING)
    except StartError:
        return Finding(what="deletions", fine=False, says="whether any waits cannot be known without a database")
    count, since, left_lying, failure, next_try_at = row or (0, None, 0, None, None)
    if not count:
        return Finding(what="deletions", fine=True, says="no account waits to be deleted")
    says = f"{count} account{'s' * (count > 1)} being deleted, asked for since {since:%Y-%m-%d %H:%M} UTC"
    if failure:
        says += f"; {failure}; next try {next_try_at:%Y-%m-%d %H:%M} UTC"
    elif left_lying:
        says += "; nobody is at it: start the relay, or a worker"
    return Finding(what="deletions", fine=not failure and not left_lying, says=says)


def _row(settings: Settings, statement: LiteralString, values: Sequence[object] = ()) -> Any:
    """The first row, asked for as the relay asks. Raises StartError."""
    with ready_database(settings) as conninfo, as_relay(conninfo) as connection:
        return connection.execute(statement, values).fetchone()
