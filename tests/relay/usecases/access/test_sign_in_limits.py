"""Limits on sign-in tries: Supabase rate limits the relay's address, which all users share."""

import pytest

from relay.gateways.supabase import SupabaseAuth, SupabaseRefused
from relay.identity.sign_in_attempts import MAX_STARTS_PER_SOURCE, MAX_TRIES


@pytest.fixture
def exchanges(monkeypatch):
    """Arguments of all exchanges with Supabase, each of which is refused."""
    exchanges = []

    async def refuse(_auth, *arguments):
        exchanges.append(arguments)
        raise SupabaseRefused("try", status=403, code="otp_expired")

    monkeypatch.setattr(SupabaseAuth, "exchange_code", refuse)
    monkeypatch.setattr(SupabaseAuth, "exchange_link_token", refuse)
    return exchanges


async def begin(browser, email="kim@example.org"):
    assert (await browser.submit("/sign-in", email=email)).status_code == 200


async def finish_with_code(browser, number):
    return (await browser.get(f"/auth/callback?code={number}")).status_code


async def finish_with_link(browser, number):
    link = f"/auth/callback?token_hash={number}&type=email"
    return (await browser.submit("/auth/callback", link, token_hash=str(number), type="email")).status_code


@pytest.mark.parametrize("attempt", [finish_with_code, finish_with_link])
async def test_one_sign_in_has_a_limited_number_of_tries(cloud, exchanges, attempt):
    browser = await (await cloud(registration="open")).open_browser()
    await begin(browser)
    statuses = [await attempt(browser, number) for number in range(MAX_TRIES + 3)]
    assert statuses == [410] * MAX_TRIES + [429] * 3
    assert len(exchanges) == MAX_TRIES


async def test_new_sign_in_resets_the_number_of_tries(cloud, exchanges):
    browser = await (await cloud(registration="open")).open_browser()
    for email in ("kim@example.org", "lee@example.org"):
        await begin(browser, email)
        assert [await finish_with_code(browser, number) for number in range(MAX_TRIES + 1)] == [410] * MAX_TRIES + [429]
    assert len(exchanges) == 2 * MAX_TRIES


async def test_tries_per_client_address_are_limited(cloud, exchanges):
    relay = await cloud(registration="open")
    near, distant = [await relay.open_browser(client=(address, 1)) for address in ("192.0.2.1", "192.0.2.2")]
    for number in range(MAX_STARTS_PER_SOURCE // MAX_TRIES + 1):
        await begin(near, f"kim{number}@example.org")
        for again in range(MAX_TRIES):
            await finish_with_code(near, again)
    assert len(exchanges) == MAX_STARTS_PER_SOURCE
    await begin(distant)
    assert await finish_with_code(distant, 1) == 410


async def test_code_without_a_sign_in_attempt_is_not_sent_to_supabase(cloud, exchanges):
    browser = await (await cloud(registration="open")).open_browser()
    assert await finish_with_code(browser, 1) == 400
    assert exchanges == []
