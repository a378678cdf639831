"""The owner is asked: who wants in, to whose account, and where the answer goes. Nobody can press for them."""

import re
import secrets
from dataclasses import replace
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlencode

import pytest

from relay.identity import oauth_requests
from tests.relay.usecases.oauth.client import CLIENT, build_authorization_query

VERIFIER = secrets.token_urlsafe(48)
LOCAL = "http://ha.local:8123/auth/external/callback"
PAGE = "/oauth/authorize"


def path(**changes):
    return f"{PAGE}?{urlencode(build_authorization_query(VERIFIER, **changes))}"


def sealed(page):
    return re.search(r'name="request" value="([^"]+)"', page.text)[1]


def answered(answer):
    """Where a browser is sent to, and with what."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    where, _, query = answer.headers["location"].partition("?")
    return where, {name: values[0] for name, values in parse_qs(query).items()}


@pytest.fixture
async def browser(account, sign_in):
    """The account's owner is signed in here."""
    return await sign_in(account.user_id)


async def press(browser, decision, **changes):
    shown = await browser.get(path(**changes))
    return await browser.submit(PAGE, path(**changes), request=sealed(shown), decision=decision)


async def test_the_page_says_who_asks_for_what_and_where_the_answer_goes(browser):
    shown = await browser.get(path(name="Casa <Ana>", redirect_uri=LOCAL))
    text = unescape(re.sub(r"<[^>]+>", " ", shown.text))
    assert shown.status_code == 200
    assert "Casa &lt;Ana&gt;" in shown.text
    assert "a@example.org" in text
    assert "ha.local:8123" in text
    assert "start and stop charging" in text
    assert "start and stop charging" not in (await browser.get(path(scope="read"))).text


async def test_the_page_cannot_be_framed_or_kept_and_may_answer_only_there(browser):
    headers = (await browser.get(path(redirect_uri=LOCAL))).headers
    policy = dict(it.strip().partition(" ")[::2] for it in headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self' http://ha.local:8123"
    assert policy["default-src"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("redirect_uri", [LOCAL, "https://my.home-assistant.io/redirect/oauth"])
async def test_who_approves_sends_a_code_that_gives_tokens(browser, redirect_uri):
    where, query = answered(await press(browser, "approve", redirect_uri=redirect_uri))
    assert where == redirect_uri
    assert query.keys() == {"code", "state", "iss"}
    assert (query["state"], query["iss"]) == ("the state", "http://127.0.0.1:8300")
    form = {"grant_type": "authorization_code", "client_id": CLIENT, "code": query["code"]}
    answer = await browser.post("/oauth/token", data=form | {"code_verifier": VERIFIER, "redirect_uri": redirect_uri})
    assert answer.status_code == 200


async def test_it_is_asked_each_time(browser):
    answered(await press(browser, "approve"))
    again = await browser.get(path())
    assert again.status_code == 200
    assert sealed(again)


@pytest.mark.parametrize("decision", ["deny", "", "Approve"])
async def test_whatever_is_not_approved_is_denied(browser, pool, decision):
    where, query = answered(await press(browser, decision))
    assert where == "https://my.home-assistant.io/redirect/oauth"
    assert query == {"error": "access_denied", "state": "the state", "iss": "http://127.0.0.1:8300"}
    async with pool.connection() as connection:
        assert await (await connection.execute("select from oauth_codes")).fetchone() is None


async def test_who_is_not_signed_in_signs_in_first_and_comes_back(open_browser):
    browser = await open_browser()
    answer = await browser.get(path())
    assert answer.status_code == 303
    sign_in, _, query = answer.headers["location"].partition("?")
    assert sign_in == "/sign-in"
    assert parse_qs(query)["next"] == [path()]
    # Not even a request that nobody could approve sends a stranger on.
    assert (await browser.get(path(scope="all"))).headers["location"].startswith("/sign-in?")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "other"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example/redirect/oauth"},
        {"redirect_uri": "https://evil.example/auth/external/callback?x"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "http://ha.local\\@evil.example/auth/external/callback"},
        {"redirect_uri": "x" * 5000},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_signed_in", [True, False])
async def test_who_asks_from_nowhere_known_is_answered_here(browser, open_browser, changes, is_signed_in):
    asking = browser if is_signed_in else await open_browser()
    answer = await asking.get(path(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil" not in answer.text
    assert "Nobody was let in" in answer.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_two_addresses_are_no_address(browser, name):
    answer = await browser.get(path() + "&" + urlencode({name: build_authorization_query(VERIFIER)[name]}))
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "read account"}, "invalid_scope"),
        ({"installation": "x" * 101}, "invalid_request"),
    ],
    ids=str,
)
async def test_other_mistakes_are_told_to_who_made_them(browser, changes, error):
    where, query = answered(await browser.get(path(**changes)))
    assert where == "https://my.home-assistant.io/redirect/oauth"
    assert (query["error"], query["state"], query["iss"]) == (error, "the state", "http://127.0.0.1:8300")
    assert query["error_description"]


@pytest.mark.parametrize("state", ["x" * 2001, "ü", "a\nb", "\0"])
async def test_a_state_that_nobody_could_send_is_not_sent_back(browser, state):
    _, query = answered(await browser.get(path(state=state)))
    assert query["error"] == "invalid_request"
    assert "state" not in query


async def test_the_longest_and_the_oddest_state_comes_back_as_it_was(browser):
    for state in ('"' * 2000, "<script>&amp;'\" +%20", "="):
        _, query = answered(await press(browser, "approve", state=state))
        assert query["state"] == state


async def test_a_parameter_twice_is_a_mistake(browser):
    _, query = answered(await browser.get(path() + "&scope=read"))
    assert query["error"] == "invalid_request"


async def test_what_has_no_value_is_as_if_it_were_not_there(browser):
    # RFC 6749, 3.1.
    where, query = answered(await press(browser, "approve", state="", response_mode="", scope="", installation=""))
    assert where == "https://my.home-assistant.io/redirect/oauth"
    assert query.keys() == {"code", "iss"}
    assert (await browser.get(path() + "&scope=&state=")).status_code == 200


async def test_without_the_page_s_own_token_nobody_approves(browser, pool):
    wanted = sealed(await browser.get(path()))
    for csrf in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        answer = await browser.post(PAGE, data={"request": wanted, "decision": "approve", **csrf})
        assert answer.status_code == 403
    async with pool.connection() as connection:
        assert await (await connection.execute("select from oauth_codes")).fetchone() is None


async def test_from_another_site_nobody_approves(browser):
    shown = await browser.get(path())
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', shown.text)[1]
    form = {"request": sealed(shown), "decision": "approve", "csrf": csrf}
    assert (await browser.post(PAGE, data=form, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await browser.post(PAGE, data=form)).status_code == 303


async def test_what_was_shown_is_what_is_approved(browser, sign_in, make_account):
    wanted = sealed(await browser.get(path(scope="read")))
    body, _, signature = wanted.partition(".")
    more = sealed(await browser.get(path(scope="read control", redirect_uri=LOCAL)))
    altered = [
        "",
        "x",
        ".",
        body,
        f"{more.partition('.')[0]}.{signature}",
        f"{body}.{signature[:-1]}",
        f"é.{signature}",
    ]
    for it in altered:
        answer = await browser.submit(PAGE, path(), request=it, decision="approve")
        assert answer.status_code == 400
        assert "location" not in answer.headers
    # Nor what somebody else was shown, put into this person's browser.
    other = await sign_in((await make_account()).user_id)
    assert (await other.submit(PAGE, path(), request=wanted, decision="approve")).status_code == 400
    answered(await browser.submit(PAGE, path(), request=wanted, decision="approve"))


async def test_a_page_that_was_open_for_too_long_is_shown_again(browser, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(oauth_requests, "SIGNED_REQUEST_LIFETIME", timedelta(seconds=-1))
        wanted = sealed(await browser.get(path()))
    answer = await browser.submit(PAGE, path(), request=wanted, decision="approve")
    assert answer.status_code == 400
    assert "Begin again in Home Assistant" in answer.text


async def test_who_has_signed_out_approves_nothing(browser, open_browser):
    stranger = await open_browser()
    wanted = sealed(await browser.get(path()))
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await stranger.get("/sign-in/link/x")).text)
    form = {"request": wanted, "decision": "approve", "csrf": csrf[1] if csrf else ""}
    answer = await stranger.post(PAGE, data=form)
    assert answer.status_code in {303, 403}
    assert "code=" not in answer.headers.get("location", "")


async def test_an_account_that_is_switched_off_lets_nobody_in(browser, pool):
    async with pool.connection() as connection:
        await connection.execute("update users set disabled_at = now()")
    assert (await browser.get(path())).status_code == 403


@pytest.mark.parametrize("allowed", [True, False])
async def test_a_home_assistant_s_own_address_is_answered_where_the_setting_says_so(app, browser, allowed):
    app.state.runtime = replace(app.state.runtime, allows_local_redirects=allowed)
    assert (await browser.get(path(redirect_uri=LOCAL))).status_code == (200 if allowed else 400)
    assert (await browser.get(path())).status_code == 200


@pytest.mark.parametrize("language", ["de", "sv"])
async def test_it_speaks_the_visitor_s_language(browser, pool, language):
    english = (await browser.get(path())).text
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [language])
    shown = await browser.get(path())
    assert f'<html lang="{language}"' in shown.text
    assert shown.text != english
