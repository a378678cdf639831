"""Home Assistant's clock is wrong: polls are planned by the relay's, and a repair issue says so."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import (
    MINUTE,
    TESLA_BATTERY,
    SetupEntry,
    advance_time,
    disconnect_stream,
    get_state,
    make_tesla_record,
    wait_until,
)
from homeassistant.components.webhook import async_handle_webhook
from homeassistant.const import CONF_WEBHOOK_ID
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util.aiohttp import MockRequest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import Problem, RelayDouble, make_account, sign_headers
from webhook_helpers import create_delivery

from custom_components.evconduit.client import RelayClock
from custom_components.evconduit.client.clock import parse_date
from custom_components.evconduit.client.responses import parse_retry_after
from custom_components.evconduit.clock_issue import format_duration
from custom_components.evconduit.const import DOMAIN
from custom_components.evconduit.runtime import CLOCK_CHECK_INTERVAL
from custom_components.evconduit.webhook_registration import CONF_SECRET

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
NO_STREAM = Problem(502, is_relay=False)


class RelayTime:
    """The true time, which the relay's clock shows and Home Assistant's doesn't."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        """How far Home Assistant's clock is ahead."""

    def now(self) -> datetime:
        return datetime.now(UTC) - self.ahead


@pytest.fixture
def relay_time(relay: RelayDouble, freezer: FrozenDateTimeFactory) -> RelayTime:
    freezer.move_to(NOW)
    relay_time = RelayTime()
    relay.now = relay_time.now
    return relay_time


def get_clock_issue(issue_registry: ir.IssueRegistry, entry: MockConfigEntry) -> ir.IssueEntry | None:
    return issue_registry.async_get_issue(DOMAIN, f"clock_{entry.entry_id}")


@pytest.mark.parametrize("minutes_ahead", [0, 30, 90, -90])
async def test_number_of_polls_does_not_depend_on_the_clock(
    hass: HomeAssistant,
    relay: RelayDouble,
    relay_time: RelayTime,
    *,
    setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory,
    minutes_ahead: int,
):
    """Six hours, with a plan that allows one poll an hour."""
    relay_time.ahead = minutes_ahead * MINUTE
    relay.account = make_account(push=False)

    async def plan_next_poll() -> None:
        relay.account["next_poll_at"] = (relay_time.now() + 60 * MINUTE).isoformat()

    relay.before_response["vehicles"] = relay.before_response["account"] = plan_next_poll
    entry = await setup_entry()
    coordinator = entry.runtime_data.coordinator
    for _ in range(6 * 60):
        polls = len(relay.get_requests("/vehicles"))
        await advance_time(hass, freezer, MINUTE)
        if coordinator._unsub_refresh is None:  # a poll is in progress
            await wait_until(lambda: coordinator._unsub_refresh is not None)
            assert len(relay.get_requests("/vehicles")) == polls + 1
    assert 6 <= len(relay.get_requests("/vehicles")) <= 7


@pytest.mark.parametrize("minutes_ahead", [90, -90])
async def test_reload_does_not_move_the_next_poll(
    hass: HomeAssistant, relay: RelayDouble, relay_time: RelayTime, *, setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory, minutes_ahead: int,
):  # fmt: skip
    """Also if Home Assistant's clock is put right in between: what is stored is the relay's time."""
    relay.account = make_account(push=False, next_poll_at=(NOW - minutes_ahead * MINUTE + 60 * MINUTE).isoformat())
    relay_time.ahead = minutes_ahead * MINUTE
    entry = await setup_entry()
    await advance_time(hass, freezer, 20 * MINUTE)
    await hass.config_entries.async_unload(entry.entry_id)
    freezer.move_to(relay_time.now())
    relay_time.ahead = timedelta(0)
    relay.account["next_poll_at"] = (relay_time.now() + 60 * MINUTE).isoformat()
    await hass.config_entries.async_setup(entry.entry_id)
    assert abs(entry.runtime_data.coordinator.update_interval - 40 * MINUTE) < timedelta(seconds=5)
    assert len(relay.get_requests("/vehicles")) == 1


@pytest.mark.parametrize(
    ("ahead", "key", "difference"),
    [
        (timedelta(seconds=50), None, ""),
        (timedelta(seconds=63), "clock_ahead", "0:01"),
        (90 * MINUTE, "clock_ahead", "1:30"),
        (-90 * MINUTE, "clock_behind", "1:30"),
        (timedelta(seconds=-63), "clock_behind", "0:01"),
        (timedelta(seconds=-50), None, ""),
    ],
)
async def test_wrong_clock_is_a_repair_issue_until_it_is_right(
    hass: HomeAssistant, relay: RelayDouble, relay_time: RelayTime, *, setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory, issue_registry: ir.IssueRegistry, ahead: timedelta,
    key: str | None, difference: str,
):  # fmt: skip
    relay_time.ahead = ahead
    entry = await setup_entry()
    issue = get_clock_issue(issue_registry, entry)
    assert (issue.translation_key if issue else None) == key
    if issue is None:
        return
    assert issue.translation_placeholders == {"difference": difference}
    assert not issue.is_fixable
    await advance_time(hass, freezer, CLOCK_CHECK_INTERVAL)
    await wait_until(lambda: len(relay.get_requests("/account")) == 2)
    assert get_clock_issue(issue_registry, entry)
    relay_time.ahead = timedelta(0)
    await advance_time(hass, freezer, CLOCK_CHECK_INTERVAL)
    await wait_until(lambda: get_clock_issue(issue_registry, entry) is None)


async def test_clock_issue_stays_while_the_relay_does_not_answer(
    hass: HomeAssistant, relay: RelayDouble, relay_time: RelayTime, *, setup_entry: SetupEntry,
    freezer: FrozenDateTimeFactory, issue_registry: ir.IssueRegistry,
):  # fmt: skip
    relay_time.ahead = 90 * MINUTE
    entry = await setup_entry()
    with relay.failing("account", with_=NO_STREAM):
        for count in (2, 3):
            await advance_time(hass, freezer, CLOCK_CHECK_INTERVAL)
            await wait_until(lambda count=count: len(relay.get_requests("/account")) == count)
            await wait_until(lambda: entry.runtime_data._cancel_clock_check is not None)
    assert get_clock_issue(issue_registry, entry)


@pytest.fixture
async def polling_entry(
    hass: HomeAssistant, relay: RelayDouble, relay_time: RelayTime, webhook_supported: None, setup_entry: SetupEntry
) -> MockConfigEntry:
    """An entry with a webhook and without a stream."""
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    relay.problems["stream"] = NO_STREAM
    await disconnect_stream(hass, relay, entry)
    return entry


async def deliver(hass: HomeAssistant, entry: MockConfigEntry, at: datetime, level: int, **signature: str) -> int:
    """Handle a delivery that was signed at this time. Directly, because the test server has the frozen clock too."""
    body = create_delivery(("vehicle", f"e1.{level}", make_tesla_record(level, level)))
    headers = sign_headers(body, at=at.timestamp(), message_id=f"msg_{level}", **signature)
    request: Any = MockRequest(body, "test", method="POST", headers=headers)
    return (await async_handle_webhook(hass, entry.data[CONF_WEBHOOK_ID], request)).status


@pytest.mark.parametrize("minutes_ahead", [4, 30, 90, -4, -90])
async def test_delivery_is_accepted_by_the_relays_clock(
    hass: HomeAssistant, relay: RelayDouble, relay_time: RelayTime, *, setup_entry: SetupEntry,
    webhook_supported: None, issue_registry: ir.IssueRegistry, minutes_ahead: int,
):  # fmt: skip
    relay_time.ahead = minutes_ahead * MINUTE
    entry = await setup_entry()
    await wait_until(lambda: entry.data.get(CONF_SECRET))
    relay.problems["stream"] = NO_STREAM
    await disconnect_stream(hass, relay, entry)
    assert await deliver(hass, entry, relay_time.now(), 61) == 200
    assert get_state(hass, TESLA_BATTERY) == "61"
    assert get_clock_issue(issue_registry, entry)
    assert await deliver(hass, entry, relay_time.now() - 11 * MINUTE, 62) == 401


@pytest.mark.parametrize(("minutes", "status"), [(2, 200), (-2, 200), (7, 401), (-7, 401)])
async def test_clock_that_differs_from_a_signature_is_a_repair_issue(
    hass: HomeAssistant, polling_entry: MockConfigEntry, issue_registry: ir.IssueRegistry, *, minutes: int, status: int
):
    """The clock went wrong after the last response, or the message was replayed; the next response shows which."""
    assert get_clock_issue(issue_registry, polling_entry) is None
    assert await deliver(hass, polling_entry, datetime.now(UTC) - minutes * MINUTE, 61) == status
    issue = get_clock_issue(issue_registry, polling_entry)
    assert issue is not None
    assert issue.translation_key == ("clock_ahead" if minutes > 0 else "clock_behind")
    await polling_entry.runtime_data.client.get_account()
    assert get_clock_issue(issue_registry, polling_entry) is None


async def test_forged_time_is_no_repair_issue(
    hass: HomeAssistant, polling_entry: MockConfigEntry, issue_registry: ir.IssueRegistry
):
    assert await deliver(hass, polling_entry, datetime.now(UTC) - 90 * MINUTE, 61, secret="whsec_AAAA") == 401
    assert get_clock_issue(issue_registry, polling_entry) is None


def test_clock_without_date_is_the_local_one(freezer: FrozenDateTimeFactory):
    freezer.move_to(NOW)
    clock = RelayClock()
    for header in (None, "", "yesterday"):
        clock.measure(header, requested_at=0)
        assert (clock.now(), clock.difference) == (NOW, None)


def test_duration_of_the_request_is_no_difference(freezer: FrozenDateTimeFactory):
    """The relay may have written the date at the start of a request that took two minutes."""
    freezer.move_to(NOW)
    clock = RelayClock()
    requested_at = time.monotonic()
    freezer.tick(120)
    clock.measure(format_datetime(NOW, usegmt=True), requested_at=requested_at)
    assert clock.difference == timedelta(0)
    clock.measure(format_datetime(NOW - 5 * MINUTE, usegmt=True), requested_at=requested_at)
    assert clock.difference == 5 * MINUTE - timedelta(seconds=1)
    clock.measure(format_datetime(NOW + 9 * MINUTE, usegmt=True), requested_at=requested_at)
    assert clock.difference == -(5 * MINUTE - timedelta(seconds=1))
    freezer.tick(60)
    assert clock.now() == NOW + 10 * MINUTE


def test_retry_after_as_a_date_is_compared_with_the_senders_clock():
    header = format_datetime(NOW + 5 * MINUTE, usegmt=True)
    assert parse_retry_after(header, parse_date(format_datetime(NOW, usegmt=True))) == 5 * MINUTE


@pytest.mark.parametrize(
    ("seconds", "expected"), [(61, "0:01"), (90 * 60, "1:30"), (-90 * 60, "1:30"), (86_400, "24:00")]
)
def test_difference_is_shown_in_hours_and_minutes(seconds: int, expected: str):
    assert format_duration(timedelta(seconds=seconds)) == expected
