"""The doctor's check of sign-in with Supabase."""

import psycopg
import pytest

from relay.doctor import run_checks
from relay.settings import Settings
from tests.relay.support.supabase.double import ANON, SECRET

SITE = "https://evconduit.example"


@pytest.fixture
def settings(tmp_path, database_url, supabase):
    supabase.site = SITE
    project = {"supabase_url": supabase.url, "supabase_anon_key": ANON, "supabase_service_role_key": SECRET}
    return Settings(
        mode="cloud", data=tmp_path, database_url=database_url, secret_key="k" * 32, public_url=SITE, **project
    )


async def run_sign_in_check(settings, **changes):
    settings = Settings(**{**settings.model_dump(exclude_defaults=True), **changes})
    return next(check for check in await run_checks(settings) if check.name == "sign-in")


async def test_available_project_passes(settings, supabase):
    check = await run_sign_in_check(settings, sign_in_providers="github", approval=True)
    assert check.is_ok
    assert "sign in with an email link, github; registration closed, with approval by the operator" in check.message
    assert supabase.mails == []


@pytest.mark.parametrize(
    ("project", "relay", "text"),
    [
        ({"published_keys": []}, {}, "ES256"),
        ({}, {"supabase_anon_key": "sb_publishable_other"}, "SUPABASE_ANON_KEY"),
        ({}, {"supabase_anon_key": "sb_secret_other", "supabase_service_role_key": SECRET}, "SUPABASE_ANON_KEY"),
        ({}, {"supabase_service_role_key": "sb_secret_other"}, "SUPABASE_SERVICE_ROLE_KEY"),
        ({}, {"supabase_service_role_key": ANON}, "SUPABASE_SERVICE_ROLE_KEY"),
        ({"site": "https://other.example"}, {}, f"{SITE}/auth/callback"),
        ({"enabled_providers": {"google"}}, {"sign_in_providers": "github,google"}, "has github"),
        ({"allows_email_sign_in": False}, {}, "provider Email"),
        ({"allows_signups": False}, {"registration": "invitation"}, "allow sign-ups"),
        ({"allows_signups": False}, {"registration": "open"}, "allow sign-ups"),
        ({"autoconfirms": True}, {}, "Confirm email"),
        ({"is_down": True}, {}, "SUPABASE_URL"),
    ],
    ids=str,
)
async def test_project_with_which_nobody_can_sign_in_fails_with_the_remedy(settings, supabase, project, relay, text):
    for name, value in project.items():
        setattr(supabase, name, value)
    check = await run_sign_in_check(settings, **relay)
    assert (check.is_ok, text in check.message) == (False, True)
    assert not any(secret in check.message for secret in (SECRET, ANON, "sb_secret_other"))


async def test_address_of_something_else_is_not_blamed_on_the_keys(settings, supabase):
    check = await run_sign_in_check(settings, supabase_url=f"{supabase.url}/elsewhere")
    assert (check.is_ok, "SUPABASE_URL" in check.message, "_KEY" in check.message) == (False, True, False)


async def test_outage_is_reported_once(settings, supabase):
    supabase.is_down = True
    check = await run_sign_in_check(settings)
    assert check.message.count("check SUPABASE_URL") == 1


async def test_all_problems_are_named_at_once(settings, supabase):
    supabase.published_keys = []
    check = await run_sign_in_check(settings, supabase_anon_key="x", supabase_service_role_key="y")
    assert all(text in check.message for text in ("ES256", "SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY"))


@pytest.mark.parametrize(
    ("project", "relay"),
    [
        ({"allows_signups": False}, {"registration": "closed"}),
        ({"redirect_globs": [f"{SITE}/**"], "site": "https://other.example"}, {}),
        ({"wants_key_for_jwks": True}, {}),
    ],
    ids=str,
)
async def test_settings_that_fit_pass(settings, supabase, project, relay):
    for name, value in project.items():
        setattr(supabase, name, value)
    check = await run_sign_in_check(settings, **relay)
    assert (check.is_ok, check.message) == (True, check.message)


async def test_last_refused_token_and_waiting_accounts_are_named(settings, database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "insert into evconduit.supabase_status (token_problem, token_problem_at)"
            " values ('the project signs with HS256', '2026-11-29 12:00Z')"
        )
        ((user_id,),) = connection.execute(
            "insert into evconduit.users (email, name, claim_supabase_id, claimed_at)"
            " values ('a@b.c', '', gen_random_uuid(), now()) returning id"
        ).fetchall()
    check = await run_sign_in_check(settings)
    assert not check.is_ok
    assert "2026-11-29 12:00 UTC: the project signs with HS256" in check.message
    assert f"evconduit user reconnect --user {user_id}" in check.message
