"""Repair issues of the account: cars over the plan's limit, the allowance used up, the webhook out of reach."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from helpers import SetupEntry, advance_time, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import HYUNDAI, RENAULT, TESLA, Problem, RelayDouble, make_account, make_record

from custom_components.evconduit import webhook_registration
from custom_components.evconduit.account_issues import get_used_up_until
from custom_components.evconduit.client import Account, JsonReader
from custom_components.evconduit.const import DOMAIN

OVER_LIMIT = {"state": "over_limit", "since": "2026-11-20T18:00:00.000Z"}
USED_UP = {"limit": 300, "used": 300, "resets_at": "2026-12-14T00:00:00.000Z", "call_tokens": 0}


def find_issue(registry: ir.IssueRegistry, kind: str, entry: MockConfigEntry) -> ir.IssueEntry | None:
    issue = registry.async_get_issue(DOMAIN, f"{kind}_{entry.entry_id}")
    return issue if issue is not None and issue.active else None


async def test_cars_over_the_limit_are_one_issue_until_there_is_room(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    for id_ in (TESLA, HYUNDAI):
        relay.records[id_] = make_record(id_, link=OVER_LIMIT)
    entry = await setup_entry()
    issue = find_issue(issue_registry, "over_limit", entry)
    assert issue is not None
    assert (issue.translation_key, issue.is_fixable, issue.severity) == (
        "over_limit",
        False,
        ir.IssueSeverity.WARNING,
    )
    names = (issue.translation_placeholders or {})["names"].split(", ")
    assert (len(names), "Blue car" in names) == (2, True)
    relay.push_record(make_record(HYUNDAI, 2))
    await wait_until(
        lambda: find_issue(issue_registry, "over_limit", entry).translation_placeholders["names"] == "Blue car"
    )
    relay.push_record(make_record(TESLA, 2))
    await wait_until(lambda: find_issue(issue_registry, "over_limit", entry) is None)


async def test_many_cars_over_the_limit_are_shortened(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    relay.records = {f"v{number}": make_record(RENAULT, link=OVER_LIMIT) | {"id": f"v{number}"} for number in range(12)}
    entry = await setup_entry()
    names = find_issue(issue_registry, "over_limit", entry).translation_placeholders["names"]
    assert names.count(",") == 10
    assert names.endswith("…")


@pytest.mark.parametrize(
    ("allowance", "is_used_up"),
    [
        (USED_UP, True),
        (USED_UP | {"used": 301}, True),
        (USED_UP | {"used": 299}, False),
        (USED_UP | {"limit": None}, False),
        (USED_UP | {"used": None}, False),
        (USED_UP | {"call_tokens": 1}, False),
        (USED_UP | {"call_tokens": None}, True),
        (USED_UP | {"resets_at": None}, False),
        ({}, False),
        (None, False),
    ],
)
def test_allowance_is_used_up_without_calls_and_tokens(allowance: dict[str, Any] | None, *, is_used_up: bool):
    account = Account.parse(JsonReader(make_account(allowance=allowance)))
    assert get_used_up_until(account) == (datetime(2026, 12, 14, tzinfo=UTC) if is_used_up else None)


async def test_used_up_allowance_is_an_issue_until_it_returns(
    hass: HomeAssistant,
    relay: RelayDouble,
    setup_entry: SetupEntry,
    *,
    issue_registry: ir.IssueRegistry,
    freezer: FrozenDateTimeFactory,
):
    freezer.move_to("2026-12-10T12:00:00Z")
    relay.account |= {"push": False, "allowance": USED_UP, "next_poll_at": "2026-12-20T00:00:00.000Z"}
    entry = await setup_entry()
    issue = find_issue(issue_registry, "allowance", entry)
    assert issue is not None
    assert issue.translation_placeholders == {"date": "2026-12-13"}  # the time zone of the tests is in the west
    await advance_time(hass, freezer, timedelta(days=3, hours=12))
    assert find_issue(issue_registry, "allowance", entry) is None


async def test_allowance_that_has_returned_already_is_no_issue(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-12-14T00:00:01Z")
    relay.account |= {"allowance": USED_UP}
    assert find_issue(issue_registry, "allowance", await setup_entry()) is None


async def test_poll_that_is_refused_shows_when_calls_return(
    relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry, freezer: FrozenDateTimeFactory
):
    freezer.move_to("2026-12-10T12:00:00Z")
    relay.account |= {"push": False}
    entry = await setup_entry()
    assert find_issue(issue_registry, "allowance", entry) is None
    relay.account |= {"allowance": USED_UP}
    with relay.failing("vehicles", with_=Problem(429, "quota-exhausted")):
        await entry.runtime_data.coordinator.async_refresh()
    await wait_until(lambda: find_issue(issue_registry, "allowance", entry))


@pytest.mark.usefixtures("webhook_supported")
async def test_webhook_that_the_relay_can_not_reach_is_an_issue_until_it_can(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    relay.setup.test_failure = "connection"
    entry = await setup_entry()
    await wait_until(lambda: find_issue(issue_registry, "webhook", entry))
    issue = find_issue(issue_registry, "webhook", entry)
    assert issue is not None
    assert (issue.translation_key, issue.translation_placeholders) == ("webhook_unreachable", {"failure": "connection"})
    relay.setup.test_failure = None
    await hass.config.async_update(external_url="https://reachable.example.com")
    await wait_until(lambda: find_issue(issue_registry, "webhook", entry) is None)


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("change", ["no address", "stream only"])
async def test_webhook_that_is_not_needed_any_more_is_no_issue(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry, change: str
):
    relay.setup.test_failure = "connection"
    entry = await setup_entry()
    await wait_until(lambda: find_issue(issue_registry, "webhook", entry))
    if change == "no address":
        await hass.config.async_update(external_url=None)
    else:
        hass.config_entries.async_update_entry(entry, options={"push_channel": "stream"})
        await hass.config_entries.async_reload(entry.entry_id)
    await wait_until(lambda: find_issue(issue_registry, "webhook", entry) is None)


@pytest.mark.usefixtures("webhook_supported")
async def test_webhook_is_tested_again_while_it_is_out_of_reach(
    relay: RelayDouble, setup_entry: SetupEntry, monkeypatch: pytest.MonkeyPatch, issue_registry: ir.IssueRegistry
):
    monkeypatch.setattr(webhook_registration, "UNREACHABLE_CHECK_INTERVAL", timedelta(milliseconds=5))
    relay.setup.test_failure = "timeout"
    entry = await setup_entry()
    await wait_until(lambda: find_issue(issue_registry, "webhook", entry))
    relay.setup.test_failure = None
    await wait_until(lambda: find_issue(issue_registry, "webhook", entry) is None)


@pytest.mark.usefixtures("webhook_supported")
async def test_webhook_within_reach_is_not_tested_at_each_reconnect(relay: RelayDouble, setup_entry: SetupEntry):
    """A relay that delivers a test beside the stream would look as if the stream had failed."""
    entry = await setup_entry()
    await wait_until(lambda: relay.get_requests("/endpoint/test"))
    count = len(relay.get_requests("/endpoint"))
    relay.break_streams()
    await wait_until(lambda: len(relay.get_requests("/endpoint")) > count)
    await entry.runtime_data.client.get_account()
    assert len(relay.get_requests("/endpoint/test")) == 1


@pytest.mark.usefixtures("webhook_supported")
@pytest.mark.parametrize("problem", [Problem(429, "too-many-tests"), Problem(404, "not-found")])
async def test_test_that_is_refused_says_nothing_about_the_webhook(
    relay: RelayDouble, setup_entry: SetupEntry, problem: Problem, issue_registry: ir.IssueRegistry
):
    relay.problems["endpoint-test"] = problem
    entry = await setup_entry()
    await wait_until(lambda: relay.get_requests("/endpoint/test"))
    await entry.runtime_data.client.get_account()
    assert find_issue(issue_registry, "webhook", entry) is None


@pytest.mark.usefixtures("webhook_supported")
async def test_ignored_issues_of_the_account_stay_ignored_after_a_reload(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, issue_registry: ir.IssueRegistry
):
    relay.setup.test_failure = "connection"
    relay.account |= {"allowance": USED_UP | {"resets_at": (datetime.now(UTC) + timedelta(days=9)).isoformat()}}
    relay.records[TESLA] = make_record(TESLA, link=OVER_LIMIT)
    entry = await setup_entry()
    kinds = ("allowance", "over_limit", "webhook")
    await wait_until(lambda: all(find_issue(issue_registry, kind, entry) for kind in kinds))
    for kind in kinds:
        ir.async_ignore_issue(hass, DOMAIN, f"{kind}_{entry.entry_id}", ignore=True)
    tests = len(relay.get_requests("/endpoint/test"))
    await hass.config_entries.async_reload(entry.entry_id)
    await wait_until(lambda: len(relay.get_requests("/endpoint/test")) > tests)
    await hass.async_block_till_done()
    for kind in kinds:
        issue = find_issue(issue_registry, kind, entry)
        assert issue is not None
        assert issue.dismissed_version is not None, kind
    await hass.config_entries.async_remove(entry.entry_id)
    assert [find_issue(issue_registry, kind, entry) for kind in kinds] == [None, None, None]
