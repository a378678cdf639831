"""The consent page: what it shows before the user allows a Home Assistant, and what keeps others from answering it."""

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


def consent_path(**changes):
    return f"{PAGE}?{urlencode(build_authorization_query(VERIFIER, **changes))}"


def sealed_request(page):
    return re.search(r'name="request" value="([^"]+)"', page.text)[1]


def parse_redirect(answer):
    """Return the address that the answer redirects to, and its query parameters."""
    assert answer.status_code == 303, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    where, _, query = answer.headers["location"].partition("?")
    return where, {name: values[0] for name, values in parse_qs(query).items()}


@pytest.fixture
async def browser(account, sign_in):
    """A browser in which the account's user is signed in."""
    return await sign_in(account.user_id)


async def submit_decision(browser, decision, **changes):
    page = await browser.get(consent_path(**changes))
    return await browser.submit(PAGE, consent_path(**changes), request=sealed_request(page), decision=decision)


async def test_page_shows_the_client_the_account_the_permissions_and_the_redirect_host(browser):
    page = await browser.get(consent_path(name="Casa <Ana>", redirect_uri=LOCAL))
    text = unescape(re.sub(r"<[^>]+>", " ", page.text))
    assert page.status_code == 200
    assert "Casa &lt;Ana&gt;" in page.text
    assert "a@example.org" in text
    assert "ha.local:8123" in text
    assert "start and stop charging" in text
    assert "start and stop charging" not in (await browser.get(consent_path(scope="read"))).text


async def test_page_cannot_be_framed_or_cached_and_posts_only_to_the_redirect_host(browser):
    headers = (await browser.get(consent_path(redirect_uri=LOCAL))).headers
    policy = dict(directive.strip().partition(" ")[::2] for directive in headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == "'none'"
    assert policy["form-action"] == "'self' http://ha.local:8123"
    assert policy["default-src"] == "'none'"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("redirect_uri", [LOCAL, "https://my.home-assistant.io/redirect/oauth"])
async def test_approval_redirects_with_a_code_that_can_be_exchanged_for_tokens(browser, redirect_uri):
    where, query = parse_redirect(await submit_decision(browser, "approve", redirect_uri=redirect_uri))
    assert where == redirect_uri
    assert query.keys() == {"code", "state", "iss"}
    assert (query["state"], query["iss"]) == ("the state", "http://127.0.0.1:8300")
    form = {"grant_type": "authorization_code", "client_id": CLIENT, "code": query["code"]}
    answer = await browser.post("/oauth/token", data=form | {"code_verifier": VERIFIER, "redirect_uri": redirect_uri})
    assert answer.status_code == 200


async def test_consent_is_requested_each_time(browser):
    parse_redirect(await submit_decision(browser, "approve"))
    repeated = await browser.get(consent_path())
    assert repeated.status_code == 200
    assert sealed_request(repeated)


@pytest.mark.parametrize("decision", ["deny", "", "Approve"])
async def test_any_decision_but_approve_denies_access(browser, pool, decision):
    where, query = parse_redirect(await submit_decision(browser, decision))
    assert where == "https://my.home-assistant.io/redirect/oauth"
    assert query == {"error": "access_denied", "state": "the state", "iss": "http://127.0.0.1:8300"}
    async with pool.connection() as connection:
        assert await (await connection.execute("select from oauth_codes")).fetchone() is None


async def test_signed_out_visitor_signs_in_first_and_returns(open_browser):
    browser = await open_browser()
    answer = await browser.get(consent_path())
    assert answer.status_code == 303
    sign_in, _, query = answer.headers["location"].partition("?")
    assert sign_in == "/sign-in"
    assert parse_qs(query)["next"] == [consent_path()]
    # A signed-out visitor isn't redirected to the client, not even with an error.
    assert (await browser.get(consent_path(scope="all"))).headers["location"].startswith("/sign-in?")


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
async def test_request_with_unknown_client_or_redirect_uri_is_refused_without_a_redirect(
    browser, open_browser, changes, is_signed_in
):
    requester = browser if is_signed_in else await open_browser()
    answer = await requester.get(consent_path(**changes))
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "evil" not in answer.text
    assert "No access was granted" in answer.text


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_repeated_client_id_or_redirect_uri_is_refused(browser, name):
    answer = await browser.get(consent_path() + "&" + urlencode({name: build_authorization_query(VERIFIER)[name]}))
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
async def test_other_invalid_requests_redirect_with_an_oauth_error(browser, changes, error):
    where, query = parse_redirect(await browser.get(consent_path(**changes)))
    assert where == "https://my.home-assistant.io/redirect/oauth"
    assert (query["error"], query["state"], query["iss"]) == (error, "the state", "http://127.0.0.1:8300")
    assert query["error_description"]


@pytest.mark.parametrize("state", ["x" * 2001, "ü", "a\nb", "\0"])
async def test_invalid_state_is_not_returned(browser, state):
    _, query = parse_redirect(await browser.get(consent_path(state=state)))
    assert query["error"] == "invalid_request"
    assert "state" not in query


async def test_longest_and_unusual_states_are_returned_unchanged(browser):
    for state in ('"' * 2000, "<script>&amp;'\" +%20", "="):
        _, query = parse_redirect(await submit_decision(browser, "approve", state=state))
        assert query["state"] == state


async def test_repeated_parameter_is_an_invalid_request(browser):
    _, query = parse_redirect(await browser.get(consent_path() + "&scope=read"))
    assert query["error"] == "invalid_request"


async def test_empty_parameter_is_treated_as_omitted(browser):
    # RFC 6749, section 3.1.
    where, query = parse_redirect(
        await submit_decision(browser, "approve", state="", response_mode="", scope="", installation="")
    )
    assert where == "https://my.home-assistant.io/redirect/oauth"
    assert query.keys() == {"code", "iss"}
    assert (await browser.get(consent_path() + "&scope=&state=")).status_code == 200


async def test_approval_without_the_csrf_token_is_refused(browser, pool):
    wanted = sealed_request(await browser.get(consent_path()))
    for csrf in ({}, {"csrf": ""}, {"csrf": "0" * 64}):
        answer = await browser.post(PAGE, data={"request": wanted, "decision": "approve", **csrf})
        assert answer.status_code == 403
    async with pool.connection() as connection:
        assert await (await connection.execute("select from oauth_codes")).fetchone() is None


async def test_approval_from_another_site_is_refused(browser):
    page = await browser.get(consent_path())
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]
    form = {"request": sealed_request(page), "decision": "approve", "csrf": csrf}
    assert (await browser.post(PAGE, data=form, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
    assert (await browser.post(PAGE, data=form)).status_code == 303


async def test_approval_accepts_only_the_request_that_was_shown_to_this_user(browser, sign_in, make_account):
    wanted = sealed_request(await browser.get(consent_path(scope="read")))
    body, _, signature = wanted.partition(".")
    more = sealed_request(await browser.get(consent_path(scope="read control", redirect_uri=LOCAL)))
    altered = [
        "",
        "x",
        ".",
        body,
        f"{more.partition('.')[0]}.{signature}",
        f"{body}.{signature[:-1]}",
        f"é.{signature}",
    ]
    for request in altered:
        answer = await browser.submit(PAGE, consent_path(), request=request, decision="approve")
        assert answer.status_code == 400
        assert "location" not in answer.headers
    # A request that was shown to one user can't be approved by another.
    other = await sign_in((await make_account()).user_id)
    assert (await other.submit(PAGE, consent_path(), request=wanted, decision="approve")).status_code == 400
    parse_redirect(await browser.submit(PAGE, consent_path(), request=wanted, decision="approve"))


async def test_expired_consent_page_is_refused(browser, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(oauth_requests, "SIGNED_REQUEST_LIFETIME", timedelta(seconds=-1))
        wanted = sealed_request(await browser.get(consent_path()))
    answer = await browser.submit(PAGE, consent_path(), request=wanted, decision="approve")
    assert answer.status_code == 400
    assert "Start again in Home Assistant" in answer.text


async def test_signed_out_browser_cannot_approve(browser, open_browser):
    stranger = await open_browser()
    wanted = sealed_request(await browser.get(consent_path()))
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', (await stranger.get("/sign-in/link/x")).text)
    form = {"request": wanted, "decision": "approve", "csrf": csrf[1] if csrf else ""}
    answer = await stranger.post(PAGE, data=form)
    assert answer.status_code in {303, 403}
    assert "code=" not in answer.headers.get("location", "")


async def test_disabled_account_cannot_open_the_consent_page(browser, pool):
    async with pool.connection() as connection:
        await connection.execute("update users set disabled_at = now()")
    assert (await browser.get(consent_path())).status_code == 403


@pytest.mark.parametrize("allowed", [True, False])
async def test_local_redirect_is_allowed_only_if_the_setting_allows_it(app, browser, allowed):
    app.state.runtime = replace(app.state.runtime, allows_local_redirects=allowed)
    assert (await browser.get(consent_path(redirect_uri=LOCAL))).status_code == (200 if allowed else 400)
    assert (await browser.get(consent_path())).status_code == 200


@pytest.mark.parametrize("language", ["de", "sv"])
async def test_page_is_in_the_user_s_language(browser, pool, language):
    english = (await browser.get(consent_path())).text
    async with pool.connection() as connection:
        await connection.execute("update users set language = %s", [language])
    page = await browser.get(consent_path())
    assert f'<html lang="{language}"' in page.text
    assert page.text != english


@pytest.mark.parametrize("query", ["", "client_id=other"])
async def test_page_has_neither_a_menu_nor_scripts(browser, query):
    page = await browser.get(f"{PAGE}?{query}" if query else consent_path())
    assert 'class="without-menu"' in page.text
    assert "<nav" not in page.text
    assert 'href="/sign-in"' not in page.text
    assert "<script" not in page.text
    assert "script-src" not in page.headers["content-security-policy"]


async def test_buttons_are_named_for_what_they_do(browser):
    buttons = re.findall(r"<button[^>]*>([^<]*)</button>", (await browser.get(consent_path())).text)
    assert buttons == ["Allow", "Cancel"]
