"""The stand-in answers as the real server's source says (docs/decisions): so it is held to that, by rows."""

from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.relay.supabase_auth.double import ANON, BASE, SECRET
from tests.relay.supabase_auth.flows import FLOW_LIVES, LINK_LIVES, MAIL_PAUSE

ANNA, BACK = "anna@example.org", "http://relay.example/auth/callback"
VERIFIER = "v" * 43
PKCE = {"code_challenge": VERIFIER, "code_challenge_method": "plain"}
NEWER = {"X-Supabase-Api-Version": "2024-01-01"}


@pytest.fixture
async def ask(supabase):
    """Asks the stand-in, without the vendor's client between."""
    async with httpx.AsyncClient(base_url=supabase.url + BASE, headers={"apikey": ANON}) as browser:

        async def asked(method, path, body=None, **about):
            answer = await browser.request(method, path, json=body, **about)
            if answer.is_redirect or not answer.content:
                return answer.status_code, None
            told = answer.json()
            return answer.status_code, told.get("error_code", told)

        asked.browser = browser
        yield asked


def otp(**about):
    return {"email": ANNA, "create_user": True, **PKCE, **about}


async def where(ask, link):
    """Status, query and fragment of where this link leads."""
    answer = await ask.browser.get(link)
    to = urlsplit(answer.headers["location"])
    return (
        answer.status_code,
        dict(parse_qsl(to.query)),
        dict(parse_qsl(to.fragment, keep_blank_values=True)),
        to.path,
    )


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (otp(), (200, {})),
        (otp(create_user=False), (422, "otp_disabled")),
        (otp(email="anna"), (400, "validation_failed")),
        (otp(email="anna", create_user=False), (422, "otp_disabled")),
        (otp(code_challenge="short"), (400, "validation_failed")),
        (otp(code_challenge_method=None), (400, "validation_failed")),
        (otp(code_challenge=None, code_challenge_method=None), (200, {})),
    ],
    ids=str,
)
async def test_asking_for_a_link(ask, body, answer):
    assert await ask("POST", "/otp", body) == answer


async def test_a_link_may_be_asked_for_once_a_minute(supabase, ask):
    assert await ask("POST", "/otp", otp()) == (200, {})
    assert await ask("POST", "/otp", otp()) == (429, "over_email_send_rate_limit")
    supabase.later(MAIL_PAUSE + 1)
    assert await ask("POST", "/otp", otp()) == (200, {})
    assert [it.kind for it in supabase.mails] == ["signup", "signup"]
    supabase.people[ANNA].confirmed = True
    assert await ask("POST", "/otp", otp()) == (200, {})  # the mail of another kind is counted by itself
    assert await ask("POST", "/otp", otp()) == (429, "over_email_send_rate_limit")


async def test_what_else_stops_a_mail(supabase, ask):
    supabase.mails_left = 0
    assert await ask("POST", "/otp", otp()) == (429, "over_email_send_rate_limit")
    assert supabase.people == {}
    supabase.mails_left, supabase.authorized = None, {"team@example.org"}
    assert await ask("POST", "/otp", otp()) == (400, "email_address_not_authorized")
    supabase.authorized, supabase.signups = None, False
    assert await ask("POST", "/otp", otp()) == (422, "signup_disabled")
    supabase.busy.add("/otp")
    assert await ask("POST", "/otp", otp()) == (429, "over_request_rate_limit")
    assert supabase.mails == []


async def test_a_no_has_the_shape_of_the_version_that_was_asked_for(ask):
    older = await ask.browser.post("/otp", json=otp(create_user=False))
    assert older.json() == {"code": 422, "error_code": "otp_disabled", "msg": "Signups not allowed for otp"}
    newer = await ask.browser.post("/otp", json=otp(create_user=False), headers=NEWER)
    assert newer.json() == {"code": "otp_disabled", "message": "Signups not allowed for otp"}
    headers = {"x-supabase-api-version", "x-sb-error-code"}
    assert [headers & set(it.headers) for it in (older, newer)] == [{"x-sb-error-code"}, headers]
    nobody = await ask.browser.post("/otp", json=otp(), headers={"apikey": "another", **NEWER})
    assert (nobody.status_code, "code" in nobody.json()) == (401, False)


async def test_a_link_leads_back_with_a_code_and_once(supabase, ask):
    await ask("POST", f"/otp?{urlencode({'redirect_to': BACK})}", otp())
    link = supabase.mails[0].link
    status, query, fragment, path = await where(ask, link)
    assert (status, set(query), fragment, path) == (303, {"code"}, {}, "/auth/callback")
    status, query, fragment, _ = await where(ask, link)
    assert (status, query["error"], query["error_code"]) == (303, "access_denied", "otp_expired")
    assert fragment == query | {"sb": ""}


async def test_a_link_without_pkce_says_everything_in_the_fragment(supabase, ask):
    await ask("POST", "/otp", otp(code_challenge=None, code_challenge_method=None))
    link = supabase.mails[0].link
    _, query, fragment, path = await where(ask, link)
    assert (query, "access_token" in fragment, path) == ({}, True, "")  # nowhere in particular: to the site
    _, query, fragment, _ = await where(ask, link)
    assert (query, fragment["error_code"]) == ({}, "otp_expired")


@pytest.mark.parametrize("elsewhere", ["https://evil.example/x", "http://relay.example.evil/x", "//relay.example/x"])
async def test_an_address_that_is_not_allowed_is_passed_over(supabase, ask, elsewhere):
    await ask("POST", f"/otp?{urlencode({'redirect_to': elsewhere})}", otp())
    assert (await where(ask, supabase.mails[0].link))[3] == ""


async def test_links_grow_old_and_the_banned_are_told(supabase, ask):
    await ask("POST", "/otp", otp())
    mail = supabase.mails[0]
    follow = {"token_hash": mail.token_hash, "type": "email"}
    supabase.people[ANNA].banned = True
    assert await ask("POST", "/verify", follow) == (403, "user_banned")
    _, query, _, _ = await where(ask, mail.link)
    assert (query["error"], query["error_code"]) == ("access_denied", "user_banned")
    supabase.people[ANNA].banned = False
    supabase.later(LINK_LIVES + 1)
    assert await ask("POST", "/verify", follow) == (403, "otp_expired")


@pytest.mark.parametrize(
    ("about", "answer"),
    [
        ({"type": "signup"}, 200),
        ({"type": "magiclink"}, (403, "otp_expired")),
        ({"type": "telegram"}, (400, "validation_failed")),
        ({"token_hash": ""}, (400, "validation_failed")),
        ({"redirect_to": BACK}, (400, "validation_failed")),
    ],
    ids=str,
)
async def test_following_a_link_by_post(supabase, ask, about, answer):
    await ask("POST", "/otp", otp())
    body = {"token_hash": supabase.mails[0].token_hash, "type": "email", **about}
    got = await ask("POST", "/verify", body)
    assert (got[0] if answer == 200 else got) == answer


async def code_of(supabase, ask, **about):
    await ask("POST", "/otp", otp(**about))
    return (await where(ask, supabase.mails[-1].link))[1]["code"]


def exchange(code, verifier=VERIFIER):
    return {"auth_code": code, "code_verifier": verifier}


async def test_a_code_is_good_once_and_a_wrong_verifier_does_not_spend_it(supabase, ask):
    code = await code_of(supabase, ask)
    assert await ask("POST", "/token?grant_type=other", exchange(code)) == (400, "invalid_credentials")
    assert await ask("POST", "/token?grant_type=pkce", exchange(code, "")) == (400, "validation_failed")
    assert await ask("POST", "/token?grant_type=pkce", exchange(code, "w" * 43)) == (400, "bad_code_verifier")
    assert (await ask("POST", "/token?grant_type=pkce", exchange(code)))[0] == 200
    assert await ask("POST", "/token?grant_type=pkce", exchange(code)) == (404, "flow_state_not_found")


@pytest.mark.parametrize(("known", "answer"), [(True, 200), (False, 422)])
async def test_time_runs_from_the_code_for_the_known_and_from_asking_for_the_new(supabase, ask, known, answer):
    await ask("POST", "/otp", otp())
    if known:
        supabase.people[ANNA].confirmed = True
        await ask("POST", "/otp", otp())
    supabase.later(FLOW_LIVES + 1)
    code = (await where(ask, supabase.mails[-1].link))[1]["code"]
    assert (await ask("POST", "/token?grant_type=pkce", exchange(code)))[0] == answer
    supabase.later(FLOW_LIVES + 1)


@pytest.mark.parametrize(("known", "good"), [(True, "second"), (False, "first")])
async def test_whose_verifier_a_code_wants_after_a_mail_that_was_not_sent(supabase, ask, known, good):
    verifiers = {"first": "1" * 43, "second": "2" * 43}
    if known:
        await ask("POST", "/otp", otp())
        supabase.people[ANNA].confirmed = True
    for it in verifiers.values():
        await ask("POST", "/otp", otp(code_challenge=it))
    code = (await where(ask, supabase.mails[-1].link))[1]["code"]
    answers = {
        name: (await ask("POST", "/token?grant_type=pkce", exchange(code, it)))[0] for name, it in verifiers.items()
    }
    assert answers[good] == 200
    assert sorted(answers.values()) in ([200, 400], [200, 404])


async def go_by_provider(supabase, ask):
    begin = f"/authorize?{urlencode({'provider': 'github', 'redirect_to': BACK, **PKCE})}"
    return (await ask.browser.get(begin)).headers["location"]


@pytest.mark.parametrize(
    ("about", "error", "code"),
    [
        ({"provider_error": {"error": "access_denied", "error_description": "no"}}, "access_denied", None),
        ({"signups": False}, "access_denied", "signup_disabled"),
        ({"provider_verifies": False}, "access_denied", "provider_email_needs_verification"),
    ],
    ids=str,
)
async def test_how_coming_by_a_provider_fails(supabase, ask, about, error, code):
    for name, value in about.items():
        setattr(supabase, name, value)
    to_callback = (await ask.browser.get(await go_by_provider(supabase, ask))).headers["location"]
    status, query, fragment, path = await where(ask, to_callback)
    assert (status, query["error"], query.get("error_code"), path) == (302, error, code, "/auth/callback")
    assert fragment == query | {"sb": ""}


async def test_a_way_by_a_provider_is_gone_once_and_within_five_minutes(supabase, ask):
    to_provider = await go_by_provider(supabase, ask)
    to_callback = (await ask.browser.get(to_provider)).headers["location"]
    status, query, fragment, path = await where(ask, to_callback)
    assert (status, set(query), fragment, path) == (302, {"code"}, {}, "/auth/callback")
    status, query, _, path = await where(ask, to_callback)
    assert (status, query["error_code"], path) == (303, "flow_state_already_used", "")
    late = (await ask.browser.get(await go_by_provider(supabase, ask))).headers["location"]
    supabase.later(FLOW_LIVES + 1)
    assert (await where(ask, late))[1]["error_code"] == "bad_oauth_state"


async def test_signing_out(supabase, ask):
    await ask("POST", "/otp", otp())
    session = await ask.browser.post("/verify", json={"token_hash": supabase.mails[0].token_hash, "type": "email"})
    bearer = {"Authorization": f"Bearer {session.json()['access_token']}"}
    assert await ask("POST", "/logout") == (401, "no_authorization")
    assert await ask("POST", "/logout", headers={"Authorization": "Bearer x"}) == (403, "bad_jwt")
    assert await ask("POST", "/logout?scope=all", headers=bearer) == (400, "validation_failed")
    assert await ask("POST", "/logout?scope=local", headers=bearer) == (204, None)
    assert await ask("POST", "/logout?scope=local", headers=bearer) == (403, "session_not_found")


async def test_deleting(supabase, ask):
    await ask("POST", "/otp", otp())
    path = f"/admin/users/{supabase.people[ANNA].id}"
    secret = {"apikey": SECRET}
    assert await ask("DELETE", path, {}) == (403, "not_admin")
    assert await ask("DELETE", "/admin/users/anna", {}, headers=secret) == (404, "validation_failed")
    assert await ask("DELETE", f"/admin/users/{uuid4()}", {}, headers=secret) == (404, "user_not_found")
    assert await ask("DELETE", path, {"should_soft_delete": False}, headers=secret) == (200, {})
    assert supabase.people == {}
    assert (await where(ask, supabase.mails[0].link))[1]["error_code"] == "otp_expired"


async def test_the_keys_may_be_kept_for_ten_minutes(supabase, ask):
    answer = await ask.browser.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert [set(it) & {"d", "k"} for it in answer.json()["keys"]] == [set()]
