"""A stranger who asks for links to an address can neither shut its owner out nor make the owner's link invalid."""

import pytest

from relay.identity.sign_in_emails import MAX_REPLACEMENTS
from relay.usecases.operations.prune_history import Retention, prune_old_rows
from tests.relay.support.cloud_relay import ANNA, fetch_column
from tests.relay.support.supabase.flows import EMAIL_INTERVAL_SECONDS

HOME, SAME_HOME, OFFICE, STRANGER = "2001:db8:0:1::1", "2001:db8:0:1::2", "198.51.100.7", "203.0.113.5"


@pytest.fixture
async def relay(cloud):
    return await cloud(registration="open")


@pytest.fixture
def ask(relay, owner):
    """Function that asks for a link from a network, after some minutes; returns the page's status and content."""

    async def ask_from(network, *, email=ANNA, minutes=2):
        if minutes:
            relay.supabase.advance_time(60 * minutes)
            statement = "update sign_in_attempts set mail_requested_at = mail_requested_at - %s * interval '1 minute'"
            await owner.execute(statement, [minutes])
            await owner.execute(
                "update sign_in_attempts set created_at = created_at - %s * interval '1 minute'", [minutes]
            )
            statement = "update sign_in_networks set signed_in_at = signed_in_at - %s * interval '1 minute'"
            await owner.execute(statement, [minutes])
        browser = await relay.open_browser(client=(network, 1))
        response = await browser.submit("/sign-in", email=email)
        return response.status_code, response.text.partition("<main")[2]

    return ask_from


async def follow_by_press(relay, mail, network=OFFICE):
    """Response to the button on the page of this email's `token_hash` link."""
    path = f"/auth/callback?token_hash={mail.token_hash}&type=email"
    browser = await relay.open_browser(client=(network, 1))
    return await browser.submit("/auth/callback", on=path, token_hash=mail.token_hash, type="email")


async def test_stranger_gets_the_same_answer_and_no_email_is_sent(relay, ask):
    answers = [await ask(HOME)]
    answers += [await ask(f"203.0.113.{number}", minutes=0) for number in range(20)]
    assert {answer == answers[0] for answer in answers} == {True}
    assert len(relay.supabase.mails) == relay.supabase.count_requests("/otp") == 1
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    assert (await follow_by_press(relay, relay.supabase.mails[0])).headers["location"] == "/home"


async def test_stranger_cannot_shut_the_owner_out(relay, ask):
    for number in range(8):
        await ask(f"203.0.113.{number}", minutes=0)
    assert (await ask(HOME))[0] == 200
    # The email that a stranger caused signs its receiver in on any device.
    assert (await follow_by_press(relay, relay.supabase.mails[-1])).headers["location"] == "/home"


async def test_stranger_who_asks_again_and_again_does_not_shut_a_new_network_out(relay, ask):
    interval = 10 / 3  # the most that the limits allow, so there is always a link of the stranger's
    for _ in range(9):
        await ask(STRANGER, minutes=interval)
    assert len(relay.supabase.mails) == 9
    receivers = []
    for _ in range(6):
        for network in (OFFICE, STRANGER):
            before = len(relay.supabase.mails)
            await ask(network, minutes=interval / 2)
            receivers += [network] * (len(relay.supabase.mails) - before)
    assert receivers
    assert set(receivers) == {OFFICE}


async def test_stranger_in_vain_takes_no_replacement_from_the_network_that_asked_first(relay, ask):
    await ask(HOME)
    for _ in range(MAX_REPLACEMENTS):
        await ask(STRANGER, minutes=1)
        await ask(HOME, minutes=2)
    assert len(relay.supabase.mails) == MAX_REPLACEMENTS + 1


async def test_own_network_may_have_the_link_replaced_three_times(relay, ask):
    for _ in range(MAX_REPLACEMENTS):
        await ask(HOME)
    assert len(relay.supabase.mails) == MAX_REPLACEMENTS
    await ask(SAME_HOME)  # the same /64
    await ask(HOME, minutes=1.9)
    assert len(relay.supabase.mails) == MAX_REPLACEMENTS + 1
    assert (await follow_by_press(relay, relay.supabase.mails[-1])).headers["location"] == "/home"


@pytest.mark.parametrize(("minutes", "mails"), [(9.9, 1), (10.1, 2)])
async def test_link_is_protected_for_ten_minutes(relay, ask, minutes, mails):
    await ask(HOME)
    await ask(STRANGER, minutes=minutes)
    assert len(relay.supabase.mails) == mails


async def test_each_replacement_is_protected_for_ten_minutes_of_its_own(relay, ask):
    await ask(HOME)
    await ask(HOME, minutes=9)
    await ask(STRANGER, minutes=9)
    assert len(relay.supabase.mails) == 2


async def test_used_link_is_no_longer_outstanding(relay, ask, owner):
    await ask(HOME)
    await follow_by_press(relay, relay.supabase.mails[-1], network=HOME)
    await ask(OFFICE)
    assert len(relay.supabase.mails) == 2


async def test_network_of_an_earlier_sign_in_does_not_wait_for_a_strangers_link(relay, ask, owner):
    await ask(HOME)
    await follow_by_press(relay, relay.supabase.mails[-1], network=HOME)
    await ask(STRANGER)
    await ask(HOME)
    assert len(relay.supabase.mails) == 3
    await ask(STRANGER)  # and now the owner's link is the outstanding one
    assert len(relay.supabase.mails) == 3
    assert (await follow_by_press(relay, relay.supabase.mails[-1])).headers["location"] == "/home"
    stored = await fetch_column(owner, "select n::text from sign_in_networks n")
    assert not any(text in str(stored) for text in ("anna", "2001:db8"))


@pytest.mark.parametrize(("days", "mails"), [(89, 3), (91, 2)])
async def test_network_stays_known_for_90_days(relay, ask, owner, days, mails):
    await ask(HOME)
    await follow_by_press(relay, relay.supabase.mails[-1], network=HOME)
    await owner.execute("update sign_in_networks set signed_in_at = signed_in_at - %s * interval '1 day'", [days])
    await ask(STRANGER)
    await ask(HOME)
    assert len(relay.supabase.mails) == mails
    async with relay.app.state.runtime.pool.connection() as connection:
        await prune_old_rows(connection, Retention())
    assert await fetch_column(owner, "select count(*) from sign_in_networks") == [1 if days < 90 else 0]


async def test_sign_in_to_another_address_makes_no_network_known(relay, ask):
    await ask(STRANGER, email="bert@example.org")
    await follow_by_press(relay, relay.supabase.mails[-1], network=STRANGER)
    await ask(HOME)
    await ask(STRANGER)
    assert [mail.to for mail in relay.supabase.mails] == ["bert@example.org", ANNA]


async def test_addresses_are_protected_one_by_one(relay, ask):
    await ask(HOME)
    await ask(STRANGER, email="bert@example.org", minutes=0)
    assert [mail.to for mail in relay.supabase.mails] == [ANNA, "bert@example.org"]


async def test_unsent_email_protects_no_link(relay, ask):
    relay.supabase.emails_left = 0
    await ask(STRANGER)
    relay.supabase.emails_left = None
    await ask(HOME, minutes=0)
    assert len(relay.supabase.mails) == 1


async def test_email_whose_sending_got_no_answer_is_protected(relay, ask):
    relay.supabase.unanswered_paths.add("/otp")
    await ask(HOME)
    relay.supabase.unanswered_paths.clear()
    await ask(STRANGER)
    assert len(relay.supabase.mails) == 1


async def test_registration_form_is_protected_too(relay, ask):
    await ask(HOME)
    relay.supabase.advance_time(EMAIL_INTERVAL_SECONDS + 1)
    browser = await relay.open_browser(client=(STRANGER, 1))
    assert (await browser.submit("/register", email=ANNA, terms="yes")).status_code == 200
    assert len(relay.supabase.mails) == 1
