"""Hints inside one process: the payloads, and when the wakers of all users are notified."""

import asyncio
import logging
from datetime import timedelta
from itertools import islice
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bus.listener_state import SELF_TEST_CHANNEL, ListenerState, ListenerTimings, iterate_reconnect_delays
from relay.bus.waker import FEED_CHANNEL, INBOX_CHANNEL, MAX_IDS_PER_PAYLOAD, NotSentError, Waker, parse_payload

USERS = [UUID(int=number) for number in range(1, 500)]


class Sender:
    """Records what is sent to other processes; fails while `error` is set."""

    def __init__(self):
        self.sent, self.error = [], None

    async def __call__(self, channel, payloads):
        if self.error:
            raise self.error
        self.sent.append((channel, list(payloads)))


def create_waker(channel=FEED_CHANNEL, **options):
    waker, hints = Waker(None, channel, **options), []
    waker.add_callback(hints.append)
    return waker, hints


def create_state(*wakers):
    return ListenerState(wakers, ListenerTimings(poll_interval=timedelta(0)), transport="t", failure_hint="h")


def test_hint_goes_to_the_waker_of_its_channel():
    (feed, feed_hints), (inbox, inbox_hints) = create_waker(), create_waker(INBOX_CHANNEL)
    state = create_state(feed, inbox)
    assert state.channels == (SELF_TEST_CHANNEL, FEED_CHANNEL, INBOX_CHANNEL)
    state.receive(FEED_CHANNEL, f"sender {USERS[0].hex}")
    state.receive("another channel", f"sender {USERS[0].hex}")
    state.receive(INBOX_CHANNEL, "")
    state.receive(INBOX_CHANNEL, " \n ")
    state.receive(SELF_TEST_CHANNEL, "x")
    assert (feed_hints, inbox_hints) == ([frozenset(USERS[:1])], [])


@pytest.mark.parametrize(
    ("payload", "sender", "hint"),
    [
        ("", "", frozenset()),
        (" \t\n\u2003", "", frozenset()),
        ("s", "s", frozenset()),
        (f"s {USERS[0].hex}", "s", frozenset(USERS[:1])),
        (f"s {USERS[0].hex}\n {USERS[1]}", "s", frozenset(USERS[:2])),
        (f"s {USERS[0].hex} x", "s", None),
        (f"s {USERS[0].hex}\x00", "s", None),
        (" ".join(["s", *(user.hex for user in USERS[:240])]), "s", frozenset(USERS[:240])),
        (" ".join(["s", *["0" * 32] * 241]), "s", None),
        ("s " + "\N{GREEK SMALL LETTER ALPHA}" * 32, "s", None),
        ("s" * 8000, "s" * 8000, frozenset()),
        ("s" * 8001, "", None),
    ],
)
def test_payload_that_this_release_does_not_send_means_all_users(payload, sender, hint):
    assert parse_payload(payload) == (sender, hint)


@given(
    st.one_of(st.text(), st.lists(st.text(st.characters(categories=["Z", "Nd", "Cc"])), max_size=300).map(" ".join)),
    st.sampled_from([FEED_CHANNEL, INBOX_CHANNEL, SELF_TEST_CHANNEL, "", "x"]),
)
def test_no_payload_raises_and_every_hint_is_a_bounded_set_of_ids_or_all_users(payload, channel):
    waker, hints = create_waker()
    create_state(waker).receive(channel, payload)
    assert all(hint is None or 0 < len(hint) <= MAX_IDS_PER_PAYLOAD for hint in hints)
    assert not hints or channel == FEED_CHANNEL


async def test_payloads_name_the_sender_and_fit_into_a_notification():
    sender = Sender()
    waker, hints = create_waker(send=sender)
    waker.wake(USERS)
    waker.wake([])
    await waker.flush()
    await waker.flush()
    [(channel, payloads), (_, nothing)] = sender.sent
    assert (channel, nothing, hints) == (FEED_CHANNEL, [], [frozenset(USERS)])
    assert [len(payload.split()) - 1 for payload in payloads] == [240, 240, 19]
    assert MAX_IDS_PER_PAYLOAD == 240
    assert max(map(len, payloads)) < 8000
    assert {UUID(part) for payload in payloads for part in payload.split()[1:]} == set(USERS)
    waker.receive(payloads[0])  # our own: it was passed on already
    assert len(hints) == 1
    other, other_hints = create_waker()
    other.receive(payloads[2])
    assert sum(map(len, other_hints)) == 19


async def test_hints_of_an_outage_are_warned_about_once(caplog):
    caplog.set_level(logging.WARNING)
    sender = Sender()
    waker, _ = create_waker(send=sender, batch_interval=timedelta(0))
    task = asyncio.create_task(waker.run())
    try:
        for sender.error, expected in (
            (NotSentError("x"), 1),
            (NotSentError("x"), 1),
            (None, 1),
            (NotSentError("x"), 2),
        ):
            waker.wake(USERS[:1])
            for _ in range(5):
                await asyncio.sleep(0)
            assert sum("wake-up not sent" in record.message for record in caplog.records) == expected
    finally:
        task.cancel()
    assert len(sender.sent) == 1


def test_connecting_hints_at_all_users_and_each_change_is_logged_once(caplog):
    caplog.set_level(logging.INFO)
    waker, hints = create_waker()
    state = create_state(waker)
    assert state.status == "starting"
    for status, count in (("listening", 1), ("listening", 1), ("polling", 1), ("reconnecting", 1), ("listening", 2)):
        state.set_status(status, "cause")
        assert (state.status, hints) == (status, [None] * count)
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "WARNING", "INFO"]


@pytest.mark.parametrize(
    ("status", "is_polling"), [("starting", True), ("polling", True), ("reconnecting", True), ("listening", False)]
)
async def test_all_users_are_polled_unless_hints_arrive(status, is_polling):
    waker, hints = create_waker()
    state = create_state(waker)
    state.set_status(status)
    hints.clear()
    task = asyncio.create_task(state.poll_while_disconnected())
    for _ in range(4):
        await asyncio.sleep(0)
    task.cancel()
    assert bool(hints) is is_polling
    assert set(hints) <= {None}


def test_intervals_are_as_documented():
    assert list(islice(iterate_reconnect_delays(), 8)) == [0.2, 0.5, 1, 2, 5, 10, 10, 10]
    timings = ListenerTimings()
    assert (timings.test_interval, timings.test_timeout) == (timedelta(seconds=30), timedelta(seconds=3))
    assert timings.poll_interval == timedelta(seconds=1)
