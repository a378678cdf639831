"""Supabase says no, or not so often: what people are told of it, what the operator, and what is tried again."""

import logging

import httpx
import pytest

from relay.usecases.account.delete_account import request_deletion, resume_deletion
from tests.relay.supabase_auth.flows import FLOW_LIVES, MAIL_PAUSE, Somebody

ANNA = "anna@example.org"


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open", sign_in_providers="github")


# A link that was asked for twice, because its mail took a while.


@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
async def test_who_asks_again_at_once_gets_no_second_mail_and_comes_in_by_the_first(relay, known):
    if known:
        await relay.come_in(await relay.browser(), ANNA)
        relay.supabase.later(MAIL_PAUSE + 1)
    browser = await relay.browser()
    for _ in range(3):
        assert (
            await browser.submit("/sign-in", on="/sign-in?next=%2Fkeys", email=ANNA, next="/keys")
        ).status_code == 200
    assert len(relay.supabase.mails) == (2 if known else 1)
    landed = await relay.follow(browser, relay.supabase.mails[-1].link)
    assert (landed.status_code, landed.headers["location"]) == (303, "/keys")


async def test_a_mail_that_was_sent_later_counts_and_so_does_what_was_asked_for_after_it(relay):
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.later(MAIL_PAUSE + 1)
    await browser.submit("/register", email=ANNA, terms="yes")
    await browser.submit("/sign-in", email=ANNA)
    assert len(relay.supabase.mails) == 2
    landed = await relay.follow(browser, relay.supabase.mails[1].link)
    assert landed.headers["location"] == "/home"


async def test_verifiers_of_one_address_are_not_tried_for_another(relay):
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    back = await relay.supabase.lands(relay.supabase.mails[0].link)
    await browser.submit("/sign-in", email="bert@example.org")
    assert (await browser.get(back)).status_code == 410


async def test_nothing_of_what_was_asked_before_is_kept(relay, owner):
    browser = await relay.browser()
    for _ in range(2):
        await browser.submit("/sign-in", email=ANNA)
    await relay.follow(browser, relay.supabase.mails[0].link)
    kept = await owner.execute("select sum(cardinality(earlier_verifiers)) from sign_in_attempts where next_path = ''")
    assert await kept.fetchall() == [(0,)]


# Too many.


async def test_too_many_at_supabase_is_no_outage_and_the_same_link_works_later(relay):
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    back = await relay.supabase.lands(relay.supabase.mails[0].link)
    relay.supabase.busy.add("/token")
    busy = await browser.get(back)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "60")
    assert "is not responding" not in busy.text
    relay.supabase.busy.clear()
    assert (await browser.get(back)).headers["location"] == "/home"


async def test_too_many_presses_are_told_as_that_and_burn_nothing(relay):
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    token_hash = relay.supabase.mails[0].token_hash
    press = {"on": f"/auth/callback?token_hash={token_hash}&type=email", "token_hash": token_hash, "type": "email"}
    relay.supabase.busy.add("/verify")
    assert (await browser.submit("/auth/callback", **press)).status_code == 429
    relay.supabase.busy.clear()
    assert (await browser.submit("/auth/callback", **press)).headers["location"] == "/home"


# Why not.


async def test_who_is_locked_out_is_told_so_by_each_way(relay):
    relay.supabase.people[ANNA] = somebody = Somebody(ANNA, confirmed=True)
    relay.supabase.provider_person.banned = True
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    somebody.banned = True
    mail = relay.supabase.mails[0]
    by_link = await relay.follow(browser, mail.link)
    where = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    by_press = await browser.submit("/auth/callback", on=where, token_hash=mail.token_hash, type="email")
    off = await browser.submit("/sign-in/with/github", on="/sign-in")
    by_provider = await relay.follow(browser, off.headers["location"])
    for told in (by_link, by_press, by_provider):
        assert (told.status_code, "This account is locked" in told.text) == (403, True)


async def test_an_address_that_the_provider_has_not_seen_to_is_confirmed_first(relay):
    relay.supabase.provider_verifies = False
    browser = await relay.browser()
    off = await browser.submit("/sign-in/with/github", on="/sign-in")
    told = await relay.follow(browser, off.headers["location"])
    assert (told.status_code, "Confirm your email address first" in told.text) == (403, True)
    await relay.supabase.lands(relay.supabase.mails[0].link)
    off = await browser.submit("/sign-in/with/github", on="/sign-in")
    assert (await relay.follow(browser, off.headers["location"])).headers["location"] == "/home"


async def test_who_was_too_long_at_the_provider_is_not_left_on_the_front_page(relay):
    browser = await relay.browser()
    off = await browser.submit("/sign-in/with/github", on="/sign-in")
    async with httpx.AsyncClient() as outside:
        provider = (await outside.get(off.headers["location"])).headers["location"]
        back = (await outside.get(provider)).headers["location"]
    relay.supabase.later(FLOW_LIVES + 1)
    front = await relay.follow(browser, back)
    assert front.headers["location"].startswith("/auth/callback?")
    told = await browser.get(front.headers["location"])
    assert "Sign-in failed" in told.text
    assert (await browser.get("/?error=x")).status_code == 303
    assert (await browser.get("/")).status_code == 200


async def test_a_new_persons_code_is_good_for_five_minutes_after_asking(relay):
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    relay.supabase.later(FLOW_LIVES + 1)
    late = await relay.follow(browser, relay.supabase.mails[0].link)
    assert (late.status_code, "no longer valid" in late.text) == (410, True)
    await browser.submit("/sign-in", email=ANNA)  # known by now
    relay.supabase.later(FLOW_LIVES + 1)
    assert (await relay.follow(browser, relay.supabase.mails[1].link)).headers["location"] == "/home"


# What the operator hears.


@pytest.mark.parametrize(
    ("setting", "code", "level"),
    [
        ({"authorized": set()}, "email_address_not_authorized", "WARNING"),
        ({"signups": False}, "signup_disabled", "WARNING"),
        ({"mails_left": 0}, "too many requests", "WARNING"),
        ({"busy": {"/otp"}}, "too many requests", "WARNING"),
    ],
    ids=str,
)
async def test_a_project_that_sends_no_mails_is_the_operators_to_know(relay, caplog, setting, code, level):
    caplog.set_level(logging.INFO, logger="relay")
    for name, value in setting.items():
        setattr(relay.supabase, name, value)
    sent = await (await relay.browser()).submit("/sign-in", email=ANNA)
    assert "Check your email" in sent.text
    (said,) = [it for it in caplog.records if "no sign-in link was sent" in it.getMessage()]
    assert (said.levelname, code in said.getMessage(), "@" in said.getMessage()) == (level, True, False)


async def test_a_stranger_where_nobody_new_comes_in_is_no_news(cloud, caplog):
    caplog.set_level(logging.INFO, logger="relay")
    await (await (await cloud()).browser()).submit("/sign-in", email=ANNA)
    (said,) = [it for it in caplog.records if "no sign-in link was sent" in it.getMessage()]
    assert (said.levelname, "otp_disabled" in said.getMessage()) == ("INFO", True)


async def test_a_person_is_deleted_when_supabase_has_time_again(relay, owner):
    await relay.come_in(await relay.browser(), ANNA)
    runtime = relay.app.state.runtime
    ((user_id, supabase_id),) = await (await owner.execute("select id, supabase_id from users")).fetchall()
    await request_deletion(runtime, user_id)
    relay.supabase.busy.add(f"/admin/users/{supabase_id}")
    assert not await resume_deletion(runtime, user_id)
    relay.supabase.busy.clear()
    await owner.execute("update deleted_users set next_try_at = now()")
    assert await resume_deletion(runtime, user_id)
    assert relay.supabase.people == {}
