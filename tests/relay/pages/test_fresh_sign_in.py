"""Actions that change what opens an account need a recent sign-in; a web session ends after 90 days in any case."""

from urllib.parse import quote

import httpx
import pytest

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.identity.web_sessions import create_web_session
from relay.kit.ingress import SUPERVISOR_ADDRESS
from tests.relay.pages.conftest import Browser
from tests.relay.support.feed import add_user, fetch_value

SENSITIVE_FORMS = [
    ("/keys", {"name": "Laptop", "scopes": ["read"]}, "/keys?name=Laptop&scopes=read"),
    ("/profile/delete", {"word": "delete"}, "/profile/delete"),
]
"""Path and fields of each form, and where signing in again leads."""


@pytest.fixture
async def ada(pool):
    return await add_user(pool)


@pytest.fixture
async def open_signed_in(pool, open_browser, ada):
    """A function that opens a browser in which Ada signed in this long ago, and which was in use ever since."""

    async def open_one(age, began_by="link"):
        browser = await open_browser()
        async with pool.connection() as connection:
            session = await create_web_session(connection, ada.id, began_by)
            await connection.execute("update web_sessions set created_at = now() - %s::interval", [age])
        browser.cookies.set("evconduit_session", session, domain="127.0.0.1")
        return browser

    return open_one


async def fetch_changes(pool):
    """Whether Ada's account is closed, and how many keys it has."""
    async with pool.connection() as connection:
        is_closed = await fetch_value(connection, "select closed_at is not null from users")
        return is_closed, await fetch_value(connection, "select count(*) from api_keys")


@pytest.mark.parametrize(("path", "fields", "back"), SENSITIVE_FORMS)
@pytest.mark.parametrize(("began_by", "age"), [("supabase", "16 minutes"), ("link", "61 minutes"), ("link", "80 days")])
async def test_sensitive_action_after_an_old_sign_in_asks_to_sign_in_again(
    pool, open_signed_in, path, fields, back, *, began_by, age
):
    browser = await open_signed_in(age, began_by)
    answer = await browser.submit(path, on="/profile", **fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?again=1&next={quote(back, safe='')}")
    page = await browser.get(answer.headers["location"])
    assert page.status_code == 200
    assert "Sign in again to confirm" in page.text
    assert await fetch_changes(pool) == (False, 1)


@pytest.mark.parametrize(("path", "fields", "_back"), SENSITIVE_FORMS)
@pytest.mark.parametrize(("began_by", "age"), [("supabase", "14 minutes"), ("link", "59 minutes")])
async def test_sensitive_action_after_a_recent_sign_in_is_carried_out(
    pool, open_signed_in, path, fields, _back, *, began_by, age
):
    browser = await open_signed_in(age, began_by)
    assert (await browser.submit(path, **fields)).status_code == 303
    assert await fetch_changes(pool) in {(True, 1), (False, 2)}


async def test_sign_in_in_the_future_does_not_count_as_recent(open_signed_in):
    browser = await open_signed_in("-1 day")
    assert (await browser.get("/profile/delete")).headers["location"].startswith("/sign-in?again=1")


async def test_after_signing_in_again_the_requested_page_opens(pool, open_signed_in, ada):
    browser = await open_signed_in("2 hours")
    asked = await browser.get("/profile/delete")
    assert asked.headers["location"] == "/sign-in?again=1&next=%2Fprofile%2Fdelete"
    await browser.get(asked.headers["location"])
    async with pool.connection() as connection:
        link = await create_sign_in_link(connection, ada.id)
    answer = await browser.submit(f"/sign-in/link/{link}")
    assert answer.headers["location"] == "/profile/delete"
    assert (await browser.get("/profile/delete")).status_code == 200
    # The page doesn't ask again, for example in a second tab.
    assert (await browser.get(asked.headers["location"])).headers["location"] == "/profile/delete"


async def test_pages_that_change_nothing_sensitive_need_no_recent_sign_in(open_signed_in):
    browser = await open_signed_in("20 days")
    for path in ("/home", "/installations", "/profile"):
        assert (await browser.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/keys", "/profile/delete"])
async def test_sensitive_form_asks_to_sign_in_again_before_it_is_filled_in(open_signed_in, path):
    answer = await (await open_signed_in("2 hours")).get(path)
    assert answer.headers["location"] == f"/sign-in?again=1&next={quote(path, safe='')}"


async def test_form_for_a_key_is_filled_in_as_before_signing_in_again(pool, open_signed_in, ada):
    browser = await open_signed_in("2 hours")
    asked = await browser.submit("/keys", on="/profile", name='My "Laptop" & co', scopes=["control"])
    await browser.get(asked.headers["location"])
    async with pool.connection() as connection:
        link = await create_sign_in_link(connection, ada.id)
    form = await browser.get((await browser.submit(f"/sign-in/link/{link}")).headers["location"])
    assert form.status_code == 200
    assert 'value="My &#34;Laptop&#34; &amp; co"' in form.text
    assert 'value="control" checked' in form.text
    assert 'value="read" checked' not in form.text
    assert await fetch_changes(pool) == (False, 1)


async def test_sign_in_page_of_a_signed_in_person_still_leads_on_without_a_reason(open_signed_in):
    browser = await open_signed_in("20 days")
    assert (await browser.get("/sign-in?next=/usage")).headers["location"] == "/usage"


@pytest.mark.parametrize(("age", "status"), [("89 days", 200), ("91 days", 303)])
async def test_session_in_use_ends_ninety_days_after_the_sign_in(open_signed_in, age, status):
    browser = await open_signed_in(age)
    assert (await browser.get("/home")).status_code == status


async def test_use_never_prolongs_a_session_beyond_ninety_days(pool, open_signed_in):
    browser = await open_signed_in("89 days 23 hours")
    async with pool.connection() as connection:
        await connection.execute("update web_sessions set seen_at = now() - interval '2 hours'")
        assert (await browser.get("/home")).status_code == 200
        assert await fetch_value(connection, "select expires_at = created_at + interval '90 days' from web_sessions")


async def test_home_assistants_ingress_counts_as_a_recent_sign_in(settings, database_url, pool):
    app = create_app(settings.model_copy(update={"ingress_port": 8399}), database_url, with_worker=False)
    transport = httpx.ASGITransport(app, client=(SUPERVISOR_ADDRESS, 5000))
    headers = {"X-Remote-User-Id": "0" * 32}
    async with (
        app.router.lifespan_context(app),
        Browser(transport=transport, base_url="http://relay:8399", headers=headers) as browser,
    ):
        done = await browser.submit("/keys", name="Laptop", scopes=["read"])
        assert done.headers["location"] == "/keys/made"
