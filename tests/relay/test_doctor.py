"""The doctor's check of sign-in with Supabase."""

import pytest

from relay.doctor import run_checks
from relay.settings import Settings
from tests.relay.support.supabase.double import ANON, SECRET


@pytest.fixture
def settings(tmp_path, database_url, supabase):
    project = {"supabase_url": supabase.url, "supabase_anon_key": ANON, "supabase_service_role_key": SECRET}
    return Settings(mode="cloud", data=tmp_path, database_url=database_url, secret_key="k" * 32, **project)


async def run_sign_in_check(settings):
    return next(check for check in await run_checks(settings) if check.name == "sign-in")


async def test_available_project_passes(settings, supabase):
    check = await run_sign_in_check(settings.model_copy(update={"sign_in_providers": "github", "approval": True}))
    assert check.is_ok
    assert "sign in with an email link, github; registration closed, with approval by the operator" in check.message


async def test_project_without_es256_keys_fails(settings, supabase):
    supabase.published_keys = []
    check = await run_sign_in_check(settings)
    assert (check.is_ok, "ES256" in check.message) == (False, True)


async def test_unavailable_project_fails(settings, supabase):
    supabase.is_down = True
    check = await run_sign_in_check(settings)
    assert (check.is_ok, "SUPABASE_URL" in check.message, SECRET in check.message) == (False, True, False)
