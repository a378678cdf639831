"""The owner's one-time sign-in link, web sessions, and CSRF protection."""

import asyncio
import re
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.kit.database import connect_as_relay
from relay.kit.rate_limiter import RateLimiter
from relay.pages.sign_in import owner_link
from relay.pages.visitors import sanitize_next_path
from tests.relay.pages.conftest import Browser


@pytest.fixture
def create_link(database_url):
    """A function that creates a sign-in link, as `evconduit login` and the first start do."""

    async def create(user_id=None):
        async with connect_as_relay(database_url) as connection:
            return f"/sign-in/link/{await create_sign_in_link(connection, user_id)}"

    return create


async def test_link_signs_in_once_and_creates_the_owner(browser, open_browser, create_link, owner):
    link = await create_link()
    assert "Sign in" in (await browser.get(link)).text
    assert (await browser.get(link)).status_code == 200, "opening the link does not use it up"
    entered = await browser.submit(link)
    assert (entered.status_code, entered.headers["location"]) == (303, "/home")
    assert (await browser.get("/home")).status_code == 200
    assert (await (await open_browser()).get(link)).status_code == 410
    assert await (await owner.execute("select role, email from users")).fetchall() == [("admin", None)]


async def test_second_link_signs_in_the_same_owner(open_browser, create_link, owner):
    for _ in range(2):
        await (await open_browser()).submit(await create_link())
    assert await (await owner.execute("select count(*) from users")).fetchone() == (1,)


async def test_links_used_concurrently_create_one_owner(open_browser, create_link, owner):
    browsers = [await open_browser() for _ in range(8)]
    links = [await create_link() for _ in browsers]
    entered = await asyncio.gather(*(browser.submit(link) for browser, link in zip(browsers, links, strict=True)))
    assert {response.status_code for response in entered} == {303}
    assert await (await owner.execute("select count(*), count(distinct user_id) from web_sessions")).fetchone() == (
        8,
        1,
    )
    assert await (await owner.execute("select count(*) from users")).fetchone() == (1,)


async def test_link_used_concurrently_signs_in_one_browser(open_browser, create_link):
    link = await create_link()
    browsers = [await open_browser() for _ in range(8)]
    for browser in browsers:
        await browser.get(link)
    tokens = [re.search(r'value="([0-9a-f]{64})"', (await browser.get(link)).text)[1] for browser in browsers]
    pressed = await asyncio.gather(
        *(browser.post(link, data={"csrf": token}) for browser, token in zip(browsers, tokens, strict=True))
    )
    assert sorted(response.status_code for response in pressed) == [303] + [410] * 7


async def test_visitor_reaches_the_requested_page_after_signing_in(browser, create_link):
    wanted = "/usage?of=http%3A%2F%2Fha.local%3A8123%2Fauth&state=" + "s" * 600
    sent = await browser.get(wanted)
    await browser.get(sent.headers["location"])
    entered = await browser.submit(await create_link())
    assert entered.headers["location"] == wanted
    assert "evconduit_next" not in browser.cookies


@pytest.mark.parametrize("forged", ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%E4", "x" * 5000])
async def test_forged_next_cookie_does_not_redirect_elsewhere(browser, create_link, forged):
    browser.cookies.set("evconduit_next", forged, domain="127.0.0.1")
    assert (await browser.submit(await create_link())).headers["location"] == "/home"


async def test_owner_gets_the_language_of_the_first_browser(open_browser, create_link, owner):
    browser = await open_browser()
    browser.headers["Accept-Language"] = "sv-SE,sv;q=0.9"
    await browser.submit(await create_link())
    assert "Dina bilar" in (await browser.get("/home")).text
    assert await (await owner.execute("select language from users")).fetchone() == ("sv-SE",)


async def test_link_expires_after_15_minutes(browser, create_link, owner):
    link = await create_link()
    await owner.execute("update sign_in_links set expires_at = expires_at - interval '15 minutes'")
    assert (await browser.get(link)).status_code == 410


async def test_database_stores_no_link_or_session_tokens(browser, create_link, owner):
    link = await create_link()
    await browser.submit(link)
    session = browser.cookies["evconduit_session"]
    other = await create_link()
    rows = await (
        await owner.execute("select w::text from web_sessions w union select l::text from sign_in_links l")
    ).fetchall()
    assert len(rows) == 2
    assert not any(secret[4:] in str(rows) for secret in (session, other.rpartition("/")[2]))


async def test_session_cookie_is_http_only_and_limited_to_the_host(browser, create_link):
    entered = await browser.submit(await create_link())
    cookie = entered.headers["set-cookie"].lower()
    assert all(attribute in cookie for attribute in ("httponly", "samesite=lax", "path=/"))
    assert "domain" not in cookie


async def test_session_cookie_over_https_is_secure_and_has_the_host_prefix(settings, database_url, create_link):

    secure = settings.model_copy(update={"public_url": "https://relay.example.org"})
    app = create_app(secure, database_url, with_worker=False)
    async with (
        app.router.lifespan_context(app),
        Browser(transport=httpx.ASGITransport(app), base_url="https://relay.example.org") as browser,
    ):
        entered = await browser.submit(await create_link())
    assert entered.headers["set-cookie"].startswith("__Host-evconduit_session=")
    assert "Secure" in entered.headers["set-cookie"]
    assert "max-age" in entered.headers["strict-transport-security"]


async def test_signing_out_ends_only_this_session(sign_in, account):
    browser, other_browser = await sign_in(account.user_id), await sign_in(account.user_id)
    stolen = browser.cookies["evconduit_session"]
    assert (await browser.submit("/sign-out", on="/home")).headers["location"] == "/sign-in"
    browser.cookies.set("evconduit_session", stolen, domain="127.0.0.1")
    assert (await browser.get("/home")).headers["location"] == "/sign-in?next=%2Fhome"
    assert (await other_browser.get("/home")).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "update web_sessions set expires_at = now()",
        "update users set closed_at = now()",
        "delete from web_sessions",
    ],
)
async def test_ended_session_is_redirected_to_sign_in(sign_in, account, owner, change):
    browser = await sign_in(account.user_id)
    await owner.execute(change)
    sent = await browser.get("/home")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Fhome")


async def test_disabled_account_gets_an_error_page(sign_in, account, owner):
    browser = await sign_in(account.user_id)
    await owner.execute("update users set disabled_at = now()")
    answer = await browser.get("/home")
    assert answer.status_code == 403
    assert "This account is disabled" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("cookie", ["evs_" + "a" * 43, "x" * 5000, "", "\xff"])
async def test_invalid_session_cookie_is_redirected_to_sign_in(browser, cookie):
    sent = await browser.get("/home", headers={"Cookie": f"evconduit_session={cookie}".encode("latin-1")})
    assert sent.status_code == 303


async def test_many_link_attempts_are_rate_limited_without_a_query(app, browser, create_link, monkeypatch):
    app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(monotonic=lambda: 0.0))
    statuses = [(await browser.get(f"/sign-in/link/evl_{number}")).status_code for number in range(60)]
    assert statuses == [410] * 60

    async def fail_if_called(*_arguments):
        raise AssertionError

    monkeypatch.setattr(owner_link, "is_sign_in_link_valid", fail_if_called)
    limited = await browser.get(await create_link())
    assert (limited.status_code, limited.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert int(limited.headers["retry-after"]) > 0


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ä"])
async def test_form_with_an_invalid_csrf_token_changes_nothing(sign_in, account, token):
    browser = await sign_in(account.user_id)
    refused = await browser.post("/sign-out", data={"other": "x"} if token is None else {"csrf": token})
    assert refused.status_code == 403
    assert refused.headers["content-type"].startswith("text/html")
    assert (await browser.get("/home")).status_code == 200


async def test_csrf_token_of_another_browser_is_refused(sign_in, account, make_account):
    mine, other = await sign_in(account.user_id), await sign_in((await make_account()).user_id)
    token = re.search(r'value="([0-9a-f]{64})"', (await other.get("/home")).text)[1]
    assert (await mine.post("/sign-out", data={"csrf": token})).status_code == 403


async def test_cross_site_form_is_refused_even_with_the_csrf_token(sign_in, account):
    browser = await sign_in(account.user_id)
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    assert (await browser.submit("/sign-out", on="/home")).status_code == 403


@pytest.mark.parametrize(
    ("content", "type_"), [(b"{}", "application/json"), (b"\xff=%ff&" * 60, "application/x-www-form-urlencoded")]
)
async def test_invalid_form_body_is_refused(sign_in, account, content, type_):
    browser = await sign_in(account.user_id)
    refused = await browser.post("/sign-out", content=content, headers={"Content-Type": type_})
    assert refused.status_code == 422


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "/a\nb",
        "javascript:x",
        "",
        None,
        "ä",
        "/" + "x" * 2048,
    ],
)
def test_local_path_replaces_external_and_invalid_paths(wanted):
    assert sanitize_next_path(wanted) == "/home"


def test_local_path_keeps_paths_on_this_relay():
    assert sanitize_next_path("/" + "x" * 2047) == "/" + "x" * 2047
    assert sanitize_next_path("/oauth/authorize?a=b%20c&d=//e") == "/oauth/authorize?a=b%20c&d=//e"


RETURNS = "After you sign in, you return to its request."


@pytest.mark.parametrize(("wanted", "returns"), [("/oauth/authorize?client_id=home-assistant", True), ("/keys", False)])
async def test_sign_in_that_interrupts_a_request_for_access_says_that_it_returns(
    browser, create_link, *, wanted, returns
):
    sent = await browser.get(wanted)
    pages = [await browser.get(path) for path in (f"/sign-in?next={quote(wanted)}", await create_link())]
    assert [RETURNS in page.text for page in pages] == [returns] * 2
    assert sent.status_code in {303, 400}


async def test_sign_in_that_interrupts_nothing_says_nothing_of_a_request(browser, create_link):
    for path in ("/sign-in", await create_link()):
        assert RETURNS not in (await browser.get(path)).text
