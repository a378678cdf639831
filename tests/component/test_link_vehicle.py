"""Linking a car from inside Home Assistant: the dialog ends by itself, without an address of Home Assistant's own."""

from datetime import timedelta
from typing import Any

import pytest
from config_flow_helpers import Browser, open_api_key_form, open_method_menu, remove_entries, submit_form
from helpers import SetupEntry, wait_until
from homeassistant.config_entries import SOURCE_USER, FlowType
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownHandler
from pytest_homeassistant_custom_component.common import MockConfigEntry
from relay_double import HYUNDAI, KEY, TESLA, Problem, RelayDouble, make_record

from custom_components.evconduit import link_wait, vehicle_subentry_flow
from custom_components.evconduit.const import DOMAIN


@pytest.fixture(autouse=True)
def _quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_wait, "POLL_INTERVAL", timedelta(milliseconds=5))
    monkeypatch.setattr(link_wait, "ARRIVAL_TIMEOUT", timedelta(milliseconds=100))


@pytest.fixture(autouse=True)
def _one_vehicle(relay: RelayDouble) -> None:
    relay.records = {TESLA: make_record(TESLA)}


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> Any:
    return await hass.config_entries.subentries.async_init((entry.entry_id, "vehicle"), context={"source": SOURCE_USER})


async def wait_for_end(hass: HomeAssistant, flow: Any) -> Any:
    """Wait until the dialog continues by itself, then fetch its next step as the frontend does."""
    manager = hass.config_entries.subentries
    await wait_until(lambda: manager.async_get(flow["flow_id"])["step_id"] != "user")
    return await manager.async_configure(flow["flow_id"])


async def test_dialog_opens_the_relays_page_and_ends_when_the_car_is_linked(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    entry = await setup_entry()
    flow = await start(hass, entry)
    assert (flow["type"], flow["url"]) == (FlowResultType.EXTERNAL_STEP, relay.setup.link_page["url"])
    await wait_until(lambda: len(relay.get_requests("/api/user/link-result")) > 1)
    # The frontend asks for the present step when the dialog follows another one.
    again = await hass.config_entries.subentries.async_configure(flow["flow_id"])
    assert (again["type"], again["url"]) == (FlowResultType.EXTERNAL_STEP, relay.setup.link_page["url"])
    relay.setup.link_result = {"state": "linked", "vehicles": [{"id": HYUNDAI, "name": "Kona"}]}
    relay.push_record(make_record(HYUNDAI))
    result = await wait_for_end(hass, flow)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "vehicle_linked")
    assert "Hyundai" in result["description_placeholders"]["name"]
    assert set(entry.runtime_data.coordinator.vehicles) == {TESLA, HYUNDAI}
    assert entry.subentries == {}
    assert hass.config_entries.subentries.async_progress() == []


async def test_car_that_arrives_before_the_result_ends_the_dialog(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.problems["link-result"] = Problem(503, "unavailable")
    flow = await start(hass, await setup_entry())
    relay.push_record(make_record(HYUNDAI))
    assert (await wait_for_end(hass, flow))["reason"] == "vehicle_linked"


async def test_dialog_for_a_plan_without_push_requests_the_car(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.account |= {"push": False}
    entry = await setup_entry()
    flow = await start(hass, entry)
    relay.records[HYUNDAI] = make_record(HYUNDAI)
    relay.setup.link_result = {"state": "linked", "vehicles": []}
    assert (await wait_for_end(hass, flow))["reason"] == "vehicle_linked"
    assert HYUNDAI in entry.runtime_data.coordinator.vehicles


async def test_car_that_takes_longer_is_announced(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    flow = await start(hass, await setup_entry())
    relay.setup.link_result = {"state": "linked", "vehicles": []}
    assert (await wait_for_end(hass, flow))["reason"] == "vehicle_linked_soon"


@pytest.mark.parametrize(
    ("state", "reason"), [("cancelled", "cancelled"), ("failed", "failed"), ("expired", "timeout")]
)
async def test_other_results_end_the_dialog(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, state: str, reason: str
):
    flow = await start(hass, await setup_entry())
    relay.setup.link_result = {"state": state}
    result = await wait_for_end(hass, flow)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)


async def test_page_that_the_relay_deleted_ends_the_dialog(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.problems["link-result"] = Problem(404, "not-found")
    assert (await wait_for_end(hass, await start(hass, await setup_entry())))["reason"] == "timeout"


@pytest.mark.parametrize("state", ["waiting", "added later", None])
async def test_dialog_ends_after_a_while(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, monkeypatch: pytest.MonkeyPatch, state
):
    monkeypatch.setattr(vehicle_subentry_flow, "LINK_TIMEOUT", timedelta(milliseconds=30))
    relay.setup.link_result = {"state": state}
    assert (await wait_for_end(hass, await start(hass, await setup_entry())))["reason"] == "timeout"


async def test_reload_ends_the_dialog(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    flow = await start(hass, entry)
    await hass.config_entries.async_reload(entry.entry_id)
    assert (await wait_for_end(hass, flow))["reason"] == "entry_unloaded"


async def test_dialog_of_an_entry_that_is_not_loaded_says_so(hass: HomeAssistant, entry: MockConfigEntry):
    result = await start(hass, entry)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "entry_not_loaded")


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (Problem(403, "vehicle-limit"), "vehicle_limit"),
        (Problem(403, "forbidden"), "not_allowed"),
        (Problem(502, "enode-unavailable"), "enode_unavailable"),
        (Problem(503, "unavailable"), "cannot_connect"),
        (Problem(200, body=b'{"url": "javascript:alert(1)", "link_id": "1"}'), "cannot_connect"),
    ],
)
async def test_dialog_says_why_no_car_can_be_linked(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, *, problem: Problem, reason: str
):
    relay.problems["link_vehicle"] = problem
    result = await start(hass, await setup_entry())
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)


async def test_closed_dialog_stops_waiting(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    entry = await setup_entry()
    listener_count = len(entry.runtime_data.coordinator._listeners)
    flow = await start(hass, entry)
    hass.config_entries.subentries.async_abort(flow["flow_id"])
    await wait_until(lambda: len(entry.runtime_data.coordinator._listeners) == listener_count)


async def test_classic_entry_links_no_cars(hass: HomeAssistant):
    entry = MockConfigEntry(domain=DOMAIN, version=1)
    entry.add_to_hass(hass)
    with pytest.raises(UnknownHandler):
        await start(hass, entry)


async def test_first_car_is_offered_right_after_sign_in(hass: HomeAssistant, relay: RelayDouble, browser: Browser):
    relay.records = {}
    result = await browser.sign_in(await open_method_menu(hass, relay))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    flow_type, flow_id = result["next_flow"]
    assert flow_type is FlowType.CONFIG_SUBENTRIES_FLOW
    flow = hass.config_entries.subentries.async_get(flow_id)
    assert (flow["handler"], flow["step_id"]) == ((result["result"].entry_id, "vehicle"), "user")
    relay.push_record(make_record(HYUNDAI))
    assert (await wait_for_end(hass, flow))["reason"] == "vehicle_linked"
    await remove_entries(hass)


@pytest.mark.parametrize("why", ["has a car", "at the limit", "relay away"])
async def test_no_car_is_offered_if_that_is_pointless(hass: HomeAssistant, relay: RelayDouble, why: str):
    if why != "has a car":
        relay.records = {}
    relay.account |= {"push": False}
    if why == "at the limit":
        relay.problems["link_vehicle"] = Problem(403, "vehicle-limit")
    if why == "relay away":
        relay.problems["vehicles"] = Problem(503, "unavailable")
    result = await submit_form(hass, await open_api_key_form(hass, relay), api_key=KEY)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "next_flow" not in result
    await remove_entries(hass)
