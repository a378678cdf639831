"""In cloud mode, sensitive actions need a recent sign-in: on the pages, and with a Supabase access token."""

import time

import pytest

from tests.relay.support.cloud_relay import ANNA, fetch_column


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open")


@pytest.fixture
async def browser(relay, owner):
    """A browser in which Anna has signed in and accepted the terms."""
    browser = await relay.open_browser()
    await relay.sign_in(browser, ANNA)
    await owner.execute("update users set accepted_terms_at = now()")
    return browser


async def test_signing_in_again_by_email_leads_back_to_the_action(relay, browser, owner):
    await owner.execute("update web_sessions set created_at = now() - interval '16 minutes'")
    answer = await browser.get("/keys")
    assert answer.headers["location"] == "/sign-in?again=1&next=%2Fkeys"
    page = await browser.get(answer.headers["location"])
    assert f'value="{ANNA}"' in page.text
    assert "New here?" not in page.text
    back = await relay.sign_in(browser, ANNA, by="/sign-in?again=1&next=%2Fkeys", next="/keys")
    assert (back.status_code, back.headers["location"]) == (303, "/keys")
    made = await browser.submit("/keys", name="Laptop", scopes=["read"])
    assert made.headers["location"] == "/keys/made"


OLD, RECENT = -16 * 60, -5 * 60
"""Seconds from now."""


@pytest.mark.parametrize(
    ("times", "status"),
    [
        ([RECENT], 202),
        ([OLD], 403),
        ([OLD, RECENT], 202),
        ([3600], 403),
        ([], 403),
    ],
)
async def test_token_deletes_the_account_only_soon_after_the_sign_in(relay, browser, owner, times, status):
    """The times are those of its authentications. The token itself is always new, as after a refresh."""
    now = int(time.time())
    amr = [{"method": "otp", "timestamp": now + seconds} for seconds in times]
    assert await delete_account(relay, browser, owner, amr) == status


@pytest.mark.parametrize(
    "amr",
    [
        None,
        ["otp"],
        {"otp": 1},
        [{"method": "otp"}],
        [{"timestamp": "today"}],
        [{"timestamp": True}],
        [{"timestamp": 2**60}],
    ],
)
async def test_token_with_an_odd_authentication_time_deletes_nothing(relay, browser, owner, amr):
    assert await delete_account(relay, browser, owner, amr) == 403


async def delete_account(relay, browser, owner, amr):
    """Request the deletion with a token that has this claim `amr`; returns the status."""
    [user_id] = await fetch_column(owner, "select id from users")
    token = relay.supabase.sign_token(relay.supabase.accounts[ANNA], amr=amr)
    response = await browser.request(
        "DELETE", "/api/user", json={"confirm": str(user_id)}, headers={"Authorization": f"Bearer {token}"}
    )
    if response.status_code == 403:
        assert response.json()["type"] == "urn:evconduit:problem:recent-sign-in-required"
    assert await fetch_column(owner, "select closed_at is not null from users") == [response.status_code == 202]
    return response.status_code
