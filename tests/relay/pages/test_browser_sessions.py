"""The list of signed-in browsers on the profile page, in which users sign out each of them."""

import re
from uuid import uuid4

from relay.identity.sign_in_links import create_sign_in_link
from tests.relay.support.feed import add_user, fetch_value

FIREFOX = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"


async def list_buttons(browser):
    """The ids of the sessions that the page can end."""
    return re.findall(r"/profile/browsers/([0-9a-f-]{36})/sign-out", (await browser.get("/profile")).text)


async def test_each_browser_is_listed_with_its_name_and_the_current_one_first(pool, open_browser, sign_in, account):
    first = await sign_in(account.user_id)
    phone = await open_browser()
    phone.headers["User-Agent"] = FIREFOX
    async with pool.connection() as connection:
        link = await create_sign_in_link(connection, account.user_id)
    await phone.submit(f"/sign-in/link/{link}")
    on_phone, on_first = (await phone.get("/profile")).text, (await first.get("/profile")).text
    for page in (on_phone, on_first):
        assert "Firefox, Android" in page
        assert page.count("This browser") == 1
    assert on_phone.index("Firefox, Android") < on_phone.index("This browser") < on_phone.index("Unknown browser")
    assert on_first.index("Unknown browser") < on_first.index("This browser") < on_first.index("Firefox, Android")


async def test_listed_browser_is_signed_out_alone(sign_in, account):
    browser, lost, other = [await sign_in(account.user_id) for _ in range(3)]
    [mine] = set(await list_buttons(lost)) & set(await list_buttons(other))
    ended, *_ = set(await list_buttons(browser)) & set(await list_buttons(lost))
    done = await browser.submit(f"/profile/browsers/{ended}/sign-out", on="/profile")
    assert done.headers["location"] == "/profile"
    page = await browser.get("/profile")
    assert "The browser is signed out." in page.text
    assert [(await opened.get("/home")).status_code for opened in (browser, lost, other)] == [200, 200, 303]
    assert await list_buttons(lost) == [mine]


async def test_session_of_another_user_can_be_neither_seen_nor_ended(pool, sign_in, account):
    stranger, browser = await sign_in((await add_user(pool)).id), await sign_in(account.user_id)
    async with pool.connection() as connection:
        foreign = await fetch_value(connection, f"select id from web_sessions where user_id <> '{account.user_id}'")
    assert str(foreign) not in (await browser.get("/profile")).text
    answers = [
        await browser.submit(f"/profile/browsers/{it}/sign-out", on="/profile") for it in (foreign, uuid4(), "x")
    ]
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await stranger.get("/home")).status_code == 200


async def test_expired_session_is_not_listed(pool, sign_in, account):
    browser, _expired = await sign_in(account.user_id), await sign_in(account.user_id)
    [session] = await list_buttons(browser)
    async with pool.connection() as connection:
        await connection.execute("update web_sessions set expires_at = now() where id = %s", [session])
    assert await list_buttons(browser) == []
