import pytest
from helpers import TESLA_BATTERY, SetupEntry, make_tesla_record, wait_for_state, wait_until
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from relay_double import Problem, RelayDouble

REFRESH = "button.blue_car_refresh"


async def press(hass: HomeAssistant) -> None:
    await hass.services.async_call("button", "press", {"entity_id": REFRESH}, blocking=True)


@pytest.fixture
def refresh_supported(relay: RelayDouble) -> None:
    relay.account["relay"]["features"] = ["refresh"]


@pytest.mark.usefixtures("refresh_supported")
async def test_press_requests_a_refresh(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    await press(hass)
    assert len(relay.get_requests("/refresh")) == 1


@pytest.mark.usefixtures("refresh_supported")
@pytest.mark.parametrize(
    ("problem", "key"),
    [
        (Problem(429, "too-many-requests", headers={"Retry-After": "50"}), "refreshed_lately"),
        (Problem(502, "enode-unavailable"), "enode_unavailable"),
        (Problem(404, "not-found"), "vehicle_gone"),
        (Problem(403, "forbidden"), "not_allowed"),
        (Problem(401, "unauthorized"), "invalid_auth"),
    ],
)
async def test_press_raises_translated_errors(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, problem: Problem, key: str
):
    await setup_entry()
    with relay.failing("refresh", with_=problem), pytest.raises(HomeAssistantError) as raised:
        await press(hass)
    assert raised.value.translation_key == key
    assert bool(hass.config_entries.flow.async_progress()) is (key == "invalid_auth")


async def test_relay_without_refresh_has_no_button(hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry):
    await setup_entry()
    assert hass.states.get(REFRESH) is None


@pytest.mark.parametrize("message", ["account", "snapshot"])
async def test_button_is_added_when_the_relay_learns_to_refresh(
    hass: HomeAssistant, relay: RelayDouble, setup_entry: SetupEntry, message: str
):
    await setup_entry()
    relay.account["relay"]["features"] = ["charging", "stream", "refresh"]
    if message == "account":
        relay.send("account", relay.account)
    else:
        relay.break_streams()
    await wait_until(lambda: hass.states.get(REFRESH))
    await press(hass)
    assert len(relay.get_requests("/refresh")) == 1
    relay.account["relay"]["features"] = ["charging", "stream"]
    relay.send("account", relay.account)
    relay.send("account", relay.account | {"relay": {"version": "0.2.0", "features": ["refresh"]}})
    relay.push_record(make_tesla_record(2, 58))
    await wait_for_state(hass, TESLA_BATTERY, "58")
    assert len(hass.states.async_entity_ids("button")) == 3
