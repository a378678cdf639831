"""The checks of `evconduit doctor`: each part that the relay needs, what is wrong with it, and what to do."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from relay.bus.redis import find_pubsub_problem, open_redis
from relay.gateways.enode import EnodeError, open_enode
from relay.kit.database import connect_as_relay
from relay.kit.errors import OperatorError
from relay.kit.own_address import describe_loopback_links, describe_public_url
from relay.kit.private_files import is_private
from relay.process import ENODE_ACCOUNT_ID
from relay.settings import Settings
from relay.sign_in_checks import find_sign_in_problems
from relay.startup import prepare_database
from relay.usecases.account.delete_account import SUMMARIZE_PENDING_DELETIONS
from relay.usecases.operations.webhook_health import STATE_DESCRIPTIONS, WebhookState

GET_SERVER_FACTS: LiteralString = """
select current_setting('server_version'), pg_has_role(session_user, nspowner, 'member')
from pg_namespace where nspname = 'evconduit'
"""
GET_ENODE_HEALTH: LiteralString = "select state, since from enode_health where account_id = %s"
REMEDIES: dict[WebhookState, str] = {
    "unreachable": "Check the network, ENODE_BASE_URL and Enode's credentials.",
    "inactive": "It must answer over https. The relay then switches the webhook on again.",
    "signature_failures": "Keep the old secret in ENODE_WEBHOOK_SECRET_PREVIOUS until Enode has the new one.",
    "silent": "Check that the internet can reach the relay, and check Enode's status page.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckResult:
    """The result for one part: whether it works, and a message with cause and remedy if it doesn't.

    `is_skipped`: it can't be checked until another part works, whose result says so.
    """

    name: str
    is_ok: bool
    message: str
    is_skipped: bool = False


async def run_checks(settings: Settings) -> list[CheckResult]:
    """Run all checks, in the order in which an operator would fix problems.

    Changes nothing, except that an embedded database is migrated.
    """
    checks: tuple[Callable[[Settings], Awaitable[CheckResult]], ...] = (
        _check_mode,
        _check_address,
        _check_data_folder,
        _check_database,
        _check_redis,
        _check_sign_in,
        _check_enode,
        _check_webhook,
        _check_deletions,
    )
    return [await check(settings) for check in checks]


async def _check_mode(settings: Settings) -> CheckResult:
    return CheckResult(name="mode", is_ok=True, message=settings.mode)


async def _check_address(settings: Settings) -> CheckResult:
    if settings.advertises_loopback:
        message = (
            f"{describe_loopback_links(settings.base_url)} To use them elsewhere, {describe_public_url(settings.port)}"
        )
        return CheckResult(name="address", is_ok=False, message=message)
    reach = ", on this machine only" if settings.public_url is None and settings.listens_on_loopback else ""
    return CheckResult(name="address", is_ok=True, message=f"{settings.base_url}{reach}")


async def _check_data_folder(settings: Settings) -> CheckResult:
    if not settings.data.exists():
        return CheckResult(name="data folder", is_ok=True, message=f"{settings.data}, not created yet")
    with suppress(OperatorError):
        settings.prepare_data_folder()
    if not is_private(settings.data):
        message = f"other users of this machine can open {settings.data}: let its owner run chmod 700 on it"
        return CheckResult(name="data folder", is_ok=False, message=message)
    return CheckResult(name="data folder", is_ok=True, message=f"{settings.data}, open to its owner only")


async def _check_database(settings: Settings) -> CheckResult:
    kind = "embedded" if settings.database_url is None else "DATABASE_URL"
    try:
        with prepare_database(settings) as conninfo, psycopg.connect(conninfo) as connection:
            version, can_become_owner = connection.execute(GET_SERVER_FACTS).fetchone() or ("?", False)
    except OperatorError as error:
        return CheckResult(name="database", is_ok=False, message=str(error))
    message = f"{kind}, PostgreSQL {version}, schema up to date"
    if can_become_owner:
        message += ". The relay's login owns the schema, or can become its owner: give it a login of its own, see "
        message += "docs/self-hosting.md"
    return CheckResult(name="database", is_ok=True, message=message)


async def _check_redis(settings: Settings) -> CheckResult:
    if settings.redis_url is None:
        return CheckResult(name="wake-ups", is_ok=True, message="through the database, because REDIS_URL is not set")
    try:
        async with open_redis(settings.redis_url.get_secret_value()) as client:
            problem = await find_pubsub_problem(client)
    except ValueError:
        problem = "the URL is not valid"
    if problem:
        return CheckResult(name="wake-ups", is_ok=False, message=f"not through Redis: {problem}; check REDIS_URL")
    return CheckResult(name="wake-ups", is_ok=True, message="through Redis")


async def _check_sign_in(settings: Settings) -> CheckResult:
    config = settings.build_supabase_config()
    if config is None:
        return CheckResult(name="sign-in", is_ok=True, message="the owner only, with a link from `evconduit login`")
    problems = await find_sign_in_problems(settings, config)
    if problems:
        return CheckResult(name="sign-in", is_ok=False, message="; ".join(problems))
    methods = ", ".join(("an email link", *settings.providers))
    approval = ", with approval by the operator" if settings.approval else ""
    message = (
        "Supabase answers, accepts both keys and the redirect URL, and publishes an ES256 key; "
        f"sign in with {methods}; registration {settings.registration}{approval}"
    )
    return CheckResult(name="sign-in", is_ok=True, message=message)


async def _check_enode(settings: Settings) -> CheckResult:
    config = settings.build_enode_config()
    if config is None:
        return CheckResult(
            name="Enode", is_ok=False, message="no car can be linked: set ENODE_CLIENT_ID and ENODE_CLIENT_SECRET"
        )
    try:
        async with open_enode(config) as enode:
            vendors = await enode.health.list_vehicle_vendors()
    except EnodeError as error:
        return CheckResult(
            name="Enode", is_ok=False, message=f"{error}; check ENODE_BASE_URL, ENODE_AUTH_URL and the credentials"
        )
    return CheckResult(name="Enode", is_ok=True, message=f"credentials accepted, {len(vendors)} car brands")


async def _check_webhook(settings: Settings) -> CheckResult:
    if settings.webhook_url is None:
        return CheckResult(name="updates", is_ok=True, message="polling Enode, because WEBHOOK_URL is not set")
    target = f"Enode posts to {settings.webhook_url}"
    try:
        row = await _fetch_row(settings, GET_ENODE_HEALTH, [ENODE_ACCOUNT_ID])
    except OperatorError:
        return _skip_without_database("updates")
    if row is None:
        return CheckResult(
            name="updates", is_ok=True, message=f"{target}; not checked by a worker yet: start the relay"
        )
    return describe_webhook_state(target, state=row[0], since=row[1])


def describe_webhook_state(target: str, *, state: WebhookState, since: datetime) -> CheckResult:
    """Describe the state of Enode's webhook, with a remedy if there is one. "starting" is not a problem."""
    message = f"{target}; {state} since {since:%Y-%m-%d %H:%M} UTC. {STATE_DESCRIPTIONS[state]}"
    return CheckResult(
        name="updates", is_ok=state in {"ok", "starting"}, message=f"{message} {REMEDIES.get(state, '')}".strip()
    )


async def _check_deletions(settings: Settings) -> CheckResult:
    try:
        row = await _fetch_row(settings, SUMMARIZE_PENDING_DELETIONS)
    except OperatorError:
        return _skip_without_database("deletions")
    count, since, overdue_count, failure, next_try_at = row or (0, None, 0, None, None)
    if not count:
        return CheckResult(name="deletions", is_ok=True, message="no account waits to be deleted")
    message = f"{count} account{'s' * (count > 1)} being deleted, requested since {since:%Y-%m-%d %H:%M} UTC"
    if failure:
        message += f"; {failure}; next attempt {next_try_at:%Y-%m-%d %H:%M} UTC"
    elif overdue_count:
        message += "; no process works on it: start the relay or a worker"
    return CheckResult(name="deletions", is_ok=not failure and not overdue_count, message=message)


def _skip_without_database(name: str) -> CheckResult:
    return CheckResult(name=name, is_ok=True, is_skipped=True, message="checked once the database works")


async def _fetch_row(settings: Settings, statement: LiteralString, values: Sequence[object] = ()) -> Any:
    """Return the statement's first row, executed with the relay's role. Raises OperatorError."""
    with prepare_database(settings) as conninfo:
        async with connect_as_relay(conninfo) as connection:
            return await (await connection.execute(statement, values)).fetchone()
