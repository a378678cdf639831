"""The doctor looks at how people sign in."""

import pytest

from relay.doctor import run_checks
from relay.settings import Settings
from tests.relay.supabase_auth.double import ANON, SECRET


@pytest.fixture
def settings(tmp_path, database_url, supabase):
    about = {"supabase_url": supabase.url, "supabase_anon_key": ANON, "supabase_service_role_key": SECRET}
    return Settings(mode="cloud", data=tmp_path, database_url=database_url, secret_key="k" * 32, **about)


async def sign_in(settings):
    return next(it for it in await run_checks(settings) if it.name == "sign-in")


async def test_a_project_that_answers(settings, supabase):
    found = await sign_in(settings.model_copy(update={"sign_in_providers": "github", "approval": True}))
    assert found.is_ok
    assert "sign in with an email link, github; registration closed, with approval by the operator" in found.message


async def test_a_project_without_a_key_that_is_accepted(settings, supabase):
    supabase.published = []
    found = await sign_in(settings)
    assert (found.is_ok, "ES256" in found.message) == (False, True)


async def test_a_project_that_is_away(settings, supabase):
    supabase.down = True
    found = await sign_in(settings)
    assert (found.is_ok, "SUPABASE_URL" in found.message, SECRET in found.message) == (False, True, False)
