"""The API with a Supabase access token."""

import dataclasses

from tests.relay.support.cloud_relay import ANNA
from tests.relay.support.supabase.double import SigningKey


async def test_api_accepts_only_valid_supabase_tokens(cloud):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    await relay.sign_in(browser, ANNA)
    supabase_account, supabase = relay.supabase.accounts[ANNA], relay.supabase

    async def get_status(token):
        return (await browser.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code

    assert await get_status(supabase.sign_token(supabase_account)) == 200
    stranger = dataclasses.replace(supabase_account, id="00000000-0000-4000-8000-000000000000")
    wrong = [
        supabase.sign_token(stranger),
        supabase.sign_token(supabase_account, exp=1),
        supabase.sign_token(supabase_account, iss="https://other.supabase.co/auth/v1"),
        supabase.sign_token(supabase_account, aud="anon"),
        supabase.sign_token(supabase_account, role="anon"),
        supabase.sign_token(supabase_account, key=SigningKey()),
        supabase.sign_token(supabase_account).rpartition(".")[0] + ".",
    ]
    assert [await get_status(token) for token in wrong] == [401] * len(wrong)


async def test_api_returns_503_while_signing_keys_are_unavailable(cloud):
    relay = await cloud(registration="open")
    browser = await relay.open_browser()
    relay.supabase.is_down = True
    bearer = {"Authorization": f"Bearer {relay.supabase.sign_token(relay.supabase.provider_account)}"}
    away = await browser.get("/api/me", headers=bearer)
    assert (away.status_code, away.headers["retry-after"]) == (503, "10")
