"""The Supabase Auth double where `observed.json` has no row: what its switches do, and requests at the same moment."""

import asyncio
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.relay.support.supabase.double import ANON, BASE, SECRET
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS, FLOW_LIFETIME_SECONDS, LINK_LIFETIME_SECONDS

ANNA, BACK = "anna@example.org", "http://relay.example/auth/callback"
VERIFIER = "v" * 43
PKCE = {"code_challenge": VERIFIER, "code_challenge_method": "plain"}
NEWER = {"X-Supabase-Api-Version": "2024-01-01"}


@pytest.fixture
async def send(supabase):
    """Function that sends requests to the double directly, without the vendor's client."""
    async with httpx.AsyncClient(base_url=supabase.url + BASE, headers={"apikey": ANON}) as browser:

        async def send_request(method, path, json=None, **options):
            response = await browser.request(method, path, json=json, **options)
            if response.is_redirect or not response.content:
                return response.status_code, None
            content = response.json()
            return response.status_code, content.get("error_code", content)

        send_request.browser = browser
        yield send_request


def make_otp_request(**changes):
    return {"email": ANNA, "create_user": True, **PKCE, **changes}


async def follow_redirect(send, link):
    """Status of this link, and query, fragment and path to which it redirects."""
    response = await send.browser.get(link)
    url = urlsplit(response.headers["location"])
    return (
        response.status_code,
        dict(parse_qsl(url.query)),
        dict(parse_qsl(url.fragment, keep_blank_values=True)),
        url.path,
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (make_otp_request(), (200, {})),
        (make_otp_request(create_user=False), (422, "otp_disabled")),
        (make_otp_request(email="anna"), (400, "validation_failed")),
        (make_otp_request(email="anna", create_user=False), (422, "otp_disabled")),
        (make_otp_request(code_challenge="short"), (400, "validation_failed")),
        (make_otp_request(code_challenge_method=None), (400, "validation_failed")),
        (make_otp_request(code_challenge=None, code_challenge_method=None), (200, {})),
    ],
    ids=str,
)
async def test_requested_link_is_sent_or_refused(send, body, expected):
    assert await send("POST", "/otp", body) == expected


async def test_link_can_be_requested_once_a_minute(supabase, send):
    assert await send("POST", "/otp", make_otp_request()) == (200, {})
    assert await send("POST", "/otp", make_otp_request()) == (429, "over_email_send_rate_limit")
    supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    assert await send("POST", "/otp", make_otp_request()) == (200, {})
    assert [mail.kind for mail in supabase.mails] == ["signup", "signup"]
    supabase.accounts[ANNA].is_confirmed = True
    assert await send("POST", "/otp", make_otp_request()) == (200, {})  # each kind of email has its own limit
    assert await send("POST", "/otp", make_otp_request()) == (429, "over_email_send_rate_limit")


async def test_project_settings_can_prevent_emails(supabase, send):
    supabase.emails_left = 0
    assert await send("POST", "/otp", make_otp_request()) == (429, "over_email_send_rate_limit")
    assert supabase.accounts == {}
    supabase.emails_left, supabase.allowed_addresses = None, {"team@example.org"}
    assert await send("POST", "/otp", make_otp_request()) == (400, "email_address_not_authorized")
    supabase.allowed_addresses, supabase.allows_signups = None, False
    assert await send("POST", "/otp", make_otp_request()) == (422, "signup_disabled")
    supabase.rate_limited_paths.add("/otp")
    assert await send("POST", "/otp", make_otp_request()) == (429, "over_request_rate_limit")
    assert supabase.mails == []


async def test_error_format_depends_on_the_requested_api_version(send):
    older = await send.browser.post("/otp", json=make_otp_request(create_user=False))
    assert older.json() == {"code": 422, "error_code": "otp_disabled", "msg": "Signups not allowed for otp"}
    newer = await send.browser.post("/otp", json=make_otp_request(create_user=False), headers=NEWER)
    assert newer.json() == {"code": "otp_disabled", "message": "Signups not allowed for otp"}
    headers = {"x-supabase-api-version", "x-sb-error-code"}
    assert [headers & set(response.headers) for response in (older, newer)] == [{"x-sb-error-code"}, headers]
    wrong_key = await send.browser.post("/otp", json=make_otp_request(), headers={"apikey": "another", **NEWER})
    assert (wrong_key.status_code, "code" in wrong_key.json()) == (401, False)


async def test_link_redirects_with_a_code_once(supabase, send):
    await send("POST", f"/otp?{urlencode({'redirect_to': BACK})}", make_otp_request())
    link = supabase.mails[0].link
    status, query, fragment, path = await follow_redirect(send, link)
    assert (status, set(query), fragment, path) == (303, {"code"}, {}, "/auth/callback")
    status, query, fragment, _ = await follow_redirect(send, link)
    assert (status, query["error"], query["error_code"]) == (303, "access_denied", "otp_expired")
    assert fragment == query | {"sb": ""}


async def test_link_without_pkce_redirects_with_a_fragment(supabase, send):
    await send("POST", "/otp", make_otp_request(code_challenge=None, code_challenge_method=None))
    link = supabase.mails[0].link
    _, query, fragment, path = await follow_redirect(send, link)
    assert (query, "access_token" in fragment, path) == ({}, True, "")  # without redirect_to, to the site
    _, query, fragment, _ = await follow_redirect(send, link)
    assert (query, fragment["error_code"]) == ({}, "otp_expired")


@pytest.mark.parametrize("url", ["https://evil.example/x", "http://relay.example.evil/x", "//relay.example/x"])
async def test_redirect_to_another_site_is_ignored(supabase, send, url):
    await send("POST", f"/otp?{urlencode({'redirect_to': url})}", make_otp_request())
    assert (await follow_redirect(send, supabase.mails[0].link))[3] == ""


async def test_expired_links_and_banned_users_are_refused(supabase, send):
    await send("POST", "/otp", make_otp_request())
    mail = supabase.mails[0]
    follow = {"token_hash": mail.token_hash, "type": "email"}
    supabase.accounts[ANNA].is_banned = True
    assert await send("POST", "/verify", follow) == (403, "user_banned")
    _, query, _, _ = await follow_redirect(send, mail.link)
    assert (query["error"], query["error_code"]) == ("access_denied", "user_banned")
    supabase.accounts[ANNA].is_banned = False
    supabase.advance_time(LINK_LIFETIME_SECONDS + 1)
    assert await send("POST", "/verify", follow) == (403, "otp_expired")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"type": "signup"}, 200),
        ({"type": "magiclink"}, (403, "otp_expired")),
        ({"type": "telegram"}, (400, "validation_failed")),
        ({"token_hash": ""}, (400, "validation_failed")),
        ({"redirect_to": BACK}, (400, "validation_failed")),
    ],
    ids=str,
)
async def test_token_hash_is_verified_by_post(supabase, send, changes, expected):
    await send("POST", "/otp", make_otp_request())
    body = {"token_hash": supabase.mails[0].token_hash, "type": "email", **changes}
    actual = await send("POST", "/verify", body)
    assert (actual[0] if expected == 200 else actual) == expected


async def get_code(supabase, send, **changes):
    await send("POST", "/otp", make_otp_request(**changes))
    return (await follow_redirect(send, supabase.mails[-1].link))[1]["code"]


def make_exchange_request(code, verifier=VERIFIER):
    return {"auth_code": code, "code_verifier": verifier}


async def test_code_works_once_and_a_wrong_verifier_does_not_use_it_up(supabase, send):
    code = await get_code(supabase, send)
    assert await send("POST", "/token?grant_type=other", make_exchange_request(code)) == (400, "invalid_credentials")
    assert await send("POST", "/token?grant_type=pkce", make_exchange_request(code, "")) == (400, "validation_failed")
    assert await send("POST", "/token?grant_type=pkce", make_exchange_request(code, "w" * 43)) == (
        400,
        "bad_code_verifier",
    )
    assert (await send("POST", "/token?grant_type=pkce", make_exchange_request(code)))[0] == 200
    assert await send("POST", "/token?grant_type=pkce", make_exchange_request(code)) == (404, "flow_state_not_found")


@pytest.mark.parametrize(("known", "expected"), [(True, 200), (False, 422)])
async def test_flow_expiry_counts_from_the_code_for_known_and_from_the_request_for_new_users(
    supabase, send, known, expected
):
    await send("POST", "/otp", make_otp_request())
    if known:
        supabase.accounts[ANNA].is_confirmed = True
        await send("POST", "/otp", make_otp_request())
    supabase.advance_time(FLOW_LIFETIME_SECONDS + 1)
    code = (await follow_redirect(send, supabase.mails[-1].link))[1]["code"]
    assert (await send("POST", "/token?grant_type=pkce", make_exchange_request(code)))[0] == expected
    supabase.advance_time(FLOW_LIFETIME_SECONDS + 1)


@pytest.mark.parametrize(("known", "expected_verifier"), [(True, "second"), (False, "first")])
async def test_code_after_an_unsent_email_needs_the_newest_verifier_only_for_known_users(
    supabase, send, known, expected_verifier
):
    verifiers = {"first": "1" * 43, "second": "2" * 43}
    if known:
        await send("POST", "/otp", make_otp_request())
        supabase.accounts[ANNA].is_confirmed = True
    for verifier in verifiers.values():
        await send("POST", "/otp", make_otp_request(code_challenge=verifier))
    code = (await follow_redirect(send, supabase.mails[-1].link))[1]["code"]
    answers = {
        name: (await send("POST", "/token?grant_type=pkce", make_exchange_request(code, verifier)))[0]
        for name, verifier in verifiers.items()
    }
    assert answers[expected_verifier] == 200
    assert sorted(answers.values()) in ([200, 400], [200, 404])


async def begin_provider_sign_in(supabase, send):
    authorize_path = f"/authorize?{urlencode({'provider': 'github', 'redirect_to': BACK, **PKCE})}"
    return (await send.browser.get(authorize_path)).headers["location"]


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"provider_error": {"error": "access_denied", "error_description": "no"}}, "access_denied", None),
        ({"allows_signups": False}, "access_denied", "signup_disabled"),
        ({"provider_verifies_email": False}, "access_denied", "provider_email_needs_verification"),
    ],
    ids=str,
)
async def test_failed_provider_sign_in_redirects_with_the_error(supabase, send, changes, error, code):
    for name, value in changes.items():
        setattr(supabase, name, value)
    to_callback = (await send.browser.get(await begin_provider_sign_in(supabase, send))).headers["location"]
    status, query, fragment, path = await follow_redirect(send, to_callback)
    assert (status, query["error"], query.get("error_code"), path) == (302, error, code, "/auth/callback")
    assert fragment == query | {"sb": ""}


async def test_provider_sign_in_works_once_within_five_minutes(supabase, send):
    to_provider = await begin_provider_sign_in(supabase, send)
    to_callback = (await send.browser.get(to_provider)).headers["location"]
    status, query, fragment, path = await follow_redirect(send, to_callback)
    assert (status, set(query), fragment, path) == (302, {"code"}, {}, "/auth/callback")
    status, query, _, path = await follow_redirect(send, to_callback)
    assert (status, query["error_code"], path) == (303, "flow_state_already_used", "")
    expired_url = (await send.browser.get(await begin_provider_sign_in(supabase, send))).headers["location"]
    supabase.advance_time(FLOW_LIFETIME_SECONDS + 1)
    assert (await follow_redirect(send, expired_url))[1]["error_code"] == "bad_oauth_state"


async def test_logout_ends_the_session_of_the_token(supabase, send):
    await send("POST", "/otp", make_otp_request())
    session = await send.browser.post("/verify", json={"token_hash": supabase.mails[0].token_hash, "type": "email"})
    bearer = {"Authorization": f"Bearer {session.json()['access_token']}"}
    assert await send("POST", "/logout") == (403, "bad_jwt")
    assert await send("POST", "/logout", headers={"Authorization": "Bearer x"}) == (403, "bad_jwt")
    assert await send("POST", "/logout?scope=all", headers=bearer) == (400, "validation_failed")
    assert await send("POST", "/logout?scope=local", headers=bearer) == (204, None)
    assert await send("POST", "/logout?scope=local", headers=bearer) == (403, "session_not_found")


async def test_user_is_deleted_only_with_the_secret_key(supabase, send):
    await send("POST", "/otp", make_otp_request())
    path = f"/admin/users/{supabase.accounts[ANNA].id}"
    secret = {"apikey": SECRET}
    assert await send("DELETE", path, {}) == (403, "not_admin")
    assert await send("DELETE", "/admin/users/anna", {}, headers=secret) == (404, "validation_failed")
    assert await send("DELETE", f"/admin/users/{uuid4()}", {}, headers=secret) == (404, "user_not_found")
    assert await send("DELETE", path, {"should_soft_delete": False}, headers=secret) == (200, {})
    assert supabase.accounts == {}
    assert (await follow_redirect(send, supabase.mails[0].link))[1]["error_code"] == "otp_expired"


async def test_public_keys_may_be_cached_for_ten_minutes(supabase, send):
    response = await send.browser.get("/.well-known/jwks.json")
    assert response.headers["cache-control"] == "public, max-age=600"
    assert [set(key) & {"d", "k"} for key in response.json()["keys"]] == [set()]


# Facts that were observed without a row of their own.


async def ask_twice_at_once(supabase, send, path, body):
    """Statuses of two requests that both begin before either is carried out."""
    supabase.hold = asyncio.Event()
    count = len(supabase.requests)
    requests = [asyncio.create_task(send("POST", path, body)) for _ in range(2)]
    async with asyncio.timeout(10):
        while len(supabase.requests) < count + 2:
            await asyncio.sleep(0.001)
    supabase.hold.set()
    answers = await asyncio.gather(*requests)
    supabase.hold = None
    return [status for status, _ in answers]


async def test_two_exchanges_at_the_same_moment_both_succeed(supabase, send):
    code = make_exchange_request(await get_code(supabase, send))
    assert await ask_twice_at_once(supabase, send, "/token?grant_type=pkce", code) == [200, 200]
    assert (await send("POST", "/token?grant_type=pkce", code))[0] == 404
    await send("POST", "/otp", make_otp_request(email="bert@example.org"))
    token_hash = {"token_hash": supabase.mails[-1].token_hash, "type": "email"}
    assert await ask_twice_at_once(supabase, send, "/verify", token_hash) == [200, 200]
    assert await send("POST", "/verify", token_hash) == (403, "otp_expired")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ({"requires_captcha": True}, (400, "captcha_failed")),
        ({"allows_email_sign_in": False}, (422, "email_provider_disabled")),
        ({"mail_server": "down"}, (500, "unexpected_failure")),
        ({"mail_server": "slow"}, (504, "request_timeout")),
    ],
    ids=str,
)
async def test_project_that_cannot_send_refuses_and_keeps_no_new_account(supabase, send, setting, expected):
    for name, value in setting.items():
        setattr(supabase, name, value)
    assert await send("POST", "/otp", make_otp_request()) == expected
    assert supabase.accounts == {}


async def test_email_of_a_slow_mail_server_arrives_with_a_dead_link(supabase, send):
    supabase.mail_server = "slow"
    await send("POST", "/otp", make_otp_request())
    assert (await follow_redirect(send, supabase.mails[0].link))[1]["error_code"] == "otp_expired"


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("http://relay.example/auth/callback", True),
        ("https://relay.example:8443/x", True),
        ("http://127.0.0.1:1/x", True),
        ("http://[::1]:1/x", True),
        ("http://192.168.1.2/x", False),
        ("https://app.example/auth/callback", True),
        ("https://app.example/other", False),
        ("evconduit://relay.example/x", False),
    ],
)
async def test_redirects_go_to_the_site_the_allow_list_and_loopback_only(supabase, send, url, is_allowed):
    supabase.redirect_globs = ["https://app.example/auth/*"]
    query = urlencode({"token": "pkce_unknown", "type": "signup", "redirect_to": url})
    location = (await send.browser.get(f"/verify?{query}")).headers["location"]
    assert location.startswith(url) == is_allowed
    assert is_allowed or location.startswith("http://relay.example?")


async def test_settings_tell_what_the_project_allows(supabase, send):
    supabase.enabled_providers, supabase.allows_signups, supabase.autoconfirms = {"github"}, False, True
    status, settings = await send("GET", "/settings")
    assert (status, settings["disable_signup"], settings["mailer_autoconfirm"]) == (200, True, True)
    assert [settings["external"][name] for name in ("github", "google", "email")] == [True, False, True]
    assert (await send("GET", "/settings", headers={"apikey": "another"}))[0] == 401


async def test_users_are_listed_in_pages_with_the_secret_key_only(supabase, send):
    for number in range(3):
        await send("POST", "/otp", make_otp_request(email=f"{number}@example.org"))
    supabase.accounts["1@example.org"].is_banned = True
    assert await send("GET", "/admin/users?per_page=1") == (403, "not_admin")
    secret = {"apikey": SECRET}
    pages = [await send("GET", f"/admin/users?page={page}&per_page=2", headers=secret) for page in (1, 2, 3)]
    users = [[(user["email"], "banned_until" in user) for user in content["users"]] for _, content in pages]
    assert users == [[("2@example.org", False), ("1@example.org", True)], [("0@example.org", False)], []]
    path = f"/admin/users/{supabase.accounts['1@example.org'].id}"
    assert (await send("GET", path, headers=secret))[1]["email"] == "1@example.org"
    assert await send("GET", f"/admin/users/{uuid4()}", headers=secret) == (404, "user_not_found")


@pytest.mark.parametrize(("is_switched_on", "refused"), [(False, 10), (True, 0)])
async def test_forwarded_client_addresses_count_only_with_the_switch(supabase, send, is_switched_on, refused):
    supabase.limits_addresses, supabase.counts_forwarded_addresses = True, is_switched_on
    answers = [
        await send(
            "POST", "/otp", make_otp_request(email=f"{n}@example.org"), headers={"Sb-Forwarded-For": f"192.0.2.{n}"}
        )
        for n in range(40)
    ]
    assert sum(answer == (429, "over_request_rate_limit") for answer in answers) == refused


async def test_project_without_signing_keys_signs_with_the_shared_secret(supabase, send):
    supabase.signs_with_shared_secret, supabase.has_issuer = True, False
    token = supabase.sign_token(supabase.provider_account)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert "iss" not in jwt.decode(token, options={"verify_signature": False})


async def test_public_keys_may_want_an_api_key(supabase, send):
    supabase.wants_key_for_jwks = True
    assert (await send("GET", "/.well-known/jwks.json"))[0] == 200
    del send.browser.headers["apikey"]
    assert (await send("GET", "/.well-known/jwks.json"))[0] == 401
