"""Prove that users can sign in with the Supabase project: keys, signing key, settings and redirect URL.

Sends no email and changes nothing at Supabase.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from relay.gateways.supabase import (
    ProjectSettings,
    SupabaseClient,
    SupabaseConfig,
    SupabaseError,
    SupabaseKeysRefused,
    open_supabase,
)
from relay.identity.supabase_identities import find_token_problem, list_claimed_accounts
from relay.kit.database import connect_as_relay
from relay.kit.errors import OperatorError
from relay.settings import Settings
from relay.startup import prepare_database
from relay.usecases.access.begin_sign_in import CALLBACK_PATH
from relay.usecases.access.finish_sign_in import NO_KEY_CAUSE

EMAIL_PROVIDER = "email"


async def find_sign_in_problems(settings: Settings, config: SupabaseConfig) -> list[str]:
    """Return what keeps users from signing in, with a remedy each; empty if nothing does."""
    problems: list[str] = []
    async with open_supabase(config) as supabase:
        checks: tuple[Callable[[Settings, SupabaseClient], AsyncIterator[str]], ...] = (
            _check_signing_keys,
            _check_settings,
            _check_service_key,
            _check_redirect,
        )
        for check in checks:
            try:
                problems += [problem async for problem in check(settings, supabase)]
            except SupabaseError as error:
                problems.append(f"{error}; check SUPABASE_URL")
                break  # each of the others would say the same
    return problems + await _list_stored_problems(settings)


async def _check_signing_keys(_settings: Settings, supabase: SupabaseClient) -> AsyncIterator[str]:
    if not await supabase.signing_keys.reload():
        yield NO_KEY_CAUSE


async def _check_settings(settings: Settings, supabase: SupabaseClient) -> AsyncIterator[str]:
    project = await _get_if_key_accepted(supabase.admin.get_settings())
    if project is None:
        yield "Supabase refuses SUPABASE_ANON_KEY: copy the anon or publishable key of this project"
        return
    for problem in compare_settings(settings, project):
        yield problem


async def _check_service_key(_settings: Settings, supabase: SupabaseClient) -> AsyncIterator[str]:
    if await _get_if_key_accepted(supabase.admin.count_users()) is None:
        yield (
            "Supabase refuses SUPABASE_SERVICE_ROLE_KEY, without which accounts can't be deleted: copy the "
            "service_role or secret key of this project"
        )


async def _check_redirect(settings: Settings, supabase: SupabaseClient) -> AsyncIterator[str]:
    url = settings.base_url + CALLBACK_PATH
    if not await supabase.admin.is_redirect_accepted(url):
        yield f"Supabase doesn't redirect to {url}: under URL configuration, add it to the redirect URLs"


def compare_settings(settings: Settings, project: ProjectSettings) -> Iterator[str]:
    """Yield where the project's settings contradict the relay's."""
    if EMAIL_PROVIDER not in project.providers:
        yield "the project doesn't allow sign-in by email: enable the provider Email"
    for provider in settings.providers:
        if provider not in project.providers:
            yield f"EVCONDUIT_SIGN_IN_PROVIDERS has {provider}, which the project doesn't allow: enable the provider"
    if not project.allows_sign_ups and settings.registration != "closed":
        yield f"EVCONDUIT_REGISTRATION is {settings.registration}, but the project allows no new users: allow sign-ups"
    if project.autoconfirms:
        yield "the project confirms email addresses without an email: switch on Confirm email"


async def _get_if_key_accepted[Answer](call: Awaitable[Answer]) -> Answer | None:
    """Return the answer; None if Supabase doesn't accept the key. Raises other SupabaseErrors."""
    try:
        return await call
    except SupabaseKeysRefused:
        return None


async def _list_stored_problems(settings: Settings) -> list[str]:
    """What the relay noticed when users last signed in."""
    try:
        with prepare_database(settings) as conninfo:
            async with connect_as_relay(conninfo) as connection:
                problem = await find_token_problem(connection)
                claimed = await list_claimed_accounts(connection)
    except OperatorError:
        return []  # the check of the database says so
    problems = [
        f"account {user_id} is on hold: its Supabase user was deleted and its holder has signed in again; "
        f"if it is the same person, run `evconduit user reconnect --user {user_id}`"
        for user_id in claimed
    ]
    if problem is not None:
        problems.append(f"the last sign-in failed at {problem.at:%Y-%m-%d %H:%M} UTC: {problem.cause}")
    return problems
