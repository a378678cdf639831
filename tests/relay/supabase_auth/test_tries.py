"""Supabase sees one address for all people, the relay's, and limits it: nobody alone may use that up."""

import pytest

from relay.gateways.supabase import SupabaseAuth, SupabaseRefused
from relay.identity.sign_in_attempts import MAX_STARTS_PER_SOURCE, MAX_TRIES


@pytest.fixture
def asked(monkeypatch):
    """What Supabase was asked with; it says no each time."""
    seen = []

    async def refuse(_auth, *about):
        seen.append(about)
        raise SupabaseRefused("try", status=403, code="otp_expired")

    monkeypatch.setattr(SupabaseAuth, "exchange_code", refuse)
    monkeypatch.setattr(SupabaseAuth, "exchange_link_token", refuse)
    return seen


async def begin(browser, email="kim@example.org"):
    assert (await browser.submit("/sign-in", email=email)).status_code == 200


async def with_code(browser, number):
    return (await browser.get(f"/auth/callback?code={number}")).status_code


async def with_link(browser, number):
    link = f"/auth/callback?token_hash={number}&type=email"
    return (await browser.submit("/auth/callback", link, token_hash=str(number), type="email")).status_code


@pytest.mark.parametrize("attempt", [with_code, with_link])
async def test_one_sign_in_has_a_few_tries(cloud, asked, attempt):
    browser = await (await cloud(registration="open")).browser()
    await begin(browser)
    statuses = [await attempt(browser, number) for number in range(MAX_TRIES + 3)]
    assert statuses == [410] * MAX_TRIES + [429] * 3
    assert len(asked) == MAX_TRIES


async def test_who_begins_again_has_them_again(cloud, asked):
    browser = await (await cloud(registration="open")).browser()
    for email in ("kim@example.org", "lee@example.org"):
        await begin(browser, email)
        assert [await with_code(browser, number) for number in range(MAX_TRIES + 1)] == [410] * MAX_TRIES + [429]
    assert len(asked) == 2 * MAX_TRIES


async def test_one_place_has_as_many_as_it_may_begin(cloud, asked):
    relay = await cloud(registration="open")
    here, far = [await relay.browser(client=(it, 1)) for it in ("192.0.2.1", "192.0.2.2")]
    for number in range(MAX_STARTS_PER_SOURCE // MAX_TRIES + 1):
        await begin(here, f"kim{number}@example.org")
        for again in range(MAX_TRIES):
            await with_code(here, again)
    assert len(asked) == MAX_STARTS_PER_SOURCE
    await begin(far)
    assert await with_code(far, 1) == 410


async def test_without_a_sign_in_that_has_begun_nothing_is_asked(cloud, asked):
    browser = await (await cloud(registration="open")).browser()
    assert await with_code(browser, 1) == 400
    assert asked == []
