"""`evconduit doctor`: looks at each part the relay needs and says what is wrong and what to do."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from relay.bus.redis import find_pubsub_problem, open_redis
from relay.gateways.enode import EnodeError, open_enode
from relay.gateways.supabase import SupabaseError, open_supabase
from relay.kit.database import connect_as_relay
from relay.kit.errors import OperatorError
from relay.process import ENODE_ACCOUNT_ID
from relay.settings import Settings
from relay.startup import prepare_database
from relay.usecases.account.delete_account import SUMMARIZE_PENDING_DELETIONS
from relay.usecases.operations.monitor_webhook_health import STATE_DESCRIPTIONS, WebhookState

GET_ENODE_HEALTH: LiteralString = "select state, since from enode_health where account_id = %s"
REMEDIES: dict[WebhookState, str] = {
    "unreachable": "Check the network, ENODE_BASE_URL and the credentials.",
    "inactive": "Make WEBHOOK_URL answer from outside over https; the relay then switches it on by itself.",
    "signature_failures": "Keep the old secret in ENODE_WEBHOOK_SECRET_PREVIOUS until the new one is pushed.",
    "silent": "See that the relay is reached from outside, and Enode's status page.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """One part, whether it works, and what there is to say about it."""

    name: str
    is_ok: bool
    message: str


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Findings in the order in which a person would mend them. Changes nothing but an embedded database's schema."""
    checks: tuple[Callable[[Settings], Awaitable[CheckResult]], ...] = (
        _check_mode,
        _check_database,
        _check_redis,
        _check_sign_in,
        _check_enode,
        _check_webhook,
        _check_deletions,
    )
    return [await check(settings) for check in checks]


async def _check_mode(settings: Settings) -> CheckResult:
    return CheckResult(name="mode", is_ok=True, message=f"{settings.mode}, reached at {settings.base_url}")


async def _check_database(settings: Settings) -> CheckResult:
    kind = "embedded" if settings.database_url is None else "DATABASE_URL"
    try:
        with prepare_database(settings) as conninfo, psycopg.connect(conninfo) as connection:
            row = connection.execute("show server_version").fetchone()
    except OperatorError as error:
        return CheckResult(name="database", is_ok=False, message=str(error))
    return CheckResult(
        name="database", is_ok=True, message=f"{kind}, PostgreSQL {row[0] if row else '?'}, schema up to date"
    )


async def _check_redis(settings: Settings) -> CheckResult:
    if settings.redis_url is None:
        return CheckResult(name="wake-ups", is_ok=True, message="through the database, because REDIS_URL is not set")
    try:
        async with open_redis(settings.redis_url.get_secret_value()) as client:
            wrong = await find_pubsub_problem(client)
    except ValueError:
        wrong = "this is no address of a Redis"
    if wrong:
        return CheckResult(name="wake-ups", is_ok=False, message=f"not through Redis: {wrong}; check REDIS_URL")
    return CheckResult(name="wake-ups", is_ok=True, message="through Redis")


async def _check_sign_in(settings: Settings) -> CheckResult:
    config = settings.build_supabase_config()
    if config is None:
        return CheckResult(name="sign-in", is_ok=True, message="the owner alone, by a link: `evconduit login`")
    try:
        async with open_supabase(config) as supabase:
            known = await supabase.signing_keys.reload()
    except SupabaseError as error:
        return CheckResult(name="sign-in", is_ok=False, message=f"{error}; check SUPABASE_URL")
    if not known:
        says = "Supabase publishes no ES256 key: in its dashboard, under JWT keys, migrate to signing keys (ECC P-256)"
        return CheckResult(name="sign-in", is_ok=False, message=says)
    ways = ", ".join(("a link by mail", *settings.providers))
    approval = ", each approved by hand" if settings.approval else ""
    says = f"Supabase answers; by {ways}; registration {settings.registration}{approval}"
    return CheckResult(name="sign-in", is_ok=True, message=says)


async def _check_enode(settings: Settings) -> CheckResult:
    config = settings.build_enode_config()
    if config is None:
        return CheckResult(
            name="Enode", is_ok=False, message="no car can be linked: set ENODE_CLIENT_ID, ENODE_CLIENT_SECRET"
        )
    try:
        async with open_enode(config) as enode:
            vendors = await enode.health.list_vehicle_vendors()
    except EnodeError as error:
        return CheckResult(
            name="Enode", is_ok=False, message=f"{error}; check ENODE_BASE_URL, ENODE_AUTH_URL, the credentials"
        )
    return CheckResult(name="Enode", is_ok=True, message=f"credentials accepted, {len(vendors)} car brands")


async def _check_webhook(settings: Settings) -> CheckResult:
    if settings.webhook_url is None:
        return CheckResult(name="updates", is_ok=True, message="polling Enode, because WEBHOOK_URL is not set")
    at = f"Enode posts to {settings.webhook_url}"
    try:
        row = await _fetch_row(settings, GET_ENODE_HEALTH, [ENODE_ACCOUNT_ID])
    except OperatorError:
        return CheckResult(
            name="updates", is_ok=False, message=f"{at}; whether that works cannot be known without a database"
        )
    if row is None:
        return CheckResult(
            name="updates", is_ok=True, message=f"{at}; no worker has looked after it yet: start the relay"
        )
    return describe_webhook_state(at, state=row[0], since=row[1])


def describe_webhook_state(target: str, *, state: WebhookState, since: datetime) -> CheckResult:
    """What there is to say of Enode's webhook in this state. What is only starting is no fault."""
    says = f"{target}; {state} since {since:%Y-%m-%d %H:%M} UTC. {STATE_DESCRIPTIONS[state]}"
    return CheckResult(
        name="updates", is_ok=state in {"ok", "starting"}, message=f"{says} {REMEDIES.get(state, '')}".strip()
    )


async def _check_deletions(settings: Settings) -> CheckResult:
    try:
        row = await _fetch_row(settings, SUMMARIZE_PENDING_DELETIONS)
    except OperatorError:
        return CheckResult(
            name="deletions", is_ok=False, message="whether any waits cannot be known without a database"
        )
    count, since, left_lying, failure, next_try_at = row or (0, None, 0, None, None)
    if not count:
        return CheckResult(name="deletions", is_ok=True, message="no account waits to be deleted")
    says = f"{count} account{'s' * (count > 1)} being deleted, asked for since {since:%Y-%m-%d %H:%M} UTC"
    if failure:
        says += f"; {failure}; next try {next_try_at:%Y-%m-%d %H:%M} UTC"
    elif left_lying:
        says += "; nobody is at it: start the relay, or a worker"
    return CheckResult(name="deletions", is_ok=not failure and not left_lying, message=says)


async def _fetch_row(settings: Settings, statement: LiteralString, values: Sequence[object] = ()) -> Any:
    """The first row, asked for as the relay asks. Raises StartError."""
    with prepare_database(settings) as conninfo:
        async with connect_as_relay(conninfo) as connection:
            return await (await connection.execute(statement, values)).fetchone()
