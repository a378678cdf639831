"""People sign in to a relay in cloud mode: the whole way, from the form to the session, through Supabase's client."""

import asyncio
import dataclasses
import logging
import re

import httpx
import pytest

from relay.usecases.account.delete_account import request_deletion, resume_deletion
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.supabase_auth.double import SigningKey
from tests.relay.supabase_auth.flows import MAIL_PAUSE
from tests.relay.support.serving import serving

ANNA = "anna@example.org"


async def column(owner, statement, *values):
    return [row[0] for row in await (await owner.execute(statement, values)).fetchall()]


async def test_who_asks_for_a_link_and_opens_it_is_in(cloud, owner):
    relay = await cloud(registration="open")
    browser = await relay.browser()
    assert (await browser.get("/keys")).headers["location"] == "/sign-in?next=%2Fkeys"
    sent = await browser.submit("/sign-in", on="/sign-in?next=%2Fkeys", email=f" {ANNA} ", next="/keys")
    assert "Look into your mail" in sent.text
    landed = await relay.follow(browser, relay.supabase.mails[0].link)
    assert (landed.status_code, landed.headers["location"]) == (303, "/keys")
    assert (await browser.get("/keys")).headers["location"] == "/terms?next=%2Fkeys"
    agreed = await browser.submit("/terms", on="/terms?next=%2Fkeys", next="/keys")
    assert agreed.headers["location"] == "/keys"
    assert (await browser.get("/keys")).status_code == 200
    assert "I agree" not in (await browser.get("/terms")).text
    found = await owner.execute("select email, role, plan, supabase_id::text, accepted_terms_at is not null from users")
    assert await found.fetchall() == [(ANNA, "user", "free", relay.supabase.people[ANNA].id, True)]


async def test_nothing_of_supabases_is_kept(cloud, owner):
    relay = await cloud(registration="open")
    browser = await relay.browser()
    await relay.come_in(browser, ANNA)
    assert relay.supabase.sessions == {}  # ended over there, too
    rows = [str(it) for it in await (await owner.execute("select * from sign_in_attempts")).fetchall()]
    assert len(rows) == 1
    assert not re.search(r"eyJ|@example|verifier", rows[0])
    assert await column(owner, "select code_verifier from sign_in_attempts") == [None]
    assert [it.name for it in browser.cookies.jar if "attempt" in it.name] == []


async def test_the_same_person_comes_back_to_the_same_account(cloud, owner):
    relay = await cloud(registration="open")
    for _ in range(2):
        await relay.come_in(await relay.browser(), ANNA)
        relay.supabase.later(MAIL_PAUSE + 1)
    person = relay.supabase.people[ANNA]
    person.email = "anna@new.example"
    relay.supabase.people = {person.email: person}
    await relay.come_in(await relay.browser(), person.email)
    assert await column(owner, "select email from users") == ["anna@new.example"]
    assert await column(owner, "select count(*) from web_sessions where began_by = 'supabase'") == [3]


async def test_a_mail_scanner_signs_nobody_in_and_takes_no_code_away(cloud, owner):
    relay = await cloud(registration="open")
    browser, scanner = await relay.browser(), await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    seen = await relay.follow(scanner, relay.supabase.mails[0].link)
    assert (seen.status_code, "Open the link where you asked for it" in seen.text) == (400, True)
    assert await column(owner, "select count(*) from users") == [0]
    # At Supabase the link is burned all the same. How to word mails so that it is not stands in the manual.
    again = await relay.follow(browser, relay.supabase.mails[0].link)
    assert (again.status_code, "no longer good" in again.text) == (410, True)


async def test_a_link_in_the_other_wording_waits_for_a_press(cloud, owner):
    relay = await cloud(registration="open")
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    mail = relay.supabase.mails[0]
    where = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    for scanner in (await relay.browser(), browser):
        assert (await scanner.get(where)).status_code == 200
    assert await column(owner, "select count(*) from users") == [0]
    assert "You did not begin" not in (await browser.get(where)).text
    pressed = await browser.submit("/auth/callback", on=where, token_hash=mail.token_hash, type="email")
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/home")
    assert (
        await browser.submit("/auth/callback", on=where, token_hash=mail.token_hash, type="email")
    ).status_code == 410


async def test_the_other_wording_works_on_a_telephone_that_reads_the_mail_and_says_so(cloud, owner):
    relay = await cloud(registration="open")
    await (await relay.browser()).submit("/sign-in", email=ANNA)
    mail, telephone = relay.supabase.mails[0], await relay.browser()
    where = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    assert "You did not begin to sign in here" in (await telephone.get(where)).text
    pressed = await telephone.submit("/auth/callback", on=where, token_hash=mail.token_hash, type="email")
    assert pressed.headers["location"] == "/home"


async def test_a_code_is_good_in_its_own_browser_alone(cloud, owner):
    relay = await cloud(registration="open")
    victim, thief = await relay.browser(), await relay.browser()
    await thief.submit("/sign-in", email="thief@example.org")
    back = await relay.supabase.lands(relay.supabase.mails[0].link)
    # Somebody else's code, slipped to a browser that is signing in itself, signs it in to nobody's account.
    await victim.submit("/sign-in", email=ANNA)
    assert (await victim.get(back)).status_code == 410
    landed = await relay.follow(victim, relay.supabase.mails[1].link)
    assert landed.headers["location"] == "/home"
    assert await column(owner, "select email from users") == [ANNA]


async def test_a_provider_signs_in(cloud, owner):
    relay = await cloud(registration="open", sign_in_providers="github")
    browser = await relay.browser()
    page = await browser.get("/sign-in")
    assert ("with GitHub" in page.text, "with Google" in page.text) == (True, False)
    allowed = re.search(r"form-action ([^;]+);", page.headers["content-security-policy"])[1]
    assert allowed == f"'self' {relay.supabase.url} https://github.com"
    off = await browser.submit("/sign-in/with/github", on="/sign-in", next="/usage")
    landed = await relay.follow(browser, off.headers["location"])
    assert landed.headers["location"] == "/usage"
    assert await column(owner, "select name from users") == ["Octo Cat"]
    assert (await browser.submit("/sign-in/with/google", on="/terms")).status_code == 404


async def test_a_provider_that_was_left_or_failed(cloud):
    relay = await cloud(registration="open")
    browser = await relay.browser()
    left = await browser.get("/auth/callback?error=access_denied&error_description=<b>x</b>")
    assert ("You are not signed in" in left.text, "<b>x" in left.text) == (True, False)
    failed = await browser.get("/auth/callback?error=server_error&error_code=unexpected_failure")
    assert (failed.status_code, "did not work" in failed.text) == (502, True)
    assert (await browser.get("/auth/callback?error=access_denied&error_code=otp_expired")).status_code == 410
    assert (await browser.get("/auth/callback?token_hash=x&type=recovery")).status_code == 410
    assert (await browser.get("/auth/callback")).headers["location"] == "/sign-in"


# Who may come in.


async def test_closed_means_that_nobody_new_comes_in(cloud, owner):
    relay = await cloud()
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    assert relay.supabase.mails == []
    assert "are not made here" in (await browser.get("/register")).text
    assert (await browser.submit("/register", on="/sign-in", email=ANNA, terms="yes")).status_code == 403
    # Supabase may know people whom we do not.
    relay.supabase.people[ANNA] = dataclasses.replace(relay.supabase.provider_person, email=ANNA)
    refused = await relay.come_in(browser, ANNA)
    assert (refused.status_code, "Registration is closed" in refused.text) == (403, True)
    assert await column(owner, "select count(*) from users") == [0]
    assert [it.name for it in browser.cookies.jar if "session" in it.name] == []


async def test_an_invitation_lets_in_as_many_as_it_says(cloud, owner, invite):
    relay, code = await cloud(registration="invitation"), await invite(uses=2)
    for name, typed in (("anna", code.lower().replace("-", " ")), ("bert", code), ("carl", code)):
        browser = await relay.browser()
        tried = await browser.submit("/register", email=f"{name}@example.org", code=typed, terms="yes")
        if name == "carl":
            assert (tried.status_code, "lets nobody in" in tried.text, code in tried.text) == (422, True, True)
            continue
        landed = await relay.follow(browser, relay.supabase.mails[-1].link)
        assert landed.headers["location"] == "/home"
        assert (await browser.get("/home")).status_code == 200  # agreed already, on the form
    assert await column(owner, "select used from invitations") == [2]
    assert await column(owner, "select count(*) from users where invitation_id is not null") == [2]


async def test_the_last_place_of_an_invitation_is_given_once(cloud, owner, invite):
    relay, code = await cloud(registration="invitation"), await invite()
    browsers = [await relay.browser() for _ in range(4)]
    for number, browser in enumerate(browsers):
        await browser.submit("/register", email=f"{number}@example.org", code=code, terms="yes")
    landed = await asyncio.gather(
        *(relay.follow(browser, mail.link) for browser, mail in zip(browsers, relay.supabase.mails, strict=True))
    )
    assert sorted(it.headers["location"] for it in landed) == ["/home", "/register", "/register", "/register"]
    assert await column(owner, "select count(*) from users") == [1]


async def test_who_comes_without_an_invitation_is_asked_for_it_and_need_not_sign_in_again(cloud, owner, invite):
    relay = await cloud(registration="invitation", sign_in_providers="google")
    browser = await relay.browser()
    off = await browser.submit("/sign-in/with/google", on="/sign-in")
    assert (await relay.follow(browser, off.headers["location"])).headers["location"] == "/register"
    shown = await browser.get("/register")
    assert ("octo@example.org" in shown.text, 'name="email"' in shown.text) == (True, False)
    wrong = await browser.submit("/register", code="0000-0000-0000-0000")
    assert [it in wrong.text for it in ("lets nobody in", "0000-0000-0000-0000", "Without agreeing")] == [True] * 3
    made = await browser.submit("/register", code=await invite(), terms="yes")
    assert made.headers["location"] == "/home"
    assert (await browser.get("/home")).status_code == 200
    assert await column(owner, "select email from users") == ["octo@example.org"]


@pytest.mark.parametrize("spoil", ["revoked_at = now()", "expires_at = now() - interval '1 second'", "used = uses"])
async def test_an_invitation_that_is_over_lets_nobody_in(cloud, owner, invite, spoil):
    relay, code, browser = await cloud(registration="invitation"), await invite(), None
    browser = await relay.browser()
    await browser.submit("/register", email=ANNA, code=code, terms="yes")
    await owner.execute(f"update invitations set {spoil}")
    assert (await relay.follow(browser, relay.supabase.mails[0].link)).headers["location"] == "/register"
    assert await column(owner, "select count(*) from users") == [0]


async def test_new_people_wait_where_the_operator_looks_at_each(cloud, owner):
    relay = await cloud(registration="open", approval=True)
    browser = await relay.browser()
    await relay.come_in(browser, ANNA, by="/register", terms="yes")
    assert (await browser.get("/home")).headers["location"] == "/waiting?next=%2Fhome"
    assert "Almost there" in (await browser.get("/waiting")).text
    token = relay.supabase.sign(relay.supabase.people[ANNA])
    bearer = {"Authorization": f"Bearer {token}"}
    assert (await browser.get("/api/me", headers=bearer)).status_code == 401
    await owner.execute("update users set approved_at = now()")
    assert (await browser.get("/waiting?next=/home")).headers["location"] == "/home"
    assert (await browser.get("/home")).status_code == 200
    assert (await browser.get("/api/me", headers=bearer)).status_code == 200


async def test_an_account_that_is_being_deleted_lets_nobody_in(cloud, owner):
    relay = await cloud(registration="open")
    await relay.come_in(await relay.browser(), ANNA)
    await owner.execute("update users set closed_at = now()")
    refused = await relay.come_in(await relay.browser(), ANNA)
    assert (refused.status_code, "being deleted" in refused.text) == (403, True)


async def test_signing_out_everywhere_ends_all_browsers(cloud, owner):
    relay = await cloud(registration="open")
    browsers = [await relay.browser() for _ in range(2)]
    for browser in browsers:
        await relay.come_in(browser, ANNA)
    await browsers[0].submit("/terms")
    await browsers[0].submit("/profile/sign-out-everywhere", on="/profile")
    assert [(await it.get("/home")).headers["location"] for it in browsers] == ["/sign-in?next=%2Fhome"] * 2


# What nobody may learn, and nobody may do.


async def test_known_unknown_and_uninvited_addresses_get_the_same_answer(cloud):
    relay = await cloud(registration="invitation")
    relay.supabase.people[ANNA] = dataclasses.replace(relay.supabase.provider_person, email=ANNA)
    answers = []
    for email in (ANNA, "nobody@example.org"):
        answer = await (await relay.browser()).submit("/sign-in", email=email)
        headers = {
            name: value for name, value in answer.headers.items() if name not in {"set-cookie", "content-length"}
        }
        answers.append((answer.status_code, headers, answer.text.replace(email, "…")))
    without_forms = [(status, headers, re.sub(r'value="\w{64}"', "", text)) for status, headers, text in answers]
    assert without_forms[0] == without_forms[1]
    assert [it.to for it in relay.supabase.mails] == [ANNA]


async def test_the_answer_leaves_before_supabase_is_asked(cloud):
    relay = await cloud(registration="open")
    relay.supabase.hold = asyncio.Event()
    async with serving(relay.app) as url, httpx.AsyncClient(base_url=url) as browser:
        csrf = re.search(r'name="csrf" value="(\w+)"', (await browser.get("/sign-in")).text)[1]
        answer = await browser.post("/sign-in", data={"csrf": csrf, "email": ANNA})
        assert (answer.status_code, relay.supabase.mails) == (200, [])
        relay.supabase.hold.set()
        async with asyncio.timeout(10):
            while not relay.supabase.mails:
                await asyncio.sleep(0.01)


async def test_links_for_one_address_and_from_one_place_are_few(cloud):
    relay = await cloud(registration="open")
    for number in range(5):
        browser = await relay.browser(client=(f"192.0.2.{number}", 1))
        assert (await browser.submit("/sign-in", email=ANNA.upper())).status_code == 200
    stopped = await (await relay.browser(client=("192.0.2.99", 1))).submit("/sign-in", email=ANNA)
    assert (stopped.status_code, stopped.headers["retry-after"]) == (429, "900")
    # Supabase mails at most once a minute; that it was asked five times is nothing to anybody.
    assert (relay.supabase.asked("/otp"), len(relay.supabase.mails)) == (5, 1)
    statuses = []
    for number in range(31):
        browser = await relay.browser(client=(f"2001:db8::{number:x}", 1))
        statuses.append((await browser.submit("/sign-in", email=f"{number}@example.org")).status_code)
    assert statuses == [200] * 30 + [429]
    elsewhere = await relay.browser(client=("2001:db8:0:1::1", 1))
    assert (await elsewhere.submit("/sign-in", email="x@example.org")).status_code == 200


@pytest.mark.parametrize(
    "typed", ["", "anna", "a b@example.org", "anna@example", "a@" + "b" * 260 + ".org", "a\nb@c.de"]
)
async def test_what_is_no_address_is_said_at_its_field_and_kept(cloud, typed):
    relay = await cloud(registration="open")
    answer = await (await relay.browser()).submit("/sign-in", email=typed, next="//evil.example")
    assert (answer.status_code, "This is no e-mail address" in answer.text) == (422, True)
    assert 'name="next" value="/home"' in answer.text
    assert 'id="email-error"' in answer.text
    assert typed == "" or f'value="{typed}"' in answer.text
    assert relay.supabase.mails == []


async def test_forms_of_others_are_refused(cloud):
    relay = await cloud(registration="open", sign_in_providers="github")
    browser = await relay.browser()
    for path in ("/sign-in", "/sign-in/with/github", "/auth/callback", "/register", "/terms"):
        assert (await browser.post(path, data={"email": ANNA, "csrf": "0" * 64})).status_code == 403
    assert relay.supabase.seen == []


async def test_while_supabase_is_away_people_are_told_and_nothing_secret_is_logged(cloud, caplog):
    caplog.set_level(logging.DEBUG, logger="relay")
    relay = await cloud(registration="open")
    browser = await relay.browser()
    await browser.submit("/sign-in", email=ANNA)
    back = await relay.supabase.lands(relay.supabase.mails[0].link)
    relay.supabase.down = True
    away = await browser.get(back)
    assert (away.status_code, away.headers["retry-after"]) == (503, "10")
    assert (await browser.submit("/sign-in", email=ANNA)).status_code == 200  # says nothing of any address
    relay.supabase.down = False
    said = " ".join(it.getMessage() for it in caplog.records if it.name.startswith("relay"))
    assert "Supabase, exchange a code" in said
    assert not any(it in said for it in ("@", back.rpartition("=")[2]))


async def test_at_home_these_pages_are_not_there(browser_at_home):
    for path in ("/auth/callback?code=x", "/register", "/terms"):
        assert (await browser_at_home.get(path)).status_code == 404


# A person's own token, at the API.


async def test_a_persons_token_opens_the_api_and_no_other_token_does(cloud):
    relay = await cloud(registration="open")
    browser = await relay.browser()
    await relay.come_in(browser, ANNA)
    person, supabase = relay.supabase.people[ANNA], relay.supabase

    async def asked(token):
        return (await browser.get("/api/me", headers={"Authorization": f"Bearer {token}"})).status_code

    assert await asked(supabase.sign(person)) == 200
    stranger = dataclasses.replace(person, id="00000000-0000-4000-8000-000000000000")
    wrong = [
        supabase.sign(stranger),
        supabase.sign(person, exp=1),
        supabase.sign(person, iss="https://other.supabase.co/auth/v1"),
        supabase.sign(person, aud="anon"),
        supabase.sign(person, role="anon"),
        supabase.sign(person, key=SigningKey()),
        supabase.sign(person).rpartition(".")[0] + ".",
    ]
    assert [await asked(it) for it in wrong] == [401] * len(wrong)


async def test_while_the_keys_cannot_be_had_nobody_is_refused_for_it(cloud):
    relay = await cloud(registration="open")
    browser = await relay.browser()
    relay.supabase.down = True
    bearer = {"Authorization": f"Bearer {relay.supabase.sign(relay.supabase.provider_person)}"}
    away = await browser.get("/api/me", headers=bearer)
    assert (away.status_code, away.headers["retry-after"]) == (503, "10")


async def test_between_our_deletion_and_supabases_nobody_begins_anew(cloud, owner):
    relay = await cloud(registration="open")
    await relay.come_in(await relay.browser(), ANNA)
    runtime, person = relay.app.state.runtime, relay.supabase.people[ANNA]
    (user_id,) = await column(owner, "select id from users")
    await request_deletion(runtime, user_id)
    relay.supabase.down = True
    assert not await resume_deletion(runtime, user_id)
    relay.supabase.down = False
    assert await column(owner, "select count(*) from users") == [0]
    refused = await relay.come_in(await relay.browser(), ANNA)
    assert (refused.status_code, "being deleted" in refused.text) == (403, True)
    await owner.execute("update deleted_users set next_try_at = now()")
    assert await resume_deletion(runtime, user_id)
    assert relay.supabase.people == {}
    await relay.come_in(await relay.browser(), ANNA)
    assert await column(owner, "select supabase_id::text <> %s from users", person.id) == [True]


async def test_a_sign_in_that_was_never_finished_is_forgotten(cloud, owner, pool):
    relay = await cloud(registration="invitation", sign_in_providers="google")
    browser = await relay.browser()
    off = await browser.submit("/sign-in/with/google", on="/sign-in")
    await relay.follow(browser, off.headers["location"])
    assert await column(owner, "select email from sign_in_attempts") == ["octo@example.org"]
    await owner.execute("update sign_in_attempts set expires_at = now() - interval '1 second'")
    assert "octo@example.org" not in (await browser.get("/register")).text
    async with pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await column(owner, "select count(*) from sign_in_attempts") == [0]
