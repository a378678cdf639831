"""Sign-in with a project that is set up wrongly: the page says so, and the operator's log names the cause."""

import logging

import pytest

from relay.gateways.supabase.signing_keys import MIN_FETCH_INTERVAL_SECONDS
from relay.usecases.access.begin_sign_in import QUOTA_HINT
from tests.relay.support.cloud_relay import ANNA, fetch_column
from tests.relay.support.supabase.double import SigningKey
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS
from tests.relay.support.supabase.refusals import Refusal


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open", sign_in_providers="github")


def rotate_without_publishing(supabase):
    supabase.signing_key = SigningKey()


def refuse_anon_key(supabase):
    supabase.refusals = {path: Refusal(401, "no_authorization", "x") for path in ("/token", "/verify")}


MISTAKES = [
    (lambda supabase: setattr(supabase, "signs_with_shared_secret", True), "HS256"),
    (lambda supabase: setattr(supabase, "has_issuer", False), "GOTRUE_JWT_ISSUER"),
    (
        lambda supabase: setattr(supabase, "other_issuer", "https://auth.example.org/auth/v1"),
        "another issuer than SUPABASE_URL",
    ),
    (lambda supabase: setattr(supabase, "published_keys", []), "publishes no ES256 key"),
    (rotate_without_publishing, "isn't published"),
    (refuse_anon_key, "API key is refused"),
]


def list_causes(caplog):
    return [record.getMessage() for record in caplog.records if "set up wrongly" in record.getMessage()]


async def press(relay, browser):
    token_hash = relay.supabase.mails[-1].token_hash
    path = f"/auth/callback?token_hash={token_hash}&type=email"
    return await browser.submit("/auth/callback", on=path, token_hash=token_hash, type="email")


async def follow(relay, browser):
    return await relay.follow_link(browser, relay.supabase.mails[-1].link)


@pytest.mark.parametrize("finish", [press, follow])
@pytest.mark.parametrize("mistake_and_cause", MISTAKES, ids=[cause for _, cause in MISTAKES])
async def test_mistake_of_the_operator_is_not_blamed_on_the_link(relay, owner, caplog, mistake_and_cause, finish):
    mistake, cause = mistake_and_cause
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    mistake(relay.supabase)
    page = await finish(relay, browser)
    assert (page.status_code, "This service is set up wrongly" in page.text) == (502, True)
    assert "no longer valid" not in page.text
    (message,) = list_causes(caplog)
    assert cause in message
    assert not any(secret in message for secret in (ANNA, "eyJ", relay.supabase.mails[-1].token_hash))
    stored = await fetch_column(owner, "select token_problem from supabase_status")
    assert [cause in problem for problem in stored] == [True]
    assert await fetch_column(owner, "select count(*) from web_sessions") == [0]


async def test_project_without_a_published_key_uses_up_no_link(relay, caplog, monkeypatch):
    browser = await relay.open_browser()
    await browser.submit("/sign-in", email=ANNA)
    published, relay.supabase.published_keys = relay.supabase.published_keys, []
    assert (await press(relay, browser)).status_code == 502
    relay.supabase.published_keys = published
    keys = relay.app.state.runtime.supabase_sign_in.supabase.signing_keys
    monkeypatch.setattr(keys, "_fetch_started_at", keys._fetch_started_at - MIN_FETCH_INTERVAL_SECONDS)
    assert (await press(relay, browser)).headers["location"] == "/home"


async def test_key_that_was_rotated_just_now_is_fetched_at_once(relay, owner):
    await relay.sign_in(await relay.open_browser(), ANNA)
    for _ in range(2):
        relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
        relay.supabase.signing_key = SigningKey()
        relay.supabase.published_keys = [relay.supabase.signing_key.jwk]
        landed = await relay.sign_in(await relay.open_browser(), ANNA)
        assert landed.headers["location"] == "/home"
    assert await fetch_column(owner, "select count(*) from web_sessions") == [3]


async def test_accepted_token_ends_the_problem_that_the_doctor_reports(relay, owner):
    browser = await relay.open_browser()
    relay.supabase.has_issuer = False
    assert (await relay.sign_in(browser, ANNA)).status_code == 502
    assert await fetch_column(owner, "select token_problem_at is null from supabase_status") == [False]
    relay.supabase.has_issuer = True
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    assert (await relay.sign_in(browser, ANNA)).status_code == 303
    assert await fetch_column(owner, "select token_problem_at is null from supabase_status") == [True]


# The project's email quota.


async def test_exhausted_email_quota_is_told_to_everybody_alike_and_alerts_the_operator(relay, caplog):
    await relay.sign_in(await relay.open_browser(), ANNA)
    relay.supabase.emails_left = 0
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    await (await relay.open_browser()).submit("/sign-in", email=ANNA)
    (record,) = [record for record in caplog.records if "quota" in record.getMessage()]
    assert (record.levelno, QUOTA_HINT in record.getMessage()) == (logging.ERROR, True)
    for email in (ANNA, "nobody@example.org"):
        page = await (await relay.open_browser()).submit("/sign-in", email=email)
        assert (page.status_code, "as many emails as it may in an hour" in page.text) == (200, True)
    relay.supabase.emails_left = None
    await (await relay.open_browser()).submit("/sign-in", email="carl@example.org")
    page = await (await relay.open_browser()).submit("/sign-in", email="dora@example.org")
    assert "as many emails as it may" not in page.text


async def test_double_click_is_not_taken_for_an_exhausted_quota(relay, caplog):
    browser = await relay.open_browser()
    pages = [await browser.submit("/sign-in", email=ANNA) for _ in range(3)]
    assert not any("as many emails as it may" in page.text for page in pages)
    assert not any("quota" in record.getMessage() for record in caplog.records)


async def test_exhausted_quota_is_announced_for_an_hour_at_most(relay, owner):
    relay.supabase.emails_left = 0
    await (await relay.open_browser()).submit("/sign-in", email=ANNA)
    await owner.execute(
        "update supabase_status set mail_quota_exhausted_at = mail_quota_exhausted_at - interval '61 minutes'"
    )
    page = await (await relay.open_browser()).submit("/sign-in", email="bert@example.org")
    assert "as many emails as it may" not in page.text
