from typing import Any

import pytest
from helpers import SetupEntry, get_state, wait_for_state
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from pytest_homeassistant_custom_component.common import async_capture_events
from relay_double import TESLA, Problem, RelayDouble, make_command, make_record

MAX_CURRENT = "number.blue_car_max_current"
CAPABLE = {"capabilities": {"setMaxCurrent": {"isCapable": True, "interventionIds": []}}}


def make_capable_record(revision: int = 1, max_current: float | None = 32, **changes: Any) -> dict[str, Any]:
    return make_record(TESLA, revision, vehicle=CAPABLE | {"chargeState": {"maxCurrent": max_current}}, **changes)


@pytest.fixture(autouse=True)
def _max_current_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["charging", "stream", "max_current"]
    relay.records[TESLA] = make_capable_record()


async def set_value(hass: HomeAssistant, value: float) -> None:
    await hass.services.async_call("number", "set_value", {"entity_id": MAX_CURRENT, "value": value}, blocking=True)


async def test_requested_current_is_shown_until_the_outcome(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    await setup_entry()
    assert get_state(hass, MAX_CURRENT) == "32"
    await set_value(hass, 10)
    assert relay.get_requests("/max-current")[0].body == {"amps": 10}
    assert float(get_state(hass, MAX_CURRENT)) == 10
    assert get_state(hass, "switch.blue_car_charging") == "on", "another command says nothing about charging"
    relay.push_record(make_capable_record(2, command=make_command(kind="MAX_CURRENT", amps=10, state="failed")))
    await wait_for_state(hass, MAX_CURRENT, "32")


async def test_open_charging_command_shows_the_reported_current(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry
):
    relay.records[TESLA] = make_capable_record(command=make_command(state="pending"))
    await setup_entry()
    assert get_state(hass, MAX_CURRENT) == "32"


async def test_unreported_current_is_unknown(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    relay.records[TESLA] = make_capable_record(max_current=None)
    await setup_entry()
    assert get_state(hass, MAX_CURRENT) == "unknown"


async def test_refusal_is_an_error_with_the_reason(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    refusal = Problem(422, "command-refused", {"reason": {"type": "X", "detail": "Not now."}})
    events = async_capture_events(hass, EVENT_STATE_CHANGED)
    with relay.failing("max_current", with_=refusal), pytest.raises(HomeAssistantError, match="Not now"):
        await set_value(hass, 10)
    assert get_state(hass, MAX_CURRENT) == "32"
    assert [event.data["entity_id"] for event in events] == [MAX_CURRENT], "the frontend would show the requested value"


@pytest.mark.parametrize("missing", ["capability", "feature"])
async def test_number_exists_only_where_the_car_and_the_relay_can(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, missing: str
):
    if missing == "capability":
        relay.records[TESLA] = make_record(TESLA)
    else:
        relay.account["relay"]["features"] = ["charging", "stream"]
    await setup_entry()
    assert hass.states.get(MAX_CURRENT) is None
    relay.account["relay"]["features"] = ["charging", "stream", "max_current"]
    relay.send("account", relay.account)
    relay.push_record(make_capable_record(2))
    await wait_for_state(hass, MAX_CURRENT, "32")
