"""The owner's one-time link, what a session is worth, and forms that are not ours."""

import asyncio
import re
from dataclasses import replace

import httpx
import pytest

from relay.app import create_app
from relay.identity.sign_in_links import create_sign_in_link
from relay.kit.database import connect_as_relay
from relay.kit.rate_limiter import RateLimiter
from relay.pages import sign_in as pages_of_sign_in
from relay.pages.visitors import sanitize_next_path
from tests.relay.pages.conftest import Browser


@pytest.fixture
def print_link(database_url):
    """What `evconduit login` and the first start do."""

    async def make(user_id=None):
        async with connect_as_relay(database_url) as connection:
            return f"/sign-in/link/{await create_sign_in_link(connection, user_id)}"

    return make


async def test_the_link_signs_in_once_and_makes_the_owner(browser, open_browser, print_link, owner):
    link = await print_link()
    assert "Sign in" in (await browser.get(link)).text
    assert (await browser.get(link)).status_code == 200, "looking at it burns nothing"
    entered = await browser.submit(link)
    assert (entered.status_code, entered.headers["location"]) == (303, "/home")
    assert (await browser.get("/home")).status_code == 200
    assert (await (await open_browser()).get(link)).status_code == 410
    assert await (await owner.execute("select role, email from users")).fetchall() == [("admin", None)]


async def test_the_second_link_signs_in_the_same_owner(open_browser, print_link, owner):
    for _ in range(2):
        await (await open_browser()).submit(await print_link())
    assert await (await owner.execute("select count(*) from users")).fetchone() == (1,)


async def test_links_used_at_once_make_one_owner(open_browser, print_link, owner):
    browsers = [await open_browser() for _ in range(8)]
    links = [await print_link() for _ in browsers]
    entered = await asyncio.gather(*(it.submit(link) for it, link in zip(browsers, links, strict=True)))
    assert {it.status_code for it in entered} == {303}
    assert await (await owner.execute("select count(*), count(distinct user_id) from web_sessions")).fetchone() == (
        8,
        1,
    )
    assert await (await owner.execute("select count(*) from users")).fetchone() == (1,)


async def test_of_many_presses_on_one_link_one_signs_in(open_browser, print_link):
    link = await print_link()
    browsers = [await open_browser() for _ in range(8)]
    for it in browsers:
        await it.get(link)
    tokens = [re.search(r'value="([0-9a-f]{64})"', (await it.get(link)).text)[1] for it in browsers]
    pressed = await asyncio.gather(
        *(it.post(link, data={"csrf": token}) for it, token in zip(browsers, tokens, strict=True))
    )
    assert sorted(it.status_code for it in pressed) == [303] + [410] * 7


async def test_who_was_on_the_way_somewhere_gets_there_after_signing_in(browser, print_link):
    wanted = "/usage?of=http%3A%2F%2Fha.local%3A8123%2Fauth&state=" + "s" * 600
    sent = await browser.get(wanted)
    await browser.get(sent.headers["location"])
    entered = await browser.submit(await print_link())
    assert entered.headers["location"] == wanted
    assert "evconduit_next" not in browser.cookies


@pytest.mark.parametrize("planted", ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%E4", "x" * 5000])
async def test_a_planted_cookie_sends_nobody_elsewhere(browser, print_link, planted):
    browser.cookies.set("evconduit_next", planted, domain="127.0.0.1")
    assert (await browser.submit(await print_link())).headers["location"] == "/home"


async def test_the_owner_reads_what_the_first_browser_reads(open_browser, print_link, owner):
    browser = await open_browser()
    browser.headers["Accept-Language"] = "sv-SE,sv;q=0.9"
    await browser.submit(await print_link())
    assert "Dina bilar" in (await browser.get("/home")).text
    assert await (await owner.execute("select language from users")).fetchone() == ("sv-SE",)


async def test_a_link_is_good_for_a_quarter_of_an_hour(browser, print_link, owner):
    link = await print_link()
    await owner.execute("update sign_in_links set expires_at = expires_at - interval '15 minutes'")
    assert (await browser.get(link)).status_code == 410


async def test_the_database_knows_neither_links_nor_sessions(browser, print_link, owner):
    link = await print_link()
    await browser.submit(link)
    session = browser.cookies["evconduit_session"]
    other = await print_link()
    rows = await (
        await owner.execute("select w::text from web_sessions w union select l::text from sign_in_links l")
    ).fetchall()
    assert len(rows) == 2
    assert not any(secret[4:] in str(rows) for secret in (session, other.rpartition("/")[2]))


async def test_the_cookie_is_no_script_s_and_no_neighbour_s(browser, print_link):
    entered = await browser.submit(await print_link())
    cookie = entered.headers["set-cookie"].lower()
    assert all(it in cookie for it in ("httponly", "samesite=lax", "path=/"))
    assert "domain" not in cookie


async def test_over_https_the_cookie_is_secure_and_bound_to_the_host(settings, database_url, print_link):

    secure = settings.model_copy(update={"public_url": "https://relay.example.org"})
    app = create_app(secure, database_url, with_worker=False)
    async with (
        app.router.lifespan_context(app),
        Browser(transport=httpx.ASGITransport(app), base_url="https://relay.example.org") as browser,
    ):
        entered = await browser.submit(await print_link())
    assert entered.headers["set-cookie"].startswith("__Host-evconduit_session=")
    assert "Secure" in entered.headers["set-cookie"]
    assert "max-age" in entered.headers["strict-transport-security"]


async def test_signing_out_ends_this_session_and_no_other(sign_in, account):
    here, there = await sign_in(account.user_id), await sign_in(account.user_id)
    stolen = here.cookies["evconduit_session"]
    assert (await here.submit("/sign-out", on="/home")).headers["location"] == "/sign-in"
    here.cookies.set("evconduit_session", stolen, domain="127.0.0.1")
    assert (await here.get("/home")).headers["location"] == "/sign-in?next=%2Fhome"
    assert (await there.get("/home")).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "update web_sessions set expires_at = now()",
        "update users set closed_at = now()",
        "delete from web_sessions",
    ],
)
async def test_a_session_that_has_ended_opens_nothing(sign_in, account, owner, change):
    browser = await sign_in(account.user_id)
    await owner.execute(change)
    sent = await browser.get("/home")
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=%2Fhome")


async def test_an_account_that_is_switched_off_is_told_so(sign_in, account, owner):
    browser = await sign_in(account.user_id)
    await owner.execute("update users set disabled_at = now()")
    told = await browser.get("/home")
    assert told.status_code == 403
    assert "switched" in told.text
    assert told.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("cookie", ["evs_" + "a" * 43, "x" * 5000, "", "\xff"])
async def test_made_up_cookies_open_nothing(browser, cookie):
    sent = await browser.get("/home", headers={"Cookie": f"evconduit_session={cookie}".encode("latin-1")})
    assert sent.status_code == 303


async def test_who_tries_links_is_slowed_down_before_the_database_is_asked(app, browser, print_link, monkeypatch):
    app.state.runtime = replace(app.state.runtime, rate_limiter=RateLimiter(monotonic=lambda: 0.0))
    tried = [(await browser.get(f"/sign-in/link/evl_{number}")).status_code for number in range(60)]
    assert tried == [410] * 60

    async def asked(*_about):
        raise AssertionError

    monkeypatch.setattr(pages_of_sign_in, "is_sign_in_link_valid", asked)
    told = await browser.get(await print_link())
    assert (told.status_code, told.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert int(told.headers["retry-after"]) > 0


@pytest.mark.parametrize("token", [None, "", "0" * 64, "ä"])
async def test_a_form_that_is_not_ours_changes_nothing(sign_in, account, token):
    browser = await sign_in(account.user_id)
    refused = await browser.post("/sign-out", data={"other": "x"} if token is None else {"csrf": token})
    assert refused.status_code == 403
    assert refused.headers["content-type"].startswith("text/html")
    assert (await browser.get("/home")).status_code == 200


async def test_another_browser_s_token_is_no_token(sign_in, account, make_account):
    mine, other = await sign_in(account.user_id), await sign_in((await make_account()).user_id)
    token = re.search(r'value="([0-9a-f]{64})"', (await other.get("/home")).text)[1]
    assert (await mine.post("/sign-out", data={"csrf": token})).status_code == 403


async def test_what_the_browser_says_comes_from_elsewhere_is_refused_even_with_the_token(sign_in, account):
    browser = await sign_in(account.user_id)
    browser.headers["Sec-Fetch-Site"] = "cross-site"
    assert (await browser.submit("/sign-out", on="/home")).status_code == 403


@pytest.mark.parametrize(
    ("content", "type_"), [(b"{}", "application/json"), (b"\xff=%ff&" * 60, "application/x-www-form-urlencoded")]
)
async def test_what_is_no_form_is_refused(sign_in, account, content, type_):
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
def test_nobody_is_sent_from_here_to_a_foreign_page(wanted):
    assert sanitize_next_path(wanted) == "/home"


def test_but_to_a_page_of_ours():
    assert sanitize_next_path("/" + "x" * 2047) == "/" + "x" * 2047
    assert sanitize_next_path("/oauth/authorize?a=b%20c&d=//e") == "/oauth/authorize?a=b%20c&d=//e"
